"""A topic whose schema changes, and a table that follows it: bound, planned and applied by the program itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import psycopg

from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.evolver import Following
from consumer.binding.known import KnownBindings
from consumer.core.binding import Evolution
from consumer.core.envelope import read_key_schema, read_writer_schema
from consumer.core.evolution import DEFAULT_ANSWERS, Answer, Follow, Wanted, planned
from consumer.core.moves import NEW_KEY
from consumer.core.plan import Plan
from consumer.core.records import TopicPartition
from consumer.core.steps import Change, CreateTable, chosen
from consumer.core.target import TableName
from consumer.core.types import PLAIN, ColumnPolicy
from consumer.core.wanted import Travelling, wanted_columns
from consumer.edges.postgres.evolving import Changer
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.rehearsing import rehearse
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.shapes import available
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.rows import RowDecoder
from consumer.planning.unbound import Unbound
from consumer.ports.target import Start
from consumer.ports.topics import Traits
from tests.pg.landing import rows
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.known import planner, slice_of
from tests.unit.numbered import Numbered

TOPICS = count(1)
EVERYTHING = dict.fromkeys(Change, Answer.AUTO)
KEY_ID = 1
Fields = Sequence[Mapping[str, Any]]


def follow(renamed: Mapping[str, str] | None = None, **answers: str) -> Follow:
    """The defaults, but for these."""
    said = {Change(name): Answer(word) for name, word in answers.items()}
    return Follow(answers={**DEFAULT_ANSWERS, **said}, renamed=renamed or {})


class Source(Numbered):
    """A topic of one table whose rows are told apart by `id`, with a schema for each set of fields that is sent."""

    def __init__(self, table: TableName) -> None:
        self.table = table
        self.topic = self.address = f"followed-{next(TOPICS)}"
        self.at = TopicPartition(self.topic, 0)
        self._ids = count(10)
        self._writers: dict[str, tuple[int, Writer]] = {}
        self._key = Writer(key([{"name": "id", "type": "long"}]))

    def record(self, fields: Fields, op: str, row: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Key and value of a change; new fields are a new schema."""
        number, writer = self.schema_of(fields)
        before, after = (row, None) if op == "d" else (None, row)
        return self._key.framed(KEY_ID, {"id": row["id"]}), writer.framed(number, event(op, before, after))

    def schema_of(self, fields: Fields) -> tuple[int, Writer]:
        """The id of these fields' schema, and what writes it."""
        writer = Writer(envelope(fields))
        if writer.text not in self._writers:
            self._writers[writer.text] = (next(self._ids), writer)
        return self._writers[writer.text]

    def schema(self, schema_id: int) -> str:
        """As the registry has it."""
        texts = {KEY_ID: self._key.text} | {number: text for text, (number, _) in self._writers.items()}
        return texts[schema_id]

    def traits(self, topics: Sequence[str]) -> dict[str, Traits]:
        """One partition each."""
        return dict.fromkeys(topics, Traits(compacted=False, partitions=1))


class Follower:
    """A worker that applies the topic's partition."""

    def __init__(self, sink: PostgresSink, pool: TargetPool, group: str, source: Source, how: Follow) -> None:
        self.sink = sink
        self._source = source
        self.known = KnownBindings()
        self.name = source.table
        settings = BinderSettings(template=str(source.table), following=Following(others=how))
        sources = Sources(
            registry=source,
            catalog=PostgresCatalog(pool, group),
            offsets=source,
            rows=RowDecoder(),
        )
        self.binder = Binder(self.known, sources, settings)
        self.take()

    def take(self) -> None:
        """Become the owner of the partition."""
        (self.taken,) = self.sink.take({self._source.at: Start(offset=0)})
        self.next_offset = self.taken.next_offset

    def plan(self, *records: tuple[bytes, bytes], moving: bool = False) -> Plan:
        """A plan behind what was applied; bindings are made as the apply thread makes them.

        `moving`: the deletes are of rows that go on under another key.
        """
        piece = replace(slice_of(records, self.next_offset, self._source.at), epoch=self.taken.epoch)
        if moving:
            piece = replace(piece, headers=lambda _: ((NEW_KEY, b"{}"),))
        while True:
            try:
                plan = planner(self.known).plan([piece])
            except Unbound as unbound:
                self.binder.bind(unbound.wanted, unbound.labels)
            else:
                return plan

    def apply(self, *records: tuple[bytes, bytes], moving: bool = False) -> Plan:
        """Apply records in one batch, and bind what was changed anew."""
        plan = self.plan(*records, moving=moving)
        self.sink.apply(plan)
        self.next_offset = plan.slices[0].end
        for evolution in plan.evolutions:
            self.binder.forget(evolution.table)
        return plan


@dataclass(frozen=True, slots=True)
class Scene:
    """A table that may be there, its topic, and workers that apply it, by how they follow and by name."""

    session: psycopg.Connection
    table: TableName
    source: Source
    worker: Callable[..., Follower]

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Do statements; `{t}` is the table, `{s}` its schema."""
        done = self.session.execute(text.replace("{t}", str(self.table)).replace("{s}", self.table.schema).encode())
        return done.fetchall() if done.description else []

    def record(self, fields: Fields, row: Mapping[str, Any], op: str = "c") -> tuple[bytes, bytes]:
        """A change."""
        return self.source.record(fields, op, row)

    def columns(self) -> dict[str, str]:
        """Type, NOT NULL and default of the columns."""
        return columns_of(self.session, self.table)

    def rows(self) -> list[tuple[Any, ...]]:
        """Everything in order."""
        return rows(self.session, self.table)

    def history(self) -> list[tuple[Any, ...]]:
        """What is remembered of the table's changes, oldest first."""
        query = "SELECT change, state FROM headrace.schema_changes WHERE table_name = %s ORDER BY id"
        return self.session.execute(query, (str(self.table),)).fetchall()


def columns_of(session: psycopg.Connection, table: TableName) -> dict[str, str]:
    """Type, NOT NULL and default of a table's columns."""
    query = """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
            || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
    name = f'"{table.schema}"."{table.name.replace(chr(34), chr(34) * 2)}"'
    return dict(session.execute(query, (name,)).fetchall())


def made(
    session: psycopg.Connection,
    table: TableName,
    fields: Fields,
    policies: Mapping[str, ColumnPolicy] | None = None,
    key_fields: Fields | None = None,
) -> None:
    """Make a missing table as a batch does that needs it first."""
    text = Writer(envelope(fields)).text
    identity = [column.name for column in read_key_schema(Writer(key(key_fields or fields[:1])).text)]
    travelling = [
        Travelling(column=column, name=column.name, policy=(policies or {}).get(column.name, PLAIN))
        for column in read_writer_schema(text).columns
    ]
    columns = wanted_columns(travelling, text)
    wanted = Wanted(table=table, topic="made", schema_id=1, columns=columns, identity=tuple(identity))
    (step,) = planned(None, wanted, Follow()).steps
    step = chosen(step, lambda types: available(session, types))
    assert isinstance(step, CreateTable)
    rehearsed = rehearse(session, table, [step], 2.0)
    evolution = Evolution(
        table=table, topic="made", schema_id=1, steps=(step,), sql=rehearsed.sql, before=None, after=rehearsed.shape
    )
    with transaction(session, "make table"):
        Changer(group="made", worker="one").change(session, [evolution])
