"""What is told of the group by a look at it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from consumer.core.lag import Going, Lag
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.ports.outlook import Judged, Sight, Stored
from consumer.telemetry import metrics
from consumer.telemetry.grouping import GroupSamples
from consumer.telemetry.labels import OTHER, Bounded


def lag(topic: str, partition: int, seconds: float | None, going: Going = Going.BEHIND) -> Judged:
    """Of a partition, as a look found it."""
    at = TopicPartition(topic, partition)
    trend = Trend.PAUSED if going is Going.PAUSED else Trend.BEHIND
    return Judged(Lag(at=at, tables=(), position=0, end=9, records=9, seconds=seconds, going=going), trend)


def waits(partitions: Iterable[Judged], topics: int = 9) -> dict[str, float]:
    """How long the oldest record of each topic has waited, as it is told."""
    group = GroupSamples(group="g", topics=Bounded(topics), tables=Bounded(9), partitions=1, kafka_names=False)
    sight = Sight(at=datetime.now(UTC), partitions=list(partitions), heartbeat=None, stored=Stored())
    return {sample.labels[0]: sample.value for sample in group.of(sight) if sample.metric is metrics.TOPIC_LAG}


def test_what_a_person_paused_counts_for_no_wait_and_hides_none() -> None:
    """Of other partitions of its topic it is told as before, however many have series of their own."""
    assert waits([lag("a", 0, 900.0, Going.PAUSED), lag("a", 1, 400.0), lag("a", 2, 20.0)]) == {"a": 400.0}
    assert waits([lag("a", 0, 900.0, Going.PAUSED), lag("a", 1, None)]) == {}


def test_topics_beyond_the_bound_are_told_as_one() -> None:
    """By the oldest record of any of them."""
    assert waits([lag(name, 0, seconds) for name, seconds in (("a", 1.0), ("b", 7.0), ("c", 3.0))], topics=1) == {
        "a": 1.0,
        OTHER: 7.0,
    }
