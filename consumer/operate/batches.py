"""`headrace batches`: what became of batches, and trying again now."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from consumer.core.outcomes import told
from consumer.core.records import TopicPartition
from consumer.operate.moments import moment
from consumer.operate.opening import desk_of
from consumer.operate.output import (
    NOTHING,
    PARTIAL,
    USAGE,
    Config,
    Format,
    Limit,
    Output,
    Reason,
    because,
    nothing,
    reported,
    say,
    show,
)
from consumer.ports.desk import Batch, Desk, Page

# letters of a batch that are shown, and stopped partitions that are tried again at once
_LETTERS, _PARTITIONS_AT_ONCE = 100, 10_000

app = typer.Typer(name="batches", help="The ledger of batches.", no_args_is_help=True, pretty_exceptions_enable=False)


class State(StrEnum):
    """What became of a batch."""

    STARTED = "started"
    APPLIED = "applied"
    FAILED = "failed"
    ABANDONED = "abandoned"


@app.command("ls")
def ls(
    config: Config = None,
    state: Annotated[State | None, typer.Option(help="Only those.")] = None,
    topic: Annotated[str | None, typer.Option(help="Only those with records of this topic.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only those started since: 30m, 2h, 3d, or a time as 2026-01-31T12:00.")
    ] = None,
    before: Annotated[int | None, typer.Option(min=1, help="Only those with a smaller id, for the next page.")] = None,
    limit: Limit = 20,
    output: Format = Output.TABLE,
) -> None:
    """List batches, newest first. Exit code 3 when there are none."""
    page = Page(state=state and state.value, topic=topic, since=moment(since), before=before, most=limit)
    with reported(), desk_of(config) as desk:
        found = desk.batches(page)
        if not found:
            raise nothing("no batch matches")
        show([_row(batch) for batch in found], _COLUMNS, output)
        if len(found) == limit:
            say(f"there may be more: --before {found[-1].id}")


@app.command("show")
def show_one(
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="The batch.")],
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Show one batch: its positions, tables, times, why it failed, and its records' letters.

    Exit code 3 when there is none.
    """
    with reported(), desk_of(config) as desk:
        batch = desk.batch(number)
        if batch is None:
            raise nothing(f"there is no batch {number} in this group")
        row = _whole(desk, batch)
        if output is Output.TABLE:
            _show_parts(row)
        else:
            show([row], {}, output)


@app.command("retry")
def retry(
    reason: Reason,
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Batches that are not applied.")
    ] = None,
    config: Config = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="All partitions that are stopped.")] = False,
    topic: Annotated[str | None, typer.Option(help="With --stopped: only this topic's.")] = None,
    output: Format = Output.TABLE,
) -> None:
    """Have partitions tried again now, instead of when their time comes. A worker sees it within two seconds.

    Exit code 3 when there is nothing to try again, 5 when that is so for some of the batches.
    """
    if not numbers and not stopped:
        say("name batches, or --stopped")
        raise typer.Exit(USAGE)
    note = because(reason)
    with reported(), desk_of(config) as desk:
        wanted = {at for number in numbers or () for at in _behind(desk, number)}
        if stopped:
            wanted |= {position.at for position in desk.positions(topic, stopped=True, most=_PARTITIONS_AT_ONCE)}
            if not wanted:
                say("no partition is stopped" if topic is None else f"no partition of topic {topic} is stopped")
        asked = desk.retry(sorted(wanted), note) if wanted else []
        if asked:
            show([{"topic": at.topic, "partition": at.partition} for at in asked], _PARTITIONS, output)
        idle = [number for number in numbers or () if not _behind(desk, number)]
        for number in idle:
            say(f"batch {number}: its records are applied by now, or it is not in this group")
        if idle or not asked:
            raise typer.Exit(PARTIAL if asked else NOTHING)


_COLUMNS = {
    "id": "id",
    "state": "state",
    "attempt": "attempt",
    "started": "started_at",
    "seconds": "seconds",
    "records": "records",
    "partitions": "partitions",
    "tables": "tables_written",
    "failure": "kind",
    "worker": "worker",
}
_PARTITIONS = {"topic": "topic", "partition": "partition"}
_RANGES = {**_PARTITIONS, "from": "start", "to": "end", "epoch": "epoch", "position now": "now", "passed": "passed"}
_TABLES = {"table": "table", "what": "action", "rows": "rows"}
_OUTCOMES = {"what became of it": "what", "count": "count"}
_LETTER = {"letter": "id", "state": "state", "kind": "kind", **_PARTITIONS, "offset": "offset", "table": "table"}


def _behind(desk: Desk, number: int) -> list[TopicPartition]:
    """The partitions of a batch whose position is not behind it."""
    return [TopicPartition(part.topic, part.partition) for part in desk.checkpoints(number) if not part.passed]


def _row(batch: Batch) -> dict[str, Any]:
    tables = ", ".join(f"{name} {sum(counts.values())}" for name, counts in sorted(batch.tables.items()))
    kind = (batch.error or {}).get("kind")
    return asdict(batch) | {
        "seconds": batch.seconds,
        "partitions": len(batch.ranges),
        "tables_written": tables or None,
        "kind": kind,
    }


def _whole(desk: Desk, batch: Batch) -> dict[str, Any]:
    parts = [asdict(part) | {"passed": part.passed} for part in desk.checkpoints(batch.id)]
    letters = [asdict(letter) for letter in desk.letters_of(batch.id, _LETTERS)]
    return _row(batch) | {"checkpoints": parts, "letters": letters}


def _show_parts(row: dict[str, Any]) -> None:
    show([row], _COLUMNS, Output.TABLE)
    show(row["checkpoints"], _RANGES, Output.TABLE)
    counts = [
        {"table": name, "action": action, "rows": rows}
        for name, table in sorted(row["tables"].items())
        for action, rows in table.items()
    ]
    parts = [{"what": what, "count": count} for what, count in told(row["outcomes"])]
    for rows, columns in ((parts, _OUTCOMES), (counts, _TABLES), (row["letters"], _LETTER)):
        if rows:
            show(rows, columns, Output.TABLE)
    times = [{"what": name, "value": value} for name, value in row["durations"].items()]
    times += [{"what": name, "value": _clock(value)} for name, value in row["clocks"].items()]
    if times:
        show(times, {"": "what", "seconds, or time": "value"}, Output.TABLE)
    for topic, partition, kind in row["outcomes"].get("left_out", ()):
        say(f"left out of it: topic {topic}, partition {partition} ({kind})")
    if row["error"]:
        say(f"{row['error']['detail']}. {row['error']['remedy']}")


def _clock(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
