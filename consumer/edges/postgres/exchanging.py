"""Rows that swap what is unique: each one's new value is held by another that is to change as well.

No order of single rows serves them, and an index that is not deferrable looks at each row. So their old rows are
deleted and inserted as they will be by one statement, in which an index meets new rows only, and a foreign key that
leads to one finds it at the end. What is not staged, a row keeps. Triggers see a delete and an insert.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import psycopg
from psycopg import sql

from consumer.core.failure import Failure
from consumer.core.kinds import UNIQUE
from consumer.core.target import TableName
from consumer.core.writes import Action
from consumer.edges.postgres.aside import RefusedRows
from consumer.edges.postgres.guards import version
from consumer.edges.postgres.staged_rows import rows_with_places, same_row, table_name, written
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.statements import open_to, upsert
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import DataFault, TableFault

# rows that are tried in vain at most, in rounds of which each has fewer
_PATIENCE = 10_000
_ROUNDS = 3
_EXCHANGED = frozenset({Action.UPSERT, Action.UPDATE})
_PLACE = "#place"

# A foreign key that does something on a delete would do it to rows that are not to change. What is deferrable can't be
# asked by ON CONFLICT.
_TABLE = """
SELECT
    ARRAY (
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
    ) AS columns,
    EXISTS (
        SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = t.oid AND confdeltype <> 'a'
    ) AS followed,
    ARRAY (
        SELECT ARRAY[n.nspname, c.conname, CASE WHEN condeferred THEN 'DEFERRED' ELSE 'IMMEDIATE' END]::text[]
        FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
        WHERE conrelid = t.oid AND contype IN ('u', 'p', 'x') AND condeferrable
    ) AS deferrable
