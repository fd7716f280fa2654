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

from consumer.stack.demo import play
from consumer.stack.demo.light import recorded
from consumer.stack.demo.scene import Scene
from consumer.stack.progress import Terminal
from consumer.stack.waiting import wait_until

_COMMAND = [sys.executable, "-m", "consumer", "demo", "--light", "--output", "json"]


def test_the_recording_ends_equal(tmp_path: Path) -> None:
    """All recorded changes are applied and the rows are those of the recorded source; only JSON is on stdout."""
    words = [*_COMMAND, "--once", "--data-dir", str(tmp_path)]

    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["equal"] is True
    assert figures["rows_compared"] > 2000
    assert figures["events"] > 5000
    assert figures["p99_commit_to_apply_ms"] > 0


def test_harm_to_the_target_is_found(tmp_path: Path) -> None:
    """A row changed by SQL before the comparison is a difference."""
    with recorded(tmp_path, 100_000, False, Terminal(quiet_steps=True)) as scene:
        report = play.once(scene, "light", lambda phase, sight: None, before_comparison=_harm)

    assert not report.equal
    assert report.compared["rows_different"] == 1


def test_a_kill_leaves_nothing_running(tmp_path: Path) -> None:
    """After SIGKILL of the live demo neither Headrace nor PostgreSQL is left."""
    log = tmp_path / "headrace.log"
    with subprocess.Popen(
        [*_COMMAND, "--data-dir", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        started = wait_until(lambda: log.exists() and bool(_left(tmp_path, process.pid)), 60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)

    assert started
    assert wait_until(lambda: not _left(tmp_path, process.pid), 20), _left(tmp_path, process.pid)


def _harm(scene: Scene) -> None:
    with psycopg.connect(scene.line.target_dsn) as target:
        target.execute("UPDATE shop.products SET description = description || '.' WHERE id = 3")


def _left(directory: Path, besides: int) -> Sequence[psutil.Process]:
    return [each for each in psutil.process_iter() if each.pid not in (besides, os.getpid()) and _in(each, directory)]


def _in(process: psutil.Process, directory: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False
