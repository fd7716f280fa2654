"""Jobs of letters are brought further, step by step, on a thread of their own.

Everything stands in the database, so that any worker takes the next step of any job.
"""

from collections.abc import Callable

import structlog

from consumer.background.cadence import Cadence
from consumer.core.jobs import JobState, next_step
from consumer.ports.facts import Tell, untold
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
        self._cadence = Cadence(log, "jobs of letters wait", self.LOOK_EVERY, self.AGAIN)
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    def turn(self, timeout: float) -> None:
        """Take one step, if it is time to and a job is there; else wait."""
        self._cadence.turn(self._stepped, timeout, self.tell)

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


def _say(stepped: Stepped) -> None:
    state = stepped.step.state
    say = log.warning if state is JobState.STOPPED else log.info
    say("job of letters", job=stepped.job, what=stepped.kind, state=state.value, why=stepped.step.why or None)
