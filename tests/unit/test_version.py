"""The version of a row: read from the source's block by both decoders, carried through folding, guarding the row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.binding.known import KnownBindings
from consumer.core.binding import BoundColumn
from consumer.core.envelope import Column, read_writer_schema
from consumer.core.fold import SEQ, Folded, fold
from consumer.core.overtaken import overtaken
from consumer.core.position import position_fields, positions
from consumer.core.runs import runs
from consumer.core.target import TargetColumn
from consumer.core.types import carriage
from consumer.core.writes import Action
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import BlockDecoder, Decoders
from consumer.planning.blocks import Block, Decoded
from consumer.planning.decode_watch import Marks
from tests.oracle import Change, Model
from tests.unit.avro import Writer, envelope, event
from tests.unit.known import Topic, planner, slice_of

FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
VERSION = "source_position"
TARGET = TargetColumn(name=VERSION, type_name="int8", cast="bigint")
SOURCE = Column(name=VERSION, avro="long", nullable=True)
FILE, PLACE = {"name": "file", "type": "string"}, {"name": "pos", "type": "long"}


@pytest.mark.parametrize(
    ("fields", "position"),
    [
        pytest.param([{"name": "lsn", "type": ["null", "long"]}], ("source_lsn",), id="PostgreSQL"),
        pytest.param([{"name": "lsn", "type": "long"}], ("source_lsn",), id="never null"),
        pytest.param([FILE, PLACE], ("source_file", "source_pos"), id="MySQL"),
        pytest.param([PLACE], (), id="no file"),
        pytest.param([{"name": "lsn", "type": "string"}], (), id="lsn of another type"),
        pytest.param([{"name": "lsn", "type": ["null", "long", "string"]}], (), id="lsn of two types"),
        pytest.param([FILE, {"name": "pos", "type": ["null", "int"]}], (), id="place of another type"),
        pytest.param([{"name": "change_lsn", "type": ["null", "string"]}], (), id="SQL Server"),
    ],
)
def test_a_source_block_says_whether_it_has_positions(
    fields: Sequence[Mapping[str, Any]], position: tuple[str, ...]
) -> None:
    """By names and types of its fields, whatever connector wrote it."""
    schema = envelope(FIELDS)
    schema["fields"][2]["type"] = {"type": "record", "name": "Source", "fields": list(fields)}

    assert read_writer_schema(Writer(schema).text).position == position


@pytest.mark.parametrize(
    ("file", "place", "position"),
    [
        ("binlog.000001", 4, 2**32 + 4),
        ("a.b.000012", 2**32 - 1, 13 * 2**32 - 1),
        ("binlog.2147483647", 2**32 - 1, 2**63 - 1),
        ("binlog.2147483648", 0, None),
        ("binlog.99999999999999999999", 0, None),
        ("binlog.000001", 2**32, None),
        ("binlog.000001", -1, None),
        ("binlog", 4, None),
        ("", 0, None),
    ],
)
def test_a_file_and_a_place_in_it_make_one_number(file: str, place: int, position: int | None) -> None:
    """It rises from place to place and from file to file; what does not fit is no position."""
    frame = pl.DataFrame({"op": ["u", "r"], "source_file": [file] * 2, "source_pos": [place] * 2})
    fields = position_fields({"source_file": FILE, "source_pos": PLACE})

    assert positions(frame, fields).to_list() == [position, None]


def decoded(records: Sequence[tuple[str, int, int | None]], compacted: bool = False) -> Decoded:
    """A block of changes: operation, row and position; `t` is a tombstone."""
    topic = Topic(FIELDS, compacted=compacted)
    column = BoundColumn(source=SOURCE, target=TARGET, how=carriage(SOURCE, TARGET.kind))
    binding = replace(topic.binding, version=VERSION, columns=(*topic.binding.columns, column))
    written: list[tuple[bytes | None, bytes | None]] = []
    for op, number, lsn in records:
        row = {"id": number, "word": "w"}
        before, after = (row, None) if op == "d" else (None, row)
        value = topic.values.framed(topic.value_id, event(op, before, after, lsn=lsn))
        written.append((topic.key(row), None if op == "t" else value))
    rows = RowDecoder()
    decoder = BlockDecoder(Decoders(fast=ColumnarDecoder(rows), careful=rows), Marks())
    return decoder.decoded(Block(binding, tuple(runs(slice_of(written)))))


@pytest.mark.parametrize("more", [0, 100])
@pytest.mark.provokes("record.position")
def test_both_decoders_read_positions(more: int) -> None:
    """A snapshot's read has none, whatever it says; a change without one is not applied unseen."""
    changes = [("c", 1, 10), ("u", 2, 20), ("r", 3, 30), ("r", 4, None), ("d", 5, 50), ("u", 6, None), ("d", 7, None)]
    filler = [("c", 100 + number, 1) for number in range(more)]
    found = decoded([*changes, *filler])
    images = found.images.filter(pl.col("id") < 100)

    assert images.select("id", VERSION).rows() == [(1, 10), (2, 20), (3, None), (4, None)]
    assert found.deletes.select("id", VERSION).rows() == [(5, 50)]
    assert {place: why.kind for place, why in found.out.items()} == dict.fromkeys([5, 6], "record.position")


