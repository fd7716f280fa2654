"""Records of a slice that have their schemas in common."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import cast

from consumer.core.framing import FRAME
from consumer.core.letters import Record
from consumer.core.records import OffsetRange, RecordRef, Slice


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive records of a slice with one key schema and one value schema: `[start, end)` in its lists."""

    piece: Slice
    start: int
    end: int
    key_frame: bytes | None
    value_frame: bytes | None

    @property
    def offsets(self) -> Sequence[int]:
        """Those of its records."""
        return self.piece.offsets[self.start : self.end]

    def place(self, offset: int) -> int:
        """That of its record at an offset; -1 where it has none there."""
        place = bisect_left(self.piece.offsets, offset, self.start, self.end)
        return place - self.start if place < self.end and self.piece.offsets[place] == offset else -1

    def ranges(self) -> Iterator[OffsetRange]:
        """Its offsets without what is between them: of letters these are other records, which may be sound."""
        start = before = self.offsets[0]
        for offset in self.offsets[1:]:
            if offset > before + 1:
                yield OffsetRange(self.piece.at, start, before + 1)
                start = offset
            before = offset
        yield OffsetRange(self.piece.at, start, before + 1)


def frame(raw: bytes | None) -> bytes | None:
    """The five bytes in front of an Avro datum: zero, then the schema id, big-endian. None for no datum."""
    return None if raw is None else raw[:FRAME]


def runs(piece: Slice, borders: Collection[int] = ()) -> list[Run]:
    """Cut a slice where a schema changes, and in front of some offsets. Tombstones belong to the run around them."""
    if len(piece) and not borders and _are_alike(piece.keys) and _are_alike(piece.values):
        frames = {"key_frame": frame(piece.keys[0]), "value_frame": frame(piece.values[0])}
        return [Run(piece=piece, start=0, end=len(piece), **frames)]
    value_frames = {value[:5] for value in piece.values if value is not None}
    key_frames = {key[:5] for key in piece.keys if key is not None}
    if None in piece.keys:
        key_frames.add(b"")
    if len(value_frames) <= 1 and len(key_frames) <= 1 and not borders:
        only_key = next(iter(key_frames), b"") or None
        only_value = next(iter(value_frames), None)
        whole = Run(piece=piece, start=0, end=len(piece), key_frame=only_key, value_frame=only_value)
        return [whole] if len(piece) else []
    return _cut(piece, borders) if len(piece) else []


def _are_alike(data: Sequence[bytes | None]) -> bool:
    """Whether all have one and the same whole frame. Asked of each record, so nothing is made for one."""
    first = frame(data[0])
    if first is None or len(first) < FRAME:
        return False
    try:
        return all(map(bytes.startswith, cast("Sequence[bytes]", data), repeat(first)))
    except TypeError:
        # a tombstone
        return False


def _cut(piece: Slice, borders: Collection[int]) -> list[Run]:
    found: list[Run] = []
    start = 0
    current: tuple[bytes | None, bytes | None] = (frame(piece.keys[0]), frame(piece.values[0]))
    for index in range(1, len(piece)):
        here = (frame(piece.keys[index]), frame(piece.values[index]))
        joined = None if piece.offsets[index] in borders else _joined(current, here)
        if joined is None:
            found.append(Run(piece=piece, start=start, end=index, key_frame=current[0], value_frame=current[1]))
            start, current = index, here
        else:
            current = joined
    found.append(Run(piece=piece, start=start, end=len(piece), key_frame=current[0], value_frame=current[1]))
    return found


def _joined(
    run: tuple[bytes | None, bytes | None], here: tuple[bytes | None, bytes | None]
) -> tuple[bytes | None, bytes | None] | None:
    """The run's frames with one more record in it, or None when the record begins a new run."""
    if run[0] != here[0]:
        return None
    if run[1] is None or here[1] is None or run[1] == here[1]:
        # an empty value is none that is missing
        return (run[0], here[1] if run[1] is None else run[1])
    return None


def origin(group: Sequence[Run], index: int) -> RecordRef:
    """The record at `index` of the runs laid end to end."""
    for run in group:
        length = run.end - run.start
        if index < length:
            return RecordRef(run.piece.at, run.piece.offsets[run.start + index])
        index -= length
    raise IndexError(index)


def recorded(group: Sequence[Run], index: int) -> Record:
    """The record at `index` of the runs laid end to end, as it lay in its topic."""
    for run in group:
        length = run.end - run.start
        if index < length:
            return _record(run.piece, run.start + index)
        index -= length
    raise IndexError(index)


def _record(piece: Slice, at: int) -> Record:
    ref = RecordRef(piece.at, piece.offsets[at])
    key, value = piece.keys[at], piece.values[at]
    if piece.framing is not None:
        key, value = (None if raw is None else piece.framing.bare(raw) for raw in (key, value))
    return Record(ref=ref, key=key, value=value, headers=piece.headers(ref.offset))
