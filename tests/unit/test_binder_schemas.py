"""Bindings by schemas that make no rows, and by schemas that the registry does not know."""

import json
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

import pytest

from consumer.core.target import TargetTable
from consumer.planning.planner import BadRecord
from tests.unit.avro import Writer, envelope, event, framed
from tests.unit.bound import CHANGE, FIELDS, ROW, TABLE, Bound, wanted
from tests.unit.known import planner, slice_of

NO_ENVELOPE = Writer({"type": "record", "name": "r", "fields": [{"name": "word", "type": "string"}]})
# an array of nothing may be of any length
ENDLESS = Writer(envelope([*FIELDS, {"name": "empty", "type": {"type": "array", "items": "null"}}]))
ODD = {"type": "long", "connect.name": "com.example.Epoch"}
STRANGE, STRANGE_ITEMS = (
    Writer(envelope([*FIELDS, {"name": "odd", "type": kind}])) for kind in (ODD, {"type": "array", "items": ODD})
)
ODD_RECORD = (CHANGE[0], STRANGE.framed(2, event("c", None, {**ROW, "odd": 1})))
ODD_ITEMS = (CHANGE[0], STRANGE_ITEMS.framed(2, event("c", None, {**ROW, "odd": [1]})))
# Java's reader takes symbols with letters of any language
PLAIN_SYMBOL, SYMBOL = '"symbols": ["cafe"]', '"symbols": ["caf\\u00e9"]'
DRINK = {"name": "drink", "type": {"type": "enum", "name": "drink", "symbols": ["cafe"]}}
DRUNK = Writer(envelope([*FIELDS, DRINK]))
DRUNK_RECORD = (CHANGE[0], DRUNK.framed(2, event("c", None, {**ROW, "drink": "cafe"})))
MENU = replace(
    TABLE,
    columns=(*TABLE.columns, replace(TABLE.columns[1], name="drink")),
    unique=(frozenset({"drink", "id"}),),
)
DRUNK_KEY = Writer({"type": "record", "name": "Key", "namespace": "shop", "fields": [DRINK, FIELDS[0]]})


@pytest.mark.provokes("record.no_envelope", "record.schema", "record.type")
@pytest.mark.parametrize(
    ("schema", "record", "kind", "remedy"),
    [
        pytest.param(
            NO_ENVELOPE.text,
            (CHANGE[0], NO_ENVELOPE.framed(2, {"word": "sesame"})),
            "record.no_envelope",
            "kafka.topics",
            id="no envelope",
        ),
        pytest.param(ENDLESS.text, CHANGE, "record.schema", "Avro", id="a schema that nothing bounds"),
        pytest.param(
            DRUNK.text.replace(PLAIN_SYMBOL, SYMBOL),
            DRUNK_RECORD,
            "record.schema",
            "Avro",
            id="a symbol with an accent",
        ),
        pytest.param(
            '{"type": "record", "name": "r", "fields": [{"type": "long"}]}',
            CHANGE,
            "record.schema",
            "Avro",
            id="a field without a name",
        ),
        pytest.param(STRANGE.text, ODD_RECORD, "record.type", "Exclude", id="numbers of an unknown name"),
        pytest.param(STRANGE_ITEMS.text, ODD_ITEMS, "record.type", "Exclude", id="elements of an unknown name"),
    ],
)
def test_records_whose_schema_makes_no_rows_become_letters(
    schema: str, record: tuple[bytes | None, bytes], kind: str, remedy: str
) -> None:
    """Each of them, with the reason and without a word of its row."""
    bound = Bound()
    bound.world.schemas = {**bound.world.schemas, 2: schema}
    ((key, run),) = [wanted([record])]
    bound.binder.bind({key: run})
    (letter,) = planner(bound.known).plan([slice_of([record])]).letters

    assert letter.failure.kind == kind
    assert remedy in letter.failure.remedy
    assert "sesame" not in str(letter.failure)


@pytest.mark.provokes("record.schema")
def test_a_key_that_the_decoders_read_nothing_of_is_bound_as_unreadable() -> None:
    """Before its records are planned: there nobody would catch it."""
    bound = Bound(MENU)
    key = DRUNK_KEY.text.replace(PLAIN_SYMBOL, SYMBOL)
    bound.world.schemas = {**bound.world.schemas, 1: key, 2: DRUNK.text}
    record = (DRUNK_KEY.framed(1, {"drink": "cafe", "id": 1}), DRUNK_RECORD[1])
    assert SYMBOL in bound.world.schemas[1]
    assert (failure := bound.bind(record).unreadable) is not None
    assert failure.kind == "record.schema"
    (letter,) = planner(bound.known).plan([slice_of([record])]).letters
    assert letter.failure.kind == "record.schema"


def _spoilt(kind: Any) -> str:
    """The schema of an envelope one of whose columns is not quite as Avro wants it."""
    return json.dumps(envelope([*FIELDS, {"name": "odd", "type": kind}]))


