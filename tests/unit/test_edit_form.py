"""The console's form for edits: what a browser does to texts on their way is no change."""

import re

import pytest

from consumer.admin.console.content import Field, fields, patch
from consumer.admin.problems import Wrong


def sent(column: Field, text: str) -> list[tuple[str, str]]:
    """A form as browsers send it: every end of a line is both characters, in hidden fields too."""
    values = {"was:note": column.was, "as:note": "json" if column.is_json else "text", "to:note": text}
    return [(name, re.sub(r"\r\n|\r|\n", "\r\n", value)) for name, value in values.items()]


@pytest.mark.parametrize(
    ("before", "typed", "after"),
    [
        ("a\r\nb", "A\nb", "A\r\nb"),
        ("a\nb", "A\nb", "A\nb"),
        ("a\rb\nc\r\nd", "A\nb\nc\nd", "A\rb\nc\r\nd"),
        ("a\r\nb\r\nc", "a\nb\nnew\nc", "a\r\nb\r\nnew\r\nc"),
        ("a", "a\nb", "a\nb"),
    ],
)
def test_lines_end_as_they_did(before: str, typed: str, after: str) -> None:
    """Whatever was typed beside; new ones as most others."""
    (column,) = fields({"note": before})
    assert patch(sent(column, typed)) == [{"op": "replace", "path": "/after/note", "value": after}]


@pytest.mark.parametrize("before", ["a\r\nb", "a\rb", "a\nb", "", "\u202e", None, 7, {"a": [1]}])
def test_what_is_left_as_it_is_is_no_change(before: object) -> None:
    """Not even where its lines end in another way than browsers send."""
    (column,) = fields({"note": before})
    with pytest.raises(Wrong, match="nothing was changed"):
        patch(sent(column, column.text))


def test_a_text_that_is_read_another_way_is_a_change() -> None:
    """A word that is null, or a number."""
    (column,) = fields({"note": "7"})
    ways = [("was:note", column.was), ("as:note", "json"), ("to:note", "7")]
    assert patch(ways) == [{"op": "replace", "path": "/after/note", "value": 7}]


@pytest.mark.parametrize("was", ["text:x", "text:7", "json:["])
def test_a_form_that_is_not_ours_is_refused(was: str) -> None:
    """It says nothing of how the column was."""
    with pytest.raises(Wrong):
        patch([("was:note", was), ("as:note", "text"), ("to:note", "y")])
