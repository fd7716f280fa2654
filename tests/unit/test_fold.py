"""Folding a batch leaves the same rows as applying its changes one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.core.fold import SEQ, Folded, fold
from tests.oracle import Change, Key, MissingBase, Model, Row

VALUES = ("a", "b", "c")
HIDDEN = "never a value"


@dataclass(frozen=True, slots=True)
class Shape:
    """A table: its key columns with their types and a few keys to choose from."""

    identity: dict[str, Any]
    keys: tuple[Key, ...]

    @property
    def columns(self) -> frozenset[str]:
        """All columns."""
        return frozenset([*self.identity, *VALUES])


SHAPES = (
    Shape({"id": pl.Int64}, ((1,), (2,), (-3,))),
    Shape({"code": pl.String}, (("",), ("x",), ("X",))),
    Shape({"id": pl.Int32, "code": pl.String}, ((1, "x"), (1, "y"), (2, "x"), (2, ""))),
)
DTYPES = {"a": pl.Int64, "b": pl.String, "c": pl.Boolean}
CELLS = {
    "a": st.none() | st.integers(-3, 3),
    "b": st.none() | st.sampled_from(["", "x", HIDDEN]),
    "c": st.none() | st.booleans(),
}


@st.composite
def changes_of(draw: st.DrawFn, shape: Shape) -> list[Change]:
    """Any sequence of changes, partial images without a base row included."""
    found = []
    for _ in range(draw(st.integers(0, 14))):
        key = draw(st.sampled_from(shape.keys))
        op = draw(st.sampled_from("cuurd"))
        if op == "d":
            found.append(Change("d", key))
            continue
        there = draw(st.sets(st.sampled_from(VALUES))) if op == "u" else set(VALUES)
        image = {name: draw(CELLS[name]) for name in VALUES if name in there}
        found.append(Change(op, key, {**dict(zip(shape.identity, key, strict=True)), **image}))
    return found


@st.composite
def histories(draw: st.DrawFn) -> tuple[Shape, list[Change]]:
    """A table and changes of it."""
    shape = draw(st.sampled_from(SHAPES))
    return shape, draw(changes_of(shape))


@st.composite
def batched(draw: st.DrawFn) -> tuple[Shape, list[list[Change]]]:
    """A history that a source can have (no partial image without a row), cut into batches anywhere."""
    shape, wanted = draw(histories())
    model = Model(shape.columns)
    sound = []
    for change in wanted:
        try:
            model.apply(change)
        except MissingBase:
            continue
        sound.append(change)
    cuts = sorted(draw(st.sets(st.integers(0, len(sound)), max_size=4)))
    borders = [0, *cuts, len(sound)]
    return shape, [sound[a:b] for a, b in pairwise(borders)]


def folded(shape: Shape, changes: Sequence[Change]) -> Folded:
    """The changes of one batch, laid out as columns and folded."""
    images = [(seq, change) for seq, change in enumerate(changes) if change.op != "d"]
    gone = [(seq, change) for seq, change in enumerate(changes) if change.op == "d"]
    schema = {**shape.identity, **DTYPES, SEQ: pl.Int64}
    rows = [{**dict.fromkeys(VALUES), **(change.image or {}), SEQ: seq} for seq, change in images]
    masks = {
        name: pl.Series([name not in (change.image or {}) for _, change in images], dtype=pl.Boolean)
        for name in VALUES
        if any(name not in (change.image or {}) for _, change in images)
    }
    deletes = pl.DataFrame(
        [{**dict(zip(shape.identity, change.key, strict=True)), SEQ: seq} for seq, change in gone],
        schema={**shape.identity, SEQ: pl.Int64},
    )
    return fold(pl.DataFrame(rows, schema=schema), deletes, list(shape.identity), masks or None)


def written(target: dict[Key, Row], shape: Shape, result: Folded) -> None:
    """What the target does with a folded batch: deletes, whole rows, then partial updates of rows that are there."""
    identity = list(shape.identity)
    touched: list[Key] = []
    for row in result.deletes.iter_rows(named=True):
        touched.append(tuple(row[name] for name in identity))
        target.pop(touched[-1], None)
    for row in result.upserts.drop(SEQ).iter_rows(named=True):
        touched.append(tuple(row[name] for name in identity))
        target[touched[-1]] = row
    for partial in result.partials:
        for row in partial.frame.drop(SEQ).iter_rows(named=True):
            touched.append(tuple(row[name] for name in identity))
            assert set(row) == shape.columns - set(partial.missing)
            target[touched[-1]] = {**target[touched[-1]], **row}
    assert len(touched) == len(set(touched)), "the writes of a batch touch each row once"


@given(batched())
def test_folding_equals_applying_one_by_one(case: tuple[Shape, list[list[Change]]]) -> None:
    """Whatever the changes and wherever the batches are cut, the rows are those of the model."""
    shape, batches = case
    model = Model(shape.columns)
    target: dict[Key, Row] = {}
    for batch in batches:
        model.apply_all(batch)
        result = folded(shape, batch)
        assert not result.orphans
        written(target, shape, result)
        assert target == model.rows


def orphaned(shape: Shape, changes: Sequence[Change]) -> list[int]:
    """Places of last changes that are partial, follow a delete of their row, and are not made whole since then."""
    since: dict[Key, set[str] | None] = {}
    last: dict[Key, int] = {}
    for seq, change in enumerate(changes):
        last[change.key] = seq
        if change.op == "d":
            since[change.key] = set()
        elif change.key in since:
            since[change.key] = (since[change.key] or set()) | set(change.image or {})
    return sorted(
        last[key] for key, seen in since.items() if changes[last[key]].op != "d" and shape.columns - (seen or set())
    )


@given(histories())
@example((SHAPES[0], [Change("d", (1,)), Change("u", (1,), {"id": 1, "a": 1})]))
def test_a_partial_image_after_its_rows_delete_is_an_orphan(case: tuple[Shape, list[Change]]) -> None:
    """Orphans are exactly the rows that can't exist: deleted in the batch and never whole again."""
    shape, changes = case

    assert list(folded(shape, changes).orphans) == orphaned(shape, changes)


@given(histories())
def test_an_orphan_writes_nothing(case: tuple[Shape, list[Change]]) -> None:
    """What is reported as an orphan is in no write, so nothing is made up for its columns."""
    shape, changes = case
    result = folded(shape, changes)
    frames = [result.upserts, result.deletes, *(partial.frame for partial in result.partials)]
    places = {seq for frame in frames for seq in frame[SEQ].to_list()}

    assert not places & set(result.orphans)


@given(histories())
def test_writes_are_sorted_by_identity(case: tuple[Shape, list[Change]]) -> None:
    """Rows go to the target in key order, so that two workers lock them alike and pages are met once."""
    shape, changes = case
    result = folded(shape, changes)
    for frame in (result.upserts, result.deletes):
        keys = frame.select(list(shape.identity))
        assert keys.equals(keys.sort(list(shape.identity)))


def test_a_partial_image_of_a_key_that_equals_nothing_is_no_orphan_and_not_lost() -> None:
    """NaN meets no row in a join, itself not either."""
    images = pl.DataFrame({"id": [float("nan")] * 2, "a": [1, 2], "b": [1, None], SEQ: [0, 1]})
    found = fold(images, images.select("id", SEQ).clear(), ["id"], {"b": pl.Series([False, True])})

    assert found.size == 1
