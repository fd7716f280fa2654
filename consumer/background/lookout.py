"""Looks at how far a group is, every few seconds, from one of its processes: lag is known also while workers are down.

One process does it, so that sums are right: the worker that has lived longest, or the admin process while none lives.
Whose looks do not come to their end tells of the last one for a minute more, and when that was for as long as it lasts.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import structlog

from consumer.background.cadence import Failing
from consumer.core.failure import HeadraceError
from consumer.core.lag import Lag, lags
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.inspection.lagging import Lately, aged, ends_of, explained
from consumer.ports.control import Worker
from consumer.ports.facts import Tell, untold
from consumer.ports.outlook import Heartbeat, Judged, Outlook, Sight
from consumer.ports.topics import Ages, LogAges, LogEnds

log = structlog.get_logger("headrace.lookout")

STAYS = 60.0
"""Seconds for which a process tells what it saw though it has not seen more since: by then another one may tell, or it
is not so any more. Where looks are further apart it is as long as two of them take."""

# offsets in front of a log's end among which the last heartbeat is: the end may be marks of transactions
_MARKS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom it asks. `workers`: those of the group, as they report themselves. `heartbeats`: the source's topic of them,
    empty where there is none. `lane`: the topics of letters that come back, whose logs are no lag.
    """

    outlook: Outlook
    workers: Callable[[], Sequence[Worker]]
    offsets: LogEnds
    ages: LogAges
    lane: Callable[[str], bool]
    heartbeats: str = ""


