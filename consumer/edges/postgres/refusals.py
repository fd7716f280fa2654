"""Which staged rows the target refuses, found in one journey: the write again, in sets under subtransactions.

`headrace.refused_rows` (0032_fewer_passes.sql, by the functions of 0005_refused.sql) does it beside the rows. It gives
back places and names, never values.
"""

from dataclasses import dataclass, replace

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from consumer.core.classify import BY_SQLSTATE
from consumer.core.failure import Failure, blaming, failed
from consumer.core.failure_kind import FailureKind, Scope
from consumer.core.kinds import KINDS
from consumer.core.target import TableName
from consumer.core.writes import Action, TableWrite
from consumer.edges.postgres import equals, staged_rows, statements
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.translate import refusal, translated

_FIND = "SELECT * FROM headrace.refused_rows(%s::text::regclass, %s::text::regclass, %s)"
# a part of the staged rows, as the function asks for it
_PARTS = {
    "scattered": sql.SQL("(SELECT ctid, * FROM {} WHERE ctid = ANY ($1))"),
    "adjoining": sql.SQL("(SELECT ctid, * FROM {} WHERE ctid BETWEEN $2 AND $3)"),
}
_NAMED = """
SELECT conname FROM pg_constraint WHERE conname = ANY (%(names)s)
UNION SELECT relname FROM pg_class WHERE relname = ANY (%(names)s) AND relkind IN ('i', 'I')
"""
# rows of a set at first: a larger one is tried in vain, a smaller one costs a statement more
_SIZE = 256
_TOO_MANY = "HR003"
_THERE = "HR006"
_TOO_DEPENDENT = "HR005"
# a foreign key, a further unique or an exclusion constraint may be kept once other rows have come or gone
_IN_THE_WAY = "23P01"
_DEPENDENT = ("23001", "23503", "23505", _IN_THE_WAY)
# states that the function makes up where no error of the server's says it
_MADE_UP: dict[str, tuple[FailureKind, str]] = {
    "HR001": (KINDS["record.missing_base"], "an update without unchanged TOASTed columns met no row in {}"),
    "HR002": (KINDS["record.many_bases"], "an update without all columns is for one row, and met several in {}"),
    "HR004": (KINDS["record.key_merged"], "{} does not keep a key as it is"),
}
_NOT_KEPT = "a row of {} has a new key and lacks columns, and nothing was kept of its old row"
_OLD_VALUES = (
    "a row of {} has a new key, and nulls that may stand for unchanged values: nothing was kept of its old row, or "
    "that has values there, or null where a check of the settings wants a value"
)
_RULES = {
    **{prefix: KINDS[name].scope is Scope.RECORD for prefix, name in BY_SQLSTATE.items()},
    **{state: kind.scope is Scope.RECORD for state, (kind, _) in _MADE_UP.items()},
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A staged row that the target does not take. `place`: counted from 0 as the rows were staged."""

    place: int
    failure: Failure


class TooManyRefused(Exception):
    """More rows of a write are refused than were to be looked for; the transaction has failed.

    `dependent`: because of other rows, which may come or go.
    """

    def __init__(self, table: TableName, most: int, *, dependent: bool) -> None:
        super().__init__(f"more than {most} rows are refused by {table}")
        self.table = table
        self.most = most
        self.dependent = dependent


class RowThere(Exception):
    """A row that was taken for a new one is there already; the transaction has failed."""


def find(
    connection: psycopg.Connection, staged: Staged, most: int, *, immediate: bool = True, plain: bool = False
) -> list[Refusal]:
    """Apply the staged rows that the target takes, and say which ones it refuses, in their order.

    Runs inside the batch's transaction, after the write itself was rolled back. Places are those of the COPY only if
    the staging table was emptied in this transaction before it was filled; otherwise PostgreSQL fills gaps of earlier
    pages. `most`: how many rows may be refused in the end.
    `immediate`: what the target defers is checked row by row, and what earlier writes left to be checked at once.
    `plain`: the rows are taken for new ones, which is faster.
    A raise leaves the transaction failed, as with any statement: TooManyRefused; RowThere of what was to be new;
    DataFault for keys that merge only in the table, and for what earlier writes left; TableFault, Transient,
    ConnectionLost, Persistent.
    """
    table = staged.write.table
    where = [name.as_string(connection) for name in (staged.staging, staged_rows.table_name(table))]
    work = _work(connection, staged, plain) | {"most": most, "immediate": immediate}
    with translated(staged.write.action.value, table):
        try:
            found = connection.execute(_FIND, (*where, Jsonb(work))).fetchall()
        except psycopg.DatabaseError as error:
            if error.sqlstate == _THERE:
                raise RowThere from error
            if error.sqlstate not in (_TOO_MANY, _TOO_DEPENDENT):
                raise
            raise TooManyRefused(table, most, dependent=error.sqlstate == _TOO_DEPENDENT) from error
    if plain and any(state == _IN_THE_WAY for _, state, *_ in found):
        # maybe only of itself: an exclusion constraint may be looked at in front of the key
        raise RowThere
    known = _known(connection, {constraint for _, _, constraint, _ in found if constraint})
    return [
        Refusal(place, _failure(staged.write, state, constraint if constraint in known else None, column))
        for place, state, constraint, column in found
    ]


def _known(connection: psycopg.Connection, names: set[str]) -> set[str]:
    """Those that constraints or indexes have: what code of the target's calls one may be anything, also a value."""
    if not names:
        return set()
    with translated("read constraints"):
        return {name for (name,) in connection.execute(_NAMED, {"names": sorted(names)})}


def _work(connection: psycopg.Connection, staged: Staged, plain: bool) -> dict[str, object]:
    write = staged.write
    keys = {name: value.as_string(connection) for name, value in staged_rows.keys(write).items()}
    parts = {name: replace(staged, staging=part.format(staged.staging)) for name, part in _PARTS.items()}
    return {
        # what is taken or removed is counted as what is updated
        "action": (Action.UPDATE if write.action in (Action.TAKE, Action.REMOVE) else write.action).value,
        # of keys that merge the second is there already
        "keys": keys if _merges(write) and not plain else None,
        "plain": plain,
        "rules": _RULES,
        "dependent": _DEPENDENT,
        "size": _SIZE,
        **{name: _texts(connection, part, plain) for name, part in parts.items()},
    }


def _texts(connection: psycopg.Connection, part: Staged, plain: bool) -> dict[str, str | None]:
    before = _before(part, plain)
    statement = statements.insert(part) if plain else _statement(part)
    return {
        "before": before.as_string(connection) if before else None,
        "statement": statement.as_string(connection),
    }


def _before(part: Staged, plain: bool) -> sql.Composed | None:
    """What is done in front of each part."""
    if part.write.action is Action.REPLACE:
        return statements.delete(part)
    return statements.respell(part) if part.write.respells and not plain else None


def _statement(part: Staged) -> sql.Composed:
    match part.write.action:
        case Action.DELETE:
            return statements.delete(part)
        case Action.UPDATE:
            return statements.update(part)
        case Action.REMOVE:
            return equals.remove(part)
        case Action.INSERT:
            return statements.insert(part)
        case Action.TAKE:
            return statements.take(part)
        case Action.REPLACE:
            return statements.insert_checked(part)
        case _:
            return statements.upsert(part)


def _merges(write: TableWrite) -> bool:
    """Whether a row is lost where its key is another one's too: not where the key is all, or goes, or there is none."""
    if write.action is Action.UPSERT:
        return any(column.name not in write.identity for column in write.columns)
    return write.action not in (Action.DELETE, Action.INSERT, Action.REMOVE)


def _without_base(write: TableWrite) -> tuple[FailureKind, str]:
    if write.action is Action.TAKE:
        return KINDS["record.moved"], _OLD_VALUES if write.doubted else _NOT_KEPT
    return _MADE_UP["HR001"]


def _failure(write: TableWrite, state: str, constraint: str | None, column: str | None) -> Failure:
    if state not in _MADE_UP:
        named = column if column in {each.name for each in write.columns} else None
        failure = refusal(state, write.action.value, write.table, named, constraint)
        return blaming(failure, f"after.{named}" if named else "")
    kind, detail = _MADE_UP[state]
    if kind.name == "record.missing_base":
        kind, detail = _without_base(write)
    return failed(kind, "postgres", write.action.value, detail.format(write.table))
