"""Letters that only point to their records: said in time, and once, before those leave their logs.

A topic keeps a record for its retention, whatever still needs it. Looked at rarely, beside publishing, and never by
the apply thread.
"""

import time

import structlog

from consumer.background.cadence import Failing
from consumer.core.failure import HeadraceError
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.ports.facts import Tell, untold
from consumer.ports.letters import Logs, Parting, Pointers

log = structlog.get_logger("headrace.letters")

_RAISE = "or raise the topic's retention.ms"
_REMEDIES = {
    # by whether the record is gone, and whether the letter has its bytes
    (False, False): f"Replay or discard the letter before, {_RAISE}; afterwards it can't be applied.",
    (False, True): f"Read the copy's record before, {_RAISE}; the letter itself keeps the bytes in the database.",
    (True, False): KINDS["record.gone"].remedy,
    (True, True): "The copy leads nowhere now; the letter itself keeps the bytes in the database.",
}


class Expiry:
    """`turn` is called in a loop by one thread; mostly it does nothing. `hours`: how long before it warns.

    `first`: seconds until it looks first, since a worker's start has other things to do. `again`: seconds after a
    failure.
    """

    LOOK_EVERY = 300.0
    # partitions and letters at a time
    PARTITIONS = 500
    LETTERS = 200

    def __init__(self, pointers: Pointers, logs: Logs, hours: float, first: float = 3.0, again: float = 30.0) -> None:
        self._pointers = pointers
        self._logs = logs
        self._hours = hours
        self._next_look = time.monotonic() + first
        self._again = again
        self._after: TopicPartition | None = None
        self._failing = Failing(log, "letters' records not looked at")
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    def turn(self) -> bool:
        """Look at some, if it is time to; says whether it was."""
        if time.monotonic() < self._next_look:
            return False
        try:
            wait = 0.0 if self._look() else self.LOOK_EVERY
            self._failing.over()
        except HeadraceError as error:
            wait = self._again
            self._failing.failed(error, self.tell)
        self._next_look = time.monotonic() + wait
        return True

    def _look(self) -> bool:
        """Look at the next partitions; says whether there is more to be said or looked at."""
        found = self._pointers.partitions(self._after, self.PARTITIONS)
        if not found:
            self._after = None
            return False
        partings = self._pointers.part(self._logs.reach(found, self._hours), self.LETTERS)
        for parting in partings:
            _say(parting)
        if len(partings) == self.LETTERS:
            return True
        self._after = found[-1] if len(found) == self.PARTITIONS else None
        return self._after is not None


def _say(parting: Parting) -> None:
    at, offset = parting.origin
    log.warning(
        "letter's record has left its log" if parting.gone else "letter's record will leave its log",
        topic=at.topic,
        partition=at.partition,
        offset=offset,
        letter=parting.id,
        table=parting.table,
        remedy=_REMEDIES[parting.gone, parting.kept],
    )
