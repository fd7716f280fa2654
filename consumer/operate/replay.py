"""`headrace replay`: many letters sent again, or given up, as a job that can be paused and cancelled at any letter."""

import csv
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.core.jobs import ACTIVE, FITTING, JobKind, JobState
from consumer.core.steering import Steer
from consumer.operate.job_views import follow, show_job, show_jobs, show_preview
from consumer.operate.letter_views import show_differences
from consumer.operate.opening import jobs_of, letters_of
from consumer.operate.output import (
    NOTHING,
    PARTIAL,
    REFUSED,
    USAGE,
    Config,
    DryRun,
    Format,
    Limit,
    Output,
    Reason,
    Written,
    Yes,
    because,
    nothing,
    reported,
    say,
    show,
)
from consumer.operate.selecting import SOME, selecting
from consumer.ports.desk import Note

if TYPE_CHECKING:
    from dlq.difference import Difference
    from dlq.jobs import Job, Order
    from dlq.ports import LetterJobs
    from dlq.preview import Preview
    from dlq.selection import Selection

app = typer.Typer(
    name="replay",
    help="Letters in bulk: sent again, or given up, by a job that workers carry out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Number = Annotated[int, typer.Argument(metavar="JOB", min=1, help="The job.")]


class ItemState(StrEnum):
    """What became of a letter of a job."""

    WAITING = "waiting"
    SENT = "sent"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    DEAD = "dead"
    DISCARDED = "discarded"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNREAD = "unread"
    MET = "met"
    UNMET = "unmet"
    UNREADABLE = "unreadable"


@app.command("start")
@selecting()
def start(
    config: Config = None,
    *,
    chosen: "Selection",
    discard: Annotated[bool, typer.Option("--discard", help="Give the letters up instead of sending them.")] = False,
    stale: Annotated[bool, typer.Option("--stale", help="Also those that look stale; most of them will fail.")] = False,
    rate: Annotated[float, typer.Option(min=0.01, max=5000, help="Letters a second, by all workers together.")] = 50.0,
    canary: Annotated[
        int, typer.Option(min=0, max=1000, help="So many go first, and have to end before the rest goes.")
    ] = 10,
    stop_ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Stop when more than this share of the canary, or of late, fails.")
    ] = 0.1,
    rows: Annotated[
        bool,
        typer.Option("--rows", help="Show too what the first of them would do to their rows; it is kept."),
    ] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    expect: Annotated[
        int | None, typer.Option(min=0, help="How many letters have to go; needed with --yes. Else nothing is done.")
    ] = None,
    output: Format = Output.TABLE,
) -> None:
    """Look at what would be done with the letters that match, then have it done: a person types how many go. What waits
    for letters that are given up is given up with them, and counts.

    Without --state: dead letters. Exit code 3 when none matches, 4 when none can go, others go than expected, or it is
    not agreed to.
    """
    note = because(reason, "letters are sent again or given up", dry_run=dry_run)
    if yes and expect is None and not dry_run:
        say("who does not want to be asked says how many letters have to go: --expect; --dry-run tells it")
        raise typer.Exit(USAGE)
    kind = JobKind.DISCARD if discard else JobKind.REPLAY
    if not chosen.states:
        chosen = replace(chosen, states=FITTING[kind])
    with reported(), jobs_of(config) as desk:
        from dlq.jobs import Order

        rules = desk.ruled(kind, stale=stale)
        found = desk.preview(chosen, rules)
        if not found.meant:
            raise nothing("no letter matches")
        if output is Output.TABLE:
            show_preview(found, rules.kind)
        weighed = _weighed(config, found, note) if rows and not discard else {}
        if output is Output.TABLE:
            show_differences(weighed)
        order = Order(
            selection=chosen,
            rules=rules,
            expect=found.goes if expect is None else expect,
            these=found.these,
            said=note,
            rate=rate,
            canary=canary,
            stop_ratio=stop_ratio,
        )
        made = None if dry_run else _made(desk, found, order, yes=yes)
        if output is not Output.TABLE:
            differences = {number: asdict(one) for number, one in weighed.items()}
            show([_looked(found) | ({"rows": differences} if rows else {}) | {"job": made}], {}, output)
        elif made is not None:
            say(f"job {made} is there; follow it: headrace replay status {made} --follow")


@app.command("ls")
def ls(config: Config = None, limit: Limit = 20, output: Format = Output.TABLE) -> None:
    """List jobs, newest first. Exit code 3 when there are none."""
    with reported(), jobs_of(config) as desk:
        found = desk.jobs(limit)
        if not found:
            raise nothing("there is no job")
        if output is Output.TABLE:
            show_jobs(found)
        else:
            show([_row(job) for job in found], {}, output)


@app.command("status")
def status(
    number: Number,
    config: Config = None,
    followed: Annotated[
        bool, typer.Option("--follow", help="Show how it goes on, until it does not go on by itself.")
    ] = False,
    output: Format = Output.TABLE,
) -> None:
    """Show a job: how far it is, what became of its letters, and how long it takes.

    Exit code 3 when there is none. With --follow 5 when it does not end with every letter applied, superseded, given up
    or, by a search, read.
    """
    with reported(), jobs_of(config) as desk:
        job = job_of(desk, number)
        if followed:
            job = follow(job, lambda: job_of(desk, number), _goes_on)
        if output is Output.TABLE:
            show_job(job)
        else:
            show([_row(job)], {}, output)
    if followed and not _is_well(job):
        raise typer.Exit(PARTIAL)


