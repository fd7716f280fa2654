"""A batch taken back row by row: what its rows were before it, and why one can't be taken back. Rules without I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from consumer.core.letters import Record
from consumer.core.records import RecordRef
from consumer.core.writes import Action, TableWrite


class Effect(StrEnum):
    """What taking a batch back does to a row."""

    RESTORE = "restore"
    INSERT = "insert"
    DELETE = "delete"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRow:
    """A row that a batch has changed. `last`, `first`: its records in the batch. `why`: it can't be taken back.

    `key`: its key's columns, as texts.
    """

    last: RecordRef
    first: int
    effect: Effect
    why: str = ""
    table: str | None = None
    key: Mapping[str, str] = field(default_factory=dict, repr=False)

    def barred(self, why: str) -> "UndoRow":
        """The same, that can't be taken back; what was known first stays."""
        return self if self.why else replace(self, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What a record says of its row. `op` is that of a change; "" a tombstone. `before`: it has the row before it.

    `bare`: beside the key that may be nothing. `inverse`: the record that makes its row what it was before; None where
    that is not known.
    """

    record: Record
    op: str
    before: bool = False
    bare: bool = False
    inverse: Record | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A row of a batch: what would be done, its last record, and the one that makes it what it was."""

    row: UndoRow
    left: Record
    wanted: Record | None


def taken(events: Iterable[Event], whole: bool | None) -> Taken:
    """What taking back the records of one row, in their order, does.

    `whole`: whether the source writes whole old rows; None where nobody can say.
    """
    first, *more = events
    last = more[-1] if more else first
    present = last.op in _PRESENT
    was = first.op in ("u", "d")
    effect = {
        (True, True): Effect.RESTORE,
        (True, False): Effect.DELETE,
        (False, True): Effect.INSERT,
        (False, False): Effect.NOTHING,
    }[present, was]
    ref = last.record.ref
    row = UndoRow(last=ref, first=first.record.ref.offset, effect=effect, why=_why(first, whole))
    wanted = None if first.inverse is None else replace(first.inverse, ref=ref)
    return Taken(row=row, left=last.record, wanted=wanted)


_PRESENT = frozenset({"c", "u", "r"})


def _why(first: Event, whole: bool | None) -> str:
    if first.op == "c":
        return ""
    if first.op == "r":
        return "a snapshot read it, which does not say what was there before"
    if not first.op:
        return "a tombstone alone does not say what it has deleted"
    if first.op not in ("u", "d"):
        return "its operation is unknown"
    if not first.before:
        return f"its {_NAMES[first.op]} has no before image{_WHOLE}"
    if whole is False or first.bare:
        return f"its before image is not a whole row{_WHOLE}"
    return ""


_NAMES = {"u": "update", "d": "delete"}
_WHOLE = ": the source has to write whole old rows (REPLICA IDENTITY FULL)"


def misfit(write: TableWrite, *, wanted: bool) -> str:
    """Why rows of a write can't be taken back, by what it would do. `wanted`: it is that of what they were."""
    if write.action is Action.DELETE:
        return _KEPT if wanted and write.soft is not None else ""
    if write.action is Action.UPSERT and not write.partial:
        return ""
    return _ACTIONS.get(write.action, _PARTIAL)


_KEPT = "its table keeps deleted rows, so that what was there before the insert is not known"
_PARTIAL = "an image of it lacks columns, as unchanged TOASTed ones"
_EVENTS = "its table has a row for each change: see headrace recover erase"
_ACTIONS = {
    Action.INSERT: _EVENTS,
    Action.REMOVE: _EVENTS,
    Action.REPLACE: "no unique index of its table tells its rows apart",
}