def test_a_tombstone_has_no_position() -> None:
    """Beside values and alone."""
    assert decoded([("d", 1, 5), ("t", 1, None)], compacted=True).deletes[VERSION].to_list() == [5, None]
    assert decoded([("t", 1, None)], compacted=True).deletes[VERSION].to_list() == [None]


# folding


@dataclass(frozen=True, slots=True)
class Versioned:
    """A change with its position."""

    change: Change
    at: int | None


@st.composite
def logs(draw: st.DrawFn, reads: bool = True) -> list[Versioned]:
    """What a source may write of three rows.

    Positions rise from change to change of a row. But a row may be written before another transaction's delete of its
    key, and only then look whether the key is free: then its create says an earlier place than the delete before it.
    """
    model, last, found = Model(frozenset({"id", "a", "b"})), 0, list[Versioned]()
    for _ in range(draw(st.integers(0, 14))):
        key, op, cell = (
            draw(st.integers(1, 3)),
            draw(st.sampled_from("ucdr" if reads else "ucd")),
            draw(st.integers(0, 99)),
        )
        last += draw(st.integers(0, 2))
        there = (key,) in model.rows
        if op == "d":
            if there:
                changes = [Versioned(Change("d", (key,)), last)]
                # a tombstone
                changes += [Versioned(Change("d", (key,)), None)] if draw(st.booleans()) else []
            else:
                continue
        elif op == "u" and there and draw(st.booleans()):
            changes = [Versioned(Change("u", (key,), {"id": key, "a": cell}), last)]
        else:
            early = 0 if there else draw(st.integers(0, 3))
            image = {"id": key, "a": cell, "b": cell}
            changes = [Versioned(Change(op, (key,), image), None if op == "r" else max(0, last - early))]
        found += changes
        model.apply_all(one.change for one in changes)
    return found


def batches(draw: st.DrawFn, log: Sequence[Versioned]) -> list[Sequence[Versioned]]:
    """A log cut anywhere."""
    cuts = sorted(draw(st.sets(st.integers(0, len(log)), max_size=4)))
    return [log[a:b] for a, b in pairwise([0, *cuts, len(log)])]


def folded(batch: Sequence[Versioned]) -> Folded:
    """A batch, folded."""
    schema = {"id": pl.Int64, "a": pl.Int64, "b": pl.Int64, "v": pl.Int64, SEQ: pl.Int64}
    images, deletes = list[dict[str, Any]](), list[dict[str, Any]]()
    for seq, one in enumerate(batch):
        place = {"v": one.at, SEQ: seq}
        if one.change.op == "d":
            deletes.append({"id": one.change.key[0], **place})
        else:
            images.append({"a": None, "b": None, **(one.change.image or {}), **place})
    gone = pl.DataFrame(deletes, schema={name: schema[name] for name in ("id", "v", SEQ)})
    there = pl.DataFrame(images, schema=schema)
    late = overtaken(there, gone, ["id"], "v")
    there, gone = (frame.filter(~pl.col(SEQ).is_in(late)) for frame in (there, gone))
    lacks = pl.Series(["b" not in (batch[seq].change.image or {}) for seq in there[SEQ]], dtype=pl.Boolean)
    return fold(there, gone, ["id"], {"b": lacks} if lacks.any() else None, "v")


