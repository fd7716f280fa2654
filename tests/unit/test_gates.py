"""The gates that records pass before rows are touched: each says field, expected, found and remedy."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.failure import Failure
from consumer.core.records import Header, Slice
from consumer.core.runs import runs
from consumer.core.target import TargetColumn, TargetTable
from consumer.planning.planner import BadRecord
from consumer.ports.topics import Traits
from tests.unit.avro import Schema, Writer, envelope, event
from tests.unit.avro import key as key_schema
from tests.unit.known import AT, Topic, slice_of
from tests.unit.world import World

CANARY = "sesame"
FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
TOPIC = Topic(FIELDS)
ROW = {"id": 1, "word": CANARY}
KEY, VALUE = TOPIC.record("c", ROW)
TABLE = TOPIC.binding.table
assert TABLE is not None


def column(name: str, type_name: str, **more: Any) -> TargetColumn:
    """A column of the target."""
    return TargetColumn(name=name, type_name=type_name, cast=type_name, **more)


def with_column(*columns: TargetColumn) -> TargetTable:
    """The table with these columns, in the place of those of their names."""
    names = {each.name for each in columns}
    return replace(TABLE, columns=(*(each for each in TABLE.columns if each.name not in names), *columns))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A record at a gate; what is not given is sound."""

    kind: str
    # in this order in the detail
    says: Sequence[str]
    remedy: str
    key: bytes | None = KEY
    value: bytes = VALUE
    headers: Sequence[Header] = ()
    keys: str = TOPIC.keys.text
    values: str = TOPIC.values.text
    table: TargetTable = TABLE
    uncast: frozenset[tuple[str, str]] = field(default=frozenset())

    @property
    def slice(self) -> Slice:
        """The record alone."""
        return replace(slice_of([(self.key, self.value)]), headers=lambda offset: tuple(self.headers))


def written(schema: Schema, row: Mapping[str, Any] = ROW, **changed: Any) -> dict[str, Any]:
    """A value schema and a value of it."""
    writer = Writer(schema)
    return {"values": writer.text, "value": writer.framed(2, {**event("c", None, row), **changed})}


def envelope_with(name: str, kind: Any) -> Schema:
    """An envelope one of whose fields is of another type, or left out."""
    schema = envelope(FIELDS)
    fields = [each if each["name"] != name else {"name": name, "type": kind} for each in schema["fields"]]
    return {**schema, "fields": [each for each in fields if each["type"] is not None]}


ROW_RECORD = {"type": "record", "name": "Value", "namespace": "shop.public.orders", "fields": FIELDS}
# the type of `after` when `before` is not there to spell it out
AFTER = {"type": "record", "name": "Value", "fields": FIELDS}


def without_before() -> Schema:
    """An envelope that has no before images."""
    schema = envelope_with("before", None)
    return {
        **schema,
        "fields": [
            {"name": "after", "type": ["null", AFTER]} if each["name"] == "after" else each for each in schema["fields"]
        ],
    }


def short_before() -> Schema:
    """An envelope whose before images have not all columns."""
    schema = without_before()
    short = {"type": "record", "name": "Short", "fields": FIELDS[:1]}
    return {**schema, "fields": [{"name": "before", "type": ["null", short]}, *schema["fields"]]}


