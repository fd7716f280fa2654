"""Letters: records that could not be applied, and the rules by which they come to an end.

Older and newer are decided by the origin's offset. Only the oldest open letter of a row may be applied. A full
image or a delete that is applied makes the row's older letters superfluous; a partial image behind an open letter
waits for it. So no older change ever overwrites a newer one, and no change is lost in between.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from consumer.core.failure import Failure
from consumer.core.plan import RecordRef, TableName

Header = tuple[str, bytes | None]


class State(StrEnum):
    """Where a letter is in its life. A closed one never opens again."""

    RETRYING = "retrying"
    HELD = "held"
    DEAD = "dead"
    REPLAYING = "replaying"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    DISCARDED = "discarded"


OPEN = frozenset({State.RETRYING, State.HELD, State.DEAD, State.REPLAYING})
"""The states in which a record's change may still be applied."""

IN_THE_LANE = frozenset({State.RETRYING, State.REPLAYING})
"""The states in which a copy that comes back through a retry topic counts."""


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

    `place`: which of the plan's staged identities of `table` its row has; None where the row is not known. `delay`:
    seconds until it is due, for one that is retried. `partial`: its image lacks columns.
    """

    record: Record
    state: State
    failure: Failure
    table: TableName | None = None
    place: int | None = None
    partial: bool = False
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What a record in a retry topic says of itself."""

    origin: RecordRef
    attempt: int


class Verdict(StrEnum):
    """What is done with a letter that came back through the lane."""

    APPLY = "apply"
    DUPLICATE = "duplicate"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a letter's row says, read under its lock. `oldest`: no older letter of the same row is open."""

    state: State
    attempt: int
    oldest: bool


def judged(copy: Copy, row: Standing | None) -> Verdict:
    """The row is the truth: a copy counts only if its row is in the lane at the same attempt."""
    if row is None or row.state not in IN_THE_LANE or row.attempt != copy.attempt:
        return Verdict.DUPLICATE
    return Verdict.APPLY if row.oldest else Verdict.HOLD


NEXT: Mapping[State, frozenset[State]] = {
    State.RETRYING: OPEN | {State.APPLIED, State.SUPERSEDED, State.DISCARDED},
    State.HELD: OPEN | {State.APPLIED, State.SUPERSEDED, State.DISCARDED},
    State.DEAD: frozenset({State.REPLAYING, State.HELD, State.SUPERSEDED, State.DISCARDED}),
    State.REPLAYING: OPEN | {State.APPLIED, State.SUPERSEDED, State.DISCARDED},
    State.APPLIED: frozenset(),
    State.SUPERSEDED: frozenset(),
    State.DISCARDED: frozenset(),
}
"""Which states may follow which."""
