"""Keys of types that have an order and no hash: letters know their rows all the same."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.unit.semantic import bits, decimal, propagated

Engines = Callable[..., Engine]
LITTLE = [bytes([number]) for number in (1, 2, 3)]
TEXTS = [f"{number:08b}" for number in (1, 2, 3)]
NUMBERS = [Decimal(f"{number}.50") for number in (1, 2, 3)]
# by kind of column: the source's type and three keys
KEYS: dict[str, tuple[str, Any, list[Any]]] = {
    "bit of bits": ("bit(8)", bits(8), LITTLE),
    "bit of text": ("bit(8)", "string", TEXTS),
    "one bit of a boolean": ("bit", "boolean", [True, False]),
    "varbit of bits": ("bit varying(8)", propagated(bits(8), "BIT", 8), LITTLE),
    "varbit of text": ("bit varying(8)", "string", TEXTS),
    "domain": ("{s}.flags", bits(8), LITTLE),
    "money": ("money", decimal(9, 2), NUMBERS),
    "search vector": ("tsvector", "string", ["'a'", "'b'", "'c'"]),
    "array": ("bit(8)[]", {"type": "array", "items": "string"}, [[text] for text in TEXTS]),
    "a name that begins like one": ("{s}.bitter", "string", ["x", "y", "z"]),
}


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes a worker of a table whose key is of some kind."""

    def made(kind: str, avro: Any) -> Engine:
        session.execute(f"CREATE DOMAIN {schema}.flags AS bit(8)".encode())
        session.execute(f"CREATE TYPE {schema}.bitter AS ENUM ('x', 'y', 'z')".encode())
        kind = kind.replace("{s}", schema)
        session.execute(f"CREATE TABLE {schema}.t (k {kind} PRIMARY KEY, n int CHECK (n <> 13))".encode())
        fields = [{"name": "k", "type": avro}, {"name": "n", "type": "int"}]
        return Engine(sink, pools(), group, TableName(schema, "t"), fields, ("k",))

    return made


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("case", KEYS.values(), ids=KEYS)
def test_a_bad_record_costs_its_record(
    session: psycopg.Connection, engines: Engines, case: tuple[str, Any, list[Any]], size: int
) -> None:
    """Its neighbours are applied, it is a letter of its row, and the row's next change supersedes it."""
    kind, avro, keys = case
    engine = engines(kind, avro)
    for number, value in enumerate(keys):
        engine.change("c", {"k": value, "n": 13 if number == 1 else number})
    engine.run(size)
    assert engine.stopped == {}
    assert sorted(row[1] for row in engine.rows(session)) == [number for number in range(len(keys)) if number != 1]
    assert engine.letters(session) == [(0, 1, "dead", "record.check")]

    for value in keys:
        engine.change("u", {"k": value, "n": 7})
    engine.run(size)
    assert engine.stopped == {}
    assert [row[1] for row in engine.rows(session)] == [7] * len(keys)
    assert engine.letters(session) == [(0, 1, "superseded", "record.check")]