FRAMING = {
    "value JSON": Case(
        kind="record.format",
        says=["value", "zero byte", "JSON"],
        remedy="value.converter",
        value=b'{"after": {"word": "sesame"}}',
    ),
    "value JSON with schemas": Case(
        kind="record.format",
        says=["value", "JSON with its schema"],
        remedy="value.converter",
        value=b'{"schema": {}, "payload": {"word": "sesame"}}',
    ),
    "key JSON": Case(
        kind="record.format", says=["key", "zero byte", "JSON"], remedy="key.converter", key=b'{"id":"sesame"}'
    ),
    "key text": Case(kind="record.framing", says=["key", "plain text"], remedy="key.converter", key=b"sesame"),
    "value short": Case(kind="record.framing", says=["value", "2 bytes"], remedy="value.converter", value=b"\x00\x00"),
    "value of another magic byte": Case(
        kind="record.framing", says=["value", "first byte"], remedy="value.converter", value=b"\x01\x00\x00\x00\x02x"
    ),
    "Confluent header id": Case(
        kind="record.framing",
        says=["value", "__value_schema_id"],
        remedy="PrefixSchemaIdSerializer",
        value=VALUE[5:],
        headers=[("__value_schema_id", b"\x01" + bytes(16))],
    ),
    "Confluent header id, the datum like a frame": Case(
        kind="record.framing",
        says=["value", "__value_schema_id"],
        remedy="PrefixSchemaIdSerializer",
        value=b"\x00\x00\x00\x00\x63" + VALUE[5:],
        headers=[("__value_schema_id", b"\x01" + bytes(16))],
    ),
    "Confluent header id of the key": Case(
        kind="record.framing",
        says=["key", "__key_schema_id"],
        remedy="key.converter.key.schema.id.serializer",
        key=KEY[5:],
        headers=[("__key_schema_id", b"\x01" + bytes(16))],
    ),
    "Apicurio header id": Case(
        kind="record.framing",
        says=["value", "apicurio.value.encoding, apicurio.value.globalId"],
        remedy="headers.enabled=false",
        value=VALUE[5:],
        headers=[("apicurio.value.globalId", bytes(8)), ("apicurio.value.encoding", b"BINARY")],
    ),
    "Apicurio id of eight bytes": Case(
        kind="record.framing",
        says=["value", "eight bytes"],
        remedy="as-confluent=true",
        value=b"\x00" + (2).to_bytes(8, "big") + VALUE[5:],
    ),
    "unknown id": Case(
        kind="record.schema_unknown", says=["none"], remedy="registry.url", value=b"\x00\x00\x00\x00\x63" + VALUE[5:]
    ),
}
SHAPE = {
    "flattened, by its name": Case(
        kind="record.flattened",
        says=["value", "envelope", "row alone"],
        remedy="ExtractNewRecordState",
        values=Writer(ROW_RECORD).text,
        value=Writer(ROW_RECORD).framed(2, ROW),
    ),
    "flattened, by what the transform added": Case(
        kind="record.flattened",
        says=["value", "envelope", "row alone"],
        remedy="ExtractNewRecordState",
        values=(
            flat := Writer({**ROW_RECORD, "name": "r", "fields": [*FIELDS, {"name": "__op", "type": "string"}]})
        ).text,
        value=flat.framed(2, {**ROW, "__op": "c"}),
    ),
    "another record": Case(
        kind="record.no_envelope",
        says=["value", "envelope", "another record"],
        remedy="kafka.topics",
        values=(other := Writer({**ROW_RECORD, "name": "r"})).text,
        value=other.framed(2, ROW),
    ),
    "an operation that is no text": Case(
        kind="record.schema", says=["op", "string", "int"], remedy="Avro", **written(envelope_with("op", "int"), op=1)
    ),
    "no before images": Case(
        kind="record.schema", says=["before", "record", "no such field"], remedy="Avro", **written(without_before())
    ),
    "before images without all columns": Case(
        kind="record.schema", says=["before.word", "columns", "no such field"], remedy="Avro", **written(short_before())
    ),
    "after images that are never null": Case(
        kind="record.schema",
        says=["after", "may be null", "record"],
        remedy="Avro",
        **written(envelope_with("after", "Value")),
    ),
    "no key": Case(kind="table.identity", says=["no key"], remedy="message.key.columns", key=None),
    "a key that the row does not have": Case(
        kind="table.identity",
        says=["after.place", "key's columns", "none"],
        remedy="ValueToKey",
        keys=(places := Writer(key_schema([{"name": "place", "type": "long"}]))).text,
        key=places.framed(1, {"place": 1}),
        table=replace(TABLE, unique=(frozenset({"place"}),)),
    ),
}
CATALOG = {
    "no column": Case(
        kind="table.approval",
        says=["public.orders", "word", "none"],
        remedy="headrace schema apply",
        table=replace(TABLE, columns=TABLE.columns[:1]),
    ),
    "text for bytes": Case(
        kind="table.shape",
        says=["after.word", "bytes", "text"],
        remedy="binary",
        table=with_column(column("word", "bytea")),
    ),
    "no cast": Case(
        kind="table.shape",
        says=["after.id", "date", "integer"],
        remedy="types.md",
        table=with_column(column("id", "date")),
        uncast=frozenset({("int8", "date")}),
    ),
    "a column that nothing gives a value": Case(
        kind="table.shape",
        says=["extra", "default", "NOT NULL"],
        remedy="BEFORE INSERT",
        table=with_column(column("extra", "int4", required=True, needed=True)),
    ),
    "a key that the table computes": Case(
        kind="table.identity",
        says=["after.id", "written", "computes"],
        remedy="plain column",
        table=with_column(column("id", "int8", generated=True)),
    ),
    "no privilege": Case(
        kind="table.privilege",
        says=["public.orders", "UPDATE of 'word'"],
        remedy="Grant",
        table=with_column(column("word", "text", lacks=frozenset({"UPDATE"}))),
    ),
}


def refusal(case: Case) -> Failure | None:
    """What the binder says against the record."""
    world = World({1: case.keys, 2: case.values}, lambda name: case.table, uncast=set(case.uncast))
    world.topics[AT.topic] = Traits(compacted=False, partitions=3)
    known = KnownBindings()
    (run,) = runs(case.slice)
    key = BindingKey(AT.topic, run.key_frame, run.value_frame)
    try:
        world.binder(known).bind({key: run})
    except BadRecord as bad:
        return bad.failure
    binding = known.find(key)
    return binding.unreadable if binding else None


@pytest.mark.provokes("record.format", "record.framing", "record.flattened")
@pytest.mark.parametrize("case", [pytest.param(each, id=name) for name, each in (FRAMING | SHAPE | CATALOG).items()])
def test_each_gate_says_field_expected_found_and_remedy(case: Case) -> None:
    """And no word of a row."""
    failure = refusal(case)

    assert failure is not None
    assert failure.kind == case.kind
    assert re.search(".*".join(map(re.escape, case.says)), failure.detail)
    assert case.remedy in failure.remedy
    assert not failure.detail.startswith("after.") or failure.detail.startswith(f"{failure.field}: ")
    assert CANARY not in str(failure)


def test_a_sound_record_passes_all_gates() -> None:
    """Nothing is wrong with what the cases above have in common, whatever the target has besides."""
    sound = Case(kind="", says=[], remedy="", table=with_column(column("extra", "int4", required=True)))

    assert refusal(sound) is None
