"""Two things that would go into one column of the table: a mistake in the settings, found before a row is touched."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.modes import Mode
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID

N, OP = {"name": "n", "type": "int"}, {"name": "_op", "type": "string"}
Engines = Callable[..., Engine]


@pytest.fixture
def engines(sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of table t with such settings."""
    name = TableName(schema, "t")

    def made(*fields: Any, **said: Any) -> Engine:
        return Engine(sink, pools(), group, name, [ID, *fields], **{kind: {str(name): of} for kind, of in said.items()})

    return made


def renamed(**names: str) -> TableMapping:
    """Columns under other names."""
    return TableMapping(columns={old: ColumnMapping(rename=new) for old, new in names.items()})


@pytest.mark.parametrize(
    ("mapping", "columns"),
    [(TableMapping(exclude=frozenset({"_op"})), "_op, id"), (renamed(_op="op"), "_op, id, op")],
    ids=["exclude", "rename"],
)
def test_a_source_that_has_a_name_of_the_historys_is_mapped(
    session: psycopg.Connection, engines: Engines, mapping: TableMapping, columns: str
) -> None:
    """As the remedy says: then the history's own column is the only one of that name."""
    engine = engines(OP, modes=Mode.HISTORY, mappings=mapping)
    engine.change("c", {"id": 1, "_op": "theirs"})
    engine.run()

    assert engine.stopped == {}
    found = session.execute(f"SELECT {columns} FROM {engine.table}".encode()).fetchall()
    assert found == [("c", 1, "theirs")[: len(columns.split(","))]]


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param([OP], {"modes": Mode.HISTORY}, id="a source's column and the history's"),
        pytest.param(
            [N], {"modes": Mode.HISTORY, "mappings": TableMapping(constants={"_op": "x"})}, id="a constant and those"
        ),
        pytest.param([N], {"versions": "pos", "mappings": TableMapping(constants={"pos": 5})}, id="and a version"),
        pytest.param([N], {"versions": "pos", "mappings": renamed(n="pos")}, id="a renamed column and a version"),
        pytest.param([N], {"soft_deletes": "gone", "mappings": renamed(n="gone")}, id="and the mark of deleted rows"),
        pytest.param([N], {"mappings": renamed(n="ctid")}, id="PostgreSQL's own"),
        pytest.param([{**N, "name": "xmin"}], {}, id="PostgreSQL's own, at the source"),
    ],
)
def test_what_is_taken_stops_the_table(
    session: psycopg.Connection, engines: Engines, fields: list[Any], said: dict[str, Any], there: bool
) -> None:
    """Whether it is there or is to be made; no record becomes a letter."""
    engine = engines(*fields, **said)
    if there:
        columns = "id bigint PRIMARY KEY, n int, _op text, pos bigint, gone timestamptz"
        session.execute(f"CREATE TABLE {engine.table} ({columns})".encode())
    engine.change("c", {"id": 1, "n": 2, "_op": "theirs", "xmin": 3})
    engine.run()

    (why,) = engine.stopped.values()
    assert (why.kind, engine.letters(session)) == ("table.settings", [])
    assert "name" in why.remedy.lower()
