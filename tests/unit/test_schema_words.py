"""Differences of schemas in words: what was added, what is missing, what is of another type."""

import json

import pytest

from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.target import TableName, TargetColumn, TargetTable
from dlq.schema_words import against_newest, against_table, columns_of
from tests.unit.avro import envelope
from tests.unit.semantic import DATE, array, decimal

ID = {"name": "id", "type": "long"}


def columns(*fields: dict[str, object]) -> object:
    """The columns of a row."""
    return columns_of(json.dumps(envelope([ID, *fields])))


def field(name: str, kind: object) -> dict[str, object]:
    """A field of a row."""
    return {"name": name, "type": kind}


@pytest.mark.parametrize(
    ("ours", "newest", "said"),
    [
        ([], [], []),
        ([], [field("note", ["null", "string"])], ["after.note is not in it; schema 9 has it (text, may be null)"]),
        ([field("old", DATE)], [], ["after.old is in it (days since 1970); schema 9 does not have it"]),
        ([field("n", "int")], [field("n", "string")], ["after.n is integer; in schema 9 it is text"]),
        (
            [field("n", decimal(6, 2))],
            [field("n", decimal(8, 3))],
            [
                "after.n is decimal of 6 digits, 2 behind the point; in schema 9 it is decimal of 8 digits, 3 behind "
                "the point"
            ],
        ),
        (
            [field("n", "int")],
            [field("n", ["null", "int"])],
            ["after.n is integer; in schema 9 it is integer, may be null"],
        ),
        (
            [field("n", array("int"))],
            [field("n", array("string"))],
            ["after.n is array of integer; in schema 9 it is array of text"],
        ),
    ],
)
def test_what_the_newest_schema_says_otherwise(
    ours: list[dict[str, object]], newest: list[dict[str, object]], said: list[str]
) -> None:
    """A sentence for each column."""
    assert against_newest(columns(*ours), columns(*newest), 9) == said


def test_what_the_table_has_otherwise() -> None:
    """By the names that columns have there."""
    table = TargetTable(
        name=TableName("s", "t"),
        columns=(
            TargetColumn(name="id", type_name="int8", cast="bigint", required=True),
            TargetColumn(name="label", type_name="text", cast="text", required=True),
            TargetColumn(name="more", type_name="text", cast="text", required=True, needed=True),
            TargetColumn(name="made", type_name="text", cast="text"),
        ),
        unique=(),
    )
    mapping = TableMapping(exclude=frozenset({"secret"}), columns={"word": ColumnMapping(rename="label")})
    found = columns(field("word", ["null", "string"]), field("note", "string"), field("secret", "string"))
    assert against_table(found, table, mapping) == [
        "after.note has no column 'note' in s.t",
        "after.word may be null; column 'label' of s.t may not",
        "s.t has a column 'made' (text) that is not in it",
        "s.t has a column 'more' (text) that is not in it, which wants a value",
    ]


@pytest.mark.parametrize("text", ["", "{}", '"string"', '{"type": "record", "name": "R", "fields": []}'])
def test_what_is_no_envelope_has_no_columns(text: str) -> None:
    """And is compared with nothing."""
    assert columns_of(text) == ()
