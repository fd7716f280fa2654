"""`headrace positions`: how far partitions are, and deciding where they go on."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from consumer.core.decision import Decision, Held, LogNow, Undecidable, decide
from consumer.core.records import TopicPartition
from consumer.desk import Note, Position
from consumer.operate.opening import desk_of, offsets_of
from consumer.operate.output import (
    USAGE,
    Config,
    Format,
    Limit,
    Output,
    Reason,
    Yes,
    actor,
    agreed,
    nothing,
    reported,
    say,
    show,
)
from consumer.ports.topics import Offsets

app = typer.Typer(
    name="positions", help="Stored positions of partitions.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command("ls")
def ls(
    config: Config = None,
    topic: Annotated[str | None, typer.Option(help="Only this topic's.")] = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="Only partitions that are stopped.")] = False,
    limit: Limit = 200,
    output: Format = Output.TABLE,
) -> None:
    """List positions: the next offset to read of each partition, who reads it, and why it is stopped.

    Exit code 3 when there are none.
    """
    with reported(), desk_of(config) as desk:
        found = desk.positions(topic, stopped=stopped, most=limit)
        if not found:
            raise nothing("no position matches")
        show([_row(position) for position in found], _COLUMNS, output)
        for position in found:
            if stopped and position.stopped:
                say(f"{position.at}: {position.stopped.get('detail')}. {position.stopped.get('remedy')}")
        if len(found) == limit:
            say("there may be more: raise --limit, or name a --topic")


@app.command("set")
def set_one(
    topic: Annotated[str, typer.Argument(help="The topic.")],
    partition: Annotated[int, typer.Argument(min=0, help="Its partition.")],
    to: Annotated[
        str, typer.Option("--to", help="earliest, latest, an offset to read next, or skip: behind what stopped it.")
    ],
    reason: Reason,
    config: Config = None,
    discard_letters: Annotated[
        bool, typer.Option("--discard-letters", help="Of a topic that was made anew: give its open letters up.")
    ] = False,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """Decide where a partition goes on. What is passed is not applied; what is set back is applied again.

    The owner is fenced and takes the partition anew within two seconds. Exit code 3 without such a position, 4 when the
    decision is refused or not agreed to.
    """
    if not reason.strip():
        say("a position is set for a reason: --reason")
        raise typer.Exit(USAGE)
    at = TopicPartition(topic, partition)
    with reported(), desk_of(config) as desk:
        held = desk.held(at)
        if held is None:
            raise nothing(f"{at} has no position in this group")
        log = log_now(offsets_of(config), at)
        wanted = decide(to, held, log, discard_letters=discard_letters)
        agreed(_question(at, held, wanted), yes=yes)
        moved = desk.move(at, decided(to, log, wanted, discard_letters=discard_letters), Note(actor(), reason))
        row = {"topic": topic, "partition": partition, "from": moved.before.next_offset, "to": wanted.next_offset}
        show([row | {"epoch": moved.epoch, "discarded": moved.discarded}], _MOVED, output)


def log_now(offsets: Offsets, at: TopicPartition) -> LogNow:
    """What the broker has of a partition. Raises Undecidable where it has none."""
    ids = offsets.topic_ids([at.topic])
    traits = offsets.traits([at.topic])
    if at.topic not in traits or at.partition >= traits[at.topic].partitions:
        raise Undecidable(f"Kafka has no partition {at}")
    return LogNow(start=offsets.log_start([at])[at].offset, end=offsets.ends([at])[at], topic_id=ids.get(at.topic))


def decided(to: str, log: LogNow, wanted: Decision, *, discard_letters: bool) -> Callable[[Held], Decision]:
    """The decision over again, under the position's lock: it has to be what was agreed to."""

    def again(held: Held) -> Decision:
        found = decide(to, held, log, discard_letters=discard_letters)
        if found != wanted:
            raise Undecidable("the partition has moved or stopped elsewhere meanwhile; look again")
        return found

    return again


def _question(at: TopicPartition, held: Held, wanted: Decision) -> str:
    way = wanted.next_offset - held.next_offset
    if wanted.anew:
        said = f"begin {at}, whose topic was made anew, at offset {wanted.next_offset}"
        said += f" and discard {held.letters} letters" if held.letters else ""
    elif way > 0:
        said = f"pass offsets {held.next_offset} to {wanted.next_offset - 1} of {at} without applying them"
    elif way < 0:
        said = f"apply offsets {wanted.next_offset} to {held.next_offset - 1} of {at} again"
    else:
        said = f"read {at} again from offset {wanted.next_offset}, where it is"
    return f"{said[0].upper()}{said[1:]}?"


_COLUMNS = {
    "topic": "topic",
    "partition": "partition",
    "next offset": "next_offset",
    "epoch": "epoch",
    "owner": "owner",
    "lives": "owner_lives",
    "stopped": "kind",
    "at": "stopped_at",
    "updated": "updated_at",
}
_MOVED = {
    "topic": "topic",
    "partition": "partition",
    "from": "from",
    "to": "to",
    "epoch": "epoch",
    "letters discarded": "discarded",
}


def _row(position: Position) -> dict[str, Any]:
    stopped = position.stopped or {}
    return asdict(position) | {"kind": stopped.get("kind"), "stopped_at": stopped.get("offset")}
