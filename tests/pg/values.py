"""A value on its way from Avro into a column, and what it has to be there: PostgreSQL's own input says it.

What is compared is typed in by hand: a literal that PostgreSQL reads into a column of the same type. Both forms of the
column are compared, its text and the bytes that its send function gives; both decoders are asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import sql

from consumer.core.target import TableName
from consumer.core.types import ColumnPolicy
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.rows import RowDecoder
from tests.pg.following import made
from tests.pg.landing import ID, Landing

DECODERS = (ColumnarDecoder(RowDecoder(), smallest_block=1), RowDecoder())


@dataclass(frozen=True, slots=True)
class Value:
    """An Avro value on its way into a column of a type; the literal is what PostgreSQL would read for it.

    `created`: the type that a column created for it has, as format_type says it; None: not looked at. `policy`: the
    settings of the column.
    """

    avro: Any
    value: Any
    target: str
    literal: str | None
    created: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)


def label(value: Value) -> str:
    """A name for a case."""
    kind = value.avro[0] if isinstance(value.avro, list) else value.avro
    word = kind if isinstance(kind, str) else str(kind.get("connect.name", kind["type"])).rsplit(".", 1)[-1]
    if word == "array":
        word += f"-{label_of(kind['items'])}"
    return f"{word}-{value.target}-{str(value.literal)[:30]}".encode("ascii", "backslashreplace").decode()


def label_of(items: Any) -> str:
    """A name for an array's elements."""
    inner = items[-1] if isinstance(items, list) else items
    return inner if isinstance(inner, str) else str(inner.get("connect.name", inner["type"])).rsplit(".", 1)[-1]


def params(values: Iterable[Value], *, created: bool = False) -> list[Any]:
    """The cases of a table, or those of them that say what is created."""
    return [pytest.param(value, id=label(value)) for value in values if value.created or not created]


def land(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, values: Sequence[Value], target: str
) -> None:
    """Apply the values as rows of a table with one column of the target's type, once through each decoder."""
    session.execute(f"CREATE TABLE {table.schema}.t (id int8 PRIMARY KEY, v {target})")
    _apply(sink, table, values)


def _apply(sink: PostgresSink, table: TableName, values: Sequence[Value]) -> None:
    policy = ColumnPolicy(**values[0].policy)

    class WithPolicy(Landing):
        policies: ClassVar = {"v": policy}

    for number, decoder in enumerate(DECODERS):
        landing = WithPolicy(sink, table, [ID, {"name": "v", "type": values[0].avro}])
        landing.decoder = decoder
        first = number * len(values)
        landing.apply(*(("c", {"id": first + place, "v": value.value}) for place, value in enumerate(values)))


def check(session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value) -> None:
    """The rows' column is what the literal is once PostgreSQL took it into such a column."""
    land(session, sink, table, [value], value.target)
    compare(session, table, value.target, value.literal)


def check_created(session: psycopg.Connection, sink: PostgresSink, table: TableName, value: Value) -> None:
    """The same in a table that is created, whose column has the type that it should have."""
    fields = [ID, {"name": "v", "type": value.avro}]
    made(session, table, fields, {"v": ColumnPolicy(**value.policy)})
    query = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'v' AND attrelid = %s::regclass"
    kind = session.execute(query, (str(table),)).fetchone()

    assert kind == (value.created,)
    _apply(sink, table, [value])
    compare(session, table, kind[0], value.literal)


def compare(session: psycopg.Connection, table: TableName, kind: str, literal: str | None) -> None:
    """Compare the column `v` of all rows with the literal, by text and by bytes."""
    session.execute(f"CREATE TABLE {table.schema}.wanted (v {kind})")
    session.execute(
        sql.SQL("INSERT INTO {}.wanted VALUES ({})").format(sql.Identifier(table.schema), sql.Literal(literal))
    )
    send = session.execute(
        "SELECT t.typsend::regproc::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE a.attrelid = %s::text::regclass AND a.attname = 'v'",
        (str(table),),
    ).fetchone()
    assert send is not None
    found = session.execute(
        f"SELECT t.v::text, w.v::text, t.v::text IS DISTINCT FROM w.v::text, {send[0]}(t.v) IS DISTINCT FROM "
        f"{send[0]}(w.v) FROM {table} t, {table.schema}.wanted w"
    ).fetchall()

    assert [row[:2] for row in found if row[2] or row[3]] == []
    assert len(found) == len(DECODERS)
