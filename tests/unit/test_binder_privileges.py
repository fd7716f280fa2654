"""Privileges that rows need are missed when their table is bound."""

from dataclasses import replace
from typing import Any

import pytest

from consumer.core.types import ColumnPolicy
from tests.unit.bound import CHANGE, FIELDS, TABLE, Bound
from tests.unit.known import Topic
from tests.unit.semantic import VARIABLE, decimal


@pytest.mark.parametrize(
    ("table_lacks", "column", "column_lacks", "said"),
    [
        pytest.param({"DELETE"}, "id", set(), "DELETE", id="no deletes"),
        pytest.param(set(), "id", {"SELECT"}, "SELECT of 'id'", id="the key can't be looked for"),
        pytest.param(set(), "word", {"UPDATE"}, "UPDATE of 'word'", id="a column can't be set"),
        pytest.param(set(), "word", {"SELECT"}, None, id="a column that nobody has to read"),
        pytest.param(set(), "id", {"UPDATE"}, None, id="a key that nobody has to set"),
    ],
)
def test_a_privilege_that_rows_need_is_missed_before_the_first_row(
    table_lacks: set[str], column: str, column_lacks: set[str], said: str | None
) -> None:
    """And a table on which all that is needed is allowed may lack the rest."""
    columns = [replace(c, lacks=frozenset(column_lacks)) if c.name == column else c for c in TABLE.columns]
    bound = Bound(replace(TABLE, columns=tuple(columns), lacks=frozenset(table_lacks)))
    if said is None:
        assert bound.bind(CHANGE).table is not None
        return
    failure = bound.refusal(CHANGE)

    assert failure.kind == "table.privilege"
    assert said in failure.detail


def test_a_key_that_may_be_spelled_anew_must_be_settable() -> None:
    """Its row has the spelling of its newest image."""
    lacks: dict[str, Any] = {"collation": "public.anyhow", "lacks": frozenset({"UPDATE"})}
    columns = [replace(c, **lacks) if c.name == "id" else c for c in TABLE.columns]
    failure = Bound(replace(TABLE, columns=tuple(columns))).refusal(CHANGE)

    assert (failure.kind, "UPDATE of 'id'" in failure.detail) == ("table.privilege", True)


@pytest.mark.parametrize(("answer", "kind"), [("reject", "table.privilege"), ("keep", None), ("write", None)])
def test_what_judges_a_doubtful_null_must_be_readable(answer: Any, kind: str | None) -> None:
    """The row says whether such a null is one; who does not ask it need not be allowed to."""
    columns = [replace(c, lacks=frozenset({"SELECT"})) if c.name == "word" else c for c in TABLE.columns]
    bound = Bound(replace(TABLE, columns=tuple(columns)))
    bound.world.columns["public.orders"] = {"word": ColumnPolicy(doubtful_nulls=answer)}
    bound.start()
    if kind is None:
        assert bound.bind(CHANGE).table is not None
        return
    failure = bound.refusal(CHANGE)

    assert failure.kind == kind
    assert "SELECT of 'word'" in failure.detail


@pytest.mark.parametrize(("kind", "refused"), [(VARIABLE, True), (decimal(12, 2), False)])
def test_what_judges_a_long_number_must_be_readable(kind: Any, refused: bool) -> None:
    """Of a type that has such; no setting asks for it."""
    columns = [replace(c, lacks=frozenset({"SELECT"})) if c.name == "word" else c for c in TABLE.columns]
    numbers = Topic([FIELDS[0], {"name": "word", "type": ["null", kind], "default": None}])
    change = numbers.record("c", {"id": 1, "word": None})
    bound = Bound(replace(TABLE, columns=tuple(columns)))
    bound.world.schemas = {1: numbers.keys.text, 2: numbers.values.text}
    bound.start()
    if refused:
        assert "SELECT of 'word'" in bound.refusal(change).detail
    else:
        assert bound.bind(change).table is not None
