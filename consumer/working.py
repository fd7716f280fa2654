"""Workflows are taken on, turn by turn, on a thread of their own.

Everything stands in the database, so that any process takes the next turn of any workflow.
"""

import threading
import time

import structlog

from consumer.core.failure import HeadraceError, told
from consumer.core.workflow import State
from consumer.ports.facts import Failed, Route, Tell, untold
from consumer.ports.workflows import Turned, Workflows

log = structlog.get_logger("headrace.workflows")


class Working:
    """`turn` is called in a loop by one thread; mostly it does nothing."""

    # seconds between looks for a workflow that is due, and after a failure
    LOOK_EVERY = 1.0
    SOON = 0.05
    AGAIN = 5.0

    def __init__(self, workflows: Workflows) -> None:
        self._workflows = workflows
        self._next_look = time.monotonic() + self.LOOK_EVERY
        self._failing = False
        self._idle = threading.Event()
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    def turn(self, timeout: float) -> None:
        """Take one turn, if a workflow is due; else wait."""
        if time.monotonic() < self._next_look:
            self._idle.wait(timeout)
            return
        try:
            turned = self._workflows.turn()
            self._failing = False
        except HeadraceError as error:
            self._say_failing(error)
            self._next_look = time.monotonic() + self.AGAIN
            return
        if turned is not None and turned.state is not turned.before:
            _say(turned)
        self._next_look = time.monotonic() + (self.LOOK_EVERY if turned is None else self.SOON)

    def _say_failing(self, error: HeadraceError) -> None:
        self.tell(Failed(error.failure, Route.LATER))
        if not self._failing:
            self._failing = True
            log.warning("workflows wait", **told(error.failure))


def _say(turned: Turned) -> None:
    say = log.warning if turned.state is State.STOPPED else log.info
    say("workflow", workflow=turned.workflow, what=turned.what, state=turned.state.value, why=turned.turn.why or None)
