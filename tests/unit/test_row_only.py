"""Schemas that only the row decoder can read: a type that contains itself, a union of several types."""

import json
import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from consumer.binding.known import KnownBindings
from consumer.core.created import created_types
from consumer.core.envelope import read_writer_schema
from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import Plan
from consumer.core.texts import json_text
from consumer.core.writes import Action
from consumer.edges.rows import RowDecoder
from consumer.ports.decoding import BadDatum
from tests.unit.avro import Writer, envelope, event
from tests.unit.known import Topic, planner, slice_of
from tests.unit.made_data import damaged
from tests.unit.planned import Never, shapes

NODE = {
    "type": "record",
    "name": "Node",
    "fields": [
        {"name": "word", "type": "string"},
        {"name": "next", "type": ["null", "Node"]},
        {"name": "raw", "type": ["null", "bytes"]},
    ],
}
STATE = {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
ODD = [
    {"name": "tree", "type": ["null", NODE], "default": None},
    {"name": "mixed", "type": ["null", "long", "string", "bytes", STATE, {"type": "array", "items": ["int", DECIMAL]}]},
]
PLAIN = [
    {"name": "id", "type": "long"},
    {"name": "state", "type": ["null", "State"]},
    {"name": "price", "type": ["null", DECIMAL]},
    {"name": "tags", "type": {"type": "map", "values": "int"}},
]
BOTH = Writer(envelope([*ODD, *PLAIN]))
TREE = {"word": 'a"', "next": {"word": "é", "next": None, "raw": b"\x00\xff"}, "raw": None}


def row(number: int, tree: Any = TREE, mixed: Any = None) -> dict[str, Any]:
    """A row."""
    plain = {"id": number, "state": "NEW", "price": Decimal("1.20"), "tags": {"a": 1}}
    return {"tree": tree, "mixed": mixed, **plain}


def decoded(writer: Writer, *events: dict[str, Any], fields: tuple[str, ...] = ("after", "before")) -> pl.DataFrame:
    """What the row decoder makes of events."""
    schema = read_writer_schema(writer.text).rewritten
    assert schema is not None
    assert not schema.columnar
    return RowDecoder().decode(schema.text, [writer.datum(value) for value in events], fields)


def test_a_value_without_a_column_type_is_json_text() -> None:
    """Nested values keep their names, bytes are hex, and an absent value is null, not the text of it."""
    frame = decoded(BOTH, event("c", None, row(1)), event("u", row(2, None), row(2, None)), event("d", row(3), None))
    trees = frame["after"].struct.field("tree").to_list()

    assert json.loads(trees[0]) == {"word": 'a"', "next": {"word": "é", "next": None, "raw": "\\x00ff"}, "raw": None}
    assert trees[1:] == [None, None]
    assert frame["before"].struct.field("tree").to_list() == [None, None, trees[0]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (-(2**63), "-9223372036854775808"),
        ("x", '"x"'),
        ("NEW", '"NEW"'),
        ("null", '"null"'),
        (b"\x00\xff", '"\\\\x00ff"'),
        ([1, Decimal("1.25")], '[1, "1.25"]'),
        ([], "[]"),
        (UNAVAILABLE, f'"{UNAVAILABLE}"'),
        (UNAVAILABLE.encode(), f'"\\\\x{UNAVAILABLE.encode().hex()}"'),
    ],
    ids=repr,
)
def test_each_type_of_a_union_is_text_of_its_own_form(value: Any, text: str | None) -> None:
    """A number is told from a text; what stands for an unchanged value is known as such afterwards."""
    frame = decoded(BOTH, event("c", None, row(1, None, value)))

    assert frame["after"].struct.field("mixed").to_list() == [text]


def test_every_other_column_keeps_its_type() -> None:
    """What stands beside such a column is decoded as it is without it."""
    plain = [{**field, "type": ["null", STATE]} if field["name"] == "state" else field for field in PLAIN]
    alone = read_writer_schema(Writer(envelope(plain)).text)
    assert alone.rewritten is not None
    assert alone.rewritten.columnar
    data = [Writer(envelope(plain)).datum(event("c", None, {k: v for k, v in row(1).items() if k not in ODD_NAMES}))]
    expected = RowDecoder().decode(alone.rewritten.text, data, ("after",))["after"].struct.unnest()
    frame = decoded(BOTH, event("c", None, row(1)))["after"].struct.unnest()

    assert frame.drop(ODD_NAMES).schema == expected.schema
    assert frame.drop(ODD_NAMES).rows() == expected.rows()
    assert [column for column in read_writer_schema(BOTH.text).columns if column.avro != "any"] == list(alone.columns)


ODD_NAMES = [field["name"] for field in ODD]


def test_such_a_column_is_made_as_text() -> None:
    """PostgreSQL's own input judges it where the table is there already."""
    types = {column.name: created_types(column)[-1] for column in read_writer_schema(BOTH.text).columns}

    assert (types["tree"], types["mixed"]) == ("text", "text")


