"""The source's tables: every value read by the snapshot, streamed, kept by an update or under another key, changed to,
inserted again, and deleted.
"""

from collections.abc import Iterator
from enum import IntEnum

import psycopg
from psycopg import sql

from tests.fidelity.catalogue import EXTENSIONS, SETUP, Type
from tests.fidelity.modes import Mode

_PATHS = 10


class Path(IntEnum):
    """The way of a value to the target; the last digit of its row's key."""

    SNAPSHOT = 0
    # an update of another column: where the value is TOASTed, the event does not have it
    KEPT = 1
    # an update from the type's next value to this one
    CHANGED = 2
    STREAMED = 3
    DELETED = 4
    # a change of the row's key, which leaves the value as it was
    MOVED = 5
    # the row under its old key
    LEFT = 6
    # a delete and an insert of the same row, in one transaction
    AGAIN = 7


_BEFORE = (Path.SNAPSHOT, Path.KEPT, Path.CHANGED, Path.DELETED, Path.LEFT, Path.AGAIN)
_GONE = (Path.DELETED, Path.LEFT)
STAYING = tuple(path for path in Path if path not in _GONE)
"""The ways of values that stay."""

KEEPING = (Path.KEPT, Path.CHANGED, Path.DELETED, Path.LEFT, Path.AGAIN)
"""The ways of rows that the snapshot has read, and that change then."""


def place(key: int) -> tuple[int, Path]:
    """The number of a row's value, and its way."""
    return key // _PATHS, Path(key % _PATHS)


def key(number: int, path: Path) -> int:
    """The row of a value on its way."""
    return number * _PATHS + path


def table(mode: Mode, kind: Type) -> sql.Identifier:
    """The name of a type's table, which is the same everywhere."""
    return sql.Identifier(mode.name, kind.table)


def make_types(connection: psycopg.Connection) -> None:
    """The types that the tables need, if they are not there yet; those of extensions where the server has them."""
    row = connection.execute("SELECT to_regtype('public.pair')").fetchone()
    if row == (None,):
        query = "SELECT name FROM pg_available_extensions WHERE name = ANY (%s)"
        for (name,) in connection.execute(query, [list(EXTENSIONS)]).fetchall():
            connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public").format(sql.Identifier(name)))
        connection.execute(SETUP.encode())


def lacking(dsn: str) -> set[str]:
    """The extensions that the server does not have."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return set(EXTENSIONS) - {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions")}


def make_tables(connection: psycopg.Connection, mode: Mode) -> None:
    """The tables of a mode, empty."""
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(mode.name)))
    for kind in mode.types:
        columns = sql.SQL("(id integer PRIMARY KEY, v {}, n integer NOT NULL)").format(sql.SQL(kind.kind))
        connection.execute(sql.SQL("CREATE TABLE {} {}").format(table(mode, kind), columns))


def fill(connection: psycopg.Connection, mode: Mode) -> None:
    """What the snapshot reads. Long values are kept outside of their rows, however well they compress."""
    for kind in mode.types:
        if _toasts(connection, mode, kind):
            outside = sql.SQL("ALTER TABLE {} ALTER COLUMN v SET STORAGE EXTERNAL").format(table(mode, kind))
            connection.execute(outside)
        if mode.full:
            connection.execute(sql.SQL("ALTER TABLE {} REPLICA IDENTITY FULL").format(table(mode, kind)))
        for number, _ in enumerate(values(kind)):
            for path in _BEFORE:
                _insert(connection, mode, kind, key(number, path), number + (path is Path.CHANGED))


def change(connection: psycopg.Connection, mode: Mode) -> None:
    """What is streamed."""
    for kind in mode.types:
        for number, _ in enumerate(values(kind)):
            _insert(connection, mode, kind, key(number, Path.STREAMED), number)
            for path, setting in ((Path.KEPT, sql.SQL("n = 1")), (Path.CHANGED, _setting(kind, number))):
                update = sql.SQL("UPDATE {} SET {} WHERE id = {}")
                connection.execute(update.format(table(mode, kind), setting, key(number, path)))
            move = sql.SQL("UPDATE {} SET id = {}, n = 1 WHERE id = {}")
            connection.execute(move.format(table(mode, kind), key(number, Path.MOVED), key(number, Path.LEFT)))
            for path in (Path.DELETED, Path.AGAIN):
                delete = sql.SQL("DELETE FROM {} WHERE id = {}")
                connection.execute(delete.format(table(mode, kind), key(number, path)))
            _insert(connection, mode, kind, key(number, Path.AGAIN), number)


def records(kind: Type) -> int:
    """How many records the topic of a type's table gets: a delete has its tombstone, a new key both and an insert."""
    return len(values(kind)) * (len(_BEFORE) + 11)


def values(kind: Type) -> tuple[str | None, ...]:
    """The values of a type, a null among them."""
    return (*kind.values, None)


def _insert(connection: psycopg.Connection, mode: Mode, kind: Type, row: int, number: int) -> None:
    insert = sql.SQL("INSERT INTO {} VALUES ({}, {}, 0)").format(table(mode, kind), row, _value(kind, number))
    connection.execute(insert)


def _setting(kind: Type, number: int) -> sql.Composed:
    return sql.SQL("v = {}, n = 1").format(_value(kind, number))


def _value(kind: Type, number: int) -> sql.Composable:
    """An expression for a value; behind the last one comes the first."""
    known = values(kind)
    text = known[number % len(known)]
    if text is not None and text.startswith("="):
        return sql.SQL("({})::{}").format(sql.SQL(text[1:]), sql.SQL(kind.kind))
    return sql.SQL("{}::{}").format(sql.Literal(text), sql.SQL(kind.kind))


def _toasts(connection: psycopg.Connection, mode: Mode, kind: Type) -> bool:
    query = "SELECT attstorage <> 'p' FROM pg_attribute WHERE attrelid = %s::text::regclass AND attname = 'v'"
    row = connection.execute(query, [table(mode, kind).as_string(connection)]).fetchone()
    return row is not None and bool(row[0])


def tables(modes: tuple[Mode, ...]) -> Iterator[tuple[Mode, Type]]:
    """All of them."""
    return ((mode, kind) for mode in modes for kind in mode.types)
