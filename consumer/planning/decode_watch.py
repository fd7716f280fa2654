"""The deadline of native decoding.

Native code that never returns can't be interrupted, only ended with its process. So what is being decoded
is noted before; past the deadline the ranges are marked in the database and the process ends. Whoever takes
these partitions next reads the marks and gives the ranges to the row decoder.

A database that is away can't take the mark; then the same range hangs again once it is back, and is marked.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from consumer.core.records import OffsetRange, Slice


class DecodeWatch:
    """What one thread is decoding, and until when it may. Read by the watching thread."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._since: float | None = None
        self._ranges: tuple[OffsetRange, ...] = ()

    @contextmanager
    def over(self, slices: Sequence[Slice]) -> Iterator[None]:
        """Note what is decoded inside the block."""
        self._ranges = tuple(OffsetRange(piece.at, piece.start, piece.end) for piece in slices if len(piece))
        self._since = time.monotonic() if self._ranges else None
        try:
            yield
        finally:
            self._since = None

    def overdue(self, awake: float = 0.0) -> tuple[OffsetRange, ...]:
        """The ranges whose decoding has passed its deadline; none otherwise. `awake`: since when the process runs."""
        since = self._since
        late = since is not None and time.monotonic() - max(since, awake) > self._deadline
        return self._ranges if late else ()


class Marks:
    """The ranges that only the row decoder may read. Written by the apply thread, read by both."""

    def __init__(self) -> None:
        self._ranges: tuple[OffsetRange, ...] = ()

    def learn(self, ranges: Collection[OffsetRange]) -> None:
        """Add ranges."""
        self._ranges = tuple({*self._ranges, *ranges})

    def touch(self, piece: Slice) -> bool:
        """Whether a slice holds a marked range."""
        return any(r.at == piece.at and r.start < piece.end and piece.start < r.end for r in self._ranges)
