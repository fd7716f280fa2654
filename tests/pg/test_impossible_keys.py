"""Records whose key the target can't hold cost themselves: there is no row of that key that could be harmed."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import replay
from tests.pg.conftest import Pools
from tests.pg.engine import Engine

FIELDS = [{"name": "id", "type": "long"}, {"name": "doc", "type": ["null", "string"]}]
TEXTS = [{"name": "id", "type": "string"}, {"name": "doc", "type": ["null", "string"]}]
# by column: the columns of the topic, keys that it holds, and one that it does not
KEYS: dict[str, tuple[list[dict[str, Any]], list[Any], Any]] = {
    "int4": (FIELDS, [1, 3], 1 << 40),
    "text": (TEXTS, ["a", "c"], "sesame\0"),
    "{s}.mood": (TEXTS, ["a", "c"], "sesame"),
    "uuid": (TEXTS, ["00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000c"], "sesame"),
}
TYPES = "CREATE TYPE {s}.mood AS ENUM ('a', 'c'); "


@pytest.fixture
def engines(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str
) -> Callable[..., Engine]:
    """Makes an engine of a table whose key has this type."""

    def made(kind: str) -> Engine:
        text = TYPES + f"CREATE TABLE {{s}}.t (id {kind} PRIMARY KEY, doc text)"
        session.execute(text.replace("{s}", schema).encode())
        return Engine(sink, pools(), group, TableName(schema, "t"), KEYS[kind][0])

    return made


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("damaged", [False, True], ids=["sound", "damaged"])
def test_a_key_that_the_table_can_not_hold_costs_its_record(
    session: psycopg.Connection, engines: Callable[..., Engine], kind: str, size: int, *, damaged: bool
) -> None:
    """Nothing stops; the letter is of no row, and so is a later one of the same key."""
    engine, (_, good, bad) = engines(kind), KEYS[kind]
    engine.change("c", {"id": good[0], "doc": "one"})
    (engine.damaged if damaged else lambda row: engine.change("c", row))({"id": bad, "doc": "sesame"})
    engine.change("u", {"id": bad, "doc": UNAVAILABLE})
    engine.change("c", {"id": good[1], "doc": "two"})
    engine.run(size)

    assert engine.stopped == {}
    assert sorted(row[1] for row in engine.rows(session)) == ["one", "two"]
    found = engine.letters(session)
    assert [(place, state) for _, place, state, _ in found] == [(1, "dead"), (2, "dead")]
    assert {kind for _, _, _, kind in found} <= {"record.value", "record.decode"}
    query = "SELECT DISTINCT digest_a, detail LIKE '%%sesame%%' FROM headrace.letters WHERE topic = %s"
    assert session.execute(query, (engine.at[0].topic,)).fetchall() == [(None, False)]


def test_once_the_column_holds_it_letters_of_the_key_are_searched_for(
    session: psycopg.Connection, engines: Callable[..., Engine], group: str, schema: str
) -> None:
    """As others whose row becomes known late; sent again before that they fail as before."""
    engine = engines("int4")
    engine.change("c", {"id": 1 << 40, "doc": "one"})
    engine.run()
    query = "SELECT id, state, kind, search_until IS NOT NULL FROM headrace.letters WHERE group_name = %s"
    ((letter, *_),) = session.execute(query, (group,)).fetchall()
    replay(session, group, [letter])
    engine.come_back()
    assert session.execute(query, (group,)).fetchall() == [(letter, "dead", "record.value", False)]

    session.execute(f"ALTER TABLE {schema}.t ALTER id TYPE bigint".encode())
    engine.start()
    replay(session, group, [letter])
    engine.come_back()
    assert [row[1] for row in engine.rows(session)] == ["one"]
