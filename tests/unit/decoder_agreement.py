"""The program of a child process: `good`, `damaged`, `sifted` or `stored` data, given to both decoders.

A number behind the word says how many tables are made: `python -m tests.unit.decoder_agreement damaged 1000`.
Apart from the test process, because native code that hangs can't be interrupted there. Exits with 0 when the decoders
agree everywhere.
"""

import gzip
import json
import math
import random
import resource
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core.envelope import RecordKind, read_writer_schema
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.ports.decoding import BadDatum, Decoder
from tests.recorded import RECORDED, SYNTHETIC, events
from tests.unit import semantic
from tests.unit.avro import Writer, envelope, event
from tests.unit.semantic import (
    DATE,
    SHAPE,
    US,
    VARIABLE,
    ZONED,
    array,
    bits,
    decimal,
    enum,
    named,
    of_unknown_precision,
    propagated,
    unscaled,
)
from tests.unit.strict_avro import Defect, defects

ASKED = (
    ("op", "after", "source_ts_ms"),
    ("op", "after", "source_ts_ms", "source_lsn"),
    ("op", "before", "source_lsn"),
    ("before",),
    ("before", "after", "source_ts_ms", "source_schema", "source_lsn", "op", "ts_ms"),
)
MOST_SECONDS = 5.0
"""Of the processor, for one decoding."""
MADE = 30
"""Tables that are made up, unless a number is given."""
MOST_EACH = 8
"""The same for what is done with one of them: native code that does not return has the process ended by the kernel."""
Frame = pl.DataFrame
_ROOT = Path(__file__).parents[2]
_EXAMPLE = _ROOT / "schemas" / "examples" / "customers-value.avsc"
_DEMO = _ROOT / "consumer" / "stack" / "demo" / "recorded" / "shop.ndjson.gz"


# random columns


