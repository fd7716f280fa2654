"""Workers under a supervisor: one that dies is started again, one that left is not."""

import signal
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from consumer.core.healing import Act
from consumer.ports.facts import Fact, Healed, untold
from consumer.stack.waiting import wait_until
from consumer.supervisor import Bound, Child, GivenUp, Start
from consumer.worker import FAILED, OK

BOUND = Bound(deaths=5, window=60.0)
SCRIPT = "import sys; open(sys.argv[1], 'a').write('x'); raise SystemExit(int(sys.argv[2]))"


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, True), (70, True)])
def test_one_that_dies_is_started_again_and_one_that_left_is_not(tmp_path: Path, code: int, again: bool) -> None:
    """It left because it was told to."""
    starts = tmp_path / "starts"
    one, clock = (
        Child(Start([sys.executable, "-c", SCRIPT, str(starts), str(code)]), BOUND, untold),
        count(time.monotonic(), 5),
    )

    def ended() -> bool:
        one.tend(next(clock))
        return one.left or (starts.exists() and len(starts.read_text()) > 1)

    assert wait_until(ended, 60)
    assert (one.left, len(starts.read_text()) > 1) == (not again, again)
    for _ in range(5):
        one.tend(next(clock))
    one.wait(30)
    assert (len(starts.read_text()) > 1) is again


def test_one_that_dies_too_often_is_given_up_and_each_act_is_told(tmp_path: Path) -> None:
    """As often as the bound says within its window; deaths of long ago don't count."""
    heard: list[Fact] = []
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "starts"), "1"]
    one, clock = Child(Start(command), Bound(deaths=2, window=100.0), heard.append), count(time.monotonic(), 5)

    def given_up() -> bool:
        try:
            one.tend(next(clock))
        except GivenUp:
            return True
        return False

    assert wait_until(given_up, 60)
    died = "it died with exit code 1"
    restarted, lost = Healed(Act.WORKER_RESTARTED, "worker", died), Healed(Act.WORKER_GIVEN_UP, "worker", died)
    assert heard == [restarted, restarted, lost]


SILENT = "import signal; signal.pause()"
# says where it is watched once it knows the signal
HEARING = """
import os, signal, sys
signal.signal(signal.SIGHUP, lambda *_: (open({!r}, "w").close(), os._exit(0)))
os.write(int(sys.argv[sys.argv.index("--tell-port") + 1]), b"1")
signal.pause()
"""


def test_one_that_starts_is_not_told_to_read_its_settings_before_it_can_hear_of_it() -> None:
    """A process that does not know the signal yet would die of it."""
    one = Child(Start([sys.executable, "-c", SILENT]), BOUND, untold)
    one.tend(time.monotonic())
    one.hang_up()
    one.tend(time.monotonic())
    assert one.alive
    one.terminate()
    one.wait(30)


@pytest.mark.parametrize(("told", "number", "code"), [(True, signal.SIGTERM, OK), (False, signal.SIGTERM, FAILED)])
def test_one_that_is_told_to_leave_before_it_has_begun_has_left(told: bool, number: signal.Signals, code: int) -> None:
    """It dies of the signal, which it does not know yet; of one that nobody has sent it dies."""
    one = Child(Start([sys.executable, "-c", SILENT]), BOUND, untold)
    one.tend(time.monotonic())
    if told:
        one.terminate()
    else:
        assert one._process is not None
        one._process.send_signal(number)
    assert one.wait(30) == code


def test_one_that_has_said_where_it_is_watched_is_told(tmp_path: Path) -> None:
    """Also of what came before."""
    one = Child(Start([sys.executable, "-c", HEARING.format(str(tmp_path / "heard"))]), BOUND, untold)
    one.tend(time.monotonic())
    one.hang_up()

    def heard() -> bool:
        one.tend(time.monotonic())
        return (tmp_path / "heard").exists()

    assert wait_until(heard, 30)
    assert one.wait(30) == OK
