"""How far a group is behind, looked at: places of the database, ends of Kafka's logs, and Kafka Connect."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from consumer.core.connectors import Connector, silent
from consumer.core.failure import Failure, HeadraceError
from consumer.core.lag import Going, Lag, Log, Place, lags
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.ports.control import Surveyed, Worker
from consumer.ports.topics import Ages, Offsets


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
    """Who is asked. `connectors`: None where no Kafka Connect is set."""

    offsets: Callable[[], Offsets]
    ages: Callable[[], Ages]
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
        log = log_of(asked.offsets(), asked.ages(), places) if places else Log()
    except HeadraceError as error:
        logs = error.failure
    found = [_held_up(lag, workers) for lag in lags(places, log, silent(connectors), time.time())]
    return Seen(at=datetime.now(UTC), lags=found, connectors=connectors, logs=logs, connect=connect)


def is_held_up(lag: Lag, workers: Sequence[Worker]) -> bool:
    """Whether the worker that holds the partition does not ask its target, which is away."""
    return _away(lag, workers) is not None


def log_of(offsets: Offsets, ages: Ages, places: Sequence[Place]) -> Log:
    """Ends of the logs, and since when what is read next lies there. Raises Transient."""
    ends = offsets.ends([place.at for place in places])
    behind = {place.at: place.position for place in places if ends.get(place.at, 0) > place.position}
    return Log(ends=ends, appended=ages.appended(behind))


def _connectors(asked: Asked) -> tuple[Sequence[Connector], Failure | None]:
    try:
        return asked.connectors() or (), None
    except HeadraceError as error:
        return (), error.failure


def _held_up(lag: Lag, workers: Sequence[Worker]) -> Lag:
    away = _away(lag, workers)
    if away is None:
        return _yielding(lag, workers)
    worker, breaker = away
    why = f"{worker.name} does not ask the {breaker['name']}, which is away: {breaker['detail'] or 'no answer'}"
    remedy = f"It goes on by itself once it is back, or at once: headrace breakers reset {breaker['name']}"
    return replace(lag, why=lag.why or why, remedy=lag.remedy or remedy)


def _yielding(lag: Lag, workers: Sequence[Worker]) -> Lag:
    """Whether the worker that holds the partition does not read it for the sake of others."""
    for worker in workers:
        held = worker.held_back
        if held and _holds(worker, lag) and lag.going is Going.BEHIND and lag.at.topic in held["topics"]:
            why = f"{worker.name} holds {', '.join(held['priorities'])} tables back: {held['why']}"
            return replace(lag, why=lag.why or why, remedy=lag.remedy or _SHARES)
    return lag


_SHARES = "It goes on by itself, and has a turn meanwhile; priority of a table says who goes first."


def _holds(worker: Worker, lag: Lag) -> bool:
    return not worker.gone and any(list(lag.at) == part[:2] for part in worker.partitions)


def _away(lag: Lag, workers: Sequence[Worker]) -> tuple[Worker, Mapping[str, Any]] | None:
    if lag.going is not Going.BEHIND:
        return None
    for worker in workers:
        if _holds(worker, lag):
            return next(((worker, b) for b in worker.breakers if b["state"] == "open"), None)
    return None
