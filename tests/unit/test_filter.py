"""Filters of decoded values: a field, a comparison and a value, and nothing that could be run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq.filter import LONGEST, BadFilter, Comparison, Condition, condition, matches

KEY = {"id": 7}
RECORD = {
    "before": None,
    "after": {
        "id": 7,
        "price": "12.50",
        "rate": 0.5,
        "born": "2024-02-29",
        "name": "Ann [x]",
        "code": "007",
        "gone": None,
        "paid": True,
        "tags": ["a", 1],
        "place": {"x": 1.5},
        "dotted.name": "d",
        "dotted": {"name": "inside"},
    },
    "op": "u",
}


@pytest.mark.parametrize(
    ("field", "comparison", "value", "holds"),
    [
        ("after.id", "=", "7", True),
        ("after.id", "=", "7.0", True),
        ("after.id", "=", "seven", False),
        ("after.id", "!=", "8", True),
        ("after.id", ">", "6.5", True),
        ("after.id", "<", "10", True),
        ("after.id", "<", "x", False),
        ("key.id", "=", "7", True),
        ("op", "=", "u", True),
        ("op", "!=", "u", False),
        ("after.price", "=", "12.50", True),
        ("after.price", "=", "12.5", True),
        ("after.price", "!=", "12.5", False),
        ("after.price", "!=", "12.51", True),
        ("after.price", "=", "twelve", False),
        ("after.price", ">", "9", True),
        ("after.price", "<", "100", True),
        ("after.rate", "=", "0.50", True),
        ("after.code", "=", "7", False),
        ("after.born", ">", "2024-01-31", True),
        ("after.born", "<", "2024-03-01", True),
        ("after.born", ">", "2024-02-29", False),
        ("after.name", "contains", "[x]", True),
        ("after.name", "contains", "ann", False),
        ("after.name", "contains", ".*", False),
        ("after.tags", "contains", "a", True),
        ("after.tags", "contains", "1", True),
        ("after.tags", "contains", "b", False),
        ("after.place", "contains", "x", True),
        ("after.place.x", "=", "1.5", True),
        ("after.place", "=", "1.5", False),
        ("after.dotted.name", "=", "d", True),
        ("after.paid", "=", "true", True),
        ("after.paid", ">", "false", False),
        ("after.gone", "is null", "", True),
        ("after.gone", "=", "None", False),
        ("after.gone", "!=", "x", True),
        ("after.gone", "contains", "", False),
        ("after.gone", "<", "x", False),
        ("before", "is null", "", True),
        ("before.id", "is null", "", False),
        ("after.nothing", "is null", "", False),
        ("after.nothing", "!=", "x", False),
        ("source.table", "=", "x", False),
    ],
)
def test_a_condition_holds_or_not(field: str, comparison: str, value: str, holds: bool) -> None:
    """Numbers as numbers, everything else as text; of what is not there nothing."""
    assert matches([Condition(field, Comparison(comparison), value)], KEY, RECORD) is holds


def test_all_conditions_have_to_hold() -> None:
    """None at all hold of everything, also of a tombstone."""
    one, other = (Condition("after.id", Comparison.IS, value) for value in ("7", "8"))
    assert matches([one, one], KEY, RECORD)
    assert not matches([one, other], KEY, RECORD)
    assert matches([], None, None)
    assert not matches([one], KEY, None)


@pytest.mark.parametrize(
    ("field", "comparison", "value"),
    [
        ("", "=", "x"),
        ("__class__", "=", "x"),
        ("afterwards.id", "=", "x"),
        ("after." + "x" * LONGEST, "=", "x"),
        ("after.id", "=", "x" * (LONGEST + 1)),
        ("after.id", "is null", "x"),
    ],
)
def test_what_can_not_be_meant_is_refused(field: str, comparison: str, value: str) -> None:
    """Before anything is read."""
    with pytest.raises(BadFilter):
        Condition(field, Comparison(comparison), value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from(Comparison), st.text(max_size=20))
def test_any_value_is_judged(value: Any, comparison: Comparison, wanted: str) -> None:
    """Nothing is raised; what is one thing is not another."""
    wanted = "" if comparison is Comparison.IS_NULL else wanted
    record = {"after": {"c": value}}
    assert matches([Condition("after.c", comparison, wanted)], None, record) in (True, False)
    both = (Comparison.IS, Comparison.IS_NOT)
    assert sum(matches([Condition("after.c", each, wanted)], None, record) for each in both) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("after.total > 100", ("after.total", Comparison.MORE, "100")),
        ("after.total>100", ("after.total", Comparison.MORE, "100")),
        ("  after.a b  !=  x y ", ("after.a b", Comparison.IS_NOT, "x y ")),
        ("op = ", ("op", Comparison.IS, "")),
        ("after.note contains a = b", ("after.note", Comparison.CONTAINS, "a = b")),
        ("after.note CONTAINS x", ("after.note", Comparison.CONTAINS, "x")),
        ("before.name is null", ("before.name", Comparison.IS_NULL, "")),
        ("after.note = is null", ("after.note", Comparison.IS, "is null")),
    ],
)
def test_a_condition_is_read_as_people_write_it(text: str, found: tuple[str, Comparison, str]) -> None:
    """Field, comparison and value; the value is taken at its word."""
    assert condition(text) == Condition(*found)


@pytest.mark.parametrize(
    "text", ["", "after.total", "after.a <= 5", "after.a >= 5", "after.a == 5", "= 5", "nowhere = 1"]
)
def test_what_is_no_condition_is_told(text: str) -> None:
    """It is never taken for another one."""
    with pytest.raises(BadFilter):
        condition(text)
