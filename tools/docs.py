"""The generated reference pages: `python -m tools.docs` writes them, `--check` says what is out of date or broken.

The pages come from the code that they describe. The check also looks at the pages that people write: links,
commands, files named, whether every page can be reached from the README, and whether every kind of failure and every
alert has its runbook.
"""

import difflib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from consumer.alerts.rules import ALERTS
from tools.dashboards.boards import BOARDS
from tools.pages.api import api_document
from tools.pages.chart import chart_page, values_schema
from tools.pages.cli import cli_page
from tools.pages.connect import converter_pom, converter_sums
from tools.pages.control import control_schema_page
from tools.pages.doctor import doctor_page
from tools.pages.failures import failures_page
from tools.pages.fidelity import fidelity_page
from tools.pages.flags import flags_page
from tools.pages.flow import DARK, LIGHT, picture
from tools.pages.metrics import metrics_page
from tools.pages.modules import modules_page
from tools.pages.monitoring import alerts_page, chart_rules, chart_thresholds, compose_rules
from tools.pages.prose import complaints
from tools.pages.runbooks import alert_runbook, runbook_complaints
from tools.pages.settings import settings_page, settings_schema
from tools.pages.types import types_page

ROOT = Path(__file__).parent.parent
PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/types.md": types_page,
    "docs/reference/fidelity.md": fidelity_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/failures.md": failures_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/alerts.md": alerts_page,
    "docs/reference/flags.md": flags_page,
    "docs/reference/control-schema.md": control_schema_page,
    "docs/reference/chart.md": chart_page,
    "docs/reference/doctor.md": doctor_page,
    "docs/reference/modules.md": partial(modules_page, ROOT),
    "helm/headrace/values.schema.json": values_schema,
    "helm/headrace/files/rules/alerts.yml": chart_rules,
    "helm/headrace/files/thresholds.json": chart_thresholds,
    "deploy/prometheus/rules/headrace.yml": compose_rules,
    **{alert.page: partial(alert_runbook, ROOT, alert) for alert in ALERTS},
    **{f"helm/headrace/files/dashboards/{name}.json": made for name, made in BOARDS.items()},
    **{f"deploy/grafana/dashboards/{name}.json": made for name, made in BOARDS.items()},
    "docs/flow-light.svg": partial(picture, LIGHT),
    "docs/flow-dark.svg": partial(picture, DARK),
    "deploy/connect/converter.sha256": converter_sums,
    "deploy/connect/pom.xml": converter_pom,
    "schemas/settings.schema.json": settings_schema,
    "schemas/admin.openapi.json": api_document,
}


def write() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(page(), encoding="utf-8")


def outdated() -> list[str]:
    """A diff for each generated page that is not what the code says now."""
    found = []
    for name, page in PAGES.items():
        path = ROOT / name
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = there.splitlines(keepends=True), page().splitlines(keepends=True)
        diff = "".join(difflib.unified_diff(*lines, fromfile=name, tofile=f"{name} (from the code)"))
        if diff:
            found.append(diff + "Write it anew: make docs")
    return found


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m tools.docs [--check]", file=sys.stderr)
        return 2
    if not arguments:
        write()
        return 0
    problems = outdated() + complaints(ROOT) + runbook_complaints(ROOT)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
