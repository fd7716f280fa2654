"""One side of a table that is compared: sums, digests and versions of its rows, reckoned by the server itself."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from consumer.core.reconcile import Key, Range, Seen, Sum
from consumer.core.target import TableName

Translating = Callable[[str], AbstractContextManager[None]]

_ROW = sql.SQL("hash_array_extended(ARRAY[{}], 0)")
_BOUND = sql.SQL("SELECT {key} FROM {table} AS t WHERE {where} ORDER BY {order} OFFSET %(skip)s LIMIT 1")
_TAIL = sql.SQL("SELECT {key} FROM {table} AS t WHERE {where} ORDER BY {last} LIMIT %(most)s")
_SUM = sql.SQL("SELECT count(*), coalesce(sum({row}), 0) FROM {table} AS t WHERE {where}")
_DIGESTS = sql.SQL("SELECT {key}, {row} FROM {table} AS t WHERE {where}")
_KEYED = sql.SQL("SELECT {key}, {wanted} FROM {given} JOIN {table} AS t ON {same} WHERE {live}")
# each write makes a row that stands elsewhere, or was written by another transaction
_VERSION = sql.SQL("concat(t.tableoid, '/', t.xmin, '/', t.ctid)")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPart:
    """A column of the key: its text, how it is sorted, and the types that its texts are cast to.

    `sorted_as` is for what is compared by order, `equal_as` for what is compared for equality.
    """

    name: str
    text: sql.Composable
    order: sql.Composable
    sorted_as: str
    equal_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a side is asked. `cells`: the text of each column that is compared, by the source's name, the key's too.

    `live`: what is so of rows that count.
    """

    table: TableName
    key: tuple[KeyPart, ...]
    cells: Mapping[str, sql.Composable]
    live: sql.Composable

    @property
    def key_text(self) -> sql.Composable:
        """The key's texts as columns."""
        return sql.SQL(", ").join(part.text for part in self.key)

    @property
    def order(self) -> sql.Composable:
        """The key as it is sorted."""
        return sql.SQL(", ").join(part.order for part in self.key)

    @property
    def row(self) -> sql.Composable:
        """The digest of a row."""
        return _ROW.format(sql.SQL(", ").join(self.cells.values()))


