"""Mappings that do not fit stop their table."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl
import pytest

from consumer.binding.mapping import TableMapping
from consumer.core.target import TargetTable
from consumer.core.transform import Named
from consumer.planning.planner import BadRecord
from tests.unit.known import Topic
from tests.unit.mapped import FIELDS, FULL, PERSON, Mapped, Whole, mapping, table


class Unsaid(Whole):
    """Says nothing of what it makes."""

    made_from: Mapping[str, tuple[str, ...]] = {"n": ("n",)}


class Unread(Whole):
    """Reads what is not there."""

    made_from: Mapping[str, tuple[str, ...]] = {**Whole.made_from, "name": ("first", "middle")}


class Nested(Whole):
    """Makes what no column takes."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """A list."""
        return super().__call__(rows).with_columns(pl.concat_list("n").alias("n"))


def own(call: Whole) -> Named:
    """A transform by the name `mine`."""
    return Named(name="mine", call=call)


@pytest.mark.provokes("table.settings")
@pytest.mark.parametrize(
    ("wanted", "target", "says", "remedy"),
    [
        pytest.param(
            mapping(exclude=frozenset({"id"})), FULL, "after.id: expected the key's", "`include`", id="key excluded"
        ),
        pytest.param(
            mapping(include=frozenset({"n"})), FULL, "after.id: expected the key's", "`include`", id="key not included"
        ),
        *(
            pytest.param(
                mapping(columns={"id": hidden}),
                FULL,
                "after.id: expected a key column as it is",
                "renaming",
                id=f"key {hidden}",
            )
            for hidden in ({"mask": "x"}, {"erase": True}, {"hash": True})
        ),
        pytest.param(
            mapping(columns={"frist": {"mask": "x"}}),
            FULL,
            "after.frist: expected a column that the",
            "name",
            id="no column to mask",
        ),
        pytest.param(
            mapping(include=frozenset({"id", "frist"})),
            FULL,
            "after.frist: expected a column",
            "name",
            id="no column to include",
        ),
        pytest.param(
            mapping(columns={"first": {"rename": "last"}}),
            FULL,
            "after.last: expected a name of its own",
            "name",
            id="two of one name",
        ),
        pytest.param(
            mapping(constants={"first": "x"}),
            FULL,
            "after.first: expected a name of its own",
            "name",
            id="a constant of the source's name",
        ),
        pytest.param(
            mapping(columns={"n": {"erase": True}}),
            replace(FULL, columns=(*FULL.columns[:3], replace(FULL.columns[3], required=True))),
            "after.n: expected a column that takes nulls",
            "`mask`",
            id="erased, and NOT NULL",
        ),
        pytest.param(mapping(constants={"x" * 64: 1}), FULL, "at most 63 bytes", "name", id="a long name"),
        pytest.param(
            mapping(transform=own(Unsaid())),
            PERSON,
            "after.name: expected it in made_from of 'mine'",
            "transform",
            id="made, unsaid",
        ),
        pytest.param(
            mapping(transform=own(Unread())),
            PERSON,
            "after.middle: expected a column that the transform",
            "transform",
            id="reads what is not there",
        ),
        pytest.param(
            mapping(transform=own(Nested())), PERSON, "n: expected a boolean, Int32", "transform", id="makes lists"
        ),
    ],
)
def test_a_mapping_that_does_not_fit_stops_the_table(
    wanted: TableMapping, target: TargetTable, says: str, remedy: str
) -> None:
    """Before any row is touched."""
    failure = Mapped(wanted, target).refusal()

    assert failure.kind == "table.settings"
    assert says in failure.detail
    assert remedy in failure.remedy


def test_a_float_has_no_hash() -> None:
    """One number has many texts."""
    topic = Topic([*FIELDS[:1], {"name": "n", "type": "double"}])
    mapped = Mapped(mapping(columns={"n": {"hash": True}}), table("id", "n", n="float8"))
    mapped.world.schemas[2] = topic.values.text
    with pytest.raises(BadRecord) as caught:
        mapped.plan(topic.record("c", {"id": 1, "n": 0.5}))

    assert "after.n: expected a column of texts, integers or bytes to hash, found double" in caught.value.failure.detail
