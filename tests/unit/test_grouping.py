"""What is told of the group by a look at it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from consumer.core.connectors import Connector, Task
from consumer.core.lag import Going, Lag
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.ports.outlook import Compared, Fresh, Judged, Sight, Stored
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
    partitions: Iterable[Judged], topics: int = 9, read: str = "abc", stored: Stored | None = None, named: int = 9
) -> list[Sample]:
    """What is told of a look; `read`: the topics that the group is to read. `named`: tables, most."""
    group = GroupSamples(
        group="g",
        topics=Bounded(topics),
        tables=Bounded(named),
        partitions=1,
        kafka_names=True,
        reads=lambda topic: topic in read,
    )
    sight = Sight(at=datetime.now(UTC), partitions=list(partitions), heartbeat=None, stored=stored or Stored())
    return list(group.of(sight))


def values(samples: Iterable[Sample], metric: metrics.Metric) -> dict[tuple[str, ...], float]:
    """Those of a metric."""
    return {sample.labels: sample.value for sample in samples if sample.metric is metric}


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


def test_tables_beyond_the_bound_are_told_as_one() -> None:
    """By the least complete of them, and by all of their records and rows that differ: none goes without a word."""
    now = datetime.now(UTC)
    tables = [
        Fresh(table=name, complete_to=now - timedelta(days=days), newest_change=now, records=records)
        for name, days, records in (("a", 9, 1), ("b", 1, 20), ("c", 3, 300))
    ]
    compared = [
        Compared(table=name, at=now - timedelta(hours=hours), rows={"missing": rows, "extra": 0})
        for name, hours, rows in (("a", 9, 1), ("b", 1, 20), ("c", 3, 300))
    ]
    unknown = Fresh(table="d", complete_to=None, newest_change=None, records=None)
    found = told([], stored=Stored(tables=[*tables, unknown], compared=compared), named=1)
    assert values(found, metrics.TABLE_COMPLETE) == {
        ("a",): (now - timedelta(days=9)).timestamp(),
        (OTHER,): (now - timedelta(days=3)).timestamp(),
    }
    assert values(found, metrics.TABLE_RECORDS) == {("a",): 1, (OTHER,): 320}
    assert values(found, metrics.COMPARED_AT) == {
        ("a",): (now - timedelta(hours=9)).timestamp(),
        (OTHER,): (now - timedelta(hours=3)).timestamp(),
    }
    assert values(found, metrics.COMPARED_KEYS) == {
        ("a", "missing"): 1, ("a", "extra"): 0, (OTHER, "missing"): 320, (OTHER, "extra"): 0,
    }  # fmt: skip


def test_sums_are_of_all_partitions_of_a_topic() -> None:
    """Also of those that have no series of their own; whoever scales by them would believe less."""
    found = told([lag("a", 0, 1.0), lag("a", 1, 1.0), lag("a", 2, None), lag("b", 0, 1.0)], topics=1)
    assert values(found, metrics.GROUP_LAG_SUM) == {("g", "a"): 27, ("g", OTHER): 9}


def test_of_partitions_beyond_the_bound_is_told_what_is_known() -> None:
    """Nothing, where nothing is: none would mean that nothing is left to apply."""
    beyond = lag("a", 1, None)
    unknown = Judged(replace(beyond.lag, records=None, end=None), beyond.trend)
    found = told([lag("a", 0, 1.0), unknown])
    assert (OTHER, OTHER) not in values(found, metrics.LAG_RECORDS)
    assert (OTHER, OTHER) not in values(found, metrics.LAG_SECONDS)
    found = told([lag("a", 0, 1.0), unknown, lag("a", 2, 7.0), lag("a", 3, 5.0)])
    assert values(found, metrics.LAG_RECORDS)[OTHER, OTHER] == 18
    assert values(found, metrics.LAG_SECONDS)[OTHER, OTHER] == 7.0


def test_a_topic_that_is_read_no_more_is_told_nothing_of() -> None:
    """Nor is its table, unless another topic that is read goes there too."""
    now = datetime.now(UTC)
    partitions = [
        Judged(replace(lag(topic, 0, 900.0).lag, tables=tables), Trend.STALLED)
        for topic, tables in (("a", ["t1"]), ("b", ["t1", "t2"]))
    ]
    tables = [Fresh(table=name, complete_to=now, newest_change=now, records=9) for name in ("t1", "t2")]
    compared = [Compared(table=name, at=now, rows={"missing": 1}) for name in ("t1", "t2")]

    def labels(read: str) -> set[str]:
        return {
            label
            for sample in told(partitions, read=read, stored=Stored(tables=tables, compared=compared))
            for label in sample.labels
        }

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