class PostgresRows:
    """Implements `consumer.ports.reconcile.Rows` on a session that is autocommit."""

    def __init__(self, connection: psycopg.Connection, shape: Shape, translating: Translating) -> None:
        self._connection = connection
        self._shape = shape
        self._translating = translating

    def bound(self, after: Key | None, rows: int) -> Key | None:
        found = self._ask(_BOUND, Range(after, None), "find a range", skip=rows - 1)
        return tuple(found[0]) if found else None

    def middle(self, of: Range) -> Key | None:
        half = self.sum(of).rows // 2
        found = self._ask(_BOUND, of, "halve a range", skip=half - 1) if half else []
        key = tuple(found[0]) if found else None
        return None if key == of.to else key

    def tail(self, rows: int) -> Sequence[Key]:
        """The last keys."""
        return [tuple(row) for row in self._ask(_TAIL, Range(None, None), "read the last keys", most=rows)]

    def remove(self, rows: Mapping[Key, str], mark: sql.Composable | None, seconds: float) -> tuple[int, list[Key]]:
        """Delete rows that are still of these versions, or set what marks them as deleted, for so long, one at least.

        Returns how many that were, and which rows were looked at.
        """
        removed, looked, until = 0, list[Key](), time.monotonic() + seconds
        for key, version in rows.items():
            if looked and time.monotonic() > until:
                break
            looked.append(key)
            values = {f"k{i}": part for i, part in enumerate(key)} | {"version": version}
            same = sql.SQL(" AND ").join(
                sql.SQL(f"t.{{}} = {{}}::{part.equal_as}").format(sql.Identifier(part.name), sql.Placeholder(f"k{i}"))
                for i, part in enumerate(self._shape.key)
            )
            table = sql.Identifier(self._shape.table.schema, self._shape.table.name)
            what = sql.SQL("DELETE FROM {} AS t").format(table)
            if mark is not None:
                what = sql.SQL("UPDATE {} AS t SET {}").format(table, mark)
            query = sql.SQL("{} WHERE {} AND {} = {}").format(what, same, _VERSION, sql.Placeholder("version"))
            with self._translating("remove rows"):
                removed += self._connection.execute(query, values).rowcount
        return removed, looked

    def sum(self, of: Range) -> Sum:
        ((rows, digest),) = self._ask(_SUM, of, "sum a range")
        return Sum(rows, int(digest))

    def digests(self, of: Range) -> Mapping[Key, int]:
        return {tuple(row[:-1]): row[-1] for row in self._ask(_DIGESTS, of, "read digests")}

    def seen(self, keys: Sequence[Key]) -> Mapping[Key, Seen]:
        wanted = sql.SQL("{}, {}").format(self._shape.row, _VERSION)
        return {tuple(row[:-2]): Seen(row[-2], row[-1]) for row in self._keyed(keys, wanted, "look at keys")}

    def columns(self, keys: Sequence[Key]) -> Mapping[Key, Mapping[str, int | None]]:
        cells = [sql.SQL("hashtextextended({}, 0)").format(cell) for cell in self._shape.cells.values()]
        rows = self._keyed(keys, sql.SQL(", ").join(cells), "compare columns")
        parts = len(self._shape.key)
        return {tuple(row[:parts]): dict(zip(self._shape.cells, row[parts:], strict=True)) for row in rows}

    def _ask(self, query: sql.SQL, of: Range, operation: str, **values: Any) -> list[Any]:
        shape = self._shape
        made = query.format(
            key=shape.key_text,
            row=shape.row,
            table=sql.Identifier(shape.table.schema, shape.table.name),
            where=sql.SQL("{} AND {} AND {}").format(self._beyond(of.after), self._within(of.to), shape.live),
            order=shape.order,
            last=sql.SQL(", ").join(sql.SQL("{} DESC").format(part.order) for part in shape.key),
        )
        bounds = {f"after{i}": part for i, part in enumerate(of.after or ())}
        bounds |= {f"to{i}": part for i, part in enumerate(of.to or ())}
        with self._translating(operation):
            return self._connection.execute(made, {**bounds, **values}).fetchall()

    def _beyond(self, after: Key | None) -> sql.Composable:
        return sql.SQL("true") if after is None else self._compared(">", "after")

    def _within(self, to: Key | None) -> sql.Composable:
        return sql.SQL("true") if to is None else self._compared("<=", "to")

    def _compared(self, how: str, name: str) -> sql.Composable:
        given = [
            sql.SQL(f"{{}}::{part.sorted_as}").format(sql.Placeholder(f"{name}{i}"))
            for i, part in enumerate(self._shape.key)
        ]
        return sql.SQL(f"({{}}) {how} ({{}})").format(self._shape.order, sql.SQL(", ").join(given))

    def _keyed(self, keys: Sequence[Key], wanted: sql.Composable, operation: str) -> list[Any]:
        """What is wanted of the rows of keys that are there."""
        names = [sql.Identifier(f"k{i}") for i in range(len(self._shape.key))]
        lists = [sql.SQL("{}::text[]").format(sql.Placeholder(f"k{i}")) for i in range(len(names))]
        given = sql.SQL("unnest({}) AS w({})").format(sql.SQL(", ").join(lists), sql.SQL(", ").join(names))
        same = sql.SQL(" AND ").join(
            sql.SQL(f"t.{{}} = w.{{}}::{part.equal_as}").format(sql.Identifier(part.name), name)
            for part, name in zip(self._shape.key, names, strict=True)
        )
        query = _KEYED.format(
            key=self._shape.key_text,
            wanted=wanted,
            given=given,
            table=sql.Identifier(self._shape.table.schema, self._shape.table.name),
            same=same,
            live=self._shape.live,
        )
        values = {f"k{i}": [key[i] for key in keys] for i in range(len(names))}
        with self._translating(operation):
            return self._connection.execute(query, values).fetchall()
