"""The live view on a terminal: the flow from source to target, the topics, the letters, the batches."""

import math
import time
from collections.abc import Callable, Sequence

from rich import box
from rich.align import Align
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.stack.demo import failing
from consumer.stack.demo.palette import ACCENT, BAD, DIM, GOOD, WARN
from consumer.stack.demo.scene import Scene
from consumer.stack.demo.watch import HISTORY, Batch, Sight, Topic

_BARS = "▁▂▃▄▅▆▇█"
_SPARK = 30
_LATELY = 4
_NARROW = 110


class View:
    """Renders the last sight; the clock goes on between sights."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._began = time.monotonic()
        self._phase = "starting"
        self._sight: Sight | None = None

    def show(self, phase: str, sight: Sight | None) -> None:
        """The newest state."""
        self._phase, self._sight = phase, sight or self._sight

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrow = options.max_width < _NARROW
        layout = Layout()
        layout.split_column(
            Layout(self._header(), size=3),
            Layout(self._flow(narrow), size=5),
            Layout(self._topics(narrow), size=9),
            *self._below(narrow),
            Layout(self._footer(), size=1),
        )
        yield layout

    def _below(self, narrow: bool) -> tuple[Layout, ...]:
        letters = failing.letters(self._sight, len(self._scene.trouble.poisoned), narrow)
        if narrow:
            return (Layout(letters, ratio=1),)
        return Layout(letters, size=9), Layout(self._lower(), ratio=1)

    def _header(self) -> RenderableType:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        grid = Table.grid(expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        name = Text.assemble((" HEADRACE ", f"bold black on {ACCENT}"), "  ", (self._scene.title, "bold"))
        absence = failing.away(self._sight)
        words, colour = failing.phase(absence) if absence else (self._phase, _phase_colour(self._phase))
        phase = Text.assemble(("● ", colour), words, (f"   {minutes:02d}:{seconds:02d} ", DIM))
        grid.add_row(name, phase)
        return Panel(grid, box=box.HEAVY, border_style=ACCENT, padding=(0, 0))

    def _flow(self, narrow: bool) -> RenderableType:
        sight = self._sight
        grid = Table.grid(expand=True)
        boxes = _stations(self._scene, sight, narrow)
        for place in range(2 * len(boxes) - 1):
            grid.add_column(ratio=1 if place % 2 == 0 else None, width=None if place % 2 == 0 else 1 if narrow else 3)
        cells: list[RenderableType] = []
        absence = failing.away(sight)
        for name, first, second in boxes:
            colour = failing.phase(absence)[1] if absence and name == "target" else ""
            lines = ((first, f"bold {colour}"), (second, DIM))
            text = Group(*(Text(line, style, justify="center", no_wrap=True) for line, style in lines))
            panel = Panel(text, title=f"[bold {ACCENT}]{name}[/]", border_style=colour or DIM, padding=(0, 0), height=4)
            cells += [panel, _arrow("▶" if narrow else "━▶")]
        grid.add_row(*cells[:-1])
        return grid

    def _topics(self, narrow: bool) -> RenderableType:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, expand=True, header_style=DIM, pad_edge=False)
        table.add_column("topic", no_wrap=True)
        for name in ("committed", "in Kafka", "applied", "lag records", "lag seconds", "events/s")[narrow:]:
            table.add_column(name, justify="right", no_wrap=True)
        if not narrow:
            table.add_column("last half minute", no_wrap=True, width=_SPARK)
        for topic in self._sight.topics if self._sight else ():
            cells = _topic_row(topic, _fitting if narrow else _whole)
            table.add_row(*((cells[0], *cells[2:-1]) if narrow else cells))
        return Panel(table, title="topics", title_align="left", border_style=DIM, padding=(0, 1))

    def _lower(self) -> RenderableType:
        lower = Layout()
        lower.split_row(Layout(self._batches(), ratio=3), Layout(self._latency(), ratio=2))
        return lower

    def _batches(self) -> RenderableType:
        table = Table(box=None, expand=True, header_style=DIM, pad_edge=False)
        for name in ("batch", "records", "topics", "stage ms", "apply ms", "records/s"):
            table.add_column(name, justify="right", no_wrap=True)
        for batch in reversed(self._sight.batches if self._sight else ()):
            table.add_row(*_batch_row(batch))
        count = self._sight.batch_count if self._sight else 0
        title = f"batches  [bold]{count:,}[/] applied"
        return Panel(table, title=title, title_align="left", border_style=DIM, padding=(0, 1))

    def _latency(self) -> RenderableType:
        sight = self._sight
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style=DIM)
        grid.add_column(justify="right")
        grid.add_row("p50", _milliseconds(sight.p50 if sight else None))
        grid.add_row("p99", _milliseconds(sight.p99 if sight else None))
        rates = sight.rates if sight else ()
        grid.add_row("events/s now", Text(f"{_lately(rates):,.0f}", "bold"))
        grid.add_row("events/s peak", f"{max(rates, default=0):,.0f}")
        spark = Text(sparkline(rates), ACCENT)
        start = "the source's COMMIT" if self._scene.line.source_dsn else "the replay"
        told = Text(f"from {start} to the target's COMMIT, every streamed record", DIM)
        group = Group(grid, spark, Text("events/s, last half minute", DIM), told)
        return Panel(group, title="commit to apply, last 30 s", title_align="left", border_style=DIM, padding=(0, 1))

    def _footer(self) -> RenderableType:
        words = ["[bold]Ctrl-C[/] ends everything", f"log [bold]{self._scene.line.log}[/]", _ledger_hint()]
        if self._scene.trouble.endless:
            guide = f"{self._scene.line.console}/guide"
            words[1:] = [f"first dead letter: [bold {ACCENT}]{guide}[/]", words[1]]
        # what has no room is at the end
        return Text.from_markup("   ".join(words), style=DIM, overflow="ellipsis")


def sparkline(values: Sequence[float], width: int = _SPARK) -> str:
    """All values as a row of bars, newest right: as many to a bar as it needs, scaled to the largest bar.

    The scale is that of square roots, so that the steady load is still seen beside a burst.
    """
    each = max(1, -(-HISTORY // width))
    groups = [values[max(0, end - each) : end] for end in range(len(values), 0, -each)][:width]
    bars = [sum(group) / len(group) for group in reversed(groups)]
    most = max([*bars, 1e-9])
    return "".join(_BARS[min(7, round(math.sqrt(max(0.0, bar) / most) * 7))] for bar in bars).rjust(width)


def _lately(rates: Sequence[float]) -> float:
    """The mean of the newest looks, which says more than the last one alone."""
    newest = rates[-_LATELY:]
    return sum(newest) / len(newest) if newest else 0.0


def _stations(scene: Scene, sight: Sight | None, narrow: bool) -> list[tuple[str, str, str]]:
    real = bool(scene.line.source_dsn)
    names = (
        ("source", "Debezium", "Kafka", "Headrace", "target")
        if real
        else ("recording", "replay", "mock Kafka", "Headrace", "target")
    )
    if sight is None:
        return [(name, "…", "") for name in names]
    waiting = sight.committed - sight.ended
    number, rate = (_short, "/s") if narrow else (_whole, " events/s")
    held = " of WAL" if narrow else " of WAL held"
    slot = _bytes(sight.slot_bytes) + held if sight.slot_bytes is not None else ""
    behind = f"{number(sight.committed - sight.applied)} behind"
    absence = failing.away(sight)
    current = ("none" if narrow else "nothing") + " behind" if sight.caught_up else behind
    target = failing.station(absence) if absence else (f"{number(sight.applied)} applied", current)
    return [
        (names[0], number(_lately(sight.source_rates)) + rate, f"{number(scene.feed.changes)} changes"),
        (names[1], f"{number(max(0, waiting))} to read", slot),
        (names[2], f"{number(max(0, sight.ended - sight.applied))} waiting", f"{number(sight.ended)} records"),
        (names[3], number(_lately(sight.rates)) + rate, f"{number(sight.batch_count)} batches"),
        (names[4], *target),
    ]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _short(value: float) -> str:
    """Five characters at the most, where a number would be cut otherwise."""
    if value < 10_000:
        return f"{value:,.0f}"
    if value < 999_500:
        return f"{value / 1000:.0f}k"
    return f"{value / 1_000_000:.1f}M" if value < 9_950_000 else f"{value / 1_000_000:.0f}M"


def _fitting(value: float) -> str:
    """A whole number as long as a column of the narrow table has room for it."""
    return _whole(value) if value < 10_000_000 else _short(value)


def _topic_row(topic: Topic, number: Callable[[float], str]) -> tuple[RenderableType, ...]:
    return (
        Text(topic.table, "bold"),
        number(topic.committed),
        number(topic.ended),
        number(topic.applied),
        Text(number(topic.lag), _by_size(topic.lag, 1, 5_000)),
        Text(f"{topic.behind:.1f}", _by_size(topic.behind, 1, 10)),
        number(_lately(topic.rates)),
        Text(sparkline(topic.rates), ACCENT),
    )


def _batch_row(batch: Batch) -> tuple[str, ...]:
    busy = batch.stage + batch.apply
    return (
        f"{batch.id}",
        f"{batch.records:,}",
        f"{batch.topics}",
        f"{batch.stage * 1000:.1f}",
        f"{batch.apply * 1000:.1f}",
        f"{batch.records / busy:,.0f}" if busy else "-",
    )


def _by_size(value: float, warn: float, bad: float) -> str:
    return GOOD if value < warn else WARN if value < bad else BAD


def _phase_colour(phase: str) -> str:
    return GOOD if phase == "streaming" else WARN


def _milliseconds(seconds: float | None) -> Text:
    if seconds is None:
        return Text("-", DIM)
    return Text(f"{seconds * 1000:,.0f} ms", f"bold {_by_size(seconds, 1, 5)}")


def _bytes(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count //= 1000
    return f"{count:,.0f} GB"


def _arrow(shape: str) -> RenderableType:
    return Align(Text(shape, ACCENT), "center", vertical="middle", height=4)


def _ledger_hint() -> str:
    return "ledger [bold]headrace.batches[/] in the target"
