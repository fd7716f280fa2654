"""Transforms by a user's own code: what they make, what they never see, and rows that they can't do."""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import polars as pl
import pytest

from consumer.core import history
from consumer.core.modes import Mode
from consumer.core.target import TargetColumn
from consumer.core.transform import Named
from consumer.core.writes import Action
from consumer.ports.refusals import DataFault
from tests.unit.mapped import (
    FULL,
    KEY,
    LEFT_OUT,
    NAME,
    PEOPLE,
    PERSON,
    Mapped,
    Whole,
    frame,
    mapping,
    names,
    row,
    table,
)

WHOLE = Named(name="whole", call=Whole())


def test_a_transform_makes_columns_of_columns() -> None:
    """What it drops is not in the table."""
    assert frame(mapping(transform=WHOLE), PERSON, row(1), row(2, None)).to_dict(as_series=False) == {
        "id": [1, 2],
        "n": [2, 2],
        "name": ["Ada Byron", None],
    }


def test_what_it_makes_is_mapped_too() -> None:
    """By its own names."""
    wanted = mapping(transform=WHOLE, columns={"name": {"hash": True, "rename": "who"}, "n": {"erase": True}})
    shaped = frame(wanted, table("id", "who", "n", n="int4"), row(1))

    assert shaped["name"].to_list() == [hmac.new(KEY, b"Ada Byron", "sha256").hexdigest()]
    assert shaped["n"].to_list() == [None]


@pytest.mark.provokes("record.transform")
def test_a_transform_never_sees_a_marker() -> None:
    """What is made from columns that were left out is left alone; where some of them are there, a letter is made."""
    plan = Mapped(mapping(transform=WHOLE), PERSON).plan(
        PEOPLE.record("u", row(1, LEFT_OUT, LEFT_OUT)),
        PEOPLE.record("u", row(2, LEFT_OUT)),
        PEOPLE.record("c", row(3)),
        PEOPLE.record("u", row(3, LEFT_OUT)),
    )

    assert [(write.action, names(write), write.rows) for write in plan.writes] == [
        (Action.UPSERT, ["id", "n", "name"], 1),
        (Action.UPDATE, ["id", "n"], 1),
    ]
    (letter,) = plan.letters
    assert letter.record.ref.offset == 101
    assert letter.failure.kind == "record.transform"
    assert "name: expected all columns that it is made from" in letter.failure.detail
    assert "REPLICA IDENTITY FULL" in letter.failure.remedy


def test_a_masked_column_in_front_of_a_transform_is_known_all_the_same() -> None:
    """Whether it is the source's or made; the transform saw null in its place."""
    wanted = mapping(transform=WHOLE, columns={"name": {"mask": "***"}, "n": {"erase": True}})
    (write,) = Mapped(wanted, PERSON).plan(PEOPLE.record("u", row(1, LEFT_OUT))).writes

    assert (write.action, names(write)) == (Action.UPDATE, ["id", "n", "name"])


class Looks:
    """Changes nothing, and refuses placeholders."""

    made_from: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows."""
        assert not rows.select((pl.col(pl.String) == LEFT_OUT).any()).row(0).count(True)
        return rows


def test_a_transform_sees_no_placeholder_of_a_masked_column() -> None:
    """It gets all that is kept."""
    wanted = mapping(transform=Named(name="looks", call=Looks()), columns={"last": {"mask": "***"}})
    (write,) = Mapped(wanted, FULL).plan(PEOPLE.record("u", row(1, last=LEFT_OUT))).writes

    assert names(write) == ["id", "first", "last", "n"]


class Fails(Whole):
    """Does not like some rows."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Raises with a value in its message."""
        for name in rows["first"]:
            if name == "sesame":
                raise KeyError(name)
        return super().__call__(rows)


class Shuffles(Whole):
    """Brings rows into another order."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """By the last column."""
        return super().__call__(rows).sort("n", descending=True)


class Filters(Whole):
    """Leaves rows out."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Some."""
        return super().__call__(rows.filter(pl.col("n") > 1))


class Wavers(Whole):
    """Has other types for some rows."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """A wider one where there are rows."""
        result = super().__call__(rows)
        return result.with_columns(pl.col("n").cast(pl.Int64)) if len(rows) else result


@pytest.mark.provokes("record.transform")
@pytest.mark.parametrize(
    ("call", "says"),
    [
        (Fails(), "raised KeyError"),
        (Shuffles(), "changed the key column 'id', or the rows' order"),
        (Filters(), "one row for each"),
        (Wavers(), "other columns or types"),
    ],
)
def test_rows_that_a_transform_can_not_do_are_refused(call: Whole, says: str) -> None:
    """By its batch, which is halved until the record is found; never by a value."""
    mapped = Mapped(mapping(transform=Named(name="mine", call=call)), PERSON)
    with pytest.raises(DataFault) as caught:
        mapped.plan(PEOPLE.record("c", row(1, "sesame", n=1)), PEOPLE.record("c", row(2, n=2)))

    assert caught.value.failure.kind == "record.transform"
    assert "'mine'" in caught.value.failure.detail
    assert says in caught.value.failure.detail
    assert "sesame" not in str(caught.value.failure)


class Guesses(Whole):
    """Makes a name of whatever is there."""

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """With a mark for what is not."""
        name = (pl.col("first").fill_null("?") + " " + pl.col("last").fill_null("?")).alias("name")
        return rows.with_columns(name, pl.col("n")).drop("first", "last")


def test_a_history_has_nothing_that_was_made_of_what_was_not_sent() -> None:
    """Of a deleted row there is its key, of a truncate nothing; the column is named among those that are not there."""
    wanted = mapping(transform=Named(name="guesses", call=Guesses()))
    columns = [TargetColumn(name=name, type_name=kind, cast=kind) for name, kind in history.STAGED.items()]
    target = replace(PERSON, columns=(*PERSON.columns, *columns), unique=())
    mapped = Mapped(wanted, target, modes={str(NAME): Mode.HISTORY})
    gone = PEOPLE.record("d", row(3))
    plan = mapped.plan(PEOPLE.record("c", row(1)), PEOPLE.record("u", row(2, LEFT_OUT)), gone)
    (write,) = plan.writes
    payload = b"".join(write.payload)

    assert b"Ada Byron" in payload
    assert b"?" not in payload
    assert b"first, name" in payload
