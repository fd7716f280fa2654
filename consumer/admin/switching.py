"""Flags, switched by people over the API and the console."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.admin.doors import Doors
from consumer.admin.locking import Lock
from consumer.admin.problems import Absent, Denied, Wrong
from consumer.core.flags import Flag, FlagKind, UnknownFlag, flag_of
from consumer.core.roles import Person
from consumer.inspection.flagging import FlagState, states, switch
from consumer.ports.desk import Note


def all_flags(doors: Doors) -> Sequence[FlagState]:
    """As they are."""
    with doors.through(doors.control) as control:
        return states(control)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """Which flag is to be how (None: as it is by default), of which table where it is by table, and who wants that."""

    name: str
    on: bool | None
    table: str | None
    note: Note


def switched(doors: Doors, lock: Lock, wanted: Switching, by: Person) -> bool:
    """Switch a flag; returns whether it is another way than before.

    Raises Absent, Wrong, Denied, Locked, Undecidable, HeadraceError.
    """
    kind = _known(wanted.name)
    if not by.may(kind.role):
        raise Denied(by, kind.role)
    # who has locked the others out has to be able to let them in again
    if not (kind.flag is Flag.CONSOLE_WRITES and wanted.on is not False):
        lock.require()
    with doors.through(doors.control) as control:
        changed = switch(control, kind, wanted.on, wanted.table, wanted.note)
    if changed is None:
        raise Absent("this group has no such table")
    lock.look()
    return changed


def _known(name: str) -> FlagKind:
    try:
        return flag_of(name)
    except UnknownFlag as why:
        raise Wrong(str(why)) from why
