"""What the source has committed, record by record: the measure for everything that arrives.

A row change makes a known number of records in its table's topic (insert and update 1, delete 2, key change 3), and one
thread commits them all, so the n-th record of a topic is the n-th noted here as long as the producer repeats nothing.
The time noted is taken just before COMMIT is sent: a latency measured from it is never too short. Records that do not
come from the source are noted by their offsets and left out of that count.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wait:
    """So many records that were committed at the source at one time and applied at another."""

    since: float
    until: float
    records: int

    @property
    def seconds(self) -> float:
        """How long they took."""
        return self.until - self.since


@dataclass(slots=True)
class _Line:
    """One topic: running totals of the source's records, when each total was reached, and offsets of foreign ones."""

    totals: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    foreign: list[int] = field(default_factory=list)
    first: int = 0

    def add(self, records: int, at: float) -> None:
        self.totals.append((self.totals[-1] if self.totals else 0) + records)
        self.times.append(at)

    def own(self, offset: int) -> int:
        """How many of the records in front of an offset are the source's."""
        return offset - bisect_left(self.foreign, offset)

    def waits(self, start: int, end: int, applied_at: float) -> Iterator[Wait]:
        start, end = self.own(start), self.own(end)
        place, reached = bisect_right(self.totals, start), max(start, self.first)
        while place < len(self.totals) and reached < end:
            upto = min(self.totals[place], end)
            if upto > reached:
                yield Wait(self.times[place], applied_at, upto - reached)
                reached = upto
            place += 1


class Journal:
    """Written by the thread that commits, read by others."""

    def __init__(self, topics: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._lines = {topic: _Line() for topic in topics}

    def seeded(self, rows: Mapping[str, int], at: float) -> None:
        """The first rows, which a snapshot will read; they have no latency, only a lag."""
        with self._lock:
            for topic, count in rows.items():
                self._lines[topic].add(count, at)
                self._lines[topic].first = count

    def committed(self, records: Mapping[str, int], at: float) -> None:
        """One transaction: its records by topic, and the time just before its COMMIT."""
        with self._lock:
            for topic, count in records.items():
                if count:
                    self._lines[topic].add(count, at)

    def foreign(self, topic: str, write: Callable[[], int]) -> int:
        """One record that is not the source's: `write` puts it into the topic and returns its offset, as this does."""
        with self._lock:
            offset = write()
            self._lines[topic].foreign.append(offset)
            return offset

    def total(self, topic: str) -> int:
        """All records that the topic will have."""
        with self._lock:
            line = self._lines[topic]
            return (line.totals[-1] if line.totals else 0) + len(line.foreign)

    def behind(self, topic: str, applied: int, now: float) -> float:
        """Seconds since the commit of the oldest record that is not applied; 0 when all are."""
        with self._lock:
            line = self._lines[topic]
            place = bisect_right(line.totals, line.own(applied))
            return max(0.0, now - line.times[place]) if place < len(line.totals) else 0.0

    def waits(self, topic: str, start: int, end: int, applied_at: float) -> list[Wait]:
        """The latencies of the records `[start, end)` of a topic that were applied together."""
        with self._lock:
            return list(self._lines[topic].waits(start, end, applied_at))

    def forget(self, topic: str, applied: int) -> None:
        """Drops what is applied and will not be asked for again; totals go on."""
        with self._lock:
            line = self._lines[topic]
            place = min(bisect_left(line.totals, line.own(applied)), len(line.totals) - 1)
            if place > 0:
                del line.totals[:place], line.times[:place]
