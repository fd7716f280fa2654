"""Nothing is left running: not after an orderly end, not after Ctrl-C, not after kill -9 of the owner."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from consumer.core.failure import Persistent, Refused
from consumer.stack.options import REGISTRY, TARGET, StackOptions
from consumer.stack.stack import Stack
from consumer.stack.status import StackStatus, status
from consumer.stack.waiting import wait_until

Fresh = Callable[..., Stack]

_COMMAND = [sys.executable, "-m", "consumer", "stack"]
_PARTS = ["--part", TARGET, "--part", REGISTRY]


def _stack(*words: str, timeout: float = 120) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*_COMMAND, *words], capture_output=True, text=True, timeout=timeout, check=False)


def _belongs(process: psutil.Process, data_dir: Path) -> bool:
    try:
        return any(str(data_dir) in word for word in [process.cwd(), *process.cmdline()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _left(data_dir: Path) -> list[psutil.Process]:
    own = {psutil.Process().pid, *(each.pid for each in psutil.Process().parents())}
    return [each for each in psutil.process_iter() if each.pid not in own and _belongs(each, data_dir)]


def _assert_nothing_left(data_dir: Path) -> None:
    assert wait_until(lambda: not _left(data_dir), 60), _left(data_dir)


def _status(data_dir: Path) -> StackStatus:
    found = status(data_dir)
    assert found is not None
    return found


@contextmanager
def _foreground(data_dir: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [*_COMMAND, "up", "--data-dir", str(data_dir), *words]
    with (
        _said(data_dir).open("wb") as said,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def _said(data_dir: Path) -> Path:
    return data_dir.with_suffix(".said")


def _wait_up(data_dir: Path) -> StackStatus:
    def is_up() -> bool:
        found = status(data_dir)
        return found is not None and found.up

    assert wait_until(is_up, 180)
    return _status(data_dir)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_stack_in_the_foreground_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, a plain kill and a closed terminal end every process, and the database shuts down cleanly."""
    with _foreground(tmp_path, "--part", TARGET) as process:
        # A signal that comes before this word breaks the start off.
        assert wait_until(lambda: "Ctrl-C ends it." in _said(tmp_path).read_text(), 180)
        process.send_signal(number)
        assert process.wait(120) == 0
    _assert_nothing_left(tmp_path)
    assert "database system is shut down" in (tmp_path / "logs" / "target.log").read_text()


def test_ctrl_c_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    """A start that is broken off ends what it had begun."""
    with _foreground(tmp_path) as process:
        assert wait_until(lambda: (tmp_path / "logs" / "registry.log").exists(), 120)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 1
    _assert_nothing_left(tmp_path)


@pytest.mark.parametrize("case", ["plain", "a part is frozen", "the sweeper is killed first"])
def test_a_killed_owner_leaves_nothing(tmp_path: Path, case: str) -> None:
    """kill -9 of the supervisor ends all parts: each by its own death signal, and the frozen ones by the sweeper."""
    with _foreground(tmp_path, *_PARTS) as process:
        found = _wait_up(tmp_path)
        if case == "a part is frozen":
            _freeze(found)
        if case == "the sweeper is killed first":
            (sweeper,) = [each for each in psutil.Process(process.pid).children() if _is_sweeper(each)]
            sweeper.kill()
        process.kill()
        process.wait(10)
        _assert_nothing_left(tmp_path)
    found = _status(tmp_path)
    assert (found.up, found.supervisor, [part.running for part in found.parts]) == (False, None, [False, False])


def _is_sweeper(process: psutil.Process) -> bool:
    return any(word.endswith("sweep.py") for word in process.cmdline())


def _freeze(found: StackStatus) -> None:
    (pid,) = [part.pid for part in found.parts if part.name == TARGET]
    assert pid is not None
    server = psutil.Process(pid)
    server.suspend()
    for each in server.children(recursive=True):
        each.suspend()


def test_a_stack_whose_owner_was_killed_starts_again_with_its_rows(tmp_path: Path) -> None:
    """The data directory of a killed stack is good, and is free at once."""
    with _foreground(tmp_path, "--part", TARGET) as process:
        found = _wait_up(tmp_path)
        with psycopg.connect(found.endpoints.target_dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS id")
        process.kill()
    with _foreground(tmp_path, "--part", TARGET):
        found = _wait_up(tmp_path)
        with psycopg.connect(found.endpoints.target_dsn) as connection:
            assert connection.execute("SELECT id FROM kept").fetchall() == [(1,)]


def test_a_part_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    """The supervisor brings back a server that someone killed."""
    with _foreground(tmp_path, "--part", TARGET):
        (part,) = _wait_up(tmp_path).parts
        assert part.pid is not None
        psutil.Process(part.pid).kill()

        def is_back() -> bool:
            (now,) = _status(tmp_path).parts
            return now.up and now.pid != part.pid

        assert wait_until(is_back, 120)


def test_a_detached_stack_reports_and_ends(tmp_path: Path) -> None:
    """`up --detach`, `status` and `down`: data on stdout, exit codes as documented, nothing left."""
    place = ("--data-dir", str(tmp_path))
    assert _stack("status", *place).returncode == 3
    begun = _stack("up", "--detach", *place, *_PARTS, "--output", "json")
    assert begun.returncode == 0, begun.stderr
    shown = json.loads(begun.stdout)
    assert shown["endpoints"]["target_dsn"].startswith("postgresql://")
    assert "registry" in begun.stderr

    looked = _stack("status", *place, "--output", "json")
    assert looked.returncode == 0
    parts = {part["name"]: part for part in json.loads(looked.stdout)["parts"]}
    assert {name: part["running"] for name, part in parts.items()} == {"registry": True, "target": True}
    assert psutil.pid_exists(parts["target"]["pid"])

    again = _stack("up", *place)
    assert (again.returncode, "already" in again.stderr) == (1, True)

    assert _stack("down", *place).returncode == 0
    _assert_nothing_left(tmp_path)
    assert _stack("status", *place).returncode == 1
    assert _stack("down", *place).returncode == 3


def test_a_part_that_dies_at_the_start_shows_its_last_words(fresh_stack: Fresh, tmp_path: Path) -> None:
    """The failure holds the end of the log and its path, and the other parts are ended."""
    wrong = StackOptions(target_settings={"no_such_setting": "1"})
    with pytest.raises(Persistent, match="no_such_setting") as failure:
        fresh_stack(frozenset({TARGET, REGISTRY}), wrong)
    assert str(tmp_path / "fresh" / "logs" / "target.log") in str(failure.value)
    _assert_nothing_left(tmp_path)


def test_one_data_directory_has_one_owner(fresh_stack: Fresh) -> None:
    """A second stack in the same directory is refused while the first one lives."""
    fresh_stack(frozenset({TARGET}))
    with pytest.raises(Refused, match="a stack runs in"):
        fresh_stack(frozenset({TARGET}))
