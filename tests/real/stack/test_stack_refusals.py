"""What the system does not allow is told with its place and what to do, never as a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# root is bound by modes, too, without these
_BOUND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--") if os.geteuid() == 0 else ()


def _ran(*words: str, cache: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [*_BOUND, sys.executable, "-m", "consumer", *words]
    environment = os.environ | ({"HEADRACE_CACHE": str(cache)} if cache else {})
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def _refused(ended: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    for word in words:
        assert word in ended.stderr, ended.stderr


@pytest.mark.parametrize("command", ["up", "down", "status"])
def test_a_data_directory_that_may_not_be_entered_is_told(tmp_path: Path, command: str) -> None:
    """With its path and the system's reason."""
    place = tmp_path / "data"
    place.mkdir(mode=0o400)
    _refused(_ran("stack", command, "--data-dir", str(place)), str(place), "Permission denied", "directory")


def test_a_cache_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    """It lacks programs, so they would have to be put there."""
    place = tmp_path / "cache"
    place.mkdir(mode=0o555)
    _refused(_ran("stack", "prepare", cache=place), str(place), "Permission denied", "HEADRACE_CACHE")


def test_the_benchmark_tells_it_too(tmp_path: Path) -> None:
    """By the same words."""
    place = tmp_path / "data"
    place.mkdir(mode=0o400)
    _refused(_ran("bench", "report", "--data-dir", str(place)), str(place), "Permission denied", "--data-dir")


_FILL = """
import typer
from consumer.stack.failures import told

def fill() -> None:
    with told(), open("/dev/full", "w") as full:
        full.write("all")

typer.run(fill)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told() -> None:
    """Room is what helps there."""
    ended = subprocess.run([sys.executable, "-c", _FILL], capture_output=True, text=True, timeout=60, check=False)
    _refused(ended, "No space left on device", "Make room")
