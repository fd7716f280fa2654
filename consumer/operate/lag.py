"""`headrace lag`: how far the group is behind, and why."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Annotated, Any

import typer

from consumer.core.lag import Going, Lag, worst
from consumer.core.trend import Trend
from consumer.core.wording import counted
from consumer.inspection.lagging import Seen
from consumer.operate.listing import Column, age, listing
from consumer.operate.opening import lags_of
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

    Retry topics have no lag: what lies there waits until it is due.

    Exit code 3 without positions, 5 when something is not known: Kafka does not answer, so that only positions are
    told, or not of some partitions; Kafka Connect, which is set, does not; or the server that is asked could not look
    since.
    """
    with reported(), lags_of(config) as lags:
        seen = lags.look(topic)
        if seen is None:
            raise nothing("no position matches")
        each = output is not Output.TABLE or partitions
        rows = [_row(seen, one) for one in seen.lags] if each else _by_topic(seen)
        columns = _PARTITIONS if each else _TOPICS
        listing(rows, columns if seen.trends else [c for c in columns if c.of != "trend"], output, reasons(seen.lags))
        unknown = list(_unknown(seen))
        for line in unknown:
            say(line)
        if unknown:
            raise typer.Exit(PARTIAL)


def _unknown(seen: Seen) -> Iterator[str]:
    """What of it nobody could tell, and why."""
    if seen.missed is not None:
        yield f"this is of {seen.at.astimezone():%Y-%m-%d %H:%M:%S}, and nobody could look since: {seen.missed}"
    if seen.logs is not None:
        yield f"how far the logs reach is not known: {seen.logs}"
    if unknown := sum(one.going is Going.UNKNOWN for one in seen.lags):
        yield f"how far the logs of {counted(unknown, 'partition')} reach is not known"
    if seen.connect is not None:
        yield f"what Kafka Connect has to say is not known: {seen.connect}"


_TOPICS = (
    Column(title="table", of="name"),
    Column(title="topic", of="topic", wide=True),
    Column(title="parts", of="partitions", number=True),
    Column(title="records", of="records", number=True),
    Column(title="behind", of="behind", number=True),
    Column(title="state", of="going"),
    Column(title="trend", of="trend"),
)
_PARTITIONS = (
    Column(title="topic", of="topic"),
    Column(title="part", of="partition", number=True),
    Column(title="position", of="position", number=True),
    Column(title="end", of="end", number=True),
    Column(title="records", of="records", number=True),
    Column(title="behind", of="behind", number=True),
    Column(title="state", of="going"),
    Column(title="trend", of="trend"),
)


def _by_topic(seen: Seen) -> list[dict[str, Any]]:
    return [_summed(seen, list(of)) for _, of in groupby(seen.lags, lambda one: one.at.topic)]


def _row(seen: Seen, one: Lag) -> dict[str, Any]:
    row = asdict(one) | {"topic": one.at.topic, "partition": one.at.partition, "behind": age(one.seconds)}
    del row["at"]
    return row | {"trend": seen.trends.get(one.at)}


def _summed(seen: Seen, found: list[Lag]) -> dict[str, Any]:
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
        "trend": min(
            (seen.trends[one.at] for one in found if one.at in seen.trends), key=list(Trend).index, default=None
        ),
    }
