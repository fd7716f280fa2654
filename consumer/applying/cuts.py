"""What is left of a batch when it has to be made smaller, or something is left out of it. Its plan is made anew."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from consumer.core.failure import Failure, failed, located
from consumer.core.failure_kind import FailureKind
from consumer.core.flood import filled_by, letters_of
from consumer.core.kinds import DEPENDENT, KINDS, TOO_DEPENDENT, UNIQUE
from consumer.core.plan import Plan
from consumer.core.records import RecordRef, Slice, TopicPartition, halves
from consumer.planning.planner import BadRecord
from consumer.ports.refusals import Reconsider
from consumer.reading.handover import Later, Stopped, Work

# what is to be done instead of a batch
Step = Work | Stopped | Later


def without_flooded(work: Work, plan: Plan, flooded: Mapping[TopicPartition, int]) -> list[Step]:
    """Partitions with too many letters stop in front of the batch, and say of which kinds; the others go on."""
    kept = tuple(piece for piece in work.slices if piece.at not in flooded)
    stops: list[Step] = []
    for piece in work.slices:
        if piece.at in flooded:
            detail = f"{flooded[piece.at]} of its last records can't be applied"
            detail += f"; of this batch {filled_by(letters_of(plan, piece.at))}"
            failure = failed(_flood(work.refused, piece.at), "applier", "count letters", detail)
            stops.append(Stopped(piece.at, located(failure, piece.at, piece.start)))
    return [*stops, work.part(kept)] if kept else stops


def _flood(refused: Mapping[RecordRef, Failure], at: TopicPartition) -> FailureKind:
    """Of what kind it is: time heals most of what other rows cause."""
    dependent = any(ref.at == at and why.kind in DEPENDENT for ref, why in refused.items())
    return KINDS[TOO_DEPENDENT if dependent else "table.flood"]


def without_letters(work: Work, plan: Plan, failure: Failure) -> list[Step]:
    """No more letters can be written: their partitions stop in front of the batch, the others go on."""
    lettered = {letter.record.ref.at for letter in plan.letters}
    stops = [
        Stopped(piece.at, located(failure, piece.at, piece.start)) for piece in work.slices if piece.at in lettered
    ]
    return [*stops, replace(work, plan=None)]


def halved(work: Work) -> list[Step]:
    """Two batches with half of the records each, in order."""
    return [work.part(half) for half in halves(work.slices)]


# more of them are no few values that are handed on
_MOST_HANDED_ON = 16


def handed_on(work: Work, found: Reconsider) -> bool:
    """Whether the batch may pass in parts: a unique value goes from row to row at the source, which folding hides."""
    unique = [why for why in found.refused.values() if why.kind == UNIQUE]
    return 0 < len(unique) <= _MOST_HANDED_ON and sum(map(len, work.slices)) > 1


def apart(work: Work, held: Mapping[RecordRef, Failure]) -> list[Step]:
    """What is held for a letter that does not stand in front of it, once both are known, comes in a batch before or
    behind that one; a record that is alone stops its partition.
    """
    if sum(map(len, work.slices)) > 1:
        return halved(work)
    return [Stopped(ref.at, located(held[ref], ref.at, ref.offset)) for ref in work.freed & held.keys()]


def smaller(work: Work) -> list[Step]:
    """What a batch met that was too much, or in the way of others, its two parts may not meet."""
    return halved(work) if sum(map(len, work.slices)) > 1 else [work]


def in_front(work: Work, bad: BadRecord) -> list[Step]:
    """A record's partition stops in front of it, or waits there; everything else goes on."""
    at = bad.ref.at
    step = Stopped(at, bad.failure) if bad.wait is None else Later(at, bad.wait, bad.failure)
    return [work.part(before(work.slices, bad.ref)), step]


def first(work: Work, count: int) -> Work:
    """The first records of a batch, of each partition a part that leads on from its position."""
    kept = []
    for piece in work.slices:
        kept.append(piece.head(count))
        count -= len(kept[-1])
    return work.part(kept)


def before(slices: Sequence[Slice], ref: RecordRef) -> tuple[Slice, ...]:
    """The batch cut so that the record's partition ends in front of it."""
    return tuple(
        piece.head(bisect_left(piece.offsets, ref.offset)) if piece.at == ref.at else piece for piece in slices
    )


def parted(work: Work, offsets: Mapping[TopicPartition, int]) -> list[Step]:
    """A batch in which these partitions end in front of these offsets, and what that leaves of them."""
    counts = {piece.at: bisect_left(piece.offsets, offsets.get(piece.at, piece.end)) for piece in work.slices}
    heads = [piece.head(counts[piece.at]) for piece in work.slices]
    return [work.part(heads), work.part(piece.tail(counts[piece.at]) for piece in work.slices if piece.at in offsets)]


def reconsidered(refused: Mapping[RecordRef, Failure], found: Reconsider) -> dict[RecordRef, Failure]:
    """What is known not to be applicable, after one more look at the batch."""
    return {ref: why for ref, why in {**refused, **found.refused}.items() if ref not in found.freed}


def by_topic(work: Work, topics: Collection[str]) -> tuple[Work, Work]:
    """What is not of these topics, and what is."""
    rest, those = (
        tuple(piece for piece in work.slices if (piece.at.topic in topics) is chosen) for chosen in (False, True)
    )
    return work.part(rest), work.part(those)


def each_topic(work: Work) -> list[Work]:
    """A batch for each topic."""
    topics = dict.fromkeys(piece.at.topic for piece in work.slices)
    return [by_topic(work, {topic})[1] for topic in topics]


def without_table(work: Work, topics: Collection[str], failure: Failure) -> list[Step]:
    """The partitions of a refused table's topics (no topics: all) stop in front of the batch, the others go on."""
    bad = [piece for piece in work.slices if piece.at.topic in topics or not topics]
    stops = [Stopped(piece.at, located(failure, piece.at, piece.start)) for piece in bad]
    return [*stops, replace(work, plan=None)]
