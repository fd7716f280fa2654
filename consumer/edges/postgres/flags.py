"""Flags that people have set, each change with its audit row in one transaction, of which workers are told."""

from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from consumer.core.decision import Undecidable
from consumer.core.flags import FLAGS, Flag, FlagSet
from consumer.edges.postgres import audit
from consumer.edges.postgres.notify import tell
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note

_ALL = "SELECT flag, is_on, actor, reason, since FROM headrace.flags WHERE group_name = %s ORDER BY flag"
# whoever changes one too waits, also while there is no row of it
_ALONE = "LOCK TABLE headrace.flags IN SHARE ROW EXCLUSIVE MODE"
_NOW = "SELECT is_on FROM headrace.flags WHERE group_name = %(group)s AND flag = %(flag)s"
_SET = """
INSERT INTO headrace.flags (group_name, flag, is_on, actor, reason)
VALUES (%(group)s, %(flag)s, %(on)s, %(actor)s, %(reason)s)
ON CONFLICT (group_name, flag) DO UPDATE
SET is_on = excluded.is_on, actor = excluded.actor, reason = excluded.reason, since = excluded.since
"""
_RESET = "DELETE FROM headrace.flags WHERE group_name = %(group)s AND flag = %(flag)s"


def everything(connection: psycopg.Connection, group: str) -> list[FlagSet]:
    """Those that are set; what another version of the program knows and this one does not is left out."""
    with translated("read flags"), connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(_ALL, (group,)).fetchall()
    known = {flag.value for flag in Flag}
    return [
        FlagSet(flag=Flag(row.flag), on=row.is_on, actor=row.actor, reason=row.reason, since=row.since)
        for row in rows
        if row.flag in known
    ]


def off(connection: psycopg.Connection, group: str, flag: Flag) -> str:
    """Who has switched it off, why, and how that ends; nothing where nobody has."""
    found = next((one for one in everything(connection, group) if one.flag is flag), None)
    if found is None or found.on:
        return ""
    return f"{flag} is switched off: {found.reason} ({found.actor}); headrace flags set {flag} on"


def require_on(connection: psycopg.Connection, group: str, flag: Flag) -> None:
    """For what people ask for. Raises Undecidable, with the reason, where somebody has switched it off."""
    if why := off(connection, group, flag):
        raise Undecidable(why)


def put(connection: psycopg.Connection, group: str, flag: Flag, on: bool | None, note: Note) -> bool:
    """Set a flag, or (None) have it be as if nobody had; returns whether it is another way than before."""
    default = FLAGS[flag].default
    values = {"group": group, "flag": flag.value, "on": on, "actor": note.actor, "reason": note.reason}
    with transaction(connection, "set flag"):
        connection.execute(_ALONE)
        row = connection.execute(_NOW, values).fetchone()
        before = default if row is None else bool(row[0])
        after = default if on is None else on
        connection.execute(_RESET if on is None else _SET, values)
        details = {"flag": flag.value, "before": before, "after": after}
        audit.write(connection, group, "reset flag" if on is None else "set flag", details, note)
        tell(connection, group)
    return before != after
