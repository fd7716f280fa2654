"""Jobs of letters are brought further, step by step, on a thread of their own.

Everything stands in the database, so that any worker takes the next step of any job.
"""

import threading
import time
from collections.abc import Callable

import structlog

from consumer.core.failure import HeadraceError, told
from consumer.core.jobs import JobState, next_step
from consumer.ports.facts import Failed, Route, Tell, untold
from consumer.ports.jobs import Jobs, Stepped

log = structlog.get_logger("headrace.letters")


class Jobbing:
    """`turn` is called in a loop by one thread; mostly it does nothing. `sent` is told when letters were acted on."""

    # seconds between steps while a job is active, and between looks for one
    STEP_EVERY = 0.2
    LOOK_EVERY = 1.0
    AGAIN = 5.0

    def __init__(self, jobs: Jobs, sent: Callable[[], None]) -> None:
        self._jobs = jobs
        self._sent = sent
        self._next_look = time.monotonic() + self.LOOK_EVERY
        self._failing = False
        self._idle = threading.Event()
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    def turn(self, timeout: float) -> None:
        """Take one step, if it is time to and a job is there; else wait."""
        if time.monotonic() < self._next_look:
            self._idle.wait(timeout)
            return
        try:
            wait = self._stepped()
            self._failing = False
        except HeadraceError as error:
            wait = self.AGAIN
            self._say_failing(error)
        self._next_look = time.monotonic() + wait

    def _stepped(self) -> float:
        """Seconds until the next step."""
        stepped = self._jobs.step(next_step)
        if stepped is None:
            return self.LOOK_EVERY
        if stepped.acted:
            self._sent()
        if stepped.step.state is not stepped.before:
            _say(stepped)
        return 0.0 if stepped.more else self.STEP_EVERY

    def _say_failing(self, error: HeadraceError) -> None:
        self.tell(Failed(error.failure, Route.LATER))
        if not self._failing:
            self._failing = True
            failure = error.failure
            log.warning("jobs of letters wait", **told(failure))


def _say(stepped: Stepped) -> None:
    state = stepped.step.state
    say = log.warning if state is JobState.STOPPED else log.info
    say("job of letters", job=stepped.job, what=stepped.kind, state=state.value, why=stepped.step.why or None)
