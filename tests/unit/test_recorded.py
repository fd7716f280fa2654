"""Debezium's own events of MySQL and MariaDB, and synthetic ones of SQL Server and Oracle."""

import json
from collections import defaultdict
from collections.abc import Iterator

import pytest

from consumer.core.envelope import (
    Column,
    RecordKind,
    WriterSchema,
    read_key_schema,
    read_key_writer,
    read_writer_schema,
)
from consumer.core.meaning import Meaning, meaning
from consumer.edges.rows import RowDecoder
from tests.recorded import RECORDED, SYNTHETIC, Event, events, read, row_fields
from tests.unit.decoder_agreement import ASKED, read_natively, same

ALL = (*RECORDED, *SYNTHETIC)
FRAME = 5
# as many data as the columnar decoder reads itself, however few were recorded
BLOCK = 40
ROWS = RowDecoder()


def by_schema(name: str) -> Iterator[tuple[WriterSchema, list[bytes]]]:
    """The change envelopes of a source, each with its data."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for event in events(name):
        if event.value and event.value_schema:
            found[event.value_schema].append(event.value[FRAME:])
    for schema, data in found.items():
        said = read_writer_schema(schema)
        if said.kind is RecordKind.CHANGE:
            yield said, data


@pytest.mark.parametrize("name", ALL)
def test_every_key_and_value_is_read_to_its_last_byte(name: str) -> None:
    """fastavro, by the original schemas; the key's columns have the row's values."""
    for event in events(name):
        key = event.key and event.key_schema and read(event.key_schema, event.key)
        value = event.value and event.value_schema and read(event.value_schema, event.value)
        if key and value and event.change:
            image = value["before" if event.change.op == "d" else "after"]
            assert key == {column: image[column] for column in key}


@pytest.mark.parametrize("name", ALL)
def test_every_record_is_of_the_kind_that_its_topic_is_for(name: str) -> None:
    """Kinds are told by the schema's name alone."""
    for event in events(name):
        if event.value_schema:
            assert read_writer_schema(event.value_schema).kind is kind_of(event), event.topic


def kind_of(event: Event) -> RecordKind:
    """What Debezium's documentation says of a topic."""
    if event.topic.startswith("__debezium-heartbeat."):
        return RecordKind.HEARTBEAT
    by_end = {"transaction": RecordKind.TRANSACTION, "notifications": RecordKind.NOTIFICATION}
    if "." not in event.topic:
        return RecordKind.SCHEMA_CHANGE
    return by_end.get(event.table, RecordKind.CHANGE)


@pytest.mark.parametrize("name", RECORDED)
def test_every_kind_was_recorded(name: str) -> None:
    """No kind of record is missing from a recording."""
    kinds = {kind_of(event) for event in events(name)}

    # logical messages are PostgreSQL's, and tombstones are records without a value
    assert kinds == set(RecordKind) - {RecordKind.OTHER, RecordKind.MESSAGE, RecordKind.TOMBSTONE}


@pytest.mark.parametrize("name", ALL)
def test_columns_are_the_rows_fields(name: str) -> None:
    """Envelope and key say the same names, and the envelope its time and its columns in their order."""
    for event in events(name):
        if event.value_schema and kind_of(event) is RecordKind.CHANGE:
            said = read_writer_schema(event.value_schema)
            names = [column.name for column in said.columns]
            assert names == [field["name"] for field in row_fields(event.value_schema)]
            assert said.has_source_time
            keys = read_key_schema(event.key_schema) if event.key_schema else ()
            assert {column.name for column in keys} <= set(names)


@pytest.mark.parametrize("name", ALL)
def test_both_decoders_agree(name: str) -> None:
    """The same frames of every envelope, whichever fields are asked for, and nothing is refused."""
    for said, data in by_schema(name):
        assert said.rewritten is not None
        assert said.rewritten.columnar
        there = {field["name"] for field in json.loads(said.rewritten.text)["fields"]}
        block = data * (BLOCK // len(data) + 1)
        for asked in ASKED:
            fields = tuple(field for field in asked if field in there)
            rows = ROWS.decode(said.rewritten.text, block, fields)
            assert same(read_natively(said.rewritten.text, block, fields), rows)


@pytest.mark.parametrize("name", ALL)
def test_both_decoders_agree_about_keys(name: str) -> None:
    """Keys of one and of several columns of any type."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for event in events(name):
        if event.key and event.key_schema and kind_of(event) is RecordKind.CHANGE:
            found[event.key_schema].append(event.key[FRAME:])
    for schema, data in found.items():
        rewritten = read_key_writer(schema)
        columns = [column.name for column in read_key_schema(schema)]
        block = data * (BLOCK // len(data) + 1)
        rows = ROWS.decode(rewritten.text, block, columns)
        assert same(read_natively(rewritten.text, block, columns), rows)


@pytest.mark.parametrize("name", RECORDED)
def test_binlog_positions_are_found(name: str) -> None:
    """MySQL and MariaDB name a file and a place in it."""
    for said, _ in by_schema(name):
        assert said.position == ("source_file", "source_pos")


def columns_of(name: str) -> dict[str, list[Column]]:
    """The columns of a source's tables by semantic type; `-` for those without."""
    found: dict[str, list[Column]] = defaultdict(list)
    for said, _ in by_schema(name):
        for column in said.columns:
            found[column.semantic or "-"].append(column)
    return found


SEMANTIC = sorted({semantic for name in ALL for semantic in columns_of(name)})


@pytest.mark.parametrize("semantic", SEMANTIC)
def test_every_semantic_type_has_a_meaning(semantic: str) -> None:
    """None is left as anything else, whose text says nothing."""
    columns = [column for name in ALL for column in columns_of(name).get(semantic, ())]

    assert columns
    assert not {Meaning.OTHER, Meaning.UNKNOWN} & {meaning(column) for column in columns}