class Guarded:
    """A table whose rows are guarded as the target's statements do it."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}

    def take(self, log: Iterable[Sequence[Versioned]]) -> None:
        """Write batches."""
        for batch in log:
            left = folded(batch)
            for row in left.deletes.drop(SEQ).iter_rows(named=True):
                if not self._newer(row):
                    self.rows.pop(row["id"], None)
            partials = [(partial.frame, True) for partial in left.partials]
            for frame, partial in [(left.upserts, False), *partials]:
                for row in frame.drop(SEQ).iter_rows(named=True):
                    old = self.rows.get(row["id"])
                    # an update of part of a row that is not there becomes a letter
                    if not self._newer(row) and not (partial and old is None):
                        version = row["v"] if row["v"] is not None else (old or row)["v"]
                        self.rows[row["id"]] = {**(old or {}), **row, "v": version}

    def _newer(self, row: Mapping[str, Any]) -> bool:
        old = self.rows.get(row["id"], {"v": None})["v"]
        return old is not None and row["v"] is not None and old > row["v"]

    def plain(self) -> dict[int, dict[str, Any]]:
        """The rows without their versions."""
        return {key: {name: row[name] for name in ("id", "a", "b")} for key, row in self.rows.items()}


@st.composite
def read_again(draw: st.DrawFn, reads: bool = True) -> tuple[list[Versioned], list[Sequence[Versioned]], int]:
    """A log; batches of it from any place on; how far it was applied before, which is not in front of that place."""
    log = draw(logs(reads))
    start = draw(st.integers(0, len(log)))
    return log, batches(draw, log[start:]), draw(st.integers(start, len(log)))


TAKEN_EARLY = [
    Versioned(Change("c", (1,), {"id": 1, "a": 1, "b": 1}), 45),
    Versioned(Change("d", (1,)), 50),
    Versioned(Change("c", (1,), {"id": 1, "a": 2, "b": 2}), 40),
]


@given(read_again())
@example((TAKEN_EARLY, [TAKEN_EARLY[1:]], 1))
def test_the_guard_loses_nothing_of_a_log(case: tuple[list[Versioned], list[Sequence[Versioned]], int]) -> None:
    """Wherever batches are cut, and from whatever place a log is read again, the rows end as the source has them."""
    log, rest, applied = case
    model = Model(frozenset({"id", "a", "b"}))
    model.apply_all(one.change for one in log)
    table = Guarded()
    table.take([one] for one in log[:applied])
    table.take(rest)

    assert table.plain() == {row["id"]: row for row in model.rows.values()}


@given(read_again(reads=False))
def test_a_row_never_goes_back(case: tuple[list[Versioned], list[Sequence[Versioned]], int]) -> None:
    """What is read again does not bring a row behind what it has been, as long as it is there."""
    log, rest, applied = case
    table = Guarded()
    table.take([one] for one in log[:applied])
    for batch in rest:
        before = dict(table.rows)
        table.take([batch])
        assert all(table.rows[key]["v"] >= row["v"] for key, row in before.items() if key in table.rows)


@st.composite
def shuffled(draw: st.DrawFn) -> list[Versioned]:
    """Changes of two rows in any order of their positions, as partitions of a topic that has grown give them."""
    found = []
    for _ in range(draw(st.integers(0, 12))):
        key, at = draw(st.integers(1, 2)), draw(st.integers(0, 20))
        image = {"id": key, "a": at, "b": draw(st.integers(0, 99))}
        found.append(Versioned(Change("d", (key,)) if draw(st.booleans()) else Change("u", (key,), image), at))
    return found


@given(shuffled(), st.integers(0, 12))
def test_a_batch_does_what_its_changes_do_one_by_one_in_any_order(log: list[Versioned], before: int) -> None:
    """What is older than a change in front of it does nothing, whatever the row's state was before the batch."""
    one_by_one, at_once = Guarded(), Guarded()
    for table in (one_by_one, at_once):
        table.take([one] for one in log[:before])
    one_by_one.take([one] for one in log[before:])
    at_once.take([log[before:]])

    assert at_once.plain() == one_by_one.plain()


def planned_rows(changes: Sequence[tuple[str, int]]) -> tuple[Action, bytes, int]:
    """What a planner writes of row 1's changes, which are operation and position, and how many it folds."""
    topic = Topic(FIELDS)
    column = BoundColumn(source=SOURCE, target=TARGET, how=carriage(SOURCE, TARGET.kind))
    topic.binding = replace(topic.binding, version=VERSION, columns=(*topic.binding.columns, column))
    known = KnownBindings()
    topic.bound_to(known)
    written = []
    for op, lsn in changes:
        row = {"id": 1, "word": f"of {lsn}"}
        shown = (row, None) if op == "d" else (None, row)
        written.append((topic.key(row), topic.values.framed(topic.value_id, event(op, *shown, lsn=lsn))))
    plan = planner(known).plan([slice_of(written)])
    (write,) = plan.writes
    return write.action, b"".join(write.payload), plan.counts.folded


@pytest.mark.parametrize(
    ("changes", "action", "newest"),
    [
        ([("u", 200), ("u", 100)], Action.UPSERT, 200),
        ([("u", 200), ("d", 100)], Action.UPSERT, 200),
        ([("d", 200), ("u", 100)], Action.UPSERT, 100),
        ([("u", 100), ("d", 200)], Action.DELETE, 0),
    ],
)
def test_the_newest_change_of_a_batch_is_what_is_planned(
    changes: Sequence[tuple[str, int]], action: Action, newest: int
) -> None:
    """Not the last one, where an older one comes late."""
    done, payload, folded_away = planned_rows(changes)

    assert (done, folded_away) == (action, 1)
    assert not newest or f"of {newest}".encode() in payload


def test_a_folded_delete_keeps_the_position_that_its_tombstone_lacks() -> None:
    """Else the guard would not see it."""
    deletes = folded([Versioned(Change("d", (1,)), 6), Versioned(Change("d", (1,)), None)]).deletes

    assert deletes.select("id", "v").rows() == [(1, 6)]
