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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core.envelope import RecordKind, read_writer_schema
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.ports.decoding import BadDatum, Decoder, Sifted
from tests.recorded import RECORDED, SYNTHETIC, events
from tests.unit.avro import Writer, envelope
from tests.unit.made_data import Case, cases, damaged, names_of, value_of
from tests.unit.made_schemas import DEBEZIUM, with_names
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
MADE = 20
"""Tables that are made up, unless a number is given."""
MOST_EACH = 8
"""The same for what is done with one of them: native code that does not return has the process ended by the kernel."""
Frame = pl.DataFrame
_FRAME = b"\0\0\0\1\7"
_ROOT = Path(__file__).parents[2]
_EXAMPLE = _ROOT / "schemas" / "examples" / "customers-value.avsc"
_DEMO = _ROOT / "consumer" / "stack" / "demo" / "recorded" / "shop.ndjson.gz"


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


class Nobody:
    """In the row decoder's place: nothing is to be left to it."""

    def decode(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> Frame:
        """Fails, as whoever asks would have the row decoder compared with itself."""
        raise AssertionError(f"{len(data)} data are left to the row decoder: {schema}")

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> Sifted:
        """The same."""
        return Sifted(frame=self.decode(schema, data, fields), bad={})


def read_natively(schema: str, data: Sequence[bytes], fields: Sequence[str]) -> Frame:
    """What the native reader makes of sound data, all by itself. Raises AssertionError where it does not read them."""
    sifted = ColumnarDecoder(Nobody()).sift(schema, data, fields)
    assert (sifted.bad, sifted.careful, sifted.given_up) == ({}, 0, "")
    return sifted.frame


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
        with in_time():
            columnar = read_natively(case.rewritten, case.data, fields)
        rows = outcome(ROWS, case, case.data, fields)
        assert rows.frame is not None
        assert same(columnar, rows.frame)


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
    # as they lie in topics
    framed = COLUMNAR.sift(case.rewritten, [_FRAME + datum for datum in data], fields, len(_FRAME))
    assert rows.bad == bad
    assert dict(columnar.bad) == dict(framed.bad) == bad
    expected = ROWS.decode(case.rewritten, [datum for index, datum in enumerate(data) if index not in bad], fields)
    for sifted in (rows, columnar, framed):
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
    rows = [[kind] for kind in DEBEZIUM] + [list(DEBEZIUM)]
    for kinds in rows:
        spelled: list[str] = []
        forms = [form for kind in kinds for form in (kind, ["null", kind], [kind, "null"])]
        fields = [{"name": f"c{at}", "type": with_names(form, spelled)} for at, form in enumerate(forms)]
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
        assert said.rewritten.columnar, text
        schema, writer = json.loads(text), Writer(json.loads(text))
        names = names_of(schema)
        data = [writer.datum(value_of(schema, chance, names)) for _ in range(40)]
        there = {field["name"] for field in json.loads(said.rewritten.text)["fields"]}
        for asked in ASKED:
            fields = [field for field in asked if field in there]
            rows = ROWS.decode(said.rewritten.text, data, fields)
            assert same(read_natively(said.rewritten.text, data, fields), rows), text
        count += 1
    assert count > len(DEBEZIUM)


if __name__ == "__main__":
    made = int(sys.argv[2]) if len(sys.argv) > 2 else MADE
    resource.setrlimit(resource.RLIMIT_CPU, (made * MOST_EACH, made * MOST_EACH))
    if sys.argv[1] == "stored":
        stored()
    else:
        settings(_CHILD, max_examples=made)({"good": good, "damaged": mutated, "sifted": mixed}[sys.argv[1]])()
