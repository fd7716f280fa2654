"""What the target's foreign keys say of the order of tables, and of which topics rely on which."""

from collections.abc import Sequence

import psycopg
import pytest
from psycopg import sql

from consumer.core.records import TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault, TableFault
from consumer.ports.target import Start
from tests.pg.conftest import Catalogs
from tests.pg.landing import ID, Landing


def create(session: psycopg.Connection, schema: str, name: str, *references: str) -> TableName:
    """A table that refers to others by a column for each."""
    parents = [
        sql.SQL(", {} int8 REFERENCES {}").format(sql.Identifier(f"to {other}"), sql.Identifier(schema, other))
        for other in references
    ]
    statement = sql.SQL("CREATE TABLE {} (id int8 PRIMARY KEY{})")
    session.execute(statement.format(sql.Identifier(schema, name), sql.SQL("").join(parents)))
    return TableName(schema, name)


def ranks(catalog: PostgresCatalog, tables: Sequence[TableName]) -> list[int]:
    """How many tables each refers to."""
    found = [catalog.read_table(table) for table in tables]
    return [table.rank for table in found if table is not None]


def test_a_table_ranks_behind_all_that_it_refers_to(
    session: psycopg.Connection, catalog: PostgresCatalog, schema: str
) -> None:
    """Directly or through others, itself left out of nothing; tables in a circle rank alike."""
    tables = [create(session, schema, "z"), create(session, schema, "y", "z"), create(session, schema, "a", "y", "z")]
    assert ranks(catalog, tables) == [0, 1, 2]

    session.execute(f"ALTER TABLE {schema}.z ADD COLUMN back int8 REFERENCES {schema}.y")
    assert ranks(catalog, tables) == [2, 2, 2]
    session.execute(f"ALTER TABLE {schema}.z DROP COLUMN back, ADD COLUMN own int8 REFERENCES {schema}.z")
    assert ranks(catalog, tables) == [1, 1, 2]


@pytest.mark.parametrize("parent", ["orders", 'o"r.d ers'])
def test_a_topic_relies_on_those_of_the_tables_that_its_rows_refer_to(
    session: psycopg.Connection, sink: PostgresSink, catalogs: Catalogs, schema: str, parent: str
) -> None:
    """On itself too; and on every topic without a table yet, while one of the tables has no topic yet."""
    create(session, schema, parent)
    child = create(session, schema, "items", parent)
    catalog = catalogs()
    catalog.claim_table(child, "items")
    catalog.claim_table(create(session, schema, "others"), "others")
    sink.seed({TopicPartition(topic, 0): Start(offset=0) for topic in ("items", "orders", "others", "new")})
    assert sink.relied_on(["items"]) == {"items": {"items", "orders", "new"}}
    catalog.claim_table(TableName(schema, parent), "orders")

    assert sink.relied_on(["items", "others"]) == {"items": {"items", "orders"}, "others": {"others"}}


def test_a_topic_whose_rows_go_relies_on_those_of_the_tables_that_refer_to_it(
    session: psycopg.Connection, sink: PostgresSink, catalogs: Catalogs, schema: str
) -> None:
    """Not on those that it refers to: they would wait for one another, where rows only come."""
    create(session, schema, "shops")
    create(session, schema, "orders", "shops")
    child = create(session, schema, "items", "orders")
    catalog = catalogs()
    catalog.claim_table(TableName(schema, "shops"), "shops")
    catalog.claim_table(TableName(schema, "orders"), "orders")
    sink.seed({TopicPartition(topic, 0): Start(offset=0) for topic in ("items", "orders", "shops", "new")})
    assert sink.relied_on(["orders"], leaving=True) == {"orders": {"orders", "items", "new"}}
    catalog.claim_table(child, "items")

    assert sink.relied_on(["orders"], leaving=True) == {"orders": {"orders", "items"}}
    assert sink.relied_on(["orders"]) == {"orders": {"orders", "shops"}}


@pytest.mark.provokes("table.reference")
def test_a_flood_of_rows_without_their_parents_is_told_from_others(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """Time may heal it."""
    create(session, schema, "parent")
    session.execute(f"CREATE TABLE {schema}.child (id int8 PRIMARY KEY, parent int8 REFERENCES {schema}.parent)")
    landing = Landing(sink, TableName(schema, "child"), [ID, {"name": "parent", "type": "long"}])
    plan = landing.plan(*(("c", {"id": n, "parent": n}) for n in range(300)))
    with pytest.raises(DataFault):
        sink.apply(plan)
    with pytest.raises(TableFault) as caught:
        sink.apply(plan)
    assert caught.value.failure.kind == "table.reference"
    session.execute(f"INSERT INTO {schema}.parent SELECT generate_series(0, 299)")
    sink.apply(plan)
