"""How the group is, from the last look at it."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from consumer.core.connectors import Connector
from consumer.core.lag import Going, Lag
from consumer.core.trend import Trend
from consumer.ports.outlook import Compared, Fresh, Judged, Letters, Sight
from consumer.telemetry import metrics
from consumer.telemetry.gauging import Sample
from consumer.telemetry.labels import OTHER, Bounded

# connectors that are named
_CONNECTORS = 100
# as Kafka Connect says them, of connectors and tasks
_STATES = frozenset({"RUNNING", "FAILED", "PAUSED", "STOPPED", "UNASSIGNED", "RESTARTING"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSamples:
    """Turns looks into samples.

    `partitions`: most that have series of their own. `kafka_names`: also by the names of other tools. `reads`: whether
    the group is to read a topic; how far others are is nobody's concern, though their positions stay.
    """

    group: str
    topics: Bounded
    tables: Bounded
    partitions: int
    kafka_names: bool
    reads: Callable[[str], bool]

    def of(self, sight: Sight | None) -> Iterator[Sample]:
        """Those of a look; none without one."""
        if sight is None:
            return
        topics = {topic for topic in {one.lag.at.topic for one in sight.partitions} if self.reads(topic)}
        read = [one for one in sight.partitions if one.lag.at.topic in topics]
        yield from self._lags([one.lag for one in read])
        yield from self._trends(read)
        yield from _letters(sight.stored.letters)
        left = _tables(sight.partitions) - _tables(read)
        yield from self._fresh([table for table in sight.stored.tables if table.table not in left])
        yield from self._compared([table for table in sight.stored.compared if table.table not in left])
        changes = [table.newest_change for table in sight.stored.tables if table.newest_change is not None]
        if changes:
            yield Sample(metrics.DATA, max(changes).timestamp())
        if sight.heartbeat is not None:
            yield Sample(metrics.HEARTBEAT, sight.heartbeat.appended)
        for relation, size in sight.stored.sizes.items():
            yield Sample(metrics.CONTROL_BYTES, size, (relation,))

    def _fresh(self, found: Iterable[Fresh]) -> Iterator[Sample]:
        """Tables without a name of their own are one, of all their records and as complete as the least of them."""
        records: Counter[str] = Counter()
        complete: dict[str, float] = {}
        for table in found:
            name = self.tables(table.table)
            if table.records is not None:
                records[name] += table.records
            if table.complete_to is not None:
                complete[name] = min(table.complete_to.timestamp(), complete.get(name, math.inf))
        yield from (Sample(metrics.TABLE_RECORDS, many, (name,)) for name, many in records.items())
        yield from (Sample(metrics.TABLE_COMPLETE, at, (name,)) for name, at in complete.items())

    def _compared(self, found: Sequence[Compared]) -> Iterator[Sample]:
        """Likewise."""
        compared: dict[str, float] = {}
        rows: Counter[tuple[str, str]] = Counter()
        for table in found:
            name = self.tables(table.table)
            compared[name] = min(table.at.timestamp(), compared.get(name, math.inf))
            for verdict, many in table.rows.items():
                rows[name, verdict] += many
        yield from (Sample(metrics.COMPARED_AT, at, (name,)) for name, at in compared.items())
        yield from (Sample(metrics.COMPARED_KEYS, many, place) for place, many in rows.items())

    def _lags(self, found: Sequence[Lag]) -> Iterator[Sample]:
        alone, rest = found[: self.partitions], found[self.partitions :]
        for lag in alone:
            place = (lag.at.topic, str(lag.at.partition))
            if lag.records is not None:
                yield Sample(metrics.LAG_RECORDS, lag.records, place)
            if lag.seconds is not None:
                yield Sample(metrics.LAG_SECONDS, lag.seconds, place)
        yield from self._oldest(found)
        # of what is not known nothing is told: none would mean that all is applied
        if records := [lag.records for lag in rest if lag.records is not None]:
            yield Sample(metrics.LAG_RECORDS, sum(records), (OTHER, OTHER))
        if seconds := [lag.seconds for lag in rest if lag.seconds is not None]:
            yield Sample(metrics.LAG_SECONDS, max(seconds), (OTHER, OTHER))
        if self.kafka_names:
            yield from self._by_other_names(found)

    def _oldest(self, found: Sequence[Lag]) -> Iterator[Sample]:
        """Of each topic; what a person paused is meant to wait."""
        waits: dict[str, float] = {}
        for lag in found:
            if lag.seconds is not None and lag.going is not Going.PAUSED:
                topic = self.topics(lag.at.topic)
                waits[topic] = max(lag.seconds, waits.get(topic, 0.0))
        for topic, seconds in waits.items():
            yield Sample(metrics.TOPIC_LAG, seconds, (topic,))

    def _by_other_names(self, found: Sequence[Lag]) -> Iterator[Sample]:
        """Sums are of all partitions, whichever have series of their own."""
        sums: Counter[str] = Counter()
        for lag in found:
            if lag.records is not None:
                sums[self.topics(lag.at.topic)] += lag.records
        for lag in found[: self.partitions]:
            place = (self.group, lag.at.topic, str(lag.at.partition))
            yield Sample(metrics.GROUP_OFFSET, lag.position, place)
            if lag.records is not None:
                yield Sample(metrics.GROUP_LAG, lag.records, place)
        for topic, records in sums.items():
            yield Sample(metrics.GROUP_LAG_SUM, records, (self.group, topic))

    def _trends(self, partitions: Sequence[Judged]) -> Iterator[Sample]:
        counts = Counter((self.topics(one.lag.at.topic), one.trend) for one in partitions)
        for topic in sorted({topic for topic, _ in counts}):
            for trend in Trend:
                yield Sample(metrics.LAG_PARTITIONS, counts[topic, trend], (topic, trend))


def looked_samples(at: datetime | None) -> Iterator[Sample]:
    """When the group was last looked at; told on when what was seen then is too old to be told."""
    if at is not None:
        yield Sample(metrics.LOOKED, at.timestamp())


def connector_samples(
    connectors: Sequence[Connector], answered: bool, reads: Callable[[str], bool]
) -> Iterator[Sample]:
    """Connectors that may write what is read, and their tasks, by state; others are nobody's concern here.

    `answered`: whether Kafka Connect told of them.
    """
    yield Sample(metrics.CONNECT_ANSWERED, answered)
    for connector in [one for one in connectors if one.may_write(reads)][:_CONNECTORS]:
        yield Sample(metrics.CONNECTOR, 1, (connector.name, _state(connector.state)))
        for state, count in Counter(_state(task.state) for task in connector.tasks).items():
            yield Sample(metrics.TASKS, count, (connector.name, state))


def _state(said: str) -> str:
    return said.lower() if said in _STATES else OTHER


def _tables(partitions: Iterable[Judged]) -> set[str]:
    return {table for one in partitions for table in one.lag.tables}


def _letters(letters: Letters) -> Iterator[Sample]:
    for state in ("retrying", "held", "dead", "replaying"):
        count, oldest = letters.open.get(state, (0, None))
        yield Sample(metrics.LETTERS_OPEN, count, (state,))
        if oldest is not None:
            yield Sample(metrics.LETTERS_OLDEST, oldest.timestamp(), (state,))
    yield Sample(metrics.LANE_DUE, letters.due)
    yield Sample(metrics.LANE_OVERDUE, letters.overdue)
    yield Sample(metrics.LETTERS_UNPUBLISHED, letters.unpublished)
