"""How far a group is behind its topics, in records and seconds, and why."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from enum import StrEnum
from typing import Any

from consumer.core import waiting
from consumer.core.pausing import Paused, why
from consumer.core.records import TopicPartition

_UNTOLD = "Kafka does not tell how far its log reaches: it knows no such partition, has no leader for it, or hides it"
_EXAMINE = "Which of these it is, and what to do, says: headrace doctor"


class Going(StrEnum):
    """Whether a partition goes on; the worst first."""

    UNREAD = "no worker"
    STOPPED = "stopped"
    # how far its log reaches can't be told, or that is in front of its position
    UNKNOWN = "not known"
    PAUSED = "paused"
    WAITING = "waiting"
    BEHIND = "behind"
    CURRENT = "current"
    # how far its log reaches was not asked
    GOING = "going on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A partition as it is stored. `held`: its owner lives. `stopped`, `wait_for`: as in the positions."""

    at: TopicPartition
    position: int
    held: bool
    tables: Sequence[str] = ()
    stopped: Mapping[str, Any] | None = None
    wait_for: Mapping[str, int] | None = None
    paused: Paused | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A connector that is to write topics, and why it does not: `remedy` says what to do about it."""

    why: str
    remedy: str
    topics: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What Kafka says: ends of logs, and since when what is read next lies there (seconds since 1970).

    `untold`: those whose end it was asked for and does not tell.
    """

    ends: Mapping[TopicPartition, int] = field(default_factory=dict)
    untold: Collection[TopicPartition] = ()
    appended: Mapping[TopicPartition, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """A partition's: `records` and `seconds` None where they are not known.

    `seconds`: how long the oldest record that is not applied has been in its log.
    """

    at: TopicPartition
    tables: Sequence[str]
    position: int
    end: int | None
    records: int | None
    seconds: float | None
    going: Going
    why: str = ""
    remedy: str = ""


def lags(places: Sequence[Place], log: Log, sources: Sequence[Source], now: float) -> list[Lag]:
    """One for each place, in their order."""
    positions = {place.at: place.position for place in places}
    return [_lag(place, log, positions, sources, now) for place in places]


def _lag(place: Place, log: Log, positions: Mapping[TopicPartition, int], sources: Sequence[Source], now: float) -> Lag:
    end = log.ends.get(place.at)
    # of a log that is shorter than what was read of it, nothing is known to be applied
    records = None if end is None or end < place.position else end - place.position
    going, reason, remedy = _going(place, log, positions)
    if not reason:
        for source in sources:
            if place.at.topic in source.topics:
                reason, remedy = source.why, source.remedy
    appended = log.appended.get(place.at)
    seconds = 0.0 if records == 0 else None if appended is None else max(0.0, now - appended)
    return Lag(
        at=place.at,
        tables=place.tables,
        position=place.position,
        end=end,
        records=records,
        seconds=seconds,
        going=going,
        why=reason,
        remedy=remedy,
    )


def _going(place: Place, log: Log, positions: Mapping[TopicPartition, int]) -> tuple[Going, str, str]:
    if place.paused is not None:
        by = place.paused
        said = f"paused by {by.actor} since {by.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC: {by.reason}"
        return Going.PAUSED, said, why(by).remedy
    if place.held and place.stopped:
        return Going.STOPPED, str(place.stopped.get("detail", "")), str(place.stopped.get("remedy", ""))
    if place.at in log.untold:
        return Going.UNKNOWN, _UNTOLD, _EXAMINE
    if not place.held:
        return Going.UNREAD, "no worker holds it", "Start one: headrace run"
    if others := waiting.unpassed(place.at, place.wait_for, positions):
        return Going.WAITING, waiting.reason(others), waiting.REMEDY
    end = log.ends.get(place.at)
    if end is None:
        return Going.GOING, "", ""
    if end < place.position:
        return (
            Going.UNKNOWN,
            f"its log ends at {end}, in front of its position: it was cut, or its topic was made anew",
            _EXAMINE,
        )
    return (Going.BEHIND if end > place.position else Going.CURRENT), "", ""


def worst(states: Iterable[Going]) -> Going:
    """The state that stands for all of them."""
    return min(states, key=list(Going).index, default=Going.GOING)