CHAIN = Writer(envelope([{"name": "id", "type": "long"}, {"name": "tree", "type": ["null", NODE]}]))


@pytest.mark.parametrize(("deep", "sound"), [(100, True), (100_000, False)])
def test_how_deep_a_value_may_be_is_bounded(deep: int, sound: bool) -> None:
    """A value that is nested without end costs its record, and never the process."""
    datum = CHAIN.datum(event("c", None, {"id": 1, "tree": TREE | {"next": None}}))
    word = b'\x02\x04a"'
    level = b'\x04a"'
    assert datum.count(word) == 1
    nested = datum.replace(word + b"\x00\x00", word + (b"\x02" + level) * deep + b"\x00" + b"\x00" * (deep + 1))
    schema = read_writer_schema(CHAIN.text).rewritten
    assert schema is not None
    if sound:
        text = RowDecoder().decode(schema.text, [nested], ("after",))["after"].struct.field("tree")[0]
        assert text.count("word") == deep + 1
    else:
        with pytest.raises(BadDatum, match="RecursionError"):
            RowDecoder().decode(schema.text, [nested], ("after",))


def bad_indexes(schema: str, data: list[bytes], fields: tuple[str, ...]) -> list[int]:
    """The index of the datum that does not decode, if there is one."""
    try:
        RowDecoder().decode(schema, data, fields)
    except BadDatum as error:
        return [error.index]
    return []


def test_damage_is_always_bad_data() -> None:
    """Whatever the bytes are, the datum is named or decoded; nothing else is raised."""
    chance = random.Random(11)
    schema = read_writer_schema(BOTH.text).rewritten
    assert schema is not None
    images = [row(1), row(2, None, [1, Decimal("1.25")]), row(3, TREE, b"\x00"), row(4, TREE, "NEW")]
    data = [BOTH.datum(event("u", chance.choice(images), image)) for image in images]
    indexes: list[int] = []
    for _ in range(4000):
        datum = damaged(chance.choice(data), chance.choice(data), chance)
        fields = chance.choice((("op", "after"), ("before",)))
        indexes += bad_indexes(schema.text, [data[0], datum], fields)

    assert set(indexes) == {1}
    assert len(indexes) > 2000


FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "tree", "type": ["null", NODE]},
    {"name": "mixed", "type": ["null", "long", "string"]},
]


def image(number: int, mixed: Any = None) -> dict[str, Any]:
    """A row of a topic of these fields."""
    return {"id": number, "tree": TREE, "mixed": mixed}


def planned(topic: Topic, *records: tuple[bytes, bytes | None]) -> Plan:
    """A plan that is made without the columnar decoder."""
    known = KnownBindings()
    topic.bound_to(known)
    return planner(known, Never()).plan([slice_of(records)])


def test_the_columnar_decoder_is_never_asked() -> None:
    """The native reader would panic or never end; folding and deletes are the same as for any other topic."""
    topic = Topic(FIELDS)
    creates = [topic.record("c", image(number, number)) for number in range(40)]
    plan = planned(topic, *creates, topic.record("u", image(1, "one")), topic.record("d", image(2)))

    assert sorted(shapes(plan)[0]) == [("delete", 1), ("upsert", 39)]
    assert plan.counts.folded == 2
    assert plan.source_ms == (1_700_000, 1_700_000)


def test_a_key_of_several_types_tells_rows_apart() -> None:
    """The number and the text of it are two rows, in images, deletes and tombstones alike."""
    topic = Topic(FIELDS, ("mixed",), compacted=True)
    records = [topic.record("c", image(number, key)) for number, key in enumerate((1, "1", 2, "2"))]
    plan = planned(topic, *records, topic.record("d", image(0, 1)), (topic.key(image(3, "2")), None))

    assert sorted(shapes(plan)[0]) == [("delete", 2), ("upsert", 2)]


def test_an_unchanged_large_value_of_several_types_is_left_alone() -> None:
    """The placeholder of a column in a union is no value of it."""
    topic = Topic(FIELDS)
    (update,) = planned(topic, topic.record("u", image(1, UNAVAILABLE))).writes

    assert update.action is Action.UPDATE
    assert [column.name for column in update.columns] == ["id", "tree"]


@pytest.mark.parametrize("run", [10, 1_000_000])
def test_a_number_that_does_not_end_is_refused_at_its_eleventh_byte(run: int) -> None:
    """Its cost would grow with the square of its length."""
    schema = read_writer_schema(BOTH.text).rewritten
    assert schema is not None
    endless = BOTH.datum(event("c", None, row(1)))[:1] + b"\xff" * run + b"\x01"
    with pytest.raises(BadDatum):
        RowDecoder().decode(schema.text, [endless], ("op", "after"))


def test_numbers_that_json_has_no_word_for_become_strings() -> None:
    """So that the text is JSON, wherever in the value they stand."""
    assert json_text({"a": [float("nan"), 1.5], "b": float("-inf")}) == '{"a": ["nan", 1.5], "b": "-inf"}'
