"""How far a group is behind, looked at: places of the database, ends of Kafka's logs, and Kafka Connect."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from consumer.core.connectors import Connector, silent
from consumer.core.failure import Failure, HeadraceError
from consumer.core.lag import Going, Lag, Log, Place, lags
from consumer.core.records import TopicPartition
from consumer.core.trend import KEPT, Mark, Trend, trend
from consumer.ports.control import Surveyed, Worker
from consumer.ports.topics import Ages, LogEnds


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One look. `logs`, `connect`: why Kafka, or Kafka Connect, did not answer; without Kafka lag is not known.

    `missed`: why nobody could look since. `trends`: by partition, where there was more than one look.
    """

    at: datetime
    lags: Sequence[Lag]
    connectors: Sequence[Connector] = ()
    logs: Failure | None = None
    connect: Failure | None = None
    missed: Failure | None = None
    trends: Mapping[TopicPartition, Trend] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many records are not applied, of those that are known of."""
        return sum(lag.records or 0 for lag in self.lags)

    @property
    def applied(self) -> int:
        """The sum of all positions."""
        return sum(lag.position for lag in self.lags)

    @property
    def seconds(self) -> float | None:
        """The age of the oldest record that is not applied."""
        return max((lag.seconds for lag in self.lags if lag.seconds is not None), default=None)


class Lags(Protocol):
    """How far the group is behind. Raises HeadraceError."""

    def look(self, topic: str | None) -> Seen | None:
        """At all topics, or at one; None when there is no position."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who is asked. `connectors`: None where no Kafka Connect is set.

    `lane`: the topics of letters that come back, which lie there until they are due: that is no lag, and their logs are
    not asked for.
    """

    offsets: Callable[[], LogEnds]
    ages: Callable[[], Ages]
    lane: Callable[[str], bool]
    connectors: Callable[[], Sequence[Connector] | None]


@dataclass(frozen=True, slots=True)
class LookedLags:
    """Implements `Lags`, once for each question."""

    survey: Surveyed
    asked: Asked
    workers: Callable[[], Sequence[Worker]] = tuple

    def look(self, topic: str | None) -> Seen | None:
        places = [place for place in self.survey.places() if topic in (None, place.at.topic)]
        return look(places, self.asked, self.workers()) if places else None


def look(places: Sequence[Place], asked: Asked, workers: Sequence[Worker] = ()) -> Seen:
    """Look once. Whoever does not answer is told of, and nothing is raised."""
    connectors, connect = _connectors(asked)
    log, logs = Log(), None
    try:
        if places:
            log = aged(ends_of(asked.offsets(), places, asked.lane), asked.ages(), places)
    except HeadraceError as error:
        logs = error.failure
    found = explained(lags(places, log, silent(connectors or ()), time.time()), workers)
    return Seen(
        at=datetime.now(UTC),
        lags=found,
        connectors=connectors or (),
        logs=logs,
        connect=connect,
    )


def explained(found: Sequence[Lag], workers: Sequence[Worker]) -> list[Lag]:
    """The same, with what the workers that hold the partitions say of why these are behind."""
    holders = _holders(workers)
    return [_explained(lag, holders.get(lag.at)) for lag in found]


class Lately:
    """How lag went at the last looks, by partition. Belongs to one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._marks: dict[TopicPartition, deque[Mark]] = {}

    def trends(self, found: Sequence[Lag], workers: Sequence[Worker]) -> dict[TopicPartition, Trend]:
        """Where each one is going by this look and those before, as far as it can be said yet."""
        now, holders, trends = self._clock(), _holders(workers), {}
        self._marks = {lag.at: self._marks.get(lag.at) or deque(maxlen=KEPT) for lag in found}
        for lag in found:
            marks = self._marks[lag.at]
            marks.append(Mark(now, lag.position, lag.records))
            going = trend(lag, list(marks), held_up=_held_up(lag, holders.get(lag.at)))
            if going is not None:
                trends[lag.at] = going
        return trends


def ends_of(offsets: LogEnds, places: Sequence[Place], lane: Callable[[str], bool]) -> Log:
    """How far the logs reach, but for those of the lane. Raises Transient."""
    wanted = [place.at for place in places if not lane(place.at.topic)]
    ends = offsets.known_ends(wanted)
    return Log(ends=ends, untold=frozenset(wanted) - ends.keys())


def aged(log: Log, ages: Ages, places: Sequence[Place]) -> Log:
    """The same, and since when what is read next lies there. Raises Transient."""
    behind = {place.at: place.position for place in places if log.ends.get(place.at, 0) > place.position}
    return replace(log, appended=ages.appended(behind))


def _connectors(asked: Asked) -> tuple[Sequence[Connector] | None, Failure | None]:
    try:
        return asked.connectors(), None
    except HeadraceError as error:
        return None, error.failure


def _holders(workers: Sequence[Worker]) -> dict[TopicPartition, Worker]:
    """The living worker of each partition."""
    return {TopicPartition(*part[:2]): worker for worker in workers if not worker.gone for part in worker.partitions}


def _explained(lag: Lag, holder: Worker | None) -> Lag:
    away = next(iter(_away(lag, holder)), None)
    if holder is None or away is None:
        return _yielding(lag, holder)
    why = f"{holder.name} does not ask the {away['name']}, which is away: {away['detail'] or 'no answer'}"
    remedy = f"It goes on by itself once it is back, or at once: headrace breakers reset {away['name']}"
    return replace(lag, why=lag.why or why, remedy=lag.remedy or remedy)


def _yielding(lag: Lag, holder: Worker | None) -> Lag:
    """Whether the worker that holds the partition does not read it for the sake of others."""
    held = holder.held_back if holder is not None else None
    if holder is None or not held or lag.going is not Going.BEHIND or lag.at.topic not in held["topics"]:
        return lag
    why = f"{holder.name} holds {', '.join(held['priorities'])} tables back: {held['why']}"
    return replace(lag, why=lag.why or why, remedy=lag.remedy or _SHARES)


def _away(lag: Lag, holder: Worker | None) -> Sequence[Mapping[str, Any]]:
    """What is said of the servers that the worker that holds the partition does not ask."""
    if holder is None or lag.going is not Going.BEHIND:
        return ()
    return [breaker for breaker in holder.breakers if breaker["state"] == "open"]


def _held_up(lag: Lag, holder: Worker | None) -> bool:
    """Whether the target is away. Most partitions go on without a registry; one that stands all the same is stalled."""
    return any(breaker["name"] == "target" for breaker in _away(lag, holder))


_SHARES = "It goes on by itself, and has a turn meanwhile; priority of a table says who goes first."
