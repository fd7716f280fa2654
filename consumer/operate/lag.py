"""`headrace lag`: how far the group is behind, and why."""

import time
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from consumer.core.connectors import silent
from consumer.core.failure import HeadraceError
from consumer.core.lag import Lag, Source, lags, worst
from consumer.lagging import log_of
from consumer.operate.listing import Column, age, listing
from consumer.operate.opening import ages_of, connectors_of, control_of, offsets_of
from consumer.operate.output import PARTIAL, Config, Format, Output, nothing, reported, say
from consumer.operate.reasons import reasons, share


def lag(
    config: Config = None,
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
    partitions: Annotated[bool, typer.Option("--partitions", help="A line for each partition.")] = False,
    output: Format = Output.TABLE,
) -> None:
    """Show how far stored positions are behind the ends of their logs: in records, and in seconds since the oldest
    record that is not applied came. Partitions that do not go on say why; so do connectors from which nothing comes.

    Exit code 3 without positions, 5 when Kafka Connect, which is set, does not answer.
    """
    with reported(), control_of(config) as control:
        places = [place for place in control.places() if topic in (None, place.at.topic)]
        if not places:
            raise nothing("no position matches")
        sources, blind = _sources(config)
        found = lags(places, log_of(offsets_of(config), ages_of(config), places), sources, time.time())
        each = output is not Output.TABLE or partitions
        rows = [_row(one) for one in found] if each else [_summed(list(of)) for _, of in _by_topic(found)]
        listing(rows, _PARTITIONS if each else _TOPICS, output, reasons(found))
        if blind:
            say(f"what Kafka Connect has to say is not known: {blind}")
            raise typer.Exit(PARTIAL)


def _sources(config: Path | None) -> tuple[list[Source], str]:
    """Connectors from which nothing comes, and why they are not known."""
    with connectors_of(config) as connect:
        try:
            return (silent(connect.all()), "") if connect is not None else ([], "")
        except HeadraceError as error:
            return [], str(error)


_TOPICS = (
    Column(title="table", of="name"),
    Column(title="topic", of="topic", wide=True),
    Column(title="parts", of="partitions", number=True),
    Column(title="records", of="records", number=True),
    Column(title="behind", of="behind", number=True),
    Column(title="state", of="going"),
)
_PARTITIONS = (
    Column(title="topic", of="topic"),
    Column(title="part", of="partition", number=True),
    Column(title="position", of="position", number=True),
    Column(title="end", of="end", number=True),
    Column(title="records", of="records", number=True),
    Column(title="behind", of="behind", number=True),
    Column(title="state", of="going"),
)


def _by_topic(found: Iterable[Lag]) -> Iterable[tuple[str, Iterable[Lag]]]:
    return groupby(found, lambda one: one.at.topic)


def _row(one: Lag) -> dict[str, Any]:
    row = asdict(one) | {"topic": one.at.topic, "partition": one.at.partition, "behind": age(one.seconds)}
    del row["at"]
    return row


def _summed(found: list[Lag]) -> dict[str, Any]:
    records = [one.records for one in found if one.records is not None]
    seconds = [one.seconds for one in found if one.seconds is not None]
    going = worst(one.going for one in found)
    topic = found[0].at.topic
    return {
        "name": ", ".join(found[0].tables) or topic,
        "topic": topic,
        "partitions": len(found),
        "records": sum(records) if records else None,
        "behind": age(max(seconds)) if seconds else None,
        "going": share(going, [one.going for one in found]),
    }
