"""A PostgreSQL server of the system's own programs, which have extensions that the wheel's lack."""

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from consumer.stack.account import hand_over, unprivileged_user

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
"""Those that there are, the newest last."""
LOOPBACK = "127.0.0.1"


@contextmanager
def running(place: Path, settings: Sequence[str] = ()) -> Iterator[str]:
    """The connection string of a new server in an empty directory, which ends with the context.

    It takes any password. `settings`: as `name=value`.
    """
    programs, user = PROGRAMS[-1].parent, unprivileged_user()
    account: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    hand_over(place, user)
    cluster, port = str(place / "cluster"), _free_port()
    words = ["-D", cluster, "-U", "headrace", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([programs / "initdb", *words], check=True, capture_output=True, cwd="/", **account)
    control = [programs / "pg_ctl", "-D", cluster, "-w"]
    where = " ".join([f"-h {LOOPBACK} -p {port} -k {place} -F", *(f"-c {setting}" for setting in settings)])
    subprocess.run([*control, "-o", where, "-l", place / "log", "start"], check=True, cwd="/", **account)
    try:
        yield f"host={LOOPBACK} port={port} user=headrace password=any dbname=postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/", **account)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port: int = listener.getsockname()[1]
        return port
