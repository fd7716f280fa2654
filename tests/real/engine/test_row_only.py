"""Topics whose schemas only the row decoder can read are applied like any other."""

import json
from typing import Any

import pytest

from consumer.stack.options import Endpoints
from tests.unit.avro import Writer, envelope, event

from .feed import Feed, fresh_name, register
from .witness import Target
from .worker import Job, Workers

_NODE = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "word", "type": "string"}, {"name": "next", "type": ["null", "Node"]}],
}
_TREE = {"word": "a", "next": {"word": "b", "next": None}}
_STAMP = {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}
_KINDS = {
    "recursive": (["null", _NODE], [_TREE, _TREE["next"], None]),
    "union": (["null", "long", "string", {"type": "array", "items": "int"}], [7, "7", [1, 2], None]),
}


class OddFeed:
    """One table's changes in envelopes of the test's own, and what the table must hold afterwards."""

    def __init__(self, at: Endpoints, kind: Any) -> None:
        self.table = fresh_name("odd")
        self.feed = Feed(at, self.table, fresh_name(self.table), 1)
        fields = [{"name": "id", "type": "long"}, {"name": "odd", "type": kind}, {"name": "at", "type": _STAMP}]
        self._writer = Writer(envelope(fields, f"shop.public.{self.table}"))
        self._id = register(at, f"{self.table}-value", json.loads(self._writer.text))
        self.rows: dict[int, Any] = {}

    def send(self, op: str, key: int, odd: Any = None) -> None:
        """One change."""
        image = {"id": key, "odd": odd, "at": key * 1_000_000}
        change = event(op, image, None) if op == "d" else event(op, None, image)
        source = change["source"] | {"table": self.table}
        self.feed.raw(self._writer.framed(self._id, change | {"source": source}), key)
        self.rows[key] = odd
        if op == "d":
            del self.rows[key]

    def life(self, values: list[Any]) -> None:
        """Enough rows for the columnar decoder's blocks; each kind of change, and each value after each other."""
        for key in range(60):
            self.send("c", key, values[key % len(values)])
        for key in range(0, 60, 4):
            self.send("u", key, values[key // 4 % len(values)])
        for key in range(0, 60, 6):
            self.send("d", key)
        self.feed.flush()


@pytest.mark.parametrize("kind", _KINDS)
def test_a_topic_of_such_a_type_is_applied(kind: str, workers: Workers, target: Target, at: Endpoints) -> None:
    """The table is made with a text column; values arrive as JSON text, NULL stays NULL, other columns are exact."""
    avro, values = _KINDS[kind]
    fed = OddFeed(at, avro)
    fed.life(values)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("odd"), topics=(fed.feed.topic,))
    workers.until_current(job)
    found = target.ask(f"SELECT id, odd::jsonb, at = to_timestamp(id) AT TIME ZONE 'UTC' FROM public.{fed.table}")
    kinds = target.ask(f"SELECT odd.typname FROM (SELECT pg_typeof(odd)::text typname FROM public.{fed.table}) odd")

    assert {row[0]: row[1] for row in found} == fed.rows
    assert None in fed.rows.values()
    assert {row[2] for row in found} == {True}
    assert {row[0] for row in kinds} == {"text"}
    assert target.reached(job.group, fed.feed)


def test_an_existing_column_of_jsonb_takes_such_a_value(workers: Workers, target: Target, at: Endpoints) -> None:
    """PostgreSQL's own input reads the text."""
    avro, values = _KINDS["union"]
    fed = OddFeed(at, avro)
    fed.life(values)
    target.do(f"CREATE TABLE public.{fed.table} (id bigint PRIMARY KEY, odd jsonb, at timestamp)")
    job = Job(at=at, dsn=target.dsn, group=fresh_name("odd"), topics=(fed.feed.topic,))
    workers.until_current(job)

    assert dict(target.ask(f"SELECT id, odd FROM public.{fed.table}")) == fed.rows
