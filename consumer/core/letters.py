"""Letters: records that could not be applied, and the rules by which they come to an end.

Older and newer are decided by the origin's offset. Only the oldest open letter of a row may be applied. A full
image or a delete that is applied makes the row's older letters superfluous; a partial image behind an open letter
waits for it. So no older change ever overwrites a newer one, and no change is lost in between.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from consumer.core.failure import Failure
from consumer.core.pausing import Paused
from consumer.core.records import Header, RecordRef


class State(StrEnum):
    """Where a letter is in its life. A closed one never opens again."""

    RETRYING = "retrying"
    HELD = "held"
    DEAD = "dead"
    REPLAYING = "replaying"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    DISCARDED = "discarded"


BEHIND = "record.behind"
"""The kind of what waits for an older letter of its row."""
KEEPING = "keep"
"""Its operation where it is a delete that keeps what its row has for the row's next key."""

OPEN = frozenset({State.RETRYING, State.HELD, State.DEAD, State.REPLAYING})
"""The states in which a record's change may still be applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it lay in its topic."""

    ref: RecordRef
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A record that a batch does not apply, why, and the state that it begins in.

    `place`: which of the identities that are staged beside it is its row's; None where the row is not known.
    `follows`: what it waits for is a letter of an earlier batch. `delay`: seconds until it is due, when it is retried.
    """

    record: Record
    state: State
    failure: Failure
    place: int | None = None
    follows: bool = False
    delay: float = 0.0


Row = tuple[str, int, int]
"""A table's row, as letters know it: the table, and the two digests of the row's identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an open letter's row says, but for its bytes. `due`: seconds until it is.

    `kind`: of its last failure. `excused`: how many attempts count in no budget. `row`: the table row that it is of;
    None where that is not known. `size`: bytes of its record. `pointer`: its bytes are at the origin only. `topic_id`:
    of the topic whose position is stored, where its record may be read at its origin. `searching`: its origin is
    searched for later changes of its table row. `paused`: by a person, with its table, topic or partition. `imported`:
    it was another consumer's, whose word for what record it is of stands alone until the row is known. `keeps`: a
    delete that waits for what is in front of it, to keep that for its row's next key.
    """

    id: int
    ref: RecordRef
    state: State
    attempt: int
    due: float
    row: Row | None
    kind: str = ""
    excused: int = 0
    size: int = 0
    pointer: bool = False
    searching: bool = False
    topic_id: str | None = None
    paused: Paused | None = None
    imported: bool = False
    keeps: bool = False

    @property
    def is_reread(self) -> bool:
        """Whether its record is read at its origin before it is applied."""
        return self.pointer or (self.imported and self.row is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a letter that came back at `attempt`: its next state, and why.

    A failure counts as one more attempt, though in no budget when it is `excused`; without a failure an excused attempt
    was none, and the letter is what it was. `delay` in seconds until the next. `ref` as in `Standing`; `row` too, of
    what is applied, since a version may keep it out.
    """

    id: int
    attempt: int
    state: State
    reason: str = ""
    failure: Failure | None = None
    excused: bool = False
    delay: float = 0.0
    ref: RecordRef | None = None
    row: Row | None = None


class Change(Enum):
    """What a record is to its row's letters."""

    LETTER = "can't be applied"
    SUSPECT = "an image without all columns that was refused with what was folded into it"
    PARTIAL = "an image without all columns"
    WHOLE = "a full image, or a delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Records by place: those that wait behind a letter, and the letters that a later change made superfluous."""

    held: frozenset[int] = frozenset()
    superseded: frozenset[int] = frozenset()


def settled(
    changes: Iterable[tuple[Hashable, int, Change]],
    *,
    waiting: Collection[int] = (),
    keeping: frozenset[int] = frozenset(),
    strict: bool = False,
) -> Settled:
    """What the letters among some rows' changes mean for one another; `changes` are (row, place, what) in order.

    `waiting`: letters that wait for one of an earlier batch; so does what they were folded from. `keeping`: those of
    them that keep what a row has for its next key: nothing makes them superfluous, so whatever comes behind them waits.
    `strict`: whatever comes behind a letter waits for it.
    """
    front: dict[Hashable, list[int]] = defaultdict(list)
    folded: dict[Hashable, list[int]] = defaultdict(list)
    held: set[int] = set()
    superseded: set[int] = set()
    for row, place, change in changes:
        before = front[row]
        if change is Change.SUSPECT:
            # what it was folded with may be at fault; if that is a letter now, it has to wait for it
            change = Change.PARTIAL if before else Change.LETTER
        if change is Change.LETTER:
            if place in waiting:
                held.update(folded[row])
                before += folded[row]
            before.append(place)
        elif before and (strict or change is Change.PARTIAL or not keeping.isdisjoint(before)):
            held.add(place)
            before.append(place)
        elif change is Change.WHOLE and not strict:
            superseded.update(before)
            before.clear()
            folded[row].clear()
        else:
            folded[row].append(place)
    return Settled(held=frozenset(held), superseded=frozenset(superseded))
