"""The sieve in front of the decoders: what it takes out is never sound, and what is cut it finds."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings

from consumer.edges.outline import misfits

from .made_data import Case, cases

_KINDS: list[tuple[str, Any, Any]] = [
    ("int", "int", -70_000),
    ("long", "long", 2**63 - 1),
    ("least long", "long", -(2**63)),
    ("float", "float", 1.5),
    ("double", "double", 2.5),
    ("boolean", "boolean", True),
    ("string", "string", "x" * 300),
    ("empty string", "string", ""),
    ("bytes", "bytes", b"\xff" * 70),
    ("fixed", {"type": "fixed", "name": "f", "size": 7}, b"1234567"),
    ("enum", {"type": "enum", "name": "e", "symbols": ["a", "b"]}, "b"),
    ("null", ["null", "string"], None),
    ("nullable", ["null", "long"], 5),
    ("third branch", ["null", "long", "string"], "text"),
    ("record", {"type": "record", "name": "r", "fields": [{"name": "x", "type": ["null", "boolean"]}]}, {"x": False}),
]
_SIZED_LONG = {
    "type": "record",
    "name": "r",
    "fields": [{"name": "text", "type": "string"}, {"name": "long", "type": "long"}],
}
_IDS = [name for name, _, _ in _KINDS]


def _datum(schema: str, value: Any) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, json.loads(schema), {"first": 1, "value": value, "last": "end"})
    return buffer.getvalue()


def _schema(kind: Any) -> str:
    fields = [{"name": "first", "type": "int"}, {"name": "value", "type": kind}, {"name": "last", "type": "string"}]
    return json.dumps({"type": "record", "name": "datum", "fields": fields})


@pytest.mark.parametrize(("kind", "value"), [case[1:] for case in _KINDS], ids=_IDS)
def test_what_is_cut_or_padded_is_found(kind: Any, value: Any) -> None:
    schema = _schema(kind)
    sound = _datum(schema, value)
    cut = [sound[:end] for end in range(len(sound))]
    data = [piece for damaged in [*cut, sound + b"\0"] for piece in (sound, damaged)]
    assert misfits(schema, data) == list(range(1, len(data), 2))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("boolean", b"\x02"),
        ({"type": "enum", "name": "e", "symbols": ["a", "b"]}, b"\x04"),
        (["null", "long"], b"\x04\x02"),
        ("string", b"\x01"),
        ("string", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        (_SIZED_LONG, b"\xff" * 8 + b"\x7f\x02"),
        ("long", b"\xff" * 10),
        ("long", b"\xff" * 10 + b"\x01"),
    ],
    ids=[
        "no boolean",
        "no symbol",
        "no branch",
        "less than nothing",
        "more than there is",
        "back to before all",
        "no end",
        "no end of a number",
    ],
)
def test_what_leads_nowhere_is_found(kind: Any, value: bytes) -> None:
    data = [b"\x02" + value + b"\x06end", b"\x02" + value]
    assert misfits(_schema(kind), data) == [0, 1]


@pytest.mark.parametrize("every", [1, 2, 3, 10])
@pytest.mark.parametrize("few", [None, 2**62, "text"])
def test_each_datum_goes_its_own_branch_however_many_go_the_same(few: Any, every: int) -> None:
    schema = _schema(["null", "long", "string"])
    sound = [_datum(schema, few if number % every == 0 else "another") for number in range(60)]
    data = [datum[:-1] if number in (7, 8, 30) else datum for number, datum in enumerate(sound)]
    assert misfits(schema, data) == [7, 8, 30]


@settings(max_examples=60, deadline=None)
@given(cases(enums=True))
def test_sound_data_fit(case: Case) -> None:
    assert misfits(case.rewritten, case.data) == []


def test_of_arrays_nothing_is_said() -> None:
    assert misfits(_schema({"type": "array", "items": "int"}), [b"", b"\xff"]) == []


def test_no_data_no_misfits() -> None:
    assert misfits(_schema("int"), []) == []