FROM (SELECT %s::text::regclass::oid AS oid) AS t
"""


_CHECK = sql.SQL("SET CONSTRAINTS {} {}")


class _Table(NamedTuple):
    """What the catalog says: its columns but for generated ones, whether a delete does something to other tables' rows,
    and which unique and exclusion constraints can be deferred: schema, name, and how they are checked by themselves."""

    columns: list[str]
    followed: bool
    deferrable: list[list[str]]


def exchange(connection: psycopg.Connection, refused: Sequence[RefusedRows]) -> list[RefusedRows]:
    """Write those of the refused rows of a stage that only stand in one another's way; returns the others.

    Raises Transient, ConnectionLost, Persistent.
    """
    left = list(refused)
    for table in dict.fromkeys(one.staged.write.table for one in refused):
        numbers = [number for number, one in enumerate(left) if one.staged.write.table == table]
        wanted = {number: rows for number in numbers if (rows := _in_the_way(left[number]))}
        if sum(map(len, wanted.values())) > 1:
            done = _exchanged(connection, table, {number: (left[number].staged, wanted[number]) for number in wanted})
            for number, places in done.items():
                new = wanted[number].keys() - places
                # rows that are not there yet, and had to wait for values that are free now
                places = places | new if new and _inserted(connection, left[number].staged, new) else places
                rows = {place: why for place, why in left[number].rows.items() if place not in places}
                left[number] = replace(left[number], rows=rows)
    return [one for one in left if one.rows]


def _inserted(connection: psycopg.Connection, staged: Staged, places: Collection[int]) -> bool:
    """Whether the rows of these places could be written, all of them."""
    write = staged.write
    if write.action is not Action.UPSERT or write.doubted:
        return False
    wanted = sql.SQL("p.place = ANY (CAST({} AS bigint[]))").format(sql.Literal(sorted(places)))
    rows = sql.SQL("(SELECT ctid, * FROM {} WHERE ctid = ANY (ARRAY(SELECT p.at FROM {} AS p WHERE {})))")
    part = replace(staged, staging=rows.format(staged.staging, rows_with_places(staged), wanted))
    try:
        with connection.transaction(), translated("exchange", write.table):
            connection.execute(upsert(part))
    except (DataFault, TableFault):
        return False
    return True


def _in_the_way(one: RefusedRows) -> dict[int, Failure]:
    write = one.staged.write
    if write.action not in _EXCHANGED or not write.unique:
        return {}
    return {place: why for place, why in one.rows.items() if why.kind == UNIQUE}


def _exchanged(
    connection: psycopg.Connection, table: TableName, parties: Mapping[int, tuple[Staged, Collection[int]]]
) -> dict[int, set[int]]:
    """The places of the rows that were written, by the numbers of their writes."""
    wanted = {number: set(rows) for number, (_, rows) in parties.items()}
    name = table_name(table).as_string(connection)
    with translated("exchange", table):
        known = _Table(*connection.execute(_TABLE, (name,)).fetchall()[0])
        if known.followed:
            return {}
        connection.execute("SAVEPOINT exchanged")
    rounds = max(_ROUNDS, _PATIENCE // sum(map(len, wanted.values())))
    while rounds and sum(map(len, wanted.values())) > 1:
        rounds -= 1
        statement = _statement(known, [(number, parties[number][0], wanted[number]) for number in wanted])
        done: dict[int, set[int]] = {number: set() for number in wanted}
        try:
            with translated("exchange", table):
                for number, place in connection.execute(statement).fetchall():
                    done[number].add(place)
                for schema, constraint, usual in known.deferrable:
                    # those of other tables may have to wait for what comes yet
                    named = sql.Identifier(schema, constraint)
                    connection.execute(_CHECK.format(named, sql.SQL("IMMEDIATE")))
                    connection.execute(_CHECK.format(named, sql.SQL(usual)))
        except (DataFault, TableFault):
            break
        if done == wanted:
            return done
        # the others are kept out by rows that stay, and may keep those out that took their values now
        with translated("exchange", table):
            connection.execute("ROLLBACK TO SAVEPOINT exchanged")
        wanted = done
    with translated("exchange", table):
        connection.execute("ROLLBACK TO SAVEPOINT exchanged")
    return {}


def _statement(table: _Table, parties: Sequence[tuple[int, Staged, set[int]]]) -> sql.Composed:
    """Delete and insert the rows of these places; answers the number and the place of each that could be inserted."""
    name = table_name(parties[0][1].write.table)
    gone = [sql.Identifier(f"#gone{number}") for number, *_ in parties]
    # of one statement's parts those come first that others need
    behind = sql.SQL(" AND ").join(sql.SQL("(SELECT count(*) FROM {}) >= 0").format(one) for one in gone)
    steps, images, found = [], [], []
    for (number, whole, places), old in zip(parties, gone, strict=True):
        staged = replace(whole, staging=sql.Identifier(f"#rows{number}"))
        steps += [
            sql.SQL("{} AS (SELECT s.*, p.place AS {} FROM {} AS p JOIN {} AS s ON s.ctid = p.at WHERE {})").format(
                staged.staging,
                sql.Identifier(_PLACE),
                rows_with_places(whole),
                whole.staging,
                sql.SQL("p.place = ANY (CAST({} AS bigint[]))").format(sql.Literal(sorted(places))),
            ),
            sql.SQL("{} AS (DELETE FROM {} AS t USING {} AS s WHERE {} RETURNING t.*, s.{})").format(
                old, name, staged.staging, open_to(staged), sql.Identifier(_PLACE)
            ),
        ]
        images.append(
            sql.SQL("SELECT {} FROM {} AS s JOIN {} AS o USING ({}) WHERE {}").format(
                sql.SQL(", ").join(_image(staged, column) for column in table.columns),
                staged.staging,
                old,
                sql.Identifier(_PLACE),
                behind,
            )
        )
        found.append(
            sql.SQL("SELECT {}, s.{} FROM {} AS s JOIN t ON {}").format(
                sql.Literal(number), sql.Identifier(_PLACE), staged.staging, same_row(staged)
            )
        )
    return sql.SQL("WITH {}, t AS (INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE {}{} RETURNING {}) {}").format(
        sql.SQL(", ").join(steps),
        name,
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.SQL(" UNION ALL ").join(images),
        sql.SQL("" if table.deferrable else " ON CONFLICT DO NOTHING"),
        sql.SQL(", ").join(map(sql.Identifier, parties[0][1].write.identity)),
        sql.SQL(" UNION ALL ").join(found),
    )


def _image(staged: Staged, name: str) -> sql.Composed:
    """What a column of the new row is: staged, or as it was."""
    write, old = staged.write, sql.SQL("o.{}").format(sql.Identifier(name))
    column = next((one for one in write.columns if one.name == name and name not in write.identity), None)
    if name == write.version:
        return sql.SQL("coalesce({}, {})").format(version(write), old)
    if column is not None:
        return written(column)
    if write.soft is not None and name == write.soft.column and write.action is Action.UPSERT:
        return sql.SQL("NULL" if write.soft.timed else "FALSE").format()
    return old
