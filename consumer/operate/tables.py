"""`headrace tables`: target tables with their topics, and pausing them."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from consumer.core.pausing import Subject
from consumer.operate.listing import Column, listing, since
from consumer.operate.opening import control_of
from consumer.operate.output import USAGE, Config, Format, Output, Reason, because, nothing, reported, say
from consumer.operate.reasons import reasons, share
from consumer.ports.control import Control, Switched, TableState

app = typer.Typer(
    name="tables", help="Target tables and their topics.", no_args_is_help=True, pretty_exceptions_enable=False
)
Table = Annotated[str | None, typer.Argument(metavar="[TABLE]", help="A target table, as schema.table.")]
Topic = Annotated[str | None, typer.Option(help="Instead of a table: a topic.")]
Partition = Annotated[int | None, typer.Option(min=0, help="With --topic: only this partition of it.")]


@app.command("ls")
def ls(config: Config = None, output: Format = Output.TABLE) -> None:
    """List tables: their topics, whether they go on or why not, open letters, and when they were written last.

    Exit code 3 when there are none.
    """
    with reported(), control_of(config) as control:
        found = control.tables()
        if not found:
            raise nothing("this group has no positions yet")
        listing(
            [_row(state) for state in found],
            _COLUMNS,
            output,
            reasons([part for state in found for part in state.parts]),
        )


@app.command("pause")
def pause(
    reason: Reason,
    table: Table = None,
    topic: Topic = None,
    partition: Partition = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Stop reading and applying a table, a topic or a partition; others go on. Its letters wait too.

    When this returns, no batch of it is applied any more until it is resumed, whichever worker has it. Exit code 3
    when this group has nothing of that name.
    """
    subject = _subject(table, topic, partition)
    note = because(reason)
    with reported(), control_of(config) as control:
        done = control.pause(subject, note)
        if done is None:
            raise nothing(f"nothing of this group is known of {subject}; headrace tables ls lists what is")
        if not done.changed:
            say(f"{done.pause} (since {done.pause.since.astimezone():%Y-%m-%d %H:%M:%S})")
        _show(done, output)
        _say_others(control, done)


@app.command("resume")
def resume(
    reason: Reason,
    table: Table = None,
    topic: Topic = None,
    partition: Partition = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """End a pause. Workers go on within a second or two. Exit code 3 when nothing is paused under this name."""
    subject = _subject(table, topic, partition)
    note = because(reason)
    with reported(), control_of(config) as control:
        done = control.resume(subject, note)
        if done is None:
            others = "; ".join(str(paused) for paused in control.pauses()) or "nothing is"
            raise nothing(f"{subject} is not paused by itself ({others})")
        _show(done, output)


_COLUMNS = (
    Column(title="table", of="name"),
    Column(title="topic", of="topic", wide=True),
    Column(title="parts", of="partitions", number=True),
    Column(title="state", of="condition"),
    Column(title="applied", of="applied", number=True),
    Column(title="batch", of="batch", number=True, wide=True),
    Column(title="letters", of="letters", number=True),
    Column(title="dead", of="dead", number=True),
)
_PARTITIONS = (Column(title="topic", of="topic"), Column(title="partition", of="partition", number=True))


def _row(state: TableState) -> dict[str, Any]:
    return asdict(state) | {
        "name": state.table or state.topic,
        "partitions": len(state.parts),
        "condition": share(state.going, [part.going for part in state.parts]),
        "applied": None if state.applied_at is None else f"{since(state.applied_at)} ago",
    }


def _subject(table: str | None, topic: str | None, partition: int | None) -> Subject:
    if (table is None) == (topic is None) or (partition is not None and topic is None):
        say("name a table, or a --topic and maybe its --partition")
        raise typer.Exit(USAGE)
    return Subject(table=table, topic=topic, partition=partition)


def _show(done: Switched, output: Output) -> None:
    listing([{"topic": at.topic, "partition": at.partition} for at in done.partitions], _PARTITIONS, output)


def _say_others(control: Control, done: Switched) -> None:
    """A topic may have several tables, and a pause holds its partitions for all of them."""
    topics = {at.topic for at in done.partitions}
    others = {state.table for state in control.tables() if state.topic in topics and state.table is not None}
    if more := sorted(others - {done.pause.of.table}):
        say(f"with it stand: {', '.join(more)}")
