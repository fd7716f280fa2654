"""Masked columns: hidden wherever a row stands, by patterns of names."""

import pytest

from dlq.masking import HIDDEN, Mask

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


def test_rows_of_an_envelope_are_hidden() -> None:
    """Both images; what is no row stays. A record without them is a row itself."""
    mask = Mask(["public.t.email", "public.t.op"])
    assert mask.record({"before": None, "after": ROW, "op": "c"}, "public.t") == {
        "before": None,
        "after": {**ROW, "email": HIDDEN},
        "op": "c",
    }
    assert mask.record({"email": "canary"}, "public.t") == {"email": HIDDEN}


def test_capital_letters_make_no_difference() -> None:
    """A rule that is written otherwise still hides."""
    assert Mask(["S.T.email"]).hides("s.T", "EMail")
