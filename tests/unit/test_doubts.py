"""Doubtful nulls of a block: which of them a value of the same row refutes, as a walk over its changes says it."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.doubts import confirmed, doubted, refuted, whole
from consumer.core.envelope import Column
from consumer.core.fold import SEQ

V, W = (Column(name=name, avro="array", item=Column(name="item", avro="double"), nullable=True) for name in "vw")
COLUMNS = {"v": V, "w": W}
# a row's number, and what is said of it: it goes, or a value, null or a doubtful null for each column
CHANGES = st.lists(
    st.tuples(st.integers(0, 2), st.one_of(st.none(), st.tuples(*[st.sampled_from(["value", "null", "doubt"])] * 2))),
    max_size=30,
)


@given(CHANGES)
def test_a_null_is_refuted_by_the_last_that_was_said_of_its_row(
    changes: list[tuple[int, tuple[str, str] | None]],
) -> None:
    """Not by what stood in front of a delete, nor by another doubtful null."""
    images, deletes = frames(changes)
    masks = masked(changes)
    found = refuted(images, deletes, ["id"], masks) if masks else []

    assert sorted(found) == walked(changes, "value")


@given(CHANGES)
def test_a_null_is_confirmed_by_the_last_that_was_said_of_its_row(
    changes: list[tuple[int, tuple[str, str] | None]],
) -> None:
    """Where that is null; a delete, or what can't be read, says nothing."""
    images, deletes = frames(changes)
    masks = masked(changes)
    found = confirmed(images, [deletes], ["id"], masks) if masks else {}
    places = {place for mask in found.values() for place in images[SEQ].filter(mask)}

    assert sorted(places) == walked(changes, "null")


def masked(changes: list[tuple[int, tuple[str, str] | None]]) -> dict[str, pl.Series]:
    """Which images have a doubtful null, by column."""
    masks = {
        name: pl.Series([said[place] == "doubt" for _, said in changes if said is not None], dtype=pl.Boolean)
        for place, name in enumerate("vw")
    }
    return {name: mask for name, mask in masks.items() if mask.any()}


def frames(changes: list[tuple[int, tuple[str, str] | None]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Images and deletes, as a block has them."""
    kind = pl.List(pl.Float64)
    rows = [(key, place, said) for place, (key, said) in enumerate(changes)]
    images = [
        (key, *([1.5] if word == "value" else None for word in said), place)
        for key, place, said in rows
        if said is not None
    ]
    deletes = [(key, place) for key, place, said in rows if said is None]
    return (
        pl.DataFrame(images, schema={"id": pl.Int64, "v": kind, "w": kind, SEQ: pl.Int64}, orient="row"),
        pl.DataFrame(deletes, schema={"id": pl.Int64, SEQ: pl.Int64}, orient="row"),
    )


def walked(changes: list[tuple[int, tuple[str, str] | None]], wanted: str) -> list[int]:
    """The places of doubtful nulls in front of which that was said last, one change after the other."""
    last: dict[tuple[int, int], str] = {}
    found = set()
    for place, (key, said) in enumerate(changes):
        for number in range(2):
            if said is None:
                last[key, number] = "nothing"
            elif said[number] != "doubt":
                last[key, number] = said[number]
            elif last.get((key, number)) == wanted:
                found.add(place)
    return sorted(found)


def test_only_an_image_before_with_more_than_a_key_is_whole() -> None:
    """Columns that take no null, or have a default, have made-up values in others."""
    columns = [
        Column(name="id", avro="long"),
        Column(name="n", avro="int"),
        Column(name="d", avro="int", nullable=True, replaced=True),
        Column(name="v", avro="double", nullable=True),
    ]
    rows = [None, {"id": 1, "n": 0, "d": 7, "v": None}, {"id": 1, "n": 0, "d": 7, "v": 1.5}]
    kind = pl.Struct({"id": pl.Int64, "n": pl.Int64, "d": pl.Int64, "v": pl.Float64})
    before = pl.DataFrame({"before": pl.Series(rows, dtype=kind), SEQ: [3, 4, 5]})

    assert whole(before, columns) == [5]
    assert whole(before, columns[:3]) == []


def test_nulls_are_doubted_where_they_are_asked_for() -> None:
    """And judged by the row where nothing else was chosen."""
    images, _ = frames([(0, ("doubt", "value")), (1, ("null", "null")), (2, ("value", "value"))])
    found = doubted(images, [0, 2], {"v": "reject", "w": "keep"})

    assert {name: mask.to_list() for name, mask in found.masks.items()} == {"v": [True, False, False]}
    assert found.judged == {"v"}
