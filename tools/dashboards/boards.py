"""All dashboards, by the names of their files."""

from collections.abc import Callable

from tools.dashboards.database import database
from tools.dashboards.errors import errors
from tools.dashboards.overview import overview
from tools.dashboards.pipeline import pipeline
from tools.dashboards.resources import resources

BOARDS: dict[str, Callable[[], str]] = {
    "overview": overview,
    "pipeline": pipeline,
    "errors": errors,
    "database": database,
    "resources": resources,
}
