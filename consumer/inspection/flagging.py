"""Flags as people see and switch them, over the port of what is told to workers.

Whether a table is applied is a pause and nothing else: the flag of it is another name for one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.core.decision import Undecidable
from consumer.core.flags import FLAGS, Flag, FlagKind, FlagSet, Heeder
from consumer.core.pausing import Paused, Subject
from consumer.ports.control import Control
from consumer.ports.desk import Note


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagState:
    """A flag as it is. `set`: by whom, None while it has its default. `tables`: those that are off, of one by table.

    `workers`: how many live workers there are that heed it, and `heard`: how many of them have heard how it is.
    """

    kind: FlagKind
    on: bool
    set: FlagSet | None
    tables: Sequence[Paused]
    workers: int
    heard: int


def states(control: Control) -> list[FlagState]:
    """All flags."""
    found = {each.flag: each for each in control.flags()}
    tables = [pause for pause in control.pauses() if pause.of.table is not None]
    told = [worker.flags_off for worker in control.workers() if not worker.gone]
    return [_state(kind, found.get(kind.flag), tables, told) for kind in FLAGS.values()]


def switch(control: Control, kind: FlagKind, on: bool | None, table: str | None, note: Note) -> bool | None:
    """Switch a flag, or (`on` is None) have it be as it is by default; returns whether that changed anything.

    None where this group has no such table. Raises Undecidable where a table is named for a flag that has none, or is
    not for one that is by table.
    """
    if kind.by_table != (table is not None):
        needs = "is of a table: name one" if kind.by_table else "is of no single table"
        raise Undecidable(f"{kind.flag} {needs}")
    if table is None:
        return control.set_flag(kind.flag, on, note)
    subject = Subject(table=table)
    if on is False:
        paused = control.pause(subject, note)
        return paused.changed if paused else None
    resumed = control.resume(subject, note)
    if resumed is not None:
        return True
    return False if any(state.table == table for state in control.tables()) else None


def _state(kind: FlagKind, found: FlagSet | None, tables: Sequence[Paused], told: Sequence[Sequence[str]]) -> FlagState:
    on = kind.default if found is None else found.on
    heeding = kind.heeder is Heeder.WORKERS and not kind.by_table
    return FlagState(
        kind=kind,
        on=on,
        set=found,
        tables=tables if kind.flag is Flag.TABLE_APPLY else (),
        workers=len(told) if heeding else 0,
        heard=sum((kind.flag in off) != on for off in told) if heeding else 0,
    )
