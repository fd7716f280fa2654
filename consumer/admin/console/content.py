"""What a letter's record holds beside its row in the target, column by column; and edits of it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.admin.problems import Wrong
from consumer.core.failure import Failure, HeadraceError
from consumer.core.wording import clean
from consumer.ports.desk import Note
from dlq.desk import LetterDesk
from dlq.difference import Difference
from dlq.payload import Payload

_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value as text. `kind`: `value`, `null`, or `absent` where there is nothing to show."""

    kind: str
    text: str = ""


ABSENT, NULL = Cell(kind="absent"), Cell(kind="null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A column: in the record before and after, and in the target's row now and as it would be."""

    column: str
    before: Cell
    after: Cell
    now: Cell
    then: Cell
    changed: bool


def lines(held: Payload | None, weighed: Difference | None) -> list[Line]:
    """All columns of both, the record's first."""
    values = (held.value.values if held else None) or {}
    before, after = _row(values.get("before")), _row(values.get("after"))
    cells = {cell.column: cell for cell in (weighed.cells if weighed else ())}
    found = []
    for name in dict.fromkeys((*after, *before, *cells)):
        cell = cells.get(name)
        found.append(
            Line(
                column=name,
                before=_cell(before, name),
                after=_cell(after, name),
                now=ABSENT if cell is None else _text(cell.now),
                then=ABSENT if cell is None else _text(cell.then),
                changed=cell.changed if cell else name in before and before.get(name) != after.get(name),
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a letter would make of its row, in the columns that change. `why`: why that is not known."""

    letter: int
    weighed: Difference | None = None
    why: Failure | None = None

    @property
    def cells(self) -> list[Line]:
        """The columns that change."""
        return [line for line in lines(None, self.weighed) if line.changed]


def weighed(desk: LetterDesk, number: int, note: Note) -> Weighed | None:
    """One letter's; none where there is no such letter. A server that is away is told of, and nothing is raised."""
    try:
        found = desk.difference(number, note) if desk.whole(number) is not None else None
    except HeadraceError as error:
        return Weighed(letter=number, why=error.failure)
    return None if found is None else Weighed(letter=number, weighed=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column as it can be changed: its text, and whether that is JSON."""

    column: str
    text: str
    is_json: bool

    @property
    def was(self) -> str:
        """How it is and is read, for the form to send back: in one line, since browsers change the ends of lines."""
        return f"{'json' if self.is_json else 'text'}:{json.dumps(self.text)}"

    @property
    def hides(self) -> bool:
        """Whether something of the text can't be seen in a field."""
        return clean(self.text) != self.text


def fields(row: Mapping[str, Any]) -> list[Field]:
    """Of a row as a patch finds it."""
    return [
        Field(column=name, text=value if isinstance(value, str) else _json(value), is_json=not isinstance(value, str))
        for name, value in row.items()
    ]


def patch(sent: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The operations that a form asks for: of columns whose text, or way of reading it, is another than it was.

    Raises Wrong.
    """
    given = dict(sent)
    wanted = []
    for name, text in sent:
        if not name.startswith("to:"):
            continue
        column = name.removeprefix("to:")
        way, (before_way, before) = given.get(f"as:{column}", "text"), _before(given.get(f"was:{column}", ""), column)
        text = _ended_as(before, text)
        if (way, text) == (before_way, before):
            continue
        path = "/after/" + column.replace("~", "~0").replace("/", "~1")
        wanted.append({"op": "replace", "path": path, "value": _parsed(text, column) if way == "json" else text})
    if not wanted:
        raise Wrong("nothing was changed")
    return wanted


def _parsed(text: str, column: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Wrong(f"what was written for {column} is no JSON") from error


def _before(was: str, column: str) -> tuple[str, str]:
    """How a column was read, and its text: see `Field.was`. Raises Wrong."""
    way, _, text = was.partition(":")
    found = _parsed(text, column) if text else ""
    if not isinstance(found, str):
        raise Wrong(f"what the form says of {column} is no text")
    return way, found


def _ended_as(before: str, text: str) -> str:
    """A text with the ends of lines that it had before: browsers send all of them as both characters."""
    lines, ends = _ENDS.split(text), _ENDS.findall(before)
    if len(ends) != len(lines) - 1:
        # a line came or went: as most of them were
        common = max(ends, key=ends.count, default="\n")
        ends = [common] * (len(lines) - 1)
    return "".join(line + end for line, end in zip(lines, [*ends, ""], strict=True))


def _row(values: Any) -> Mapping[str, Any]:
    return values if isinstance(values, Mapping) else {}


def _cell(row: Mapping[str, Any], name: str) -> Cell:
    if name not in row:
        return ABSENT
    value = row[name]
    if value is None:
        return NULL
    return Cell(kind="value", text=value if isinstance(value, str) else _json(value))


def _text(text: str | None) -> Cell:
    return NULL if text is None else Cell(kind="value", text=text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
