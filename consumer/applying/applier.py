"""The apply thread's story: take partitions, see what was decided about them, apply what comes."""

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import structlog

from consumer.applying.attempts import Attempts, Workshop
from consumer.applying.holdings import Holdings
from consumer.applying.patience import Patience
from consumer.applying.topic_watch import say_grown
from consumer.core.failure import Failure, Transient, told
from consumer.core.records import TopicPartition
from consumer.ports.facts import Began, Ended, Tell, untold
from consumer.ports.refusals import ConnectionLost
from consumer.ports.target import Pruned, Retention, Sink
from consumer.reading.handover import Handover, Stopped, Take, Work

log = structlog.get_logger("headrace.apply")

# seconds between looks at what changes by itself
LOOK_EVERY = 2.0


class Applier:
    """Owns the target session. `turn` is called in a loop by one thread."""

    def __init__(self, sink: Sink, shop: Workshop, handover: Handover, holdings: Holdings, patience: Patience) -> None:
        self._sink = sink
        self._marks = shop.planner.marks
        self._binder = shop.binder
        self._flood = shop.flood
        self._keys = shop.keys
        self._handover = handover
        self._holdings = holdings
        self._attempts = Attempts(sink, shop, handover, holdings, patience)
        self._next_look = 0.0
        self._opened = False
        # what could not be deleted when it was last tried to
        self._kept: frozenset[str] = frozenset()
        # what bindings rest on and is to change, with the topics of those
        self._changes: deque[tuple[Callable[[], Collection[str] | None], Collection[str] | None]] = deque()
        # called once the target was reached, before anything is taken; set by whoever composes
        self.opened_first: Callable[[], None] = _nothing
        self.patience = patience
        # told of what is done; set by whoever watches
        self.tell: Tell = untold

    @property
    def opened(self) -> bool:
        """Whether the target was reached."""
        return self._opened

    def turn(self, timeout: float) -> None:
        """Do one thing: a taking, a batch, or nothing. Raises Persistent, Refused or Stopping."""
        if not self._opened:
            self.patience.open()
            self.patience.ask(self.opened_first)
            self._opened = True
        self._change()
        job = self._handover.next(timeout)
        # what was asked for while it waited holds for what has come, too
        self._change()
        self._holdings.heed()
        if isinstance(job, Take):
            self._take(job.partitions)
        elif isinstance(job, Work):
            self._work(job)
        elif isinstance(job, Stopped):
            self._holdings.stop(job)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            self._look_around()
        while self.patience.reopened:
            self.patience.reopened = False
            mine = self._holdings.everything()
            self._holdings.forget()
            self._take(mine, again=True)

    def _work(self, work: Work) -> None:
        self.tell(Began(slices=work.slices, lane=work.lane, polled=work.polled))
        try:
            self._attempts.work(work)
        finally:
            self.tell(Ended())

    def look_soon(self) -> None:
        """Something was decided; for any thread."""
        self._next_look = 0.0

    def bind_anew(self, change: Callable[[], Collection[str] | None], topics: Collection[str] | None = None) -> None:
        """Have something changed that bindings rest on, and what was read of these topics (of all when None) read anew.

        For any thread. From then on nothing is applied that was planned before. `change` returns further topics.
        """
        self._changes.append((change, topics))

    def _change(self) -> None:
        while self._changes:
            self._bind_anew(*self._changes.popleft())

    def _bind_anew(self, change: Callable[[], Collection[str] | None], topics: Collection[str] | None) -> None:
        more = self.patience.ask(change) or ()
        wanted = None if topics is None else {*topics, *more}
        self._take([at for at in self._holdings.everything() if wanted is None or at.topic in wanted], again=True)

    def prune(self, keep: Retention) -> bool:
        """Delete a part of what need not be kept, if the target is there; returns whether there may be more."""
        try:
            pruned = self._sink.prune(keep)
        except Transient as error:
            pruned = Pruned(failures=(error.failure,))
        self._say_kept(pruned.failures)
        return pruned.more

    def _say_kept(self, failures: Sequence[Failure]) -> None:
        """Each is said once until it works again."""
        failing = {failure.operation: failure for failure in failures}
        for operation in failing.keys() - self._kept:
            log.warning("what need not be kept is not deleted", **told(failing[operation]))
        self._kept = frozenset(failing)

    def _take(self, partitions: Sequence[TopicPartition], *, again: bool = False) -> None:
        taken = self._holdings.take(partitions, again=again)
        if not taken:
            return
        ours = [part.at for part in taken]
        # all of this before any of it is read
        self._marks.learn(self.patience.ask(self._sink.marks))
        say_grown(self._binder.spread({at.topic for at in ours if at.partition}))
        self._flood.forget(ours)
        self._keys.learn(taken)
        self._holdings.begin(taken)

    def _look_around(self) -> None:
        with suppress(Transient):
            self._holdings.look_around()
        try:
            asked = self._holdings.asked()
        except ConnectionLost as error:
            # without work nobody else would notice
            self.patience.reopen(error)
        except Transient as error:
            log.debug("decisions are looked for later", **told(error.failure))
        else:
            if asked:
                log.info("partitions are taken anew, as asked", count=len(asked))
                self._take(asked)


def _nothing() -> None:
    """There is nothing to be known first."""
