"""What is told of the group by a look at it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from consumer.core.connectors import Connector, Task
from consumer.core.lag import Going, Lag
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.ports.outlook import Fresh, Judged, Sight, Stored
from consumer.telemetry import metrics
from consumer.telemetry.gauging import Sample
from consumer.telemetry.grouping import GroupSamples, connector_samples
from consumer.telemetry.labels import OTHER, Bounded


def lag(topic: str, partition: int, seconds: float | None, going: Going = Going.BEHIND) -> Judged:
    """Of a partition, as a look found it."""
    at = TopicPartition(topic, partition)
    trend = Trend.PAUSED if going is Going.PAUSED else Trend.BEHIND
    return Judged(Lag(at=at, tables=(), position=0, end=9, records=9, seconds=seconds, going=going), trend)


def told(
    partitions: Iterable[Judged], topics: int = 9, read: str = "abc", tables: Sequence[Fresh] = ()
) -> list[Sample]:
    """What is told of a look; `read`: the topics that the group is to read."""
    group = GroupSamples(
        group="g",
        topics=Bounded(topics),
        tables=Bounded(9),
        partitions=1,
        kafka_names=False,
        reads=lambda topic: topic in read,
    )
    stored = Stored(tables=tables)
    return list(group.of(Sight(at=datetime.now(UTC), partitions=list(partitions), heartbeat=None, stored=stored)))


def waits(partitions: Iterable[Judged], topics: int = 9) -> dict[str, float]:
    """How long the oldest record of each topic has waited, as it is told."""
    return {sample.labels[0]: sample.value for sample in told(partitions, topics) if sample.metric is metrics.TOPIC_LAG}


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


def test_a_topic_that_is_read_no_more_is_told_nothing_of() -> None:
    """Nor is its table, unless another topic that is read goes there too."""
    now = datetime.now(UTC)
    partitions = [
        Judged(replace(lag(topic, 0, 900.0).lag, tables=tables), Trend.STALLED)
        for topic, tables in (("a", ["t1"]), ("b", ["t1", "t2"]))
    ]
    tables = [Fresh(table=name, complete_to=now, newest_change=now, records=9) for name in ("t1", "t2")]

    def labels(read: str) -> set[str]:
        return {label for sample in told(partitions, read=read, tables=tables) for label in sample.labels}

    assert {"a", "b", "t1", "t2"} <= labels(read="ab")
    assert labels(read="a") & {"a", "b", "t1", "t2"} == {"a", "t1"}


def test_a_connector_that_failed_without_tasks_is_told_of() -> None:
    """Its own state is; one that is not known is told as another."""
    connectors = [
        Connector(name="shop", kind="source", state="FAILED"),
        Connector(name="till", kind="source", state="NEW ONE", tasks=(Task(id=0, state="RUNNING"),)),
    ]
    assert list(connector_samples(connectors, True, {"shop.a"}.__contains__)) == [
        Sample(metrics.CONNECT_ANSWERED, 1),
        Sample(metrics.CONNECTOR, 1, ("shop", "failed")),
        Sample(metrics.CONNECTOR, 1, ("till", OTHER)),
        Sample(metrics.TASKS, 1, ("till", "running")),
    ]


def test_connectors_of_others_are_told_nothing_of_and_take_no_room() -> None:
    """Kafka Connect may be shared: an alert for theirs would be no concern of ours, nor hide one for ours."""
    found = [
        *(
            Connector(name=f"a{number}", kind=kind, state="FAILED", topics=frozenset({topic}))
            for number, (kind, topic) in enumerate([("source", "web.clicks"), ("sink", "shop.a")] * 100)
        ),
        Connector(name="shop", kind="source", state="FAILED", topics=frozenset({"shop.a", "shop.z"})),
    ]
    told = list(connector_samples(found, True, {"shop.a"}.__contains__))
    assert told == [Sample(metrics.CONNECT_ANSWERED, 1), Sample(metrics.CONNECTOR, 1, ("shop", "failed"))]


def test_whether_kafka_connect_answered_is_told() -> None:
    """Without an answer its connectors are not known."""
    assert list(connector_samples((), False, set().__contains__)) == [Sample(metrics.CONNECT_ANSWERED, 0)]
