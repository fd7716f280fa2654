"""A server of the system's own PostgreSQL, for what the wheel's one lacks; who asks for it is skipped without one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.session import SessionSettings, connect
from tests.system_server import PROGRAMS, running


@contextmanager
def system_server() -> Iterator[str]:
    """Its connection string; the control schema is there."""
    if not PROGRAMS:
        pytest.skip("there is no PostgreSQL of the system")
    with tempfile.TemporaryDirectory(prefix="headrace-", dir="/var/tmp") as place, running(Path(place)) as dsn:
        with connect(SessionSettings(dsn=dsn, worker="migrate")) as connection:
            migrate(connection)
        yield dsn
