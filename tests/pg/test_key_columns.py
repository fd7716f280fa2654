"""Keys that are no primary key: of a unique index of the source, or columns that the connector was told."""

from collections.abc import Callable

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID

FIELDS = [
    ID,
    {"name": "shop", "type": "string"},
    {"name": "code", "type": "int"},
    {"name": "doc", "type": ["null", "string"]},
]
KEY = ("shop", "code")


@pytest.fixture
def engines(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str
) -> Callable[..., Engine]:
    """Makes an engine of a table with these constraints, whose topic has a key of two columns."""

    def made(constraints: str, partitions: int = 2) -> Engine:
        columns = "id bigint, shop text NOT NULL, code int NOT NULL, doc text"
        session.execute(f"CREATE TABLE {schema}.t ({columns}{constraints})".encode())
        return Engine(sink, pools(), group, TableName(schema, "t"), FIELDS, KEY, partitions=partitions)

    return made


UNIQUE = [
    ", PRIMARY KEY (id), UNIQUE (code, shop)",
    ", PRIMARY KEY (shop, code)",
    ", UNIQUE (shop, code) INCLUDE (doc), UNIQUE (id)",
]


@pytest.mark.parametrize("constraints", UNIQUE)
@pytest.mark.parametrize("size", [1, 3, 50])
def test_any_unique_index_over_just_these_columns_tells_rows_apart(
    session: psycopg.Connection, engines: Callable[..., Engine], constraints: str, size: int
) -> None:
    """Whatever the primary key is, in any order of the columns."""
    engine = engines(constraints)
    for code in (1, 2, 3):
        engine.change("c", {"id": code, "shop": "a", "code": code, "doc": f"{code}"}, partition=code % 2)
    engine.change("u", {"id": 11, "shop": "a", "code": 1, "doc": UNAVAILABLE}, partition=1)
    engine.change("d", {"id": 2, "shop": "a", "code": 2, "doc": None})
    gone = {"id": 3, "shop": "a", "code": 3, "doc": None}
    engine.move(gone, {"id": 3, "shop": "b", "code": 3, "doc": UNAVAILABLE}, partitions=(1, 1))
    engine.run(size)

    assert engine.rows(session) == [(3, "b", 3, "3"), (11, "a", 1, "1")]
    assert (engine.stopped, engine.letters(session)) == ({}, [])


OTHERS = {
    "none": "",
    "the primary key": "ALTER TABLE {t} ADD PRIMARY KEY (id)",
    "more columns": "ALTER TABLE {t} ADD UNIQUE (shop, code, id)",
    "fewer columns": "ALTER TABLE {t} ADD UNIQUE (code)",
    "looked at too late": "ALTER TABLE {t} ADD UNIQUE (shop, code) DEFERRABLE",
    "not unique": "CREATE INDEX ON {t} (shop, code)",
    "of some rows": "CREATE UNIQUE INDEX ON {t} (shop, code) WHERE code > 0",
    "of an expression too": "CREATE UNIQUE INDEX ON {t} (shop, code, (id + 1))",
    "of nulls": "ALTER TABLE {t} ADD UNIQUE (shop, code), ALTER shop DROP NOT NULL",
}


@pytest.mark.parametrize("index", OTHERS.values(), ids=OTHERS.keys())
def test_no_other_index_does(session: psycopg.Connection, engines: Callable[..., Engine], index: str) -> None:
    """Of more columns, of others, or one that does not look at each row at once."""
    engine = engines("")
    if index:
        session.execute(index.format(t=engine.table).encode())
    engine.change("c", {"id": 1, "shop": "a", "code": 1, "doc": None})
    engine.run()

    assert [why.kind for why in engine.stopped.values()] == ["table.identity"]
