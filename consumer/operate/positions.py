"""`headrace positions`: how far partitions are, and deciding where they go on."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from consumer.core.records import TopicPartition
from consumer.operate.opening import desk_of, positions_of
from consumer.operate.output import (
    Config,
    Format,
    Limit,
    Output,
    Reason,
    Yes,
    agreed,
    because,
    nothing,
    reported,
    say,
    show,
)
from consumer.ports.desk import Position
from consumer.recovery.moving import Wish

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
        bool,
        typer.Option(
            "--discard-letters", help="Of a topic made anew, or a log that was cut: give up letters of what is gone."
        ),
    ] = False,
    yes: Yes = False,
    output: Format = Output.TABLE,
) -> None:
    """Decide where a partition goes on. What is passed is not applied; what is set back is applied again.

    The owner is fenced and takes the partition anew within two seconds. Exit code 3 without such a position, 4 when the
    decision is refused or not agreed to.
    """
    note = because(reason, "a position is set")
    wish = Wish(at=TopicPartition(topic, partition), to=to, discard_letters=discard_letters)
    with reported(), positions_of(config) as desk:
        looked = desk.look(wish)
        if looked is None:
            raise nothing(f"{wish.at} has no position in this group")
        agreed(f"{looked.words[0].upper()}{looked.words[1:]}?", yes=yes)
        moved = desk.move(looked, note)
        row = {"topic": topic, "partition": partition, "from": moved.before.next_offset, "to": moved.after.next_offset}
        show([row | {"epoch": moved.epoch, "discarded": moved.discarded}], _MOVED, output)


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
