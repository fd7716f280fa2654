"""A process in which native code keeps the interpreter's lock, and one that goes on."""

import subprocess
import sys

_WATCHED = """
import ctypes, time
from consumer.frozen import ended_when_frozen
with ended_when_frozen({seconds}):
    {does}
time.sleep({after})
print("went on")
"""


def _ended(seconds: float, does: str, after: float = 0.0) -> subprocess.CompletedProcess[str]:
    program = _WATCHED.format(seconds=seconds, does=does, after=after)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_a_frozen_process_ends_and_says_where_it_stood() -> None:
    """No thread of Python's is needed for that."""
    ended = _ended(1.0, "ctypes.PyDLL(None).pause()")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert 'File "<string>", line 5' in ended.stderr


def test_one_whose_threads_run_does_not() -> None:
    """Though its main thread waits for longer, nor does one that is watched no more."""
    for does, after in (("time.sleep(6)", 0.0), ("pass", 6.0)):
        ended = _ended(4.0, does, after)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "went on\n", "")