def _leaves(enums: bool) -> st.SearchStrategy[Any]:
    plain = st.sampled_from(["int", "long", "float", "double", "boolean", "string", "bytes"])
    decimal = st.integers(1, 38).flatmap(
        lambda precision: st.integers(0, precision).map(
            lambda scale: {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        )
    )
    enum = st.just({"type": "enum", "name": "?", "symbols": ["NEW", "PAID", "SENT"]})
    return st.one_of(plain, decimal, enum) if enums else st.one_of(plain, decimal)


_DEBEZIUM = (
    *(kind for name, kind in sorted(vars(semantic).items()) if name.isupper() and isinstance(kind, dict)),
    *(array(items) for items in (VARIABLE, SHAPE, ZONED, DATE, "int", decimal(38, 4), decimal(60, 4))),
    # an Avro decimal has no scale below zero
    named("bytes", semantic.CONNECT + "Decimal", **{"connect.parameters": {"scale": "-2"}}),
    *(of_unknown_precision(2), bits(12), enum("Enum", "a", "b"), enum("EnumSet", "a", "b")),
    propagated(US, "TIMESTAMP", 6),
)
"""Every type that Debezium writes, as the converter spells it."""


def _nullable(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(kinds, st.integers(0, 2)).map(
        lambda pair: [pair[0], ["null", pair[0]], [pair[0], "null"]][pair[1]]
    )


def _nested(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    part = _nullable(kinds)
    record = st.lists(part, min_size=1, max_size=3).map(
        lambda parts: {
            "type": "record",
            "name": "?",
            "fields": [{"name": f"f{index}", "type": kind} for index, kind in enumerate(parts)],
        }
    )
    array = part.map(lambda items: {"type": "array", "items": items})
    mapped = part.map(lambda values: {"type": "map", "values": values})
    return st.one_of(record, array, mapped)


def _columns(enums: bool) -> st.SearchStrategy[list[Any]]:
    made = st.recursive(_leaves(enums), _nested, max_leaves=4)
    return st.lists(_nullable(st.one_of(made, st.sampled_from(_DEBEZIUM))), min_size=1, max_size=6)


def _with_names(schema: Any, made: list[str]) -> Any:
    """What has no name gets one; a type that was spelled out before is only named, as converters do it."""
    if isinstance(schema, list):
        return [_with_names(branch, made) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    fresh = dict(schema)
    if "name" in schema:
        full = f"{schema.get('namespace', '')}.{schema['name']}"
        if full in made:
            return full
        fresh["name"] = f"T{len(made)}" if schema["name"] == "?" else schema["name"]
        made.append(full if schema["name"] != "?" else fresh["name"])
    fresh |= {key: _with_names(fresh[key], made) for key in ("items", "values") if key in fresh}
    if "fields" in fresh:
        fresh["fields"] = [{**field, "type": _with_names(field["type"], made)} for field in fresh["fields"]]
    return fresh


# random values, by chance so that hypothesis has only columns to draw

_INTS = (0, 1, -1, 63, 64, -65, 2**31 - 1, -(2**31))
_LONGS = (*_INTS, 2**63 - 1, -(2**63), 2**35)
_FLOATS = (0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, math.nan)
_LETTERS = "ab'\"\\é€😀\0 \n"


def _decimal(schema: Any, chance: random.Random) -> Decimal:
    most = 10 ** schema["precision"] - 1
    unscaled = chance.choice((0, most, -most, chance.randint(-most, most)))
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -schema["scale"]))


Names = dict[str, Any]


def _named(schema: Any, space: str = "") -> Names:
    """All types of a schema that have names, by these as they may be written."""
    found: Names = {}
    for part in schema if isinstance(schema, list) else [schema]:
        if isinstance(part, dict):
            inner = part.get("namespace", space)
            if "name" in part:
                found |= {part["name"]: part, f"{inner}.{part['name']}": part}
            for kind in (*(field["type"] for field in part.get("fields", ())), part.get("items"), part.get("values")):
                found |= _named(kind, inner)
            if isinstance(part["type"], dict | list):
                found |= _named(part["type"], inner)
    return found


def _value(schema: Any, chance: random.Random, names: Names) -> Any:
    if isinstance(schema, list):
        return None if chance.random() < 0.3 else _value(next(b for b in schema if b != "null"), chance, names)
    if isinstance(schema, str) and schema in names:
        return _complex(names[schema], chance, names)
    if isinstance(schema, dict):
        return _complex(schema, chance, names)
    makers: dict[str, Callable[[], Any]] = {
        "int": lambda: chance.choice((*_INTS, chance.randint(-(2**31), 2**31 - 1))),
        "long": lambda: chance.choice((*_LONGS, chance.randint(-(2**63), 2**63 - 1))),
        "float": lambda: chance.choice(_FLOATS),
        "double": lambda: chance.choice((*_FLOATS, chance.random(), 1e308, 5e-324)),
        "boolean": lambda: chance.random() < 0.5,
        "string": lambda: "".join(chance.choices(_LETTERS, k=chance.choice((0, 1, 7, 70)))),
        "bytes": lambda: chance.randbytes(chance.choice((0, 1, 7, 70))),
    }
    return makers[schema]()


def _complex(schema: Any, chance: random.Random, names: Names) -> Any:
    kind = schema["type"]
    if schema.get("connect.name") == VARIABLE["connect.name"]:
        return {"scale": chance.choice((0, 2, 40, -3)), "value": unscaled(chance.randint(-(10**50), 10**50))}
    if kind == "record":
        return {field["name"]: _value(field["type"], chance, names) for field in schema["fields"]}
    if kind == "enum":
        return chance.choice(schema["symbols"])
    if kind == "bytes" and "precision" in schema:
        return _decimal(schema, chance)
    # in the shortest form, as Java writes it: any other comes back as another one of the same number
    if schema.get("connect.name") == semantic.CONNECT + "Decimal":
        return unscaled(int.from_bytes(chance.randbytes(chance.choice((1, 7, 70))), "big", signed=True))
    if kind not in ("array", "map"):
        return _value(kind, chance, names)
    count = chance.choice((0, 1, 3))
    if kind == "array":
        return [_value(schema["items"], chance, names) for _ in range(count)]
    return {f"k{index}": _value(schema["values"], chance, names) for index in range(count)}


@dataclass(frozen=True, slots=True)
class Case:
    """A schema and sound data of it."""

    text: str
    rewritten: str
    data: list[bytes]
    chance: random.Random


@st.composite
def cases(draw: st.DrawFn, enums: bool) -> Case:
    """Envelopes of random rows: at least as many as the columnar decoder wants."""
    kinds = draw(_columns(enums))
    made: list[str] = []
    fields = [{"name": "id", "type": "int"}]
    fields += [{"name": f"c{index}", "type": _with_names(kind, made)} for index, kind in enumerate(kinds)]
    chance = random.Random(draw(st.integers(0, 2**32)))
    schema = envelope(fields)
    writer, names = Writer(schema), _named(schema)
    row = schema["fields"][0]["type"][1]
    data = []
    for _ in range(chance.randint(20, 50)):
        op = chance.choice("crud")
        before = _value(row, chance, names) if op in "ud" and chance.random() < 0.7 else None
        data.append(writer.datum(event(op, before, None if op == "d" else _value(row, chance, names))))
    rewritten = read_writer_schema(writer.text).rewritten
    assert rewritten is not None
    return Case(writer.text, rewritten.text, data, chance)


# damage


def damaged(datum: bytes, other: bytes, chance: random.Random) -> bytes:
    """The datum cut, with a surplus, doubled, shifted, with flipped bits, or one of another schema."""
    at = chance.randrange(len(datum))
    some = chance.randbytes(chance.randint(1, 4))
    kinds: list[Callable[[], bytes]] = [
        lambda: datum[:at],
        lambda: datum + some,
        lambda: datum + datum,
        lambda: datum[1:] + some[:1],
        lambda: some[:1] + datum[:-1],
        lambda: datum[:at] + bytes([datum[at] ^ 1 << chance.randrange(8)]) + datum[at + 1 :],
        lambda: datum[:at] + some + datum[at + len(some) :],
        lambda: datum[:at] + some[:1] + datum[at:],
        lambda: datum[:at] + datum[at + 1 :],
        lambda: other,
    ]
    return chance.choice(kinds)()


# outcomes


@dataclass(frozen=True, slots=True)
class Outcome:
    """A frame, or the index of the bad datum."""

    frame: Frame | None = None
    bad: int | None = None


@contextmanager
def in_time() -> Iterator[None]:
    """Raises AssertionError for what takes long: time of this process alone, however busy the machine is."""
    started = time.process_time()
    yield
    assert time.process_time() - started < MOST_SECONDS, "a few records take long to decode"


def outcome(decoder: Decoder, case: Case, data: Sequence[bytes], fields: Sequence[str]) -> Outcome:
    """What a decoder makes of data."""
    try:
        with in_time():
            return Outcome(frame=decoder.decode(case.rewritten, data, fields))
    except BadDatum as error:
        return Outcome(bad=error.index)


def exact(value: Any) -> Any:
    """A value in a form whose equality is that of its bits; all NaN are one."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, dict):
        return {name: exact(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [exact(part) for part in value]
    return value


def same(a: Frame, b: Frame) -> bool:
    """Whether two frames have the same columns, types and bits."""
    return a.schema == b.schema and exact(a.rows()) == exact(b.rows())


def judge(columnar: Outcome, rows: Outcome, found: frozenset[Defect]) -> None:
    """Raises AssertionError unless both name the same bad datum, or have the same frame."""
    agree = (
        columnar.bad == rows.bad if rows.frame is None or columnar.frame is None else same(columnar.frame, rows.frame)
    )
    assert agree, f"the decoders disagree about {sorted(found)}"


COLUMNAR, ROWS = ColumnarDecoder(RowDecoder()), RowDecoder()
_CHILD = settings(
    # by the clock on the wall, which goes on while others have the processor
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(cases(enums=True))
def good(case: Case) -> None:
    """Sound data give the same frames."""
    for fields in ASKED:
        columnar, rows = (outcome(decoder, case, case.data, fields) for decoder in (COLUMNAR, ROWS))
        assert columnar.frame is not None
        assert rows.frame is not None
        assert same(columnar.frame, rows.frame)


@given(cases(enums=True), cases(enums=True))
def mutated(case: Case, other: Case) -> None:
    """One damaged datum in a block gives the same outcome."""
    schema = json.loads(case.rewritten)
    for _ in range(20):
        index = case.chance.randrange(len(case.data))
        datum = damaged(case.data[index], case.chance.choice(other.data), case.chance)
        data = [*case.data[:index], datum, *case.data[index + 1 :]]
        fields = case.chance.choice(ASKED)
        columnar, rows = (outcome(decoder, case, data, fields) for decoder in (COLUMNAR, ROWS))
        judge(columnar, rows, defects(schema, datum, fields))


def alone(case: Case, datum: bytes, fields: Sequence[str]) -> str | None:
    """Why the reference refuses a datum that stands alone, if it does."""
    try:
        ROWS.decode(case.rewritten, [datum], fields)
    except BadDatum as error:
        return error.reason
    return None


def judge_sifted(case: Case, data: Sequence[bytes], fields: Sequence[str]) -> None:
    """Raises AssertionError unless sifting gives each datum the verdict that it has alone."""
    verdicts = [alone(case, datum, fields) for datum in data]
    bad = {index: reason for index, reason in enumerate(verdicts) if reason is not None}
    with in_time():
        rows, columnar = (decoder.sift(case.rewritten, data, fields) for decoder in (ROWS, COLUMNAR))
    assert rows.bad == bad
    assert dict(columnar.bad) == bad
    expected = ROWS.decode(case.rewritten, [datum for index, datum in enumerate(data) if index not in bad], fields)
    for sifted in (rows, columnar):
        assert same(sifted.frame, expected), "a sound row is wrong, or not in its place"


@given(cases(enums=True), cases(enums=True), st.sampled_from([0.01, 0.05, 0.3, 1]))
def mixed(case: Case, other: Case, share: float) -> None:
    """Damaged data among sound ones are named, with the same reasons as alone, and the sound ones are all there."""
    for fields in ASKED:
        data = [
            damaged(datum, case.chance.choice(other.data), case.chance) if case.chance.random() < share else datum
            for datum in case.chance.choices(case.data, k=case.chance.randint(1, 120))
        ]
        judge_sifted(case, data, fields)


def _envelopes() -> Iterator[str]:
    """Every envelope that the suite has: recorded ones, documented ones, and those of each type alone and of all."""
    for name in (*RECORDED, *SYNTHETIC):
        yield from {event.value_schema for event in events(name) if event.value_schema}
    yield _EXAMPLE.read_text(encoding="utf-8")
    with gzip.open(_DEMO, "rt", encoding="utf-8") as lines:
        yield from (line["text"] for line in map(json.loads, lines) if "text" in line)
    rows = [[kind] for kind in _DEBEZIUM] + [list(_DEBEZIUM)]
    for kinds in rows:
        spelled: list[str] = []
        forms = [form for kind in kinds for form in (kind, ["null", kind], [kind, "null"])]
        fields = [{"name": f"c{at}", "type": _with_names(form, spelled)} for at, form in enumerate(forms)]
        yield json.dumps(envelope(fields))


def stored() -> None:
    """Random data of every schema that the suite has give the same frames."""
    seed, count = random.randrange(2**32), 0
    print("seed", seed, file=sys.stderr)
    chance = random.Random(seed)
    for text in _envelopes():
        said = read_writer_schema(text)
        if said.kind is not RecordKind.CHANGE:
            continue
        assert said.rewritten is not None
        schema, writer = json.loads(text), Writer(json.loads(text))
        names = _named(schema)
        data = [writer.datum(_value(schema, chance, names)) for _ in range(40)]
        there = {field["name"] for field in json.loads(said.rewritten.text)["fields"]}
        for asked in ASKED:
            fields = [field for field in asked if field in there]
            columnar, rows = (decoder.decode(said.rewritten.text, data, fields) for decoder in (COLUMNAR, ROWS))
            assert same(columnar, rows), text
        count += 1
    assert count > len(_DEBEZIUM)


if __name__ == "__main__":
    made = int(sys.argv[2]) if len(sys.argv) > 2 else MADE
    resource.setrlimit(resource.RLIMIT_CPU, (made * MOST_EACH, made * MOST_EACH))
    if sys.argv[1] == "stored":
        stored()
    else:
        settings(_CHILD, max_examples=made)({"good": good, "damaged": mutated, "sifted": mixed}[sys.argv[1]])()
