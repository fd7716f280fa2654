"""Tables whose rows refer to one another, read in any order."""

import random

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID

FIELDS = [ID, {"name": "parent", "type": ["null", "long"]}]


@pytest.mark.parametrize("rows", [300, 3000])
def test_an_orphan_and_its_child_are_the_only_letters(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str, rows: int
) -> None:
    """However many others are in front of their parents."""
    name = TableName(schema, "t")
    bad, leaf = rows + 1, rows
    columns = f"id bigint PRIMARY KEY CHECK (id <> {bad}), parent bigint REFERENCES {name}"
    session.execute(f"CREATE TABLE {name} ({columns})".encode())
    engine = Engine(sink, pools(), group, name, FIELDS)
    chance = random.Random(rows)
    # rows are written in the order of their keys
    keys = chance.sample(range(rows), rows)
    tree = [(key, keys[chance.randrange(number)] if number else None) for number, key in enumerate(keys)]
    orphans = [(bad, keys[0]), (leaf, bad)]
    every = [*tree, *orphans]
    chance.shuffle(every)
    for number, parent in every:
        engine.change("r", {"id": number, "parent": parent})
    engine.run(20_000)

    assert engine.stopped == {}
    assert {offset for _, offset, *_ in engine.letters(session)} == set(map(every.index, orphans))
    assert engine.rows(session) == sorted(tree)
