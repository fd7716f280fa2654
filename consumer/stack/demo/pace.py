"""What the live view shows of speed: batches, and how long a change takes; as panels, or in one line."""

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.stack.demo.latency import Latency
from consumer.stack.demo.palette import ACCENT, BAD, DIM, GOOD, WARN
from consumer.stack.demo.watch import HISTORY, Batch, Sight

_SPARK = 30
_BARS = "▁▂▃▄▅▆▇█"
_LATELY = 4
_LONG = 10.0


def panels(sight: Sight | None, source: bool) -> Layout:
    """Batches and latency side by side; ten rows hold all of the latter. `source`: whether there is one to commit."""
    both = Layout()
    both.split_row(Layout(batches(sight), ratio=3), Layout(_latency(sight, source), ratio=2))
    return both


def line(sight: Sight | None, wide: bool) -> RenderableType:
    """The latency and the last batch in one row of 80 columns; a wide one has room for what the outage did, too."""
    found = sight.latency if sight else Latency()
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    left = Text.assemble(
        *(("commit to apply  p50 ", DIM), _took(found.p50), ("  p99 ", DIM), _took(found.p99)),
        *((("  longest with the outage ", DIM), _took(_outage(found))) if wide else ()),
    )
    last = sight.batches[-1] if sight and sight.batches else None
    right = Text("no batch yet", DIM)
    if last is not None:
        took = f" in {(last.stage + last.apply) * 1000:,.0f} ms"
        right = Text.assemble(("last batch  ", DIM), f"{last.records:,}", (took, DIM))
    grid.add_row(left, right)
    # where the text within the panels is
    return Padding(grid, (0, 2))


def batches(sight: Sight | None) -> RenderableType:
    """The newest batches, as many as there is room for."""
    table = Table(box=None, expand=True, header_style=DIM, pad_edge=False)
    for name in ("batch", "records", "topics", "stage ms", "apply ms", "records/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for batch in reversed(sight.batches if sight else ()):
        table.add_row(*_batch_row(batch))
    title = f"batches  [bold]{sight.batch_count if sight else 0:,}[/] applied"
    return Panel(table, title=title, title_align="left", border_style=DIM, padding=(0, 1))


def sparkline(values: Sequence[float], width: int = _SPARK) -> str:
    """All values as a row of bars, newest right: as many to a bar as it needs, scaled to the largest bar.

    The scale is that of square roots, so that the steady load is still seen beside a burst.
    """
    each = max(1, -(-HISTORY // width))
    groups = [values[max(0, end - each) : end] for end in range(len(values), 0, -each)][:width]
    bars = [sum(group) / len(group) for group in reversed(groups)]
    most = max([*bars, 1e-9])
    return "".join(_BARS[min(7, round(math.sqrt(max(0.0, bar) / most) * 7))] for bar in bars).rjust(width)


def lately(rates: Sequence[float]) -> float:
    """The mean of the newest looks, which says more than the last one alone."""
    newest = rates[-_LATELY:]
    return sum(newest) / len(newest) if newest else 0.0


def by_size(value: float, warn: float, bad: float) -> str:
    """A colour."""
    return GOOD if value < warn else WARN if value < bad else BAD


def _latency(sight: Sight | None, source: bool) -> RenderableType:
    found = sight.latency if sight else Latency()
    rates = sight.rates if sight else ()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=DIM, no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row("p50", _took(found.p50))
    grid.add_row("p99", _took(found.p99))
    grid.add_row("longest with the outage", _took(_outage(found)))
    grid.add_row("events/s now", Text(f"{lately(rates):,.0f}", "bold"))
    grid.add_row("events/s peak", f"{max(rates, default=0):,.0f}")
    told = "source's COMMIT to target's COMMIT" if source else "replay to target's COMMIT"
    group = Group(grid, Text(sparkline(rates), ACCENT), Text("events/s, last half minute", DIM), Text(told, DIM))
    return Panel(group, title="commit to apply, last 30 s", title_align="left", border_style=DIM, padding=(0, 1))


def _outage(found: Latency) -> float | None:
    return found.longest_of_all if found.delayed else None


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


def _took(seconds: float | None) -> Text:
    if seconds is None:
        return Text("-", DIM)
    words = f"{seconds * 1000:,.0f} ms" if seconds < _LONG else f"{seconds:,.0f} s"
    return Text(words, f"bold {by_size(seconds, 1, 5)}")
