"""Patches of a row: what reaches beyond it, or does not fit it, is refused without a word of its values."""

from typing import Any

import pytest

from dlq.patching import MOST_OPERATIONS, BadPatch, patched

CANARY = "canary-2290"
ROW = {"id": 1, "label": CANARY, "tags": ["a", "b"], "inner": {"x": 1, "a/b": 2}}


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ([], ROW),
        ([{"op": "replace", "path": "/after/label", "value": None}], {**ROW, "label": None}),
        ([{"op": "test", "path": "/after/label", "value": CANARY}], ROW),
        ([{"op": "add", "path": "/after/tags/-", "value": "c"}], {**ROW, "tags": ["a", "b", "c"]}),
        ([{"op": "remove", "path": "/after/tags/0"}], {**ROW, "tags": ["b"]}),
        ([{"op": "move", "from": "/after/tags/0", "path": "/after/tags/1"}], {**ROW, "tags": ["b", "a"]}),
        ([{"op": "copy", "from": "/after/inner/x", "path": "/after/id"}], ROW),
        ([{"op": "replace", "path": "/after/inner/a~1b", "value": 3}], {**ROW, "inner": {"x": 1, "a/b": 3}}),
    ],
)
def test_a_patch_changes_the_row(patch: Any, left: Any) -> None:
    """By RFC 6902; what it was given stays as it was."""
    before = repr(ROW)
    assert patched(ROW, patch) == left
    assert repr(ROW) == before


def replace(path: object) -> list[dict[str, object]]:
    """One operation at a path."""
    return [{"op": "replace", "path": path, "value": CANARY}]


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        (replace("/op"), "operation 1: its path must lie under /after/"),
        (replace("/source/ts_ms"), "operation 1: its path must lie under /after/"),
        (replace("/before/id"), "operation 1: its path must lie under /after/"),
        (replace("/after"), "operation 1: its path must lie under /after/"),
        (replace("/after/"), "operation 1: its path must lie under /after/"),
        (replace("/afterwards/x"), "operation 1: its path must lie under /after/"),
        (replace(""), "operation 1: its path must lie under /after/"),
        (replace(7), "operation 1: its path must lie under /after/"),
        ([{"op": "copy", "from": "/op", "path": "/after/label"}], "operation 1: its from must lie under /after/"),
        ([{"op": "move", "from": "/after", "path": "/after/label"}], "operation 1: its from must lie under /after/"),
        ([{"op": "append", "path": "/after/label", "value": "x"}], "operation 1: an operation is an object whose op"),
        (["remove"], "operation 1: an operation is an object whose op"),
        ({"op": "remove", "path": "/after/label"}, "a patch is a list of operations"),
        ("[]", "a patch is a list of operations"),
        ([{"op": "replace", "path": "/after/label"}], "operation 1: it has no value"),
        (
            [*replace("/after/label"), *replace("/after/none")],
            "operation 2 (replace of after.none): the row has no column none; it has id",
        ),
        (replace("/after/label/0"), "operation 1 (replace of after.label): the patch does not fit the row"),
        (replace("/after/tags/9"), "operation 1 (replace of after.tags): the patch does not fit the row"),
        (replace("/after/tags/x"), "operation 1 (replace of after.tags): the patch does not fit the row"),
        (replace("/after/inner/~2"), "operation 1 (replace of after.inner): the patch does not fit the row"),
        (replace(f"/after/inner/{CANARY}"), "operation 1 (replace of after.inner): the patch does not fit the row"),
        ([{"op": "test", "path": "/after/label", "value": "x"}], "operation 1 (test of after.label): the value is"),
        ([{"op": "add", "path": "/after/label", "value": "a\0"}], "operation 1: text with a zero byte"),
        ([{"op": "add", "path": "/after/label", "value": "\ud800"}], "operation 1: text with a zero byte"),
        ([{"op": "add", "path": "/after/label", "value": float("nan")}], "operation 1: such a number is written"),
        ([{"op": "add", "path": "/after/label", "value": {1, 2}}], "operation 1: it is no JSON"),
        ([{"op": "add", "path": "/after/tags/-", "value": 1}] * (MOST_OPERATIONS + 1), "a patch has at most"),
        (
            [{"op": "copy", "from": "/after/inner", "path": "/after/inner" + "/x" * 2**n} for n in range(12)],
            "too deeply",
        ),
        ([{"op": "copy", "from": "/after/tags", "path": "/after/tags/-"}] * 40, "the row becomes too large"),
    ],
)
def test_another_patch_is_refused(patch: Any, said: str) -> None:
    """The message names operation and column."""
    with pytest.raises(BadPatch) as caught:
        patched(ROW, patch, largest=100_000)
    assert said in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_is_nested_without_end_is_refused() -> None:
    """In front of everything that would go down into it."""
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(BadPatch, match="nested too deeply"):
        patched(ROW, [{"op": "add", "path": "/after/label", "value": deep}])


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ([{"op": "test", "path": "/after/label", "value": "x"}], "after.label is masked, and can only be replaced"),
        (
            [{"op": "copy", "from": "/after/label", "path": "/after/tags/-"}],
            "after.label is masked, and can't be moved",
        ),
        ([{"op": "copy", "from": "/after/inner/x", "path": "/after/tags/-"}], "after.inner is masked"),
        ([{"op": "move", "from": "/after/label", "path": "/after/tags/-"}], "after.label is masked"),
        ([{"op": "replace", "path": "/after/inner/x", "value": 1}], "after.inner is masked, and can only be replaced"),
        ([*replace("/after/label"), {"op": "copy", "from": "/after/label", "path": "/after/tags/-"}], "operation 2"),
    ],
)
def test_a_patch_learns_nothing_of_what_is_hidden(patch: Any, said: str) -> None:
    """It is refused by its words alone, whatever the row has there."""
    for row in (ROW, {**ROW, "label": "x", "inner": {}}):
        with pytest.raises(BadPatch) as caught:
            patched(row, patch, {"label", "inner"})
        assert said in str(caught.value)


def test_what_is_hidden_can_be_replaced_unseen() -> None:
    """As a whole; what is shown can be copied over it."""
    patch = [
        {"op": "replace", "path": "/after/label", "value": "new"},
        {"op": "copy", "from": "/after/tags", "path": "/after/inner"},
    ]
    assert patched(ROW, patch, {"label", "inner"}) == {**ROW, "label": "new", "inner": ROW["tags"]}
