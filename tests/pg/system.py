"""A server of the system's own PostgreSQL, for what the wheel's one lacks; who asks for it is skipped without one."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.stack.account import hand_over, unprivileged_user

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@contextmanager
def system_server() -> Iterator[str]:
    """Its connection string; the control schema is there."""
    if not _PROGRAMS:
        pytest.skip("there is no PostgreSQL of the system")
    with tempfile.TemporaryDirectory(prefix="headrace-", dir="/var/tmp") as place, _running(Path(place)) as dsn:
        with connect(SessionSettings(dsn=dsn, worker="migrate")) as connection:
            migrate(connection)
        yield dsn


@contextmanager
def _running(place: Path) -> Iterator[str]:
    programs, user = _PROGRAMS[-1].parent, unprivileged_user()
    account: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    hand_over(place, user)
    cluster = str(place / "cluster")
    words = ["-D", cluster, "-U", "headrace", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([programs / "initdb", *words], check=True, capture_output=True, cwd="/", **account)
    control = [programs / "pg_ctl", "-D", cluster, "-w"]
    where = f"-c listen_addresses='' -k {place} -F"
    subprocess.run([*control, "-o", where, "-l", place / "log", "start"], check=True, cwd="/", **account)
    try:
        yield f"host={place} user=headrace dbname=postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/", **account)
