"""How far each partition was applied, and when: its positions, looked at again and again from outside."""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from consumer.bench import replay

_LOOK = 0.01


@dataclass(slots=True)
class Watermarks:
    """When a mark was first seen to be reached: rising lists of the wall clock in milliseconds and of marks."""

    times: list[float] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)

    def note(self, mark: int) -> None:
        """It has been reached by now."""
        if not self.marks or mark > self.marks[-1]:
            self.times.append(time.time() * 1000)
            self.marks.append(mark)

    def seen_at(self, wanted: int) -> float:
        """When it was first known to be reached."""
        return self.times[bisect_left(self.marks, wanted)]


@dataclass(frozen=True, slots=True)
class Wait:
    """One record: when it was appended, and how long it took until it was visible in the target. Milliseconds."""

    partition: int
    appended: float
    took: float


class Tide:
    """The positions of one topic of a group. The true moment of a commit, or up to one look later; never earlier."""

    def __init__(self, group: str, topic: str) -> None:
        self._group = group
        self._topic = topic
        self._partitions: dict[int, Watermarks] = {}

    @property
    def height(self) -> int:
        """The sum of all positions."""
        return sum(each.marks[-1] for each in list(self._partitions.values()) if each.marks)

    @contextmanager
    def watched(self, connection: psycopg.Connection) -> Iterator[None]:
        """Look on a thread of its own meanwhile, on a session of its own."""
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(connection, stop), name="tide")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def waits(self, kafka: str, total: int) -> list[Wait]:
        """Every record of the topic, in the order of its partition."""
        found = []
        for message in replay.messages(kafka, self._topic, len(self._partitions), total):
            partition, offset = message.partition(), message.offset()
            assert partition is not None, "it is a record"
            assert offset is not None, "it is a record"
            appended = float(message.timestamp()[1])
            found.append(Wait(partition, appended, self._partitions[partition].seen_at(offset + 1) - appended))
        return found

    def _watch(self, connection: psycopg.Connection, stop: threading.Event) -> None:
        query = "SELECT partition, next_offset FROM headrace.positions WHERE group_name = %s AND topic = %s"
        while not stop.wait(_LOOK):
            for partition, reached in connection.execute(query, (self._group, self._topic)):
                self._partitions.setdefault(partition, Watermarks()).note(reached)
