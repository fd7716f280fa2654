"""The demonstration without any download: the recording on a mock broker, against the rows of its source."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import psycopg

from consumer.stack.demo.recording import load
from consumer.stack.status import status
from consumer.stack.waiting import wait_until

_COMMAND = [sys.executable, "-m", "consumer", "demo", "--light", "--output", "json", "--size", "outage=1"]
_HARM = b"UPDATE shop.products SET description = 'harm' WHERE id = 1 RETURNING id"
_LETTER = b"""
INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component, operation,
                              detail, remedy, published_attempt)
VALUES ('headrace-demo', 'demo.shop.orders', 0, 0, 'dead', 'record.decode', 'persistent', 'test', 'test', '', '', 1)
RETURNING id
"""
_APPLIED = b"SELECT 1 FROM headrace.positions HAVING sum(next_offset) > %s"
_KINDS = ("behind", "check", "decode", "framing", "schema_unknown", "unique")


def test_the_recording_ends_equal(tmp_path: Path) -> None:
    """All recorded changes are applied and the rows are those of the recorded source; only JSON is on stdout."""
    words = [*_COMMAND, "--once", "--data-dir", str(tmp_path)]

    done = subprocess.run(words, capture_output=True, text=True, timeout=250, check=False)

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["equal"] is True
    assert figures["rows_compared"] > 2000
    assert figures["events"] > 5000
    assert figures["p99_commit_to_apply_ms"] > 0
    assert figures["letters"]["by_kind"] == {f"record.{kind}": 2 for kind in _KINDS}
    assert figures["letters"]["of_other_records"] == figures["letters"]["not_as_meant"] == 0
    assert figures["outage"]["seconds"] >= 1


def test_harm_to_the_target_is_found(tmp_path: Path) -> None:
    """A text changed by SQL in the target while the demo runs is a difference, and a letter of a good record is one
    too many: exit code 1, one row of one table, one letter."""
    demo, printed, said = (tmp_path / name for name in ("demo", "printed", "said"))
    words = [*_COMMAND, "--once", "--data-dir", str(demo)]
    with printed.open("w") as out, said.open("w") as err, subprocess.Popen(words, stdout=out, stderr=err) as process:
        harmed = wait_until(lambda: _harm(demo / "stack") or process.poll() is not None, 120)
        # on a busy machine it takes minutes; what it waits for has limits of its own, of which it tells
        ended = wait_until(lambda: process.poll() is not None, 150)
        process.kill()

    assert (harmed, ended, process.returncode) == (True, True, 1), said.read_text()
    assert printed.read_text(), said.read_text()
    figures = json.loads(printed.read_text())
    assert figures["equal"] is False
    assert {name: counts["different"] for name, counts in figures["tables"].items() if counts["different"]} == {
        "products": 1
    }
    assert figures["letters"]["of_other_records"] == 1, figures["letters"]


def test_a_directory_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    """Data that the demo did not make is never taken away: it refuses and names the remedy."""
    kept = tmp_path / "stack" / "precious"
    kept.parent.mkdir()
    kept.touch()

    done = subprocess.run(
        [*_COMMAND, "--once", "--data-dir", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert "--data-dir" in done.stderr
    assert kept.exists()


def test_the_live_demo_goes_on_and_a_kill_leaves_nothing_running(tmp_path: Path) -> None:
    """The recording is replayed round by round; after SIGKILL neither Headrace nor PostgreSQL is left."""
    words = [*_COMMAND, "--size", "rate=4000", "--size", "pause=0", "--data-dir", str(tmp_path)]
    twice = 2 * len(load().messages)
    said = tmp_path / "said"
    with said.open("w") as err, subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=err) as process:
        went_on = wait_until(lambda: _ask(tmp_path / "stack", _APPLIED, twice), 150, interval=0.2)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)

    assert went_on, said.read_text()
    assert wait_until(lambda: not _left(tmp_path, process.pid), 20), _left(tmp_path, process.pid)


def _harm(data_dir: Path) -> bool:
    """Changes the one long text that no recorded change touches, as soon as it is there."""
    return _ask(data_dir, _HARM) and _ask(data_dir, _LETTER)


def _ask(data_dir: Path, query: bytes, *parameters: object) -> bool:
    """Whether the target answers with a row; False while it is not there."""
    found = status(data_dir)
    if found is None or not found.up:
        return False
    try:
        with psycopg.connect(found.endpoints.target_dsn, connect_timeout=2) as target:
            return target.execute(query, parameters).fetchone() is not None
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return False


def _left(directory: Path, besides: int) -> Sequence[psutil.Process]:
    return [each for each in psutil.process_iter() if each.pid not in (besides, os.getpid()) and _in(each, directory)]


def _in(process: psutil.Process, directory: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
