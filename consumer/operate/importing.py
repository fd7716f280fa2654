"""`headrace dlq import`: dead letters of other consumers, read from their topics into the letters."""

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.operate.opening import imports_of
from consumer.operate.output import (
    PARTIAL,
    Config,
    DryRun,
    Format,
    Output,
    Reason,
    because,
    nothing,
    reported,
    say,
    show,
)
from consumer.operate.selecting import SOME
from consumer.ports.desk import Note

if TYPE_CHECKING:
    from consumer.core.foreign import Span
    from consumer.core.records import TopicPartition
    from dlq.import_desk import ImportDesk

# seconds between words about how far it is
_EVERY = 5.0
_COLUMNS = {
    "topic": "topic",
    "partition": "partition",
    "next offset": "next_offset",
    "not read": "left",
    "letters": "letters",
    "known already": "known",
    "lost": "lost",
}


def import_letters(
    config: Config = None,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="A dead-letter topic, instead of imports.topics" + SOME)
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    output: Format = Output.TABLE,
) -> None:
    """Read dead letters of Kafka Connect, Spring Kafka, Kafka Streams, share groups and other Headrace groups.

    What their topics have now is read, each record once; workers read on if the topics stand in imports.topics. With
    --dry-run it only says how far each topic was read. Exit code 3 without such a topic, 4 when one is a source or has
    letters of this group, 5 when somebody else reads one just now and has not come to its end.
    """
    note = because(reason, "letters are imported", dry_run=dry_run)
    with reported(), imports_of(config, topic or ()) as desk:
        spans = desk.spans()
        if not spans:
            raise nothing("there is no such topic; name one with --topic, or set imports.topics")
        if not dry_run:
            _read(desk, spans, note)
        left = desk.left(spans)
        show([asdict(one) for one in left], _COLUMNS, output)
    if not dry_run and any(one.left for one in left):
        raise typer.Exit(PARTIAL)


def _read(desk: "ImportDesk", spans: "Mapping[TopicPartition, Span]", said: Note) -> None:
    letters = known = 0
    told = time.monotonic()
    for stored in desk.read(spans, said):
        letters, known = letters + stored.letters, known + stored.known
        if sys.stderr.isatty() and time.monotonic() > told + _EVERY:
            told = time.monotonic()
            say(f"{letters} letters so far, {stored.at} is being read")
    say(f"imported: {letters} letters; {known} records were open letters already")
