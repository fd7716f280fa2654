"""The live view on a terminal: the flow from source to target, the topics, the letters, the batches."""

import time
from collections.abc import Sequence

from rich import box
from rich.align import Align
from rich.console import Console as Screen
from rich.console import ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.stack.demo import failing, pace
from consumer.stack.demo.console import Console
from consumer.stack.demo.pace import by_size, lately, sparkline
from consumer.stack.demo.palette import ACCENT, DIM, GOOD, WARN
from consumer.stack.demo.scene import Scene
from consumer.stack.demo.watch import Sight, Topic

_NARROW = 120
# a bar for each three looks of the history
_SPARK = 20
# rows: of all panels with everything in them, and of the small ones
_ALL, _SMALL = 38, 24
_HEADER, _TOPICS, _LETTERS, _STATES, _BATCHES = 3, 9, 6, 10, 5


def shown_on(screen: Screen) -> bool:
    """Whether it can be shown there: on a terminal that moves its cursor. Colours that are forced make no terminal."""
    return screen.file.isatty() and not screen.is_dumb_terminal


class View:
    """Renders the last sight; the clock goes on between sights."""

    def __init__(self, scene: Scene, console: Console | None) -> None:
        self._scene = scene
        self._console = console
        self._began = time.monotonic()
        self._phase = "starting"
        self._sight: Sight | None = None

    def show(self, phase: str, sight: Sight | None) -> None:
        """The newest state."""
        self._phase, self._sight = phase, sight or self._sight

    def __rich_console__(self, console: Screen, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or options.max_height
        narrow = width < _NARROW
        panels = self._small(width, height) if narrow or height < _ALL else self._large(width)
        layout = Layout()
        layout.split_column(Layout(self._header(width), size=_HEADER), *panels, Layout(self._footer(width), size=1))
        yield layout

    def _large(self, width: int) -> list[Layout]:
        return [
            Layout(self._flow(narrow=False), size=5),
            Layout(self._topics(narrow=False), size=_TOPICS),
            Layout(self._letters(width, wide=True), size=_STATES),
            Layout(pace.panels(self._sight, bool(self._scene.line.source_dsn)), ratio=1),
        ]

    def _small(self, width: int, height: int) -> list[Layout]:
        """Whole panels, as many as there are rows for; what is left over is given to the last one."""
        rest, narrow = height - _SMALL, width < _NARROW
        wide = not narrow and rest >= _STATES - _LETTERS + _BATCHES + 1
        found = [
            Layout(self._flow(narrow), size=5 if rest > 0 else 4),
            Layout(pace.line(self._sight, wide=not narrow), size=1),
        ]
        if rest > -_LETTERS:
            found.append(Layout(self._topics(narrow), size=_TOPICS))
        if rest > _BATCHES:
            found.append(Layout(self._letters(width, wide), size=_STATES if wide else _LETTERS))
            found.append(Layout(pace.batches(self._sight), ratio=1))
        else:
            found.append(Layout(self._letters(width, wide) if rest >= 0 else Text(" "), ratio=1))
        return found

    def _letters(self, width: int, wide: bool) -> RenderableType:
        return failing.letters(self._sight, len(self._scene.trouble.poisoned), width, wide)

    def _header(self, width: int) -> RenderableType:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        grid = Table.grid(expand=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        absence = failing.away(self._sight)
        words, colour = failing.phase(absence) if absence else (self._phase, _phase_colour(self._phase))
        phase = Text.assemble(("● ", colour), words, (f"   {minutes:02d}:{seconds:02d} ", DIM))
        name = Text.assemble((" HEADRACE ", f"bold black on {ACCENT}"), "  ")
        title = _as_fits(self._scene.title.split(", "), ", ", width - 4 - name.cell_len - phase.cell_len)
        grid.add_row(name.append(title, "bold"), phase)
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
            cells = _topic_row(topic)
            table.add_row(*((cells[0], *cells[2:-1]) if narrow else cells))
        return Panel(table, title="topics", title_align="left", border_style=DIM, padding=(0, 1))

    def _footer(self, width: int) -> RenderableType:
        words = ["[bold]Ctrl-C[/] ends everything", f"log [bold]{escape(str(self._scene.line.log))}[/]", _ledger_hint()]
        if self._console is not None:
            words.insert(1, _guide(self._console.address))
        # what has no room is at the end
        return Text.from_markup(_as_fits(words, "   ", width), style=DIM)


def _guide(address: str | None) -> str:
    return f"first dead letter: [bold {ACCENT}]{address}/guide[/]" if address else "the console starts"


def _as_fits(parts: Sequence[str], between: str, room: int) -> str:
    """The first of these parts, in markup, that have room beside each other; none is cut."""
    many = len(parts)
    while many > 1 and Text.from_markup(between.join(parts[:many])).cell_len > room:
        many -= 1
    return between.join(parts[:many])


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
        (names[0], number(lately(sight.source_rates)) + rate, f"{number(scene.feed.changes)} changes"),
        (names[1], f"{number(max(0, waiting))} to read", slot),
        (names[2], f"{number(max(0, sight.ended - sight.applied))} waiting", f"{number(sight.ended)} records"),
        (names[3], number(lately(sight.rates)) + rate, f"{number(sight.batch_count)} batches"),
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
    """A whole number as long as a column has room for it."""
    return _whole(value) if value < 10_000_000 else _short(value)


def _topic_row(topic: Topic) -> tuple[RenderableType, ...]:
    return (
        Text(topic.table, "bold"),
        _fitting(topic.committed),
        _fitting(topic.ended),
        _fitting(topic.applied),
        Text(_fitting(topic.lag), by_size(topic.lag, 1, 5_000)),
        Text(f"{topic.behind:.1f}", by_size(topic.behind, 1, 10)),
        _fitting(lately(topic.rates)),
        Text(sparkline(topic.rates, _SPARK), ACCENT),
    )


def _phase_colour(phase: str) -> str:
    return GOOD if phase == "streaming" else WARN


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
