"""A process in which native code keeps the interpreter's lock, and one that goes on."""

import subprocess
import sys

import pytest

_WATCHED = """
import ctypes, time
from consumer.frozen import ended_when_frozen
with ended_when_frozen({seconds}) as alive:
    until = time.monotonic() + {lives}
    while time.monotonic() < until:
        alive()
        time.sleep(0.01)
    {then}
print("went on")
"""


def _ended(seconds: float, lives: float, then: str) -> subprocess.CompletedProcess[str]:
    program = _WATCHED.format(seconds=seconds, lives=lives, then=then)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_a_frozen_process_ends_and_says_where_it_stood() -> None:
    """No thread of Python's is needed for that."""
    ended = _ended(1.0, 0.0, "ctypes.PyDLL(None).pause()")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert 'File "<string>", line 9' in ended.stderr


@pytest.mark.parametrize("then", ["pass", "time.sleep(0)"])
def test_one_that_goes_on_does_not(then: str) -> None:
    """For longer than it may be frozen."""
    ended = _ended(0.5, 1.5, then)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "went on\n", "")
