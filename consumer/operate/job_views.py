"""How jobs of letters look on a terminal."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from consumer.core.jobs import ACTIVE, SEARCH, JobKind
from consumer.core.wording import ago, clean
from consumer.operate.looks import DIM, STATES, console, facts, listing, narrow, number, said, stacked

if TYPE_CHECKING:
    from dlq.jobs import Job
    from dlq.preview import Preview, Sample

# seconds between looks at a job that is followed
_EVERY = 0.5
_BAR = 40
# of many samples
_SHOWN = 3
_ITEMS = {
    "applied": STATES["applied"],
    "superseded": STATES["superseded"],
    "discarded": STATES["discarded"],
    "dead": STATES["dead"],
    "skipped": "yellow",
    "cancelled": DIM,
    "sent": STATES["replaying"],
    "waiting": DIM,
    "met": "bold green",
    "unmet": DIM,
    "unreadable": "yellow",
    "unread": DIM,
}
_MARKS = {"waiting": "─", "unread": "─", "unmet": "░", "cancelled": "╌", "sent": "▒"}
_JOBS = {
    "planned": DIM,
    "canary": "cyan",
    "running": "cyan",
    "paused": "yellow",
    "stopped": "bold red",
    "cancelled": "yellow",
    "done": "green",
}
_FATES = {
    "eligible": ("go", "green"),
    "searched": ("go, searched for first", "cyan"),
    "along": ("wait for them, go along", "green"),
    "foreign": ("not read by this group", "yellow"),
    "stale": ("stale", "yellow"),
    "blocked": ("blocked", "yellow"),
    "stopped": ("table stopped or paused", "yellow"),
    "over_cap": ("sent too often", "red"),
    "held": ("wait for another", DIM),
    "under_way": ("on their way", DIM),
    "in_job": ("in another job", DIM),
    "closed": ("closed", DIM),
}


def show_preview(found: "Preview", kind: JobKind) -> None:
    """What would be done: a bar of all fates, then each with its first letters and why.

    Letters that were not selected and go along are told by themselves, since they are agreed to as well.
    """
    screen = console()
    verb = "would be sent again" if kind is JobKind.REPLAY else "would be given up"
    counts = {fate.value: count for fate, count in found.counts.items()}
    styles = {fate: style for fate, (_, style) in _FATES.items()}
    screen.print(
        Text.assemble(
            (number(found.goes - found.along), "bold"),
            f" of {number(found.meant)} letters ",
            (verb, "bold"),
            _waiting(found.along),
        ),
        _bar(counts, styles, {}, screen),
        sep="\n",
    )
    rows: list[list[RenderableType]] = []
    for fate, count in found.counts.items():
        name, style = _FATES[fate.value]
        samples = sorted(found.samples[fate], key=lambda sample: (sample.why, sample.id))
        alike = [list(same) for _, same in groupby(samples, key=lambda sample: sample.why)]
        lines = [_samples(same) for same in alike[:_SHOWN]]
        rows.append([said(number(count), "bold"), said(name, style), stacked(*lines)])
    screen.print(listing(["letters", "", "for example, and why"], rows, wide=2))


def show_jobs(found: Sequence["Job"]) -> None:
    """Jobs, one under the other."""
    screen, now = console(), datetime.now(UTC)
    slim = narrow(screen.width)
    rows: list[list[RenderableType]] = []
    for job in found:
        state = said(job.state, _JOBS[job.state])
        about = [said(job.reason), said(f"{job.created_by}, {ago(job.created_at, now)}", DIM), said(job.why, "yellow")]
        went = stacked(_bar(job.counts, _ITEMS, _MARKS, screen, 12 if slim else 24), _counted(job.counts, short=True))
        what = stacked(said(job.kind), said(number(job.items), DIM))
        rows.append([said(job.id, "bold"), state, what, went, stacked(*about)])
    screen.print(listing(["job", "state", "letters", "what became of them", "why"], rows, wide=4))


def show_job(job: "Job") -> None:
    """One job in full."""
    console().print(_whole(job, console()))


def follow(job: "Job", look: Callable[[], "Job"], goes_on: Callable[["Job"], bool]) -> "Job":
    """Show on stderr how a job goes on as long as it does; returns it as it is then."""
    screen = Console(stderr=True, highlight=False, emoji=False, markup=False)
    if not screen.is_terminal:
        while goes_on(job):
            time.sleep(_EVERY)
            job = look()
        return job
    with Live(_progress(job, screen), console=screen, transient=True, refresh_per_second=4) as live:
        while goes_on(job):
            time.sleep(_EVERY)
            job = look()
            live.update(_progress(job, screen))
    return job


def _progress(job: "Job", screen: Console) -> RenderableType:
    now = datetime.now(UTC)
    done = job.items - job.left
    head = Text.assemble(
        (f"job {job.id} ", "bold"),
        (job.state, _JOBS[job.state]),
        f"  {number(done)} of {number(job.items)}  {100 * done // job.items} %  ",
        (_pace(job, now), DIM),
    )
    return Group(head, _bar(job.counts, _ITEMS, _MARKS, screen, screen.width - 2), _counted(job.counts))


def _whole(job: "Job", screen: Console) -> RenderableType:
    now = datetime.now(UTC)
    head = Text.assemble(
        ("job ", DIM), (str(job.id), "bold"), "  ", (job.state, _JOBS[job.state]), f"  {job.kind} of "
        f"{number(job.items)} letters{_along(job)}"
    )  # fmt: skip
    pairs = [
        ("why", said(job.why, "yellow") if job.why else ""),
        ("pace", _pace(job, now)),
        ("rate", "" if job.kind == SEARCH else f"{job.rate:g} letters a second"),
        ("canary", "" if job.kind == SEARCH else f"{number(job.canary)} first" if job.canary else "none"),
        ("stops", f"when more than {job.stop_ratio:.0%} fail" if job.kind == JobKind.REPLAY else ""),
        ("letters", "; ".join(f"{name} {_words(value)}" for name, value in job.selection.items())),
        ("reason", job.reason),
        ("by", f"{job.created_by}, {ago(job.created_at, now)}"),
        ("ended", ago(job.ended_at, now) if job.ended_at else ""),
    ]
    bar = _bar(job.counts, _ITEMS, _MARKS, screen)
    return Group(head, bar, _counted(job.counts), Text(), Padding(facts(pairs), (0, 0, 0, 0)))


def _waiting(along: int) -> str:
    return f", and {number(along)} that wait{'s' if along == 1 else ''} for them" if along else ""


def _along(job: "Job") -> str:
    return f", {number(job.along)} of them because they wait for others" if job.along else ""


def _pace(job: "Job", now: datetime) -> str:
    if job.state not in ACTIVE:
        return ""
    left = job.seconds_left(now)
    if left is None:
        return "nothing has ended yet" if not job.lately else ""
    return f"{job.pace(now):.1f} letters a second, {_span(left)} left"


def _span(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _words(value: object) -> str:
    """A part of a selection."""
    if isinstance(value, list) and len(value) > 5:
        return f"{', '.join(map(str, value[:5]))} and {number(len(value) - 5)} more"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _counted(counts: Mapping[str, int], *, short: bool = False) -> Text:
    parts = [
        Text.assemble((_MARKS.get(state, "█") + " ", style), number(counts[state]), (f" {state}", "" if short else DIM))
        for state, style in _ITEMS.items()
        if counts.get(state)
    ]
    return Text("\n" if short else "   ").join(parts)


def _bar(
    counts: Mapping[str, int], styles: Mapping[str, str], marks: Mapping[str, str], screen: Console, width: int = 0
) -> Text:
    """Shares of a whole, in the order of their styles; none that is there is too small to be seen."""
    width = max(width or min(screen.width - 2, 2 * _BAR), 4)
    there = [(name, counts[name]) for name in styles if counts.get(name)]
    whole = sum(count for _, count in there)
    cells = {name: max(1, width * count // whole) for name, count in there}
    if cells:
        largest = max(cells, key=lambda name: cells[name])
        cells[largest] += width - sum(cells.values())
    bar = Text()
    for name, _ in there:
        bar.append(marks.get(name, "█") * cells[name], style=styles[name])
    return bar


def _samples(alike: Sequence["Sample"]) -> Text:
    """Letters of which the same is so."""
    first = alike[0]
    numbers = ", ".join(str(sample.id) for sample in alike[:_SHOWN])
    return Text.assemble(
        (f"{numbers}{' …' if len(alike) > _SHOWN else ''}", "bold"),
        f"  {clean(first.table or first.topic)}",
        (f"  {first.kind}", DIM),
        (f"\n{first.why}" if first.why else "", DIM),
    )
