"""Workflows are taken on, turn by turn, on a thread of their own.

Everything stands in the database, so that any process takes the next turn of any workflow.
"""

import time
from collections.abc import Callable

import structlog

from consumer.background.cadence import Cadence
from consumer.core.workflow import State
from consumer.ports.facts import Tell, untold
from consumer.ports.workflows import Turned, Workflows

log = structlog.get_logger("headrace.workflows")


class Working:
    """`turn` is called in a loop by one thread; mostly it does nothing."""

    # seconds between looks for a workflow that is due, and after a failure
    LOOK_EVERY = 1.0
    SOON = 0.05
    AGAIN = 5.0

    # seconds between looks whether a rule begins one
    RULE_EVERY = 60.0

    def __init__(self, workflows: Workflows, begin: Callable[[], int | None] = lambda: None) -> None:
        """`begin`: begins one that no person has, if a rule says so now, and returns its number."""
        self._workflows = workflows
        self._begin = begin
        self._next_rule = 0.0
        self._cadence = Cadence(log, "workflows wait", self.LOOK_EVERY, self.AGAIN)
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    def turn(self, timeout: float) -> None:
        """Take one turn, if a workflow is due; else wait."""
        self._cadence.turn(self._turned, timeout, self.tell)

    def _turned(self) -> float:
        """Seconds until the next turn."""
        if time.monotonic() >= self._next_rule:
            self._next_rule = time.monotonic() + self.RULE_EVERY
            if (number := self._begin()) is not None:
                log.info("workflow begun by rule", workflow=number)
        turned = self._workflows.turn()
        if turned is None:
            return self.LOOK_EVERY
        if turned.state is not turned.before:
            _say(turned)
        return self.SOON


def _say(turned: Turned) -> None:
    say = log.warning if turned.state is State.STOPPED else log.info
    say("workflow", workflow=turned.workflow, what=turned.what, state=turned.state.value, why=turned.turn.why or None)
