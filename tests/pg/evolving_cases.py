"""Each kind of change once, with the first row that needs it."""

from dataclasses import dataclass
from typing import Any

from tests.pg.following import Fields
from tests.pg.landing import ID

WORD = {"name": "word", "type": ["null", "string"], "default": None}
SIZE = {"name": "size", "type": "int"}
BIG = {**SIZE, "type": "long"}
KEY = "id int8 PRIMARY KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the table is (nothing: it is not there), the fields of the newer schema and a row of it, and what follows.

    `{s}` is the schema; it has the enum type `mood` with the label `sad`.
    """

    name: str
    setup: str = KEY
    fields: Fields
    row: dict[str, Any]
    then: dict[str, str]
    steps: list[str]


def named(word: str, name: str, **parameters: str) -> dict[str, Any]:
    """A semantic type."""
    return {"type": word, "connect.name": name, "connect.parameters": parameters}


MICROSECONDS = named("long", "io.debezium.time.MicroTimestamp")


def enum(*labels: str) -> dict[str, Any]:
    """An enum's text."""
    return named("string", "io.debezium.data.Enum", allowed=",".join(labels))


def c(kind: Any, **more: Any) -> dict[str, Any]:
    """The column that changes."""
    return {"name": "c", "type": kind, **more}


def _sized(kind: str, length: int) -> dict[str, Any]:
    said = {"__debezium.source.column.type": kind, "__debezium.source.column.length": str(length)}
    return {"type": "string", "connect.parameters": said}


def _decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def _widened(name: str, old: str, kind: Any, value: Any, new: str) -> Case:
    return Case(
        name=name,
        setup=f"{KEY}, c {old}",
        fields=[ID, c(kind)],
        row={"id": 1, "c": value},
        then={"c": new},
        steps=["widen"],
    )


CASES = [
    Case(
        name="create",
        setup="",
        fields=[ID, WORD],
        row={"id": 1, "word": "w"},
        then={"id": "bigint NOT NULL", "word": "text"},
        steps=["create"],
    ),
    Case(name="add", fields=[ID, WORD], row={"id": 1, "word": "w"}, then={"word": "text"}, steps=["add"]),
    Case(
        name="add with a default",
        fields=[ID, c("int", default=-3)],
        row={"id": 1, "c": 2},
        then={"c": "integer DEFAULT '-3'::integer"},
        steps=["add"],
    ),
    _widened("int2 to int4", "int2", "int", 70_000, "integer"),
    _widened("int4 to int8", "int4", "long", 1 << 40, "bigint"),
    _widened("a longer varchar", "varchar(3)", _sized("VARCHAR", 9), "nine char", "character varying(9)"),
    _widened("varchar to text", "varchar(3)", _sized("TEXT", 2**31 - 1), "a long text", "text"),
    _widened("a larger numeric", "numeric(5,2)", _decimal(9, 4), b"\x12\xd6\x87", "numeric(9,4)"),
    _widened("real to double", "real", "double", 0.1, "double precision"),
    _widened("timestamp", "timestamp(0)", MICROSECONDS, 1, "timestamp(6) without time zone"),
    _widened("time", "time(0)", named("int", "io.debezium.time.Time"), 7, "time(3) without time zone"),
    _widened("array", "int4[]", {"type": "array", "items": "long"}, [1 << 40], "bigint[]"),
    Case(
        name="the key",
        setup="id int4 PRIMARY KEY",
        fields=[ID],
        row={"id": 1 << 40},
        then={"id": "bigint NOT NULL"},
        steps=["widen"],
    ),
    Case(
        name="relax",
        setup=f"{KEY}, c text NOT NULL",
        fields=[ID, c(["null", "string"])],
        row={"id": 1, "c": None},
        then={"c": "text"},
        steps=["relax"],
    ),
    Case(
        name="relax what is gone",
        setup=f"{KEY}, c text NOT NULL",
        fields=[ID],
        row={"id": 1},
        then={"c": "text"},
        steps=["relax"],
    ),
    Case(
        name="default",
        setup=f"{KEY}, c text",
        fields=[ID, c("string", default="it's")],
        row={"id": 1, "c": "x"},
        then={"c": "text DEFAULT 'it''s'::text"},
        steps=["default"],
    ),
    Case(
        name="a label",
        setup=f"{KEY}, c {{s}}.mood",
        fields=[ID, c(enum("meh", "sad", "ok"))],
        row={"id": 1, "c": "meh"},
        then={"c": "{s}.mood"},
        steps=["label"],
    ),
    Case(
        name="several",
        setup="id int4 PRIMARY KEY, c {s}.mood",
        fields=[ID, c(enum("sad", "new")), WORD],
        row={"id": 1, "c": "new", "word": "w"},
        then={"id": "bigint NOT NULL", "word": "text"},
        steps=["label", "add", "widen"],
    ),
]
