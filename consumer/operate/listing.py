"""How lists look to people: what counts first, right-aligned numbers, states in words and colours, reasons below.

On a narrow terminal columns that are only nice to have are left out; programs get everything as JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from consumer.core.wording import clean, lasting
from consumer.operate.looks import DIM, console, number, said
from consumer.operate.output import Output, show

# columns of a terminal from which everything is shown
_WIDE = 120
_STYLES = {
    "running": "green",
    "going on": "green",
    "current": "green",
    "closed": "green",
    "on": "green",
    "off": "yellow",
    "behind": "cyan",
    "starting": "cyan",
    "draining": "cyan",
    "waiting": "cyan",
    "half-open": "yellow",
    "paused": "yellow",
    "restarting": "yellow",
    "unassigned": "yellow",
    "stopped": "red",
    "failed": "bold red",
    "open": "bold red",
    "gone": "bold red",
    "no worker": "bold red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its title, and what of a row is in it. `wide`: only where there is room."""

    title: str
    of: str
    number: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Remark:
    """What is below a list: about what, what is so, and what to do about it."""

    about: str
    what: str
    remedy: str = ""


def listing(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], output: Output, remarks: Iterable[Remark] = ()
) -> None:
    """Write rows to stdout; remarks only for people, since programs find them in the rows."""
    if output is not Output.TABLE:
        show(rows, {}, output)
        return
    screen = console()
    shown = [column for column in columns if screen.width >= _WIDE or not column.wide]
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    for column in shown:
        # names are never cut, since they are what the next command is given
        table.add_column(
            column.title, justify="right" if column.number else "left", overflow="fold", no_wrap=column.number
        )
    for row in rows:
        table.add_row(*(_cell(row[column.of]) for column in shown))
    screen.print(table)
    below = Table.grid(padding=(0, 1))
    for remark in remarks:
        below.add_row(Text(" •"), Text.assemble((clean(remark.about), "bold"), f": {clean(remark.what)}"))
        if remark.remedy:
            below.add_row("", said(f"→ {remark.remedy}", DIM))
    if below.row_count:
        screen.print(below)


def _cell(value: Any) -> Text:
    if value is None or value == "":
        return said("-", DIM)
    if isinstance(value, int):
        return said(number(value))
    return said(value, _STYLES.get(str(value).split(" (")[0], ""))


def age(seconds: float | None) -> str | None:
    """A length of time, short: 4 s, 12 min, 3 h."""
    return None if seconds is None else lasting(seconds)


def since(moment: datetime | None) -> str | None:
    """How long ago, short."""
    return None if moment is None else age((datetime.now(UTC) - moment).total_seconds())


def size(count: int | None) -> str | None:
    """Bytes, short."""
    if count is None:
        return None
    return f"{count / (1 << 20):.0f} MB" if count >= 1 << 20 else f"{count / 1024:.0f} kB"