FIXED = {"type": "fixed", "name": "f"}
TWICE = {"type": "record", "name": "n", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "string"}]}
DECIMAL = {"type": "bytes", "logicalType": "decimal"}
SPOILT = {
    "digits as a text": _spoilt({**DECIMAL, "precision": "10"}),
    "a scale as a text": _spoilt({**DECIMAL, "precision": 10, "scale": "2"}),
    "parameters as a list": _spoilt({"type": "int", "connect.parameters": ["x"]}),
    "bytes of a negative number": _spoilt({**FIXED, "size": -3}),
    "bytes without end": _spoilt({**FIXED, "size": 2**40}),
    "a field twice in a record": _spoilt(TWICE),
    "a field twice": json.dumps(envelope([*FIELDS, {"name": "word", "type": "int"}])),
}


@pytest.mark.parametrize("text", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("table", [MENU, None], ids=["a table that is there", "one that is made"])
def test_a_schema_that_nobody_foresaw_ends_no_worker(text: str, table: TargetTable | None) -> None:
    """Its records are letters or rows, or it is their table that stops."""
    bound = Bound(table)
    bound.world.schemas = {**bound.world.schemas, 2: text}
    ((key, run),) = [wanted([CHANGE])]
    with suppress(BadRecord):
        bound.binder.bind({key: run})
        planner(bound.known).plan([slice_of([CHANGE])])


def test_fields_that_a_transform_adds_to_envelopes_are_no_part_of_the_source_block() -> None:
    """InsertField$Value, with a name that the block's own field gets beside the others."""
    schema = envelope(FIELDS)
    value = Writer({**schema, "fields": [*schema["fields"], {"name": "source_table", "type": "string"}]})
    bound = Bound()
    bound.world.schemas = {**bound.world.schemas, 2: value.text}
    record = (CHANGE[0], value.framed(2, {**event("c", None, ROW), "source_table": "another"}))
    assert bound.bind(record).table == TABLE
    assert not planner(bound.known).plan([slice_of([record])]).letters


@pytest.mark.provokes("record.identity")
def test_a_record_without_a_key_among_others_is_a_letter() -> None:
    """It is the record that is bad, not its table."""
    bound = Bound()
    bound.bind(CHANGE)
    ((key, run),) = [wanted([(None, CHANGE[1])])]
    bound.binder.bind({key: run})
    (letter,) = planner(bound.known).plan([slice_of([(None, CHANGE[1])])]).letters

    assert (letter.failure.kind, letter.place) == ("record.identity", None)
    assert "message.key.columns" in letter.failure.remedy
    assert "replica identity" in letter.failure.remedy


def test_what_is_unknown_is_named() -> None:
    """By its field, what was expected and what was found."""
    bound = Bound()
    bound.world.schemas = {**bound.world.schemas, 2: STRANGE.text}
    ((key, run),) = [wanted([ODD_RECORD])]
    bound.binder.bind({key: run})
    (letter,) = planner(bound.known).plan([slice_of([ODD_RECORD])]).letters

    assert "after.odd: expected a type that is known, found long named 'com.example.Epoch'" in letter.failure.detail


@pytest.mark.parametrize("grace", [0.0, 60.0])
def test_who_binds_does_not_ask_again_for_an_id_that_is_not_known(grace: float) -> None:
    """The answer is believed for a moment, so the registry is asked on the thread that is there for it."""
    bound = Bound()
    bound.world.missing_for = 60.0
    bound.binder = bound.world.binder(bound.known, grace)
    unknown = (framed(98, CHANGE[0][5:]), framed(99, CHANGE[1][5:]))
    asked = dict([wanted([CHANGE]), wanted([unknown])])
    bound.binder.fetch(asked)
    assert sorted(bound.world.inquiries) == [1, 2, 98, 99]
    assert bound.binder.lacking(asked) == {}
    with pytest.raises(BadRecord) if grace else nullcontext():
        bound.binder.bind(asked)
    assert len(bound.world.inquiries) == 4

    bound.world.missing_for = 0.0
    bound.binder = bound.world.binder(bound.known, grace)
    bound.binder.fetch(asked)
    assert bound.binder.lacking(asked) != {}


def test_a_schema_that_the_registry_does_not_know_yet_is_waited_for() -> None:
    """In front of its record, which is bound as soon as the schema is known."""
    bound = Bound()
    text = bound.world.schemas.pop(2)
    bound.binder = bound.world.binder(bound.known, grace=60.0)
    with pytest.raises(BadRecord) as caught:
        bound.bind(CHANGE)
    assert caught.value.failure.kind == "record.schema_unknown"
    assert caught.value.wait is not None
    assert 0 < caught.value.wait <= 5
    bound.world.schemas[2] = text

    assert bound.bind(CHANGE).unreadable is None


def test_without_a_grace_it_is_the_records_fault() -> None:
    """At once."""
    bound = Bound()
    del bound.world.schemas[2]
    unreadable = bound.bind(CHANGE).unreadable

    assert unreadable is not None
    assert unreadable.kind == "record.schema_unknown"
