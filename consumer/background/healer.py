"""What one worker puts right for its group: connectors that have failed, locks that dead workers have left, and retry
topics that nobody reads.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from consumer.core.failure import HeadraceError, told
from consumer.core.flags import ALL_ON, Flag, Switches
from consumer.core.healing import Act, RestartBudget, to_restart
from consumer.ports.connectors import Connectors
from consumer.ports.facts import Healed, Tell, untold
from consumer.ports.healing import Abandoned
from consumer.reading.unread import Unread

log = structlog.get_logger("headrace.healing")

EVERY = 5.0


class Healer:
    """`turn` is called in a loop by one thread. `connect`: None where no Kafka Connect is set."""

    def __init__(
        self,
        abandoned: Abandoned,
        connect: Connectors | None,
        budget: RestartBudget,
        me: str,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._abandoned = abandoned
        self._connect = connect
        self._budget = budget
        self._me = me
        self._every = every
        self._clock = clock
        # of the retry topics; set by whoever composes
        self.unread: Unread | None = None
        self._next = clock() + every
        self._idle = threading.Event()
        self._given_up: frozenset[str] = frozenset()
        # whether a topic is of a source of the group; set by whoever knows them
        self.reads: Callable[[str], bool] = _none
        # one step a turn, so that no turn has the waits of all
        self._steps: list[Callable[[], None]] = []
        # told of what is put right; set by whoever watches
        self.tell: Tell = untold
        # set by whoever knows them
        self.switches: Switches = ALL_ON

    def turn(self, timeout: float) -> None:
        """Take the next step, or wait until it is time to look again."""
        if not self._steps:
            if self._clock() < self._next:
                self._idle.wait(timeout)
                return
            self._next = self._clock() + self._every
            self._steps = [self._look]
        step = self._steps.pop(0)
        try:
            step()
        except HeadraceError as error:
            self._steps = []
            log.debug("nothing can be put right now", **told(error.failure))

    def close(self) -> None:
        """Release what it owns."""
        if self._connect is not None:
            self._connect.close()

    def _look(self) -> None:
        if self._abandoned.teller() == self._me:
            restarts = self._connect and self._budget.most and self.switches.on(Flag.CONNECT_WATCH)
            steps = (self._release, self._restart if restarts else None, self._join if self.unread else None)
            self._steps = [step for step in steps if step]

    def _release(self) -> None:
        for worker in self._abandoned.release():
            self.tell(Healed(Act.LOCKS_RELEASED, worker, "its session held locks after its death"))

    def _join(self) -> None:
        assert self.unread is not None, "it is asked only where it is set"
        if (healed := self.unread.look()) is not None:
            self.tell(healed)

    def _restart(self) -> None:
        assert self._connect is not None, "it is asked only where it is set"
        tried = self._abandoned.restarts(self._budget.window)
        due, given_up = to_restart(self._connect.all(), tried, self._budget, self.reads)
        for one in due:
            if self._connect.restart(one.name):
                self.tell(Healed(Act.TASK_RESTARTED, one.name, _failed(one.failures)))
        names = frozenset(one.name for one in given_up)
        for name in sorted(names - self._given_up):
            log.error("connector is not started again any more", connector=name, restarts=self._budget.most)
            self.tell(Healed(Act.TASK_GIVEN_UP, name, f"it failed again after {self._budget.most} restarts"))
        self._given_up = names


def _none(_: str) -> bool:
    return False


def _failed(failures: Sequence[str]) -> str:
    return "; ".join(failures)[:200] or "it has failed"
