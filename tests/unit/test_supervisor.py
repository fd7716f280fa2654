"""Workers under a supervisor: one that dies is started again, one that left is not."""

import sys
import time
from itertools import count
from pathlib import Path

import pytest

from consumer.stack.waiting import wait_until
from consumer.supervisor import Child

SCRIPT = "import sys; open(sys.argv[1], 'a').write('x'); raise SystemExit(int(sys.argv[2]))"


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, True), (70, True)])
def test_one_that_dies_is_started_again_and_one_that_left_is_not(tmp_path: Path, code: int, again: bool) -> None:
    """It left because it was told to."""
    starts = tmp_path / "starts"
    one, clock = Child([sys.executable, "-c", SCRIPT, str(starts), str(code)]), count(time.monotonic(), 5)

    def ended() -> bool:
        one.tend(next(clock))
        return one.left or (starts.exists() and len(starts.read_text()) > 1)

    assert wait_until(ended, 60)
    assert (one.left, len(starts.read_text()) > 1) == (not again, again)
    for _ in range(5):
        one.tend(next(clock))
    one.wait(30)
    assert (len(starts.read_text()) > 1) is again
