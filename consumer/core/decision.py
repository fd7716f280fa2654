"""What a person may decide about a partition's position, and what follows from it. Rules without I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from consumer.core.failure_kind import Scope
from consumer.core.kinds import KINDS

EARLIEST, LATEST, SKIP = "earliest", "latest", "skip"

# stops that name the one record, or place, that is in the way
_SKIPPED = frozenset({"table.truncate", "log.unreadable"})
_CUT = "log.truncated"


MOST_GIVEN_UP = 5_000
"""Letters that may be given up with a position, which is locked meanwhile."""

Letters = Callable[[int], int]
"""Tells how many letters of a partition are open from an offset on."""


class Undecidable(Exception):
    """The decision can't be carried out as it was asked for; the words say why and what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A stored position: `kind` and `offset` say why and where it is stopped.

    `anew_at`: when a position of its topic was last set into one made anew.
    """

    next_offset: int
    topic_id: str | None = None
    kind: str | None = None
    offset: int | None = None
    anew_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNow:
    """The partition's log as the broker has it: its first offset, the one behind its last, the topic's id."""

    start: int
    end: int
    topic_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where the position goes, and the topic's id that goes with it. `anew`: the topic is another than before.

    `discarded_from`: the partition's letters from that offset on are given up; their records are gone, and others have,
    or will have, their offsets. None where the records are the same. `letters`: how many these are.
    """

    next_offset: int
    topic_id: str | None
    anew: bool = False
    discarded_from: int | None = None
    # some may end before it is done
    letters: int = field(default=0, compare=False)


def decide(to: str, held: Held, log: LogNow, letters: Letters, *, discard_letters: bool = False) -> Decision:
    """The position that `to` names: earliest, latest, skip, or an offset. Raises Undecidable, and what `letters` does.

    Older and newer are told by offsets, and so is what has a letter already. So letters of records that are gone are to
    be given up before others come to their offsets: all of a topic that was made anew, which gets its new id, and of a
    log that was cut those that are not in front of the position.
    """
    anew = None not in (held.topic_id, log.topic_id) and held.topic_id != log.topic_id
    offset = _skipped(held, anew=anew) if to == SKIP else _named(to, log)
    if not log.start <= offset <= log.end:
        raise Undecidable(f"offset {offset} is not in the log, which has {log.start} to {log.end}")
    cut = held.kind == _CUT or held.next_offset > log.end
    first = 0 if anew else offset if cut else None
    if first is None and discard_letters:
        raise Undecidable("letters are discarded here only of a topic that was made anew, or of a log that was cut")
    given_up = 0 if first is None else letters(first)
    if given_up and not discard_letters:
        what = "the topic that was deleted" if anew else "records that were cut from the log"
        raise Undecidable(
            f"{given_up} letters of the partition are open, and their offsets are those of {what}; "
            "discard them with --discard-letters"
        )
    if given_up > MOST_GIVEN_UP:
        raise Undecidable(
            f"{given_up} letters of the partition would go with the position, more than {MOST_GIVEN_UP}; give them up "
            "before: headrace replay start --discard"
        )
    topic_id = log.topic_id or held.topic_id
    return Decision(next_offset=offset, topic_id=topic_id, anew=anew, discarded_from=first, letters=given_up)


def _named(to: str, log: LogNow) -> int:
    if to in (EARLIEST, LATEST):
        return log.start if to == EARLIEST else log.end
    if not (to.isascii() and to.isdigit()):
        raise Undecidable(f"a position is an offset, {EARLIEST}, {LATEST} or {SKIP}, not {to!r}")
    return int(to)


def _skipped(held: Held, *, anew: bool) -> int:
    if held.kind is None or held.offset is None:
        raise Undecidable(
            f"the partition is not stopped in front of a record, so there is nothing to {SKIP}; name an offset"
        )
    kind = KINDS.get(held.kind)
    if anew or not (held.kind in _SKIPPED or (kind is not None and kind.scope is Scope.RECORD)):
        raise Undecidable(
            f"{held.kind} is not the fault of one record; follow its remedy, or name {EARLIEST}, {LATEST} or an offset"
        )
    return held.offset + 1
