"""Where reading stands in each partition, and what is believed of where it goes on.

The client's word is not enough for that: what comes may belong to where it stood before. So what does not lead on from
the position is believed only when it is seen again after one more seek to it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.records import LastRecord, TopicPartition
from consumer.ports.target import Taken
from consumer.ports.topics import Fetched, Source
from consumer.reading.gathering import Stretch

# in place of an offset: the client can't read from the position
_NOWHERE = -1


class LogCut(Exception):
    """The log was cut and written anew, so reading can't go on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@dataclass(slots=True)
class _Place:
    """A partition that is ours: the epoch it is read under and the position after what was read.

    `last`: the last record in front of the position, as far as it is known. `sure`: since it was started, something
    came exactly from the position. `jump`: where reading seemed to go on instead, the first time it was seen. `gappy`:
    a jump was seen twice, so the log has gaps.
    """

    epoch: int
    position: int
    last: LastRecord | None = None
    sure: bool = False
    gappy: bool = False
    jump: int | None = None


class Places:
    """The partitions that are read, or are to be as soon as the source is ready for them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._places: dict[TopicPartition, _Place] = {}
        self._to_start: dict[TopicPartition, Taken] = {}
        # of these the present intake says nothing
        self._doubted: set[TopicPartition] = set()

    def __contains__(self, at: TopicPartition) -> bool:
        return at in self._places

    def every(self) -> list[TopicPartition]:
        """Those that are read."""
        return list(self._places)

    def take(self, taken: Taken) -> None:
        """Have a partition read, from its stored position."""
        self._places.pop(taken.at, None)
        self._to_start[taken.at] = taken

    def drop(self, at: TopicPartition) -> int | None:
        """Read a partition no more; returns where it stood, if it was read."""
        self._to_start.pop(at, None)
        place = self._places.pop(at, None)
        return None if place is None else place.position

    def start(self) -> bool:
        """Begin to read what was taken, as far as the source is ready; returns whether anything was begun."""
        waiting = len(self._to_start)
        for at, taken in list(self._to_start.items()):
            if self._start(at, taken.next_offset, taken.last_record):
                self._places.setdefault(at, _Place(taken.epoch, taken.next_offset, taken.last_record))
                del self._to_start[at]
        return len(self._to_start) < waiting

    def resumed(self, partitions: Iterable[TopicPartition]) -> None:
        """Reading goes on after a pause, for which nothing that was seen holds."""
        for place in (self._places[at] for at in partitions if at in self._places):
            place.sure, place.jump = False, None

    def begin(self) -> None:
        """An intake begins. What follows a doubt in it was read before the new seek, so it says nothing."""
        self._doubted.clear()

    def read(self, fetched: Fetched) -> Stretch | None:
        """What leads on of records that came; None for what is not ours or not believed yet. Raises LogCut."""
        at = fetched.at
        place = self._place(at)
        if place is None:
            return None
        if fetched.offsets[0] < place.position:
            if place.last is not None and _lies_between(fetched.offsets, place.last.offset, place.position):
                raise LogCut(_written_anew(place.last.offset + 1))
            # what a seek left behind in the client's queue
            fetched = _from(fetched, place.position)
        if not fetched.offsets or not self._believed(at, place, fetched.offsets[0]):
            return None
        start, place.position = place.position, fetched.offsets[-1] + 1
        place.last = LastRecord(place.position - 1, fetched.leader_epoch)
        return Stretch(at=at, epoch=place.epoch, start=start, end=place.position, fetched=fetched)

    def reached(self, at: TopicPartition, end: int) -> Stretch | None:
        """At the end of a partition the position moves over what is no record (transaction markers)."""
        place = self._place(at)
        if place is None or end < place.position or not self._believed(at, place, end) or end == place.position:
            return None
        start, place.position = place.position, end
        return Stretch(at=at, epoch=place.epoch, start=start, end=end)

    def is_lost(self, at: TopicPartition, failure: Failure) -> bool:
        """Whether reading can't go on: the client says so again after one more seek to the position, or takes none."""
        place = self._place(at)
        if place is None:
            return False
        if not place.sure and place.jump == _NOWHERE:
            return True
        place.sure, place.jump = False, _NOWHERE
        self._doubted.add(at)
        if failure.kind == "log.out_of_range" and place.last and place.last.offset + 1 < place.position:
            # retention may have come up to the position meanwhile
            place.last = None
        return not self._start(at, place.position, place.last)

    def _place(self, at: TopicPartition) -> _Place | None:
        return None if at in self._doubted else self._places.get(at)

    def _start(self, at: TopicPartition, position: int, last: LastRecord | None) -> bool:
        """Have the source read on behind the last record, whose epoch it compares.

        That is not from the position where this was moved over what is no record. A record there now proves that the
        log was cut and written anew, which no epoch can: of a transaction marker's epoch nothing is ever told.
        """
        if last is None:
            return self._source.start(at, position)
        return self._source.start(at, last.offset + 1, last.leader_epoch)

    def _believed(self, at: TopicPartition, place: _Place, offset: int) -> bool:
        """Whether reading really goes on at `offset`.

        What comes may belong to where the client stood before (tried: the end of a partition, reported late,
        made a position jump over everything unread). So a jump counts only when it is seen again after one
        more seek to the position. A log that had one gap has more (compaction, transaction markers), so there
        later ones are believed at once.
        """
        if offset == place.position or (place.sure and place.gappy):
            place.sure, place.jump = True, None
            return True
        if offset == place.jump:
            place.sure, place.gappy, place.jump = True, True, None
            return True
        place.jump = offset
        self._seek_again(at, place)
        return False

    def _seek_again(self, at: TopicPartition, place: _Place) -> None:
        self._doubted.add(at)
        if not self._start(at, place.position, place.last):
            # not ready: as if it had just been taken
            self._to_start[at] = Taken(at=at, epoch=place.epoch, next_offset=place.position, last_record=place.last)


def _from(fetched: Fetched, position: int) -> Fetched:
    """The records at and behind a position."""
    first = bisect_left(fetched.offsets, position)
    return replace(fetched, offsets=fetched.offsets[first:], keys=fetched.keys[first:], values=fetched.values[first:])


def _lies_between(offsets: Sequence[int], last: int, position: int) -> bool:
    """Whether one of the offsets is behind the last record and in front of the position."""
    first = bisect_right(offsets, last)
    return first < len(offsets) and offsets[first] < position


def _written_anew(offset: int) -> Failure:
    kind = KINDS["log.truncated"]
    return failed(kind, "kafka", "fetch", f"{kind.sign} (there is a record now at or behind {offset}, where none was)")