class Lookout:
    """`turn` is called in a loop by one thread. `me`: the worker that looks; None where it is none of the group."""

    def __init__(
        self, sources: Sources, me: str | None, every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._outlook = sources.outlook
        self._workers = sources.workers
        self._offsets = sources.offsets
        self._log_ages = sources.ages
        self._ages = KnownAges(sources.ages)
        self._lane = sources.lane
        self._beating = frozenset({sources.heartbeats} - {""})
        # the last one, and where its log ended when it was read
        self._heartbeat: Heartbeat | None = None
        self._heard_to = 0
        self._me = me
        self._every = every
        self._next_look = 0.0
        self._looking: Iterator[None] | None = None
        self._lately = Lately(clock)
        self._failing = Failing(log, "lag is not known")
        self._idle = threading.Event()
        self._seen: Sight | None = None
        self._seen_at = 0.0
        # told of what fails; set by whoever watches
        self.tell: Tell = untold

    @property
    def seen(self) -> Sight | None:
        """The last look; None while another process looks, and where it is too long ago. For any thread."""
        return self._seen if self._clock() - self._seen_at <= max(STAYS, 2 * self._every) else None

    @property
    def looked(self) -> datetime | None:
        """When the last look was, however long ago; None while another process looks. For any thread."""
        seen = self._seen
        return seen.at if seen else None

    def turn(self, timeout: float) -> None:
        """Take the next step of a look, or begin one if it is time to; else wait."""
        if self._looking is None:
            if self._clock() < self._next_look:
                self._idle.wait(timeout)
                return
            self._next_look = self._clock() + self._every
            self._looking = self._look()
        try:
            next(self._looking)
        except StopIteration:
            self._looking = None
            self._failing.over()
        except HeadraceError as error:
            # what was seen before stays, with its time
            self._looking = None
            self._failing.failed(error, self.tell)

    def _look(self) -> Iterator[None]:
        """A look, step by step: no turn waits for more than one server, so that the loop is seen to turn."""
        if self._outlook.teller() != self._me:
            self._seen = None
            return
        at, places = self._outlook.places()
        workers = self._workers()
        yield
        asked = time.time()
        log = ends_of(self._offsets, places, self._lane)
        self._ages.looked(asked, {place.at: place.position for place in places}, log.ends)
        yield
        log = aged(log, self._ages, places)
        judged = self._judged(explained(lags(places, log, (), time.time()), workers), workers)
        yield
        heartbeat = self._heard() if self._beating else None
        yield
        self._outlook.keep(at, judged, heartbeat)
        stored = self._outlook.stored()
        # also where its topic tells nothing now, and where another process heard it
        known = stored.heartbeat if stored.heartbeat and stored.heartbeat.topic in self._beating else None
        self._seen = Sight(at=at, partitions=judged, heartbeat=known, stored=stored)
        self._seen_at = self._clock()

    def _judged(self, found: Sequence[Lag], workers: Sequence[Worker]) -> list[Judged]:
        """At a first look what is behind is taken for behind; of the lane it is told what stands."""
        trends = self._lately.trends(found, workers)
        return [Judged(lag, trends.get(lag.at, Trend.BEHIND if lag.records else Trend.OK)) for lag in found]

    def _heard(self) -> Heartbeat | None:
        """Since when the newest heartbeat that was read lies in its topic, which has one partition; None where that
        tells nothing.
        """
        (topic,) = self._beating
        at = TopicPartition(topic, 0)
        end = self._offsets.known_ends([at]).get(at, 0)
        if not end:
            return None
        if end != self._heard_to:
            appended = self._log_ages.newest(at, max(0, end - _MARKS))
            if appended is not None:
                self._heartbeat, self._heard_to = Heartbeat(topic, appended), end
        return self._heartbeat


class KnownAges:
    """Asks for the ages of records that it was not asked for before, some at a time.

    A broker sends more than one record for each, and of a position that does not move it is known already.
    """

    # partitions that are read of at a time
    MOST = 100
    # looks that are kept of a partition; of more, half as many over the same time
    LOOKS = 64

    def __init__(self, ages: Ages) -> None:
        self._ages = ages
        # the record that was read last of a partition, and in which turn it was asked for
        self._known: dict[TopicPartition, _Record] = {}
        self._asked: dict[TopicPartition, int] = {}
        self._turn = 0
        self._looks: dict[TopicPartition, list[_Look]] = {}

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        """Since when the records lie there; of a partition that was not asked for now, since when at the earliest."""
        self._turn += 1
        known = self._known
        new = [at for at, offset in positions.items() if at not in known or known[at].offset != offset]
        # in turns: what was asked for longest ago comes first
        new.sort(key=lambda at: self._asked.get(at, 0))
        asked = {at: positions[at] for at in new[: self.MOST]}
        self._asked |= dict.fromkeys(asked, self._turn)
        known |= {at: _Record(asked[at], moment) for at, moment in self._ages.appended(asked).items()}
        since = {at: self._since(at, offset) for at, offset in positions.items()}
        return {at: moment for at, moment in since.items() if moment is not None}

    def looked(
        self, moment: float, positions: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
    ) -> None:
        """Logs reached so far at that moment (seconds since 1970), or farther."""
        self._looks = {at: self._then(at, _Look(end, moment), positions[at]) for at, end in ends.items()}

    def _since(self, at: TopicPartition, position: int) -> float | None:
        """What is at the position came behind each look that did not see it, and behind each record in front of it."""
        record = self._known.get(at)
        if record is not None and record.offset == position:
            return record.appended
        bounds = [look.moment for look in self._looks.get(at, ()) if look.end <= position]
        if record is not None and record.offset < position:
            bounds.append(record.appended)
        return max(bounds, default=None)

    def _then(self, at: TopicPartition, look: "_Look", position: int) -> list["_Look"]:
        """The looks at a log, with the newest: the last one behind which the position is, and those beyond it."""
        looks = self._looks.get(at, [])
        if looks and look.end < looks[-1].end:
            # it is another log, or was cut
            self._known.pop(at, None)
            looks = []
        looks = [*looks, look]
        passed = sum(one.end <= position for one in looks)
        looks = looks[max(0, passed - 1) :]
        return looks if len(looks) <= self.LOOKS else _thinned(looks, self.LOOKS // 2)


def _thinned(looks: Sequence["_Look"], most: int) -> list["_Look"]:
    """The first and the last, and about so many between them, evenly spread over the time."""
    apart = (looks[-1].moment - looks[0].moment) / most
    kept = [looks[0]]
    for look in looks[1:-1]:
        if look.moment - kept[-1].moment >= apart:
            kept.append(look)
    return [*kept, looks[-1]]


class _Record(NamedTuple):
    offset: int
    appended: float


class _Look(NamedTuple):
    end: int
    moment: float
