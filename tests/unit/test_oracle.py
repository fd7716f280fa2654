"""The model of a table."""

import ast
from pathlib import Path

import pytest

from tests import oracle
from tests.oracle import Change, MissingBase, Model, key_change

COLUMNS = frozenset({"id", "a", "b"})


def test_the_model_imports_nothing_of_the_program() -> None:
    """A mistake of the program can't be repeated in the model."""
    tree = ast.parse(Path(oracle.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}

    assert roots == {"collections", "dataclasses", "typing"}
    assert not called & {"__import__", "eval", "exec"}


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_an_image_sets_its_row(op: str) -> None:
    """Creates, updates and snapshot reads leave the row equal to the image."""
    model = Model(COLUMNS, {(1,): {"id": 1, "a": 0, "b": 0}})
    model.apply(Change(op, (1,), {"id": 1, "a": None, "b": 2}))

    assert model.rows == {(1,): {"id": 1, "a": None, "b": 2}}


def test_a_partial_image_keeps_what_it_lacks() -> None:
    """A column that the event left out keeps its value."""
    model = Model(COLUMNS, {(1,): {"id": 1, "a": "old", "b": 0}})
    model.apply(Change("u", (1,), {"id": 1, "b": 2}))

    assert model.rows == {(1,): {"id": 1, "a": "old", "b": 2}}


def test_a_partial_image_without_a_row_is_an_error() -> None:
    """Nothing can be made up for a column that was never seen."""
    model = Model(COLUMNS)
    with pytest.raises(MissingBase):
        model.apply(Change("u", (1,), {"id": 1, "b": 2}))

    assert model.rows == {}


def test_a_delete_of_no_row_changes_nothing() -> None:
    """Deletes may be repeated."""
    model = Model(COLUMNS)
    model.apply_all([Change("d", (1,)), Change("d", (1,))])

    assert model.rows == {}


def test_a_key_change_moves_the_row() -> None:
    """The old key is gone and the new one has the image."""
    model = Model(COLUMNS, {(1,): {"id": 1, "a": 0, "b": 0}})
    model.apply_all(key_change((1,), (2,), {"id": 2, "a": 0, "b": 0}))

    assert model.rows == {(2,): {"id": 2, "a": 0, "b": 0}}


def test_an_unknown_operation_is_an_error() -> None:
    """A typing mistake in a test can't pass as a change."""
    with pytest.raises(ValueError, match="unknown operation"):
        Model(COLUMNS).apply(Change("x", (1,), {}))
