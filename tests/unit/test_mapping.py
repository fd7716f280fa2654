"""Mapping of a table's columns: left out, renamed, hidden and constant."""

import hmac
from dataclasses import replace

import polars as pl
import pytest

from consumer.binding.mapping import TableMapping
from consumer.core.target import TargetColumn
from consumer.core.writes import Action
from tests.unit.known import AT
from tests.unit.mapped import FULL, KEY, LEFT_OUT, NAME, PEOPLE, Mapped, frame, mapping, names, row, table


@pytest.mark.parametrize(
    ("wanted", "target", "there"),
    [
        pytest.param(mapping(exclude=frozenset({"last"})), ["id", "first", "n"], ["id", "first", "n"], id="excluded"),
        pytest.param(mapping(include=frozenset({"id", "n"})), ["id", "n"], ["id", "n"], id="included"),
        pytest.param(
            mapping(columns={"id": {"rename": "number"}, "n": {"rename": "count"}}),
            ["number", "first", "last", "count"],
            ["number", "first", "last", "count"],
            id="renamed, the key too",
        ),
        pytest.param(
            mapping(columns={"first": {"rename": "last"}}, exclude=frozenset({"last"})),
            ["id", "last", "n"],
            ["id", "last", "n"],
            id="renamed to what is excluded",
        ),
        pytest.param(
            mapping(constants={"origin": "shop"}), ["id", "first", "last", "n", "origin"], None, id="a constant column"
        ),
    ],
)
def test_columns_go_where_the_settings_say(wanted: TableMapping, target: list[str], there: list[str] | None) -> None:
    """Upserts, deletes, tombstones and letters know the row by the table's own names of its key."""
    key = target[0]
    mapped = Mapped(wanted, table(*target, key=key))
    plan = mapped.plan(
        PEOPLE.record("c", row(1)),
        PEOPLE.record("d", row(2)),
        (PEOPLE.key(row(3)), None),
        (PEOPLE.key(row(4)), PEOPLE.record("c", row(4))[1][:-1]),
    )
    delete, upsert = plan.writes
    (aside,) = plan.stages[0].letters

    assert names(upsert) == (there or target)
    assert names(delete) == [key]
    assert delete.rows == 2
    assert upsert.identity == delete.identity == (key,)
    assert aside.identities is not None
    assert aside.identities.identity == (key,)
    assert names(aside.identities) == [key]


def test_tombstones_that_come_first_find_the_renamed_key() -> None:
    """Though nothing but the key is known of the row."""
    mapped = Mapped(mapping(columns={"id": {"rename": "number"}}), table("number", "first", key="number"))
    mapped.world.sources[AT.topic, 1] = {"db": "shop", "schema": "public", "table": "orders"}
    (write,) = mapped.plan((PEOPLE.key(row(3)), None)).writes

    assert (write.action, names(write), write.identity) == (Action.DELETE, ["number"], ("number",))


def test_a_table_that_is_made_has_the_mapped_columns() -> None:
    """By their names there, with constants and hashes in the types of what they hold."""
    wanted = mapping(
        exclude=frozenset({"last"}),
        columns={"id": {"rename": "number"}, "n": {"hash": True}},
        constants={"origin": "shop", "level": 3, "ratio": 0.5, "live": True},
    )
    mapped = Mapped(wanted, None)
    mapped.plan(PEOPLE.record("c", row(1)))

    assert list(mapped.world.made.values()) == [
        {
            "number": "bigint",
            "first": "text",
            "n": "text",
            "origin": "text",
            "level": "bigint",
            "ratio": "double precision",
            "live": "boolean",
        }
    ]


def test_values_are_hidden() -> None:
    """By a text, by null, or by a keyed hash of their text; nulls have no hash."""
    wanted = mapping(
        columns={"first": {"mask": "***"}, "last": {"hash": True}, "n": {"hash": True}}, constants={"origin": 7}
    )
    target = table("id", "first", "last", "n", "origin", origin="int8")
    shaped = frame(wanted, target, row(1), row(2, None, "Ädä", None), row(3, "x", "Byron", -1))

    def digest(text: str) -> str:
        return hmac.new(KEY, text.encode(), "sha256").hexdigest()

    assert shaped["first"].to_list() == ["***"] * 3
    assert shaped["last"].to_list() == [digest("Byron"), digest("Ädä"), digest("Byron")]
    assert shaped["n"].to_list() == [digest("1"), None, digest("-1")]
    assert shaped["origin"].to_list() == [7, 7, 7]
    erased = frame(mapping(columns={"n": {"erase": True}}), table("id", "first", "last", "n", n="int4"), row(1))
    assert erased["n"].to_list() == [None]
    assert erased["n"].dtype == pl.Int32


def test_what_debezium_left_out_stays_left_out() -> None:
    """A hash of the marker would be a value; what is masked or left out needs no value."""
    wanted = mapping(columns={"first": {"mask": "-"}, "last": {"hash": True}}, exclude=frozenset({"n"}))
    plan = Mapped(wanted, table("id", "first", "last")).plan(
        PEOPLE.record("u", row(1, last=LEFT_OUT)), PEOPLE.record("u", row(2, first=LEFT_OUT))
    )

    assert [(write.action, names(write), write.rows) for write in plan.writes] == [
        (Action.UPSERT, ["id", "first", "last"], 1),
        (Action.UPDATE, ["id", "first"], 1),
    ]


def test_what_the_table_has_and_an_old_schema_does_not_is_no_mistake() -> None:
    """Records from before a column came are read again without trouble; what is excluded need not be anywhere."""
    wanted = mapping(columns={"later": {"rename": "much_later"}}, exclude=frozenset({"never"}))
    target = replace(FULL, columns=(*FULL.columns, *table("much_later").columns))

    assert Mapped(wanted, target).plan(PEOPLE.record("c", row(1))).counts.upserts == 1


def test_the_key_of_hashes_is_in_no_text() -> None:
    """Neither of the settings nor of what is bound."""
    mapped = Mapped(mapping(columns={"last": {"hash": True}}), FULL)
    mapped.plan(PEOPLE.record("c", row(1)))

    for shown in (mapped.binding(), mapped.world.mappings):
        assert KEY.decode() not in repr(shown)


def test_what_marks_deleted_rows_is_no_column_that_the_settings_fill() -> None:
    """By another name, as a constant: its values would be written over the marks, or these over its values."""
    timed = TargetColumn(name="gone", type_name="timestamptz", cast="timestamptz")
    target = replace(FULL, columns=(*FULL.columns, timed))
    for said in ({"columns": {"first": {"rename": "gone"}}}, {"constants": {"gone": "2020-01-01"}}):
        failure = Mapped(mapping(**said), target, soft_deletes={str(NAME): "gone"}).refusal()
        assert (failure.kind, "soft_delete" in failure.remedy) == ("table.settings", True)
