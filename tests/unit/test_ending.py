"""Processes that were told to stop end in time, whatever they wait for."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from consumer.lifecycle import UNDRAINED
from consumer.settings.loading import Settings
from consumer.stack.waiting import wait_until
from consumer.supervisor import outlives
from consumer.worker import ends_within

SCRIPT = """
import sys, time
from consumer.worker import Alarm
alarm = Alarm(float(sys.argv[1]), lambda: print("last", flush=True))
print("there", flush=True)
if sys.argv[2] == "told":
    alarm.told()
    alarm.told()
if sys.argv[2] == "cancelled":
    alarm.told()
    alarm.cancel()
time.sleep(float(sys.argv[3]))
print("in order")
"""


# a worker or a supervisor whose servers do not answer while it begins
WAITING = """
import sys, time
from consumer import supervisor, worker
from consumer.settings.loading import Settings

def waiting(*_):
    print("there", flush=True)
    time.sleep(20)

vars(worker)["connections"] = vars(supervisor)["connections"] = waiting
settings = Settings.model_validate({
    "kafka": {"bootstrap_servers": "here:1", "group": "g", "topics": ["t"]},
    "registry": {"url": "http://here:2"},
    "target": {"dsn": "host=here"},
})
soon = settings.worker.model_copy(update={"drain_timeout": 0.2, "stop_within": 1.2})
settings = settings.model_copy(update={"worker": soon})
if sys.argv[1] == "worker":
    worker.run_worker(settings, lambda: settings, until_current=True)
else:
    supervisor.supervise(settings, None, 2, until_current=True)
"""


def ended(within: float, how: str, seconds: float) -> tuple[int, list[str], float]:
    """Exit code, lines and seconds of a process that has such an alarm and waits so long."""
    command = [sys.executable, "-c", SCRIPT, str(within), how, str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        first = process.stdout.readline().strip()
        began = time.monotonic()
        rest = [line for line in process.stdout.read().splitlines() if "takes too long" not in line]
        return process.wait(30), [first, *rest], time.monotonic() - began


# the first process of a space of its own, as in a container
FIRST = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child")


def inner(outer: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The first process of that space, once it is there."""
    return psutil.Process(outer.pid).children()


def hears_sigterm(process: psutil.Process) -> bool:
    """Whether it has a handler of that signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (caught,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:")]
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_the_first_process_of_a_container_is_ended_while_it_starts() -> None:
    """The kernel drops a signal of which it knows nothing, and imports take seconds: it is there before them."""
    if subprocess.run([*FIRST, "true"], capture_output=True).returncode:
        pytest.skip("no process may have a space of its own here")
    command = [*FIRST, sys.executable, "-m", "consumer", "run"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as outer:
        try:
            wait_until(lambda: outer.poll() is not None or any(map(hears_sigterm, inner(outer))), 30)
            assert outer.poll() is None, "it heard nothing to its end"
            inner(outer)[0].terminate()
            assert outer.wait(10) == 128 + signal.SIGTERM
        finally:
            outer.kill()


def test_one_that_waits_too_long_after_it_was_told_is_ended() -> None:
    """What is done last is done, once."""
    code, lines, seconds = ended(0.3, "told", 60)
    assert (code, lines) == (UNDRAINED, ["there", "last"])
    assert seconds < 20


@pytest.mark.parametrize("who", ["worker", "supervisor"])
def test_its_time_begins_with_the_signal_whatever_it_waits_for_then(who: str) -> None:
    """Nobody has to come round to see it."""
    command = [sys.executable, "-c", WAITING, who]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "there":
            assert process.poll() is None
        began = time.monotonic()
        process.terminate()
        assert process.wait(30) == UNDRAINED
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("how", ["quiet", "cancelled"])
def test_one_that_was_not_told_or_has_come_to_its_end_is_left_alone(how: str) -> None:
    """However long it lives."""
    assert ended(0.1, how, 0.5)[:2] == (0, ["there", "in order"])


@pytest.mark.parametrize(
    ("drain", "within", "worker", "supervisor"),
    [(20, None, 30, 40), (20, 600, 30, 40), (20, 25, 24, 24.5), (1, 7, 6, 6.5), (20, 33, 30, 32.5)],
)
def test_a_supervisor_ends_behind_its_workers_and_before_it_is_killed(
    drain: float, within: float | None, worker: float, supervisor: float
) -> None:
    """Whoever stops them says how long that may take."""
    said = {
        "kafka": {"bootstrap_servers": "here:1", "group": "g", "topics": ["t"]},
        "registry": {"url": "http://here:2"},
        "target": {"dsn": "host=here"},
        "worker": {"drain_timeout": drain, "stop_within": within},
    }
    settings = Settings.model_validate(said)
    assert (ends_within(settings), outlives(settings)) == (worker, supervisor)
