"""What must hold of a batch's slices before anything is planned from them.

The reader keeps it, so that none of it is ever seen broken; if it is, something is wrong with the program, and nothing
must be written: a position would pass records that nobody applied.
"""

from collections.abc import Sequence
from itertools import islice
from operator import lt

from consumer.core.failure import Persistent, failed, located
from consumer.core.kinds import KINDS
from consumer.core.records import Slice, TopicPartition


class Unsound(Persistent):
    """A batch that must not be planned: a defect, named by topic, partition and offset."""

    def __init__(self, at: TopicPartition, offset: int, detail: str) -> None:
        super().__init__(located(failed(KINDS["worker.defect"], "planner", "check batch", detail), at, offset))


def check(slices: Sequence[Slice], most: int) -> None:
    """Raises Unsound unless each slice leads from its start over rising offsets to its end, and the batch has its size.

    Each partition is there once; `most`: records of the whole batch.
    """
    seen: set[TopicPartition] = set()
    left = most
    for piece in slices:
        if piece.at in seen:
            raise Unsound(piece.at, piece.start, "the partition is in the batch twice")
        seen.add(piece.at)
        _check(piece)
        left -= len(piece)
        if left < 0:
            raise Unsound(piece.at, piece.start, f"the batch has more than {most} records")


def _check(piece: Slice) -> None:
    offsets = piece.offsets
    if not 0 <= piece.start <= piece.end:
        raise Unsound(piece.at, piece.start, f"a slice leads back, to {piece.end}")
    if not len(offsets) == len(piece.keys) == len(piece.values):
        raise Unsound(piece.at, piece.start, "offsets, keys and values are not of one number")
    if not offsets:
        return
    if offsets[0] < piece.start:
        raise Unsound(piece.at, offsets[0], f"the record lies in front of the slice's start, {piece.start}")
    if offsets[-1] >= piece.end:
        raise Unsound(piece.at, offsets[-1], f"the record lies behind the slice's end, {piece.end}")
    # without a step of Python's own for a record
    if not all(map(lt, offsets, islice(offsets, 1, None))):
        place = next(i for i in range(1, len(offsets)) if offsets[i] <= offsets[i - 1])
        raise Unsound(piece.at, offsets[place], f"the offset does not rise, after {offsets[place - 1]}")