@app.command("pause")
def pause(number: Number, reason: Reason, config: Config = None, output: Format = Output.TABLE) -> None:
    """Send nothing more until the job is resumed. Exit code 3 without such a job, 4 when it does not run."""
    _decided(number, config, Steer.PAUSE, reason, output)


@app.command("resume")
def resume(number: Number, reason: Reason, config: Config = None, output: Format = Output.TABLE) -> None:
    """Go on with a job that is paused or has stopped, its canary first. Exit code 3 without such a job, 4 when it is
    neither.
    """
    _decided(number, config, Steer.RESUME, reason, output)


@app.command("cancel")
def cancel(number: Number, reason: Reason, config: Config = None, output: Format = Output.TABLE) -> None:
    """Send nothing more, for good. What was sent ends as it ends, the rest stays as it is.

    Exit code 3 without such a job, 4 when it has ended.
    """
    _decided(number, config, Steer.CANCEL, reason, output)


@app.command("report")
def report(
    number: Number,
    config: Config = None,
    state: Annotated[
        list[ItemState] | None, typer.Option("--state", help="Only letters of which this became" + SOME)
    ] = None,
    output: Annotated[Written, typer.Option(help="How letters are written to stdout.")] = Written.NDJSON,
) -> None:
    """Write what became of each letter of a job to stdout, in the order of their records.

    Exit code 3 without such a job, or without such letters.
    """
    from dlq.jobs import Item

    with reported(), jobs_of(config) as desk:
        job_of(desk, number)
        lines = 0
        table = csv.writer(sys.stdout, lineterminator="\n")
        for item in desk.report(number, state or ()):
            if output is Written.NDJSON:
                show([asdict(item)], {}, Output.NDJSON)
            else:
                if not lines:
                    table.writerow(Item.__dataclass_fields__)
                table.writerow([_cell(value) for value in asdict(item).values()])
            lines += 1
    if not lines:
        raise nothing("no letter matches")


def _weighed(config: Config, found: "Preview", note: Note) -> dict[int, "Difference"]:
    """What the first letters that go would make of their rows."""
    with letters_of(config) as letters:
        weighed = {number: letters.difference(number, note) for number in found.first}
    return {number: one for number, one in weighed.items() if one is not None}


def _made(desk: "LetterJobs", found: "Preview", order: "Order", *, yes: bool) -> int:
    """The job, once a person has agreed to the number of its letters. Raises typer.Exit, Undecidable."""
    if order.expect != found.goes:
        say(f"refused: {found.goes} letters would go{_with(found)}, not {order.expect}")
        raise typer.Exit(REFUSED)
    if not found.goes:
        say("refused: none of these letters can go; their reasons stand above, or in --output json")
        raise typer.Exit(REFUSED)
    if not yes:
        _typed(found.goes, order.rules.kind)
    return desk.create(order)


def _with(found: "Preview") -> str:
    return f", {found.along} of them because they wait for others" if found.along else ""


def _typed(goes: int, kind: JobKind) -> None:
    """Return when a person has typed the number. Raises typer.Exit."""
    what = "send them again" if kind is JobKind.REPLAY else "give them up"
    if not sys.stdin.isatty():
        say(f"{goes} letters would go. Nobody can answer here: say --yes --expect {goes}.")
        raise typer.Exit(REFUSED)
    answer = typer.prompt(f"Type {goes} to {what}", default="", show_default=False, err=True)
    if answer.strip() != str(goes):
        say("nothing was done")
        raise typer.Exit(REFUSED)


def _decided(number: int, config: Config, decision: Steer, reason: str, output: Output) -> None:
    note = because(reason, "a decision about letters is made")
    with reported(), jobs_of(config) as desk:
        if not desk.decide(number, decision, note):
            raise nothing(f"there is no job {number} in this group")
        job = job_of(desk, number)
        if output is Output.TABLE:
            show_job(job)
        else:
            show([_row(job)], {}, output)


def job_of(desk: "LetterJobs", number: int) -> "Job":
    """A job. Raises typer.Exit where there is none."""
    job = desk.job(number)
    if job is None:
        say(f"there is no job {number} in this group")
        raise typer.Exit(NOTHING)
    return job


def _goes_on(job: "Job") -> bool:
    """Whether something is still going to happen by itself."""
    return job.state in ACTIVE or job.counts.get(ItemState.SENT, 0) > 0


def _is_well(job: "Job") -> bool:
    ended = {ItemState.APPLIED, ItemState.SUPERSEDED, ItemState.DISCARDED, ItemState.MET, ItemState.UNMET}
    return job.state == JobState.DONE and job.counts.keys() <= ended


def _row(job: "Job") -> dict[str, Any]:
    now = datetime.now(UTC)
    return asdict(job) | {"left": job.left, "pace": job.pace(now), "seconds_left": job.seconds_left(now)}


def _looked(found: "Preview") -> dict[str, Any]:
    samples = {fate: [asdict(sample) for sample in samples] for fate, samples in found.samples.items()}
    return {
        "goes": found.goes,
        "along": found.along,
        "these": found.these,
        "meant": found.meant,
        "counts": dict(found.counts),
        "samples": samples,
    }


def _cell(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
