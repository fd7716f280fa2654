"""What the live view shows of failures: the letters with their copies, and the target's absence."""

import time
from collections.abc import Mapping

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.stack.demo.letters import CLOSED, OPEN
from consumer.stack.demo.line import GROUP
from consumer.stack.demo.palette import ACCENT, BAD, DIM, GOOD, WARN
from consumer.stack.demo.target import Absence
from consumer.stack.demo.watch import Sight

_COLOURS = {"retrying": WARN, "held": WARN, "replaying": WARN, "dead": BAD, "applied": GOOD, "superseded": GOOD}
_NEXT = {
    "retrying": "comes back through a retry topic",
    "held": "waits for an older change",
    "replaying": "was sent again by a person",
    "dead": "for a person, or a newer image",
    "applied": "closed: it came back, and fitted",
    "superseded": "closed: a newer image came",
    "discarded": "closed: given up by a person",
}
_SELDOM = ("replaying", "discarded")
# the panel's edges, and the names of the rows
_AROUND = 12


def letters(sight: Sight | None, poisoned: int, width: int, wide: bool) -> RenderableType:
    """The panel of letters: a wide one of ten rows, or one of six."""
    total = sum(sight.letters.by_state.values()) if sight else 0
    title = f"letters  [bold]{total:,}[/] of [bold]{poisoned:,}[/] records poisoned so far"
    body = Text() if sight is None else _wide(sight) if wide else _narrow(sight, width - _AROUND)
    return Panel(body, title=title, title_align="left", border_style=DIM, padding=(0, 1))


def away(sight: Sight | None) -> Absence | None:
    """The absence that is not over."""
    absence = sight.absence if sight else None
    return None if absence is None or absence.over else absence


def phase(absence: Absence) -> tuple[str, str]:
    """What to call it while a target is away, or was a moment ago, and its colour."""
    if absence.until is None:
        return f"target taken away at {_clock(absence.since)}", BAD
    return "target is back, recovering", WARN


def station(absence: Absence) -> tuple[str, str]:
    """The same for the target's box."""
    if absence.until is None:
        return f"away {time.time() - absence.since:,.0f} s", f"at {_clock(absence.since)}"
    return "is back", f"was away {absence.until - absence.since:,.0f} s"


def _wide(sight: Sight) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 3))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_row(_states(sight.letters.by_state), _kinds(sight.letters.open_by_kind), _around(sight))
    return grid


def _states(counts: Mapping[str, int]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True, min_width=3)
    table.add_column(style=DIM, no_wrap=True, overflow="ellipsis")
    table.add_row(Text("state", DIM), "", "")
    for state in (*OPEN, *CLOSED):
        count = counts.get(state, 0)
        if count or state not in _SELDOM:
            table.add_row(state, _count(count, _COLOURS.get(state, DIM)), _NEXT[state])
    return table


def _kinds(counts: Mapping[str, int]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_row(Text("open, by kind", DIM), "")
    for kind, count in counts.items():
        table.add_row(kind, _count(count, BAD))
    return table


def _around(sight: Sight) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    table.add_row(Text("copies in Kafka", DIM), "")
    for topic, count in sight.copies.items():
        table.add_row(topic.removeprefix(f"{GROUP}."), f"{count:,}")
    table.add_row("", "")
    table.add_row(Text("target", DIM), "")
    outer = Table.grid()
    outer.add_row(table)
    outer.add_row(_target(sight.absence))
    return outer


def _target(absence: Absence | None) -> Text:
    if absence is None:
        return Text("answers", GOOD)
    if absence.until is None:
        return Text(f"away since {_clock(absence.since)}, {time.time() - absence.since:,.0f} s", f"bold {BAD}")
    was = f"was away {absence.until - absence.since:,.0f} s"
    if absence.applied is None:
        return Text(f"{was}, recovering", WARN)
    return Text(f"{was}, applied {max(0.0, absence.applied - absence.until):.1f} s later", GOOD)


def _narrow(sight: Sight, room: int) -> RenderableType:
    counts = sight.letters.by_state
    table = Table.grid(padding=(0, 2))
    table.add_column(style=DIM, no_wrap=True)
    table.add_column(no_wrap=True)
    states = [(state, counts.get(state, 0), _COLOURS.get(state, DIM)) for state in (*OPEN, *CLOSED)]
    table.add_row("state", _row([each for each in states if each[1] or each[0] not in _SELDOM], room))
    kinds = [(kind.removeprefix("record."), count, BAD) for kind, count in sight.letters.open_by_kind.items()]
    table.add_row("kind", _row(kinds, room))
    copies = [(topic.removeprefix(f"{GROUP}."), count, ACCENT) for topic, count in sight.copies.items()]
    table.add_row("copies", _row(copies, room))
    table.add_row("target", _target(sight.absence))
    return table


def _row(parts: list[tuple[str, int, str]], room: int) -> Text:
    """As many as have room; how many more there are is said."""
    texts = [Text.assemble(f"{name} ", _count(count, colour)) for name, count, colour in parts]
    for many in range(len(texts), 0, -1):
        more = [Text(f"+{len(texts) - many} more", DIM)] if many < len(texts) else []
        row = Text("  ").join([*texts[:many], *more])
        if row.cell_len <= room:
            return row
    return Text()


def _count(count: int, colour: str) -> Text:
    return Text(f"{count:,}", f"bold {colour}" if count else DIM)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
