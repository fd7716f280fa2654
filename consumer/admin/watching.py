"""Looks at lag and connectors every few seconds, so that no page waits for Kafka, and keeps how it went lately."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from consumer.admin.doors import Doors
from consumer.admin.problems import Busy
from consumer.core.connectors import Connector
from consumer.core.failure import Failure, HeadraceError
from consumer.core.flags import Flag, off_by
from consumer.inspection.lagging import Asked, Lately, Seen, look

KEPT = 120
"""Looks that are kept."""
# seconds that the end of a look is waited for
_PATIENCE = 5.0
# seconds, at least, for which connectors are told of after they were asked for last
_STAYS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is kept of a look for its trend."""

    at: datetime
    records: int
    applied: int
    by_topic: dict[str, int]


@dataclass(frozen=True, slots=True)
class Heard:
    """What Kafka Connect said, on the clock that never runs back; no connectors where it did not answer."""

    at: float
    connectors: Sequence[Connector]
    answered: bool


class Watch:
    """A thread of its own from `start` to `close`."""

    def __init__(self, doors: Doors, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._doors = doors
        self._every = every
        self._clock = clock
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._kept: deque[Moment] = deque(maxlen=KEPT)
        self._lately = Lately()
        self._asked = Asked(offsets=doors.offsets, ages=doors.ages, lane=doors.lane, connectors=self._connectors)
        self._lock = threading.Lock()
        self._heard: Heard | None = None
        self.last: Seen | None = None
        self.problem: Failure | None = None
        self.looks = 0
        # flags, as they were seen last
        self.off: frozenset[Flag] = frozenset()

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join(_PATIENCE)

    @property
    def ended(self) -> bool:
        """Whether it was closed."""
        return self._end.is_set()

    @property
    def heard(self) -> Heard | None:
        """What Kafka Connect said last; None where it is not watched, or that is too long ago. For any thread."""
        heard = self._heard
        return heard if heard and self._clock() - heard.at <= max(_STAYS, 2 * self._every) else None

    def lately(self) -> list[Moment]:
        """What is kept, oldest first."""
        with self._lock:
            return list(self._kept)

    def look(self) -> None:
        """Look once."""
        try:
            seen = self._seen()
        except HeadraceError as error:
            self.problem = error.failure
            self._beside()
        except Busy:
            # the pages come first
            self._beside()
            return
        else:
            self.last, self.problem = seen, None
            if seen.logs is None:
                self._keep(seen)
        self.looks += 1

    def _run(self) -> None:
        while not self._end.is_set():
            self.look()
            self._end.wait(self._every)

    def _seen(self) -> Seen:
        with self._doors.through(self._doors.survey) as survey:
            places = survey.places()
        with self._doors.through(self._doors.control) as control:
            workers = control.workers()
            self.off = off_by(control.flags())
        seen = look(places, self._asked, workers)
        return replace(seen, trends=self._lately.trends(seen.lags, workers))

    def _beside(self) -> None:
        """Ask Kafka Connect, where the target kept a look from coming so far."""
        with suppress(HeadraceError):
            self._connectors()

    def _connectors(self) -> Sequence[Connector] | None:
        if Flag.CONNECT_WATCH in self.off:
            self._heard = None
            return None
        try:
            with self._doors.connectors() as connect:
                found = connect.all()
        except HeadraceError:
            self._heard = Heard(self._clock(), (), answered=False)
            raise
        self._heard = None if found is None else Heard(self._clock(), found, answered=True)
        return found

    def _keep(self, seen: Seen) -> None:
        by_topic: dict[str, int] = {}
        for lag in seen.lags:
            by_topic[lag.at.topic] = by_topic.get(lag.at.topic, 0) + (lag.records or 0)
        with self._lock:
            self._kept.append(Moment(at=seen.at, records=seen.records, applied=seen.applied, by_topic=by_topic))
