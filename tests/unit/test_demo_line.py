"""The place of the demonstration's data: it takes away its own, whole or in part, and nothing of anybody else."""

import subprocess
import sys
from pathlib import Path

import pytest

from consumer.core.failure import HeadraceError
from consumer.stack.demo.line import fresh


def interrupted(place: Path) -> None:
    """Removes what it meets first, and is ended by Ctrl-C."""
    (place / "made-by-the-demo").unlink()
    raise KeyboardInterrupt


def test_a_removal_that_was_interrupted_is_gone_on_with(tmp_path: Path) -> None:
    """What is left of an earlier demonstration is still known to be one's own."""
    (fresh(tmp_path) / "old").touch()
    with pytest.raises(KeyboardInterrupt):
        fresh(tmp_path, interrupted)

    root = fresh(tmp_path)

    assert {each.name for each in root.iterdir()} == {"logs", "made-by-the-demo"}
    assert list(tmp_path.iterdir()) == [root]


def test_a_directory_that_the_demo_did_not_make_stays(tmp_path: Path) -> None:
    """It is refused, with the remedy."""
    kept = tmp_path / "stack" / "kept"
    kept.mkdir(parents=True)
    with pytest.raises(HeadraceError, match=r"was not made by the demo.*--data-dir"):
        fresh(tmp_path)
    assert kept.exists()


def test_what_the_system_refuses_is_told_with_the_way_out(tmp_path: Path) -> None:
    """The path, what the system says of it, and what to do; no traceback."""
    place = tmp_path / ("x" * 300)
    words = [sys.executable, "-m", "consumer", "demo", "--light", "--once", "--data-dir", str(place)]

    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert str(place) in done.stderr
    assert "File name too long" in done.stderr
    assert "--data-dir" in done.stderr
    assert "Traceback" not in done.stderr
