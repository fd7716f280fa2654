"""F13: the disk of the target's table is full, and is given room again.

A real 53100: the table lies in a tablespace on a small tmpfs, mounted in a namespace that belongs to this server alone.
That needs root, or a kernel that lets users make namespaces; where neither is so the test is skipped and says it.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
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

from .trial import Trial

_SIZE = "8m"
_MOUNT = 'mount -t tmpfs -o "size=$1,mode=700,uid=$2,gid=$3" tmpfs "$4"'
# root's own namespace, then the server's user; or a namespace in which this user may mount
_AS_ROOT = ("--mount", "--propagation", "private")
_AS_USER = ("--map-current-user", "--keep-caps", "--mount")
# the way to the data directory may be closed to the server's user; an open descriptor needs no way
_TO_USER = 'exec 9<"{dir}" setpriv --reuid "$2" --regid "$3" --clear-groups --pdeathsig QUIT "${@:5}"'


def _beside_a_small_disk(command: Command, place: str) -> Command:
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


def _why_not(place: str) -> str:
    probe = Command(argv=("true",), directory=Path(place), user=unprivileged_user())
    words = [word.replace("{dir}", place) for word in _beside_a_small_disk(probe, place).argv]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except FileNotFoundError as error:
        return str(error)
    return done.stderr if done.returncode else ""


@pytest.fixture
def small_disk(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """A target of its own whose table `once` is on a disk of eight megabytes."""
    with tempfile.TemporaryDirectory(prefix="headrace-disk-") as place:
        Path(place).chmod(0o755)
        if why := _why_not(place):
            pytest.skip(f"no small disk can be mounted here: {why}")
        plain = Postgres.command
        monkeypatch.setattr(Postgres, "command", lambda part: _beside_a_small_disk(plain(part), place))
        with Stack.open(tmp_path / "full", {TARGET}, None, Terminal(quiet_steps=True)) as stack:
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


def _fill(target: Target) -> None:
    """Until the server itself says that the disk is full, to the last page."""
    target.do("CREATE TABLE filler (b text) TABLESPACE small")
    for rows in (1000, 100, 10, 1):
        while _fits(target, rows):
            pass


def test_f13_the_disk_is_full(trial: Trial, small_disk: Target) -> None:
    """It is waited for; when there is room again, everything goes on by itself, and no record has become a letter."""
    trial.target = small_disk
    trial.vary(dsn=small_disk.dsn)
    once = trial.feed("once")
    once.create(trial.chance.randrange(50, 300))
    worker = trial.run()
    trial.recovers()
    _fill(small_disk)
    once.create(2000)
    worker.said("waiting", 5)
    assert {(line["kind"], line["code"]) for line in worker.lines("waiting")} == {("target.resources", "53100")}
    assert not trial.oracle.reached()
    small_disk.do("DROP TABLE filler")
    trial.over()
    trial.recovers(120)
    assert worker.lines("partitions lost") == []
    assert "resources back" in {line["act"] for line in worker.lines("healed")}
    trial.verify()
