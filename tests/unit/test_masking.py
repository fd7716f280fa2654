"""Masked columns: hidden wherever a row stands, by patterns of names."""

import pytest

from consumer.core.wording import HIDDEN
from dlq.masking import Mask

ROW = {"id": 1, "email": "canary", "note": None}


@pytest.mark.parametrize(
    ("patterns", "table", "hidden"),
    [
        ([], "public.t", set()),
        (["public.t.email"], "public.t", {"email"}),
        (["public.t.email"], "public.u", set()),
        (["email"], "public.t", {"email"}),
        (["*.e*"], "public.t", {"email"}),
        (["public.*.*"], "public.t", {"id", "email"}),
        (["other.*.*"], None, {"id", "email"}),
        (["Public.t.EMAIL"], "public.t", {"email"}),
    ],
)
def test_columns_are_hidden_by_patterns(patterns: list[str], table: str | None, hidden: set[str]) -> None:
    """Nulls are no secret; of a table that is not known all that any rule says counts."""
    row = Mask(patterns).row(ROW, table)
    assert {name for name, value in row.items() if value == HIDDEN} == hidden
    assert row["note"] is None
    assert Mask(patterns).may_hide(table) == bool(hidden)


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [
        ([], True),
        (["public.t.email"], False),
        (["public.t.email", "sales.u.id"], False),
        (["public.t.email", "sales.u.email"], True),
        (["*.email"], True),
        (["public.*.email", "Sales.*.EMAIL"], True),
        (["public.other.email"], True),
    ],
)
def test_a_table_with_another_name_has_the_same_columns_hidden_or_not(patterns: list[str], covered: bool) -> None:
    """By rules for both names."""
    assert Mask(patterns).covers("public.t", "sales.u") == covered


def test_rows_of_an_envelope_are_hidden() -> None:
    """Both images; what is no row stays. A record without them is a row itself."""
    mask = Mask(["public.t.email", "public.t.op"])
    assert mask.record({"before": None, "after": ROW, "op": "c"}, "public.t") == {
        "before": None,
        "after": {**ROW, "email": HIDDEN},
        "op": "c",
    }
    assert mask.record({"email": "canary"}, "public.t") == {"email": HIDDEN}


PLACE = {"connector": "mysql", "db": "shop", "table": "t", "file": "binlog.7", "pos": 4, "gtid": None, "ts_ms": 5}
TOLD = {"query": "UPDATE t SET email = 'canary'", "user_name": "ann", "query_args": ["canary"]}


@pytest.mark.parametrize("read", [{"op": "u"}, {}], ids=["whole", "in part"])
def test_a_source_tells_no_more_than_its_place_where_a_column_is_hidden(read: dict[str, str]) -> None:
    """MySQL's may have the statement with its values; also of a record that breaks behind it."""
    record = {"before": None, "after": ROW, "source": {**PLACE, **TOLD}, **read}
    mask = Mask(["public.t.email"])
    assert mask.record(record, "public.t")["source"] == {**PLACE, **dict.fromkeys(TOLD, HIDDEN)}
    assert mask.visible(record, "public.t")["source"] == PLACE
    assert mask.record(record, "public.u") == mask.visible(record, "public.u") == record


def test_capital_letters_make_no_difference() -> None:
    """A rule that is written otherwise still hides."""
    assert Mask(["S.T.email"]).hides("s.T", "EMail")


def test_a_row_with_columns_that_are_called_as_images_is_hidden_too() -> None:
    """As of a flattened record: nothing says that it is an envelope."""
    row = {"after": {"email": "a@b"}, "email": "c@d", "op": "x"}
    mask = Mask(["*.email"])
    assert mask.record(row, None) == {"after": {"email": HIDDEN}, "email": HIDDEN, "op": "x"}
    assert mask.visible(row, None) == {"after": {}, "op": "x"}
    hidden = Mask(["*.after"])
    assert hidden.visible(row, None) == {"email": "c@d", "op": "x"}
