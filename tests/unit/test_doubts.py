"""Doubtful nulls of a block: which of them a value of the same row refutes, as a walk over its changes says it."""

from dataclasses import replace
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.doubts import Told, confirmed, doubted, refuted, whole
from consumer.core.envelope import Column
from consumer.core.fold import SEQ
from tests.unit.semantic import unscaled

# in w only a long number refuses a null
LONG = frozenset({"w"})
VALUES: dict[str, dict[str, Any]] = {
    "v": {"long": [1.5], "short": [0.5]},
    "w": {"long": unscaled(10**29 + 1), "short": unscaled(10**40)},
}
SAID = ["long", "short", "null", "doubt", "moved"]
# a row's number, and what is said of it: it goes, or can't be read, or what each column has; "moved" is a doubtful null
# that stands for what another row had
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 2), st.one_of(st.sampled_from(["gone", "unread"]), st.tuples(*[st.sampled_from(SAID)] * 2))
    ),
    max_size=30,
)
Changes = list[tuple[int, str | tuple[str, str]]]


@given(CHANGES)
def test_a_null_is_refuted_by_the_last_that_was_said_of_its_row(changes: Changes) -> None:
    """Not by what stood in front of a delete, nor by another doubtful null, nor by a short number."""
    changes = [(key, _unmoved(said)) for key, said in changes]
    masks = masked(changes)
    found = refuted(replace(told(changes), unread=None, absent={}), masks, LONG) if masks else []

    assert sorted(found) == walked([each for each in numbered(changes) if each[2] != "unread"], "value")


@given(CHANGES)
def test_a_null_is_confirmed_by_the_last_that_was_said_of_its_row(changes: Changes) -> None:
    """Where that is null, or a short number; what can't be read says nothing, and a delete that no number is there.

    A null that stands for what another row had is neither, and nothing is known behind it.
    """
    masks = masked(changes)
    found = confirmed(told(changes), masks, LONG) if masks else {}
    places = {place for mask in found.values() for place in told(changes).images[SEQ].filter(mask)}

    assert sorted(places) == walked(numbered(changes), "null")


def numbered(changes: Changes) -> list[tuple[int, int, str | tuple[str, str]]]:
    """Changes with their places."""
    return [(key, place, said) for place, (key, said) in enumerate(changes)]


def masked(changes: Changes) -> dict[str, pl.Series]:
    """Which images have a doubtful null, by column."""
    masks = {
        name: pl.Series(
            [said[place] in ("doubt", "moved") for _, said in changes if isinstance(said, tuple)], dtype=pl.Boolean
        )
        for place, name in enumerate("vw")
    }
    return {name: mask for name, mask in masks.items() if mask.any()}


def told(changes: Changes) -> Told:
    """What a block has of them."""
    schema = {"id": pl.Int64, "v": pl.List(pl.Float64), "w": pl.Binary, SEQ: pl.Int64}
    images = [
        (key, *(VALUES[name].get(word) for name, word in zip("vw", said, strict=True)), place)
        for key, place, said in numbered(changes)
        if isinstance(said, tuple)
    ]

    def silent(wanted: str) -> pl.DataFrame:
        rows = [(key, place) for key, place, said in numbered(changes) if said == wanted]
        return pl.DataFrame(rows, schema={"id": pl.Int64, SEQ: pl.Int64}, orient="row")

    return Told(
        images=pl.DataFrame(images, schema=schema, orient="row"),
        deletes=silent("gone"),
        identity=["id"],
        unread=silent("unread"),
        absent={
            name: pl.Series(
                [said[place] == "moved" for _, said in changes if isinstance(said, tuple)], dtype=pl.Boolean
            )
            for place, name in enumerate("vw")
        },
    )


def _unmoved(said: str | tuple[str, str]) -> str | tuple[str, str]:
    if isinstance(said, str):
        return said
    first, second = ("doubt" if word == "moved" else word for word in said)
    return first, second


def walked(changes: list[tuple[int, int, str | tuple[str, str]]], wanted: str) -> list[int]:
    """The places of doubtful nulls in front of which that was said last, one change after the other."""
    last: dict[tuple[int, str], str] = {}
    found = set()
    for key, place, said in changes:
        for number, name in enumerate("vw"):
            word = said[number] if isinstance(said, tuple) else said
            if word == "doubt":
                found |= {place} if last.get((key, name)) == wanted else set()
            else:
                last[key, name] = _MEANS.get((name, word)) or _MEANS["", word]
    return sorted(found)


_MEANS = {
    ("", "long"): "value",
    ("v", "short"): "value",
    ("w", "short"): "null",
    ("", "null"): "null",
    ("", "moved"): "nothing",
    ("v", "gone"): "nothing",
    ("w", "gone"): "null",
    ("", "unread"): "nothing",
}


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
    images = told([(0, ("doubt", "short")), (1, ("null", "null")), (2, ("long", "short"))]).images
    found = doubted(images, [0, 2], [], {"v": "reject", "w": "keep"}, ["id"])

    assert {name: mask.to_list() for name, mask in found.masks.items()} == {"v": [True, False, False]}
    assert (found.absent.keys(), found.judged, found.long) == ({"v"}, {"v"}, frozenset())


def test_a_number_that_may_be_long_is_written_unless_its_key_has_changed() -> None:
    """The row says how long it is, or what was kept of the old one does."""
    images = told([(0, ("null", "doubt")), (1, ("null", "doubt")), (2, ("null", "null"))]).images
    found = doubted(images, [0], [1], {"w": "long"}, ["id"])

    assert found.masks["w"].to_list() == [True, True, False]
    assert found.absent["w"].to_list() == [False, True, False]
    assert (found.judged, found.long) == ({"w"}, {"w"})
    assert doubted(images, [0], [], {"w": "long"}, ["id"]).absent == {}
    assert doubted(images, [], [1], {"w": "long"}, ["id"]).long == frozenset()


def test_what_a_moved_row_lacks_its_updates_lack_too() -> None:
    """Up to a value, or a null that is one; those of other rows, and those in front of it, do not."""
    said = [(0, "doubt"), (0, "doubt"), (1, "doubt"), (0, "doubt"), (0, "short"), (0, "doubt")]
    images = told([(key, ("null", word)) for key, word in said]).images
    found = doubted(images, [0, 2, 3, 5], [1], {"w": "long"}, ["id"])

    assert found.absent["w"].to_list() == [False, True, False, True, False, False]
    assert found.long == {"w"}
