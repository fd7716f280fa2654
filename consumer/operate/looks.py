"""How tables look to people on a terminal, wide or narrow; and that no text of a record can do more than be read."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from io import TextIOBase
from typing import IO, Any, cast

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumer.core.letters import OPEN
from consumer.core.wording import clean

# beyond a terminal a table is for programs that cut lines themselves
_WIDTH = 200
DIM = "bright_black"
STATES = {
    "dead": "bold red",
    "retrying": "yellow",
    "held": "magenta",
    "replaying": "cyan",
    "applied": "green",
    "superseded": DIM,
    "discarded": DIM,
}
"""The colour of a letter's state; the word is always beside it."""

_NARROW = 110
_FILLED = re.compile(" +\n")


class _Unpadded(TextIOBase):
    """stdout without the blanks that fill a table's lines up: nobody wants them behind a pipe."""

    def write(self, text: str) -> int:
        """As stdout does."""
        return sys.stdout.write(_FILLED.sub("\n", text))

    def flush(self) -> None:
        """As stdout does."""
        sys.stdout.flush()


def console() -> Console:
    """Where tables are written to, as wide as a terminal is, or as COLUMNS says."""
    made = Console(highlight=False, emoji=False, markup=False)
    if not made.is_terminal:
        if not os.environ.get("COLUMNS", "").isdigit():
            made.width = _WIDTH
        made.file = cast(IO[str], _Unpadded())
    return made


def narrow(width: int) -> bool:
    """Whether what is of less weight has to stand below what is of more."""
    return width < _NARROW


def said(text: object, style: str = "") -> Text:
    """A text as a cell."""
    return Text(clean(str(text)), style=style)


def stacked(*lines: Text) -> RenderableType:
    """Lines of one cell, without those that say nothing."""
    return Group(*(line for line in lines if line.plain))


def states(counts: Mapping[str, int]) -> list[Text]:
    """How many letters are in which open state, and how many are closed."""
    found = [
        said(f"{number(counts[state])} {state}", STATES[state]) for state in STATES if state in OPEN & counts.keys()
    ]
    closed = sum(each for state, each in counts.items() if state not in OPEN)
    return [*found, *([said(f"{number(closed)} closed", DIM)] if closed else [])]


def number(value: int) -> str:
    """A number whose thousands stand apart."""
    return f"{value:,}".replace(",", " ")


def listing(titles: Sequence[str], rows: Sequence[Sequence[RenderableType]], *, wide: int, apart: bool = True) -> Table:
    """A table for people; the column at place `wide` takes what is left of the line. `apart`: by an empty line each."""
    table = Table(box=box.SIMPLE_HEAD, expand=False, pad_edge=False, header_style=f"bold {DIM}", border_style=DIM)
    for place, title in enumerate(titles):
        table.add_column(title, overflow="fold", ratio=1 if place == wide else None, no_wrap=False)
    for row in rows:
        table.add_row(*row, end_section=apart)
    return table


def facts(pairs: Sequence[tuple[str, Any]]) -> Table:
    """Names with what there is to say, one a line; what there is nothing to say of is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=DIM, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, ""):
            table.add_row(name, value if not isinstance(value, str) else said(value))
    return table
