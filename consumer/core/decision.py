"""What a person may decide about a partition's position, and what follows from it. Rules without I/O."""

from dataclasses import dataclass

from consumer.core.kinds import KINDS, Scope

EARLIEST, LATEST, SKIP = "earliest", "latest", "skip"

# stops that name the one record, or place, that is in the way
_SKIPPED = frozenset({"table.truncate", "log.unreadable"})


class Undecidable(Exception):
    """The decision can't be carried out as it was asked for; the words say why and what can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A stored position: `kind` and `offset` say why and where it is stopped. `letters`: open ones of its topic."""

    next_offset: int
    topic_id: str | None = None
    kind: str | None = None
    offset: int | None = None
    letters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNow:
    """The partition's log as the broker has it: its first offset, the one behind its last, the topic's id."""

    start: int
    end: int
    topic_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Where the position goes, and the topic's id that goes with it. `anew`: the topic is another than before."""

    next_offset: int
    topic_id: str | None
    anew: bool = False


def decide(to: str, held: Held, log: LogNow, *, discard_letters: bool = False) -> Decision:
    """The position that `to` names: earliest, latest, skip, or an offset. Raises Undecidable.

    A topic that was made anew gets its new id. Its open letters were told apart by the old one's offsets, so they have
    to be given up first.
    """
    anew = None not in (held.topic_id, log.topic_id) and held.topic_id != log.topic_id
    if anew and held.letters and not discard_letters:
        raise Undecidable(
            f"{held.letters} letters of the topic are open, and their offsets are those of the topic that was deleted; "
            "discard them with --discard-letters"
        )
    if discard_letters and not anew:
        raise Undecidable("letters are discarded here only with a topic that was made anew; this one was not")
    offset = _skipped(held, anew=anew) if to == SKIP else _named(to, log)
    if not log.start <= offset <= log.end:
        raise Undecidable(f"offset {offset} is not in the log, which has {log.start} to {log.end}")
    return Decision(next_offset=offset, topic_id=log.topic_id or held.topic_id, anew=anew)


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
