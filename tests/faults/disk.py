"""A small disk for one server: a tmpfs in a namespace of its own, so that 53100 is a real one.

That needs root, or a kernel that lets users make namespaces.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from consumer.stack.account import unprivileged_user
from consumer.stack.options import TARGET
from consumer.stack.postgres import Postgres
from consumer.stack.process import Command
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.real.engine.feed import fresh_name
from tests.real.engine.witness import TEMPLATE, Target, create_database, make_template

_SIZE = "8m"
_MOUNT = 'mount -t tmpfs -o "size=$1,mode=700,uid=$2,gid=$3" tmpfs "$4"'
# root's own namespace, then the server's user; or a namespace in which this user may mount
_AS_ROOT = ("--mount", "--propagation", "private")
_AS_USER = ("--map-current-user", "--keep-caps", "--mount")
# the way to the data directory may be closed to the server's user; an open descriptor needs no way
_TO_USER = 'exec 9<"{dir}" setpriv --reuid "$2" --regid "$3" --clear-groups --pdeathsig QUIT "${@:5}"'


def beside_a_small_disk(command: Command, place: str) -> Command:
    """The same server, to which `place` is a small disk and to everybody else an empty directory."""
    user = command.user
    way, run = (_AS_ROOT, _TO_USER) if user else (_AS_USER, 'exec "${@:5}"')
    owner = (str(user.uid), str(user.gid)) if user else (str(os.getuid()), str(os.getgid()))
    words = (
        shutil.which("unshare") or "unshare",
        *way,
        "bash",
        "-c",
        f"{_MOUNT} && {run}",
        "bash",
        _SIZE,
        *owner,
        place,
    )
    argv = command.argv if user is None else (word.replace("{dir}", "/proc/self/fd/9") for word in command.argv)
    return replace(command, argv=(*words, *argv), user=None)


def why_not(place: str) -> str:
    probe = Command(argv=("true",), directory=Path(place), user=unprivileged_user())
    words = [word.replace("{dir}", place) for word in beside_a_small_disk(probe, place).argv]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except FileNotFoundError as error:
        return str(error)
    return done.stderr if done.returncode else ""


@contextmanager
def on_a_small_disk(folder: Path, place: Path) -> Iterator[Target]:
    """A target of its own whose table `once` is on a disk of eight megabytes, mounted at `place`."""
    place.chmod(0o755)
    if why := why_not(str(place)):
        pytest.skip(f"no small disk can be mounted here: {why}")
    plain = Postgres.command
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Postgres, "command", lambda part: beside_a_small_disk(plain(part), str(place)))
        with Stack.open(folder, {TARGET}, None, Terminal(quiet_steps=True)) as stack:
            make_template(stack.endpoints.target_dsn)
            target = Target(create_database(stack.endpoints.target_dsn, fresh_name("full"), TEMPLATE))
            target.do(f"CREATE TABLESPACE small LOCATION '{place}'")
            target.do("ALTER TABLE once SET TABLESPACE small")
            yield target


def _fits(target: Target, rows: int) -> bool:
    try:
        target.do(f"INSERT INTO filler SELECT repeat('x', 1900) FROM generate_series(1, {rows})")
    except psycopg.errors.DiskFull:
        return False
    return True


def fill(target: Target) -> None:
    """Until the server itself says that the disk is full, to the last page."""
    target.do("CREATE TABLE filler (b text) TABLESPACE small")
    for rows in (1000, 100, 10, 1):
        while _fits(target, rows):
            pass
