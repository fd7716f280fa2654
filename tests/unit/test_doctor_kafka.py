"""What `headrace doctor` makes of a cluster, its topics, and a group's positions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumer.core.doctor import cluster, group, topics
from consumer.core.doctor.finding import Level
from consumer.core.lag import Place
from consumer.core.letter_topics import misfits
from consumer.core.pausing import Paused, Subject
from consumer.core.records import TopicPartition
from tests.unit.findings import told

AT = TopicPartition("orders", 0)
CLUSTER = cluster.Cluster(brokers=1, controller=True, may_create=True, new_groups=True)


@pytest.mark.parametrize(
    ("seen", "new_groups", "wanted"),
    [
        (CLUSTER, True, {}),
        (replace(CLUSTER, controller=False), False, {"kafka.reachable": "warn"}),
        (replace(CLUSTER, new_groups=False), False, {}),
        (replace(CLUSTER, new_groups=False), True, {"kafka.version": "fail"}),
        (replace(CLUSTER, new_groups=None), True, {}),
    ],
)
def test_clusters(seen: cluster.Cluster, new_groups: bool, wanted: dict[str, str]) -> None:
    """What brokers do not tell is not held against them."""
    assert told(cluster.cluster(seen, new_groups)) == wanted


@pytest.mark.parametrize(("ahead", "wanted"), [(None, {}), (-900.0, {}), (1.0, {}), (30.0, {"kafka.clock": "warn"})])
def test_times_of_records(ahead: float | None, wanted: dict[str, str]) -> None:
    """Old records say nothing of clocks; those of the future do."""
    assert told(cluster.clock(ahead)) == wanted


WEEK = {"retention.ms": "604800000", "cleanup.policy": "delete", "max.message.bytes": "1048588"}
ALL = frozenset({"READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS"})
TOPIC = topics.Topic(name="orders", partitions=3, id="x", replicas=3, in_sync=3, operations=ALL, config=WEEK)


@pytest.mark.parametrize(
    ("wanted_topics", "hidden", "wanted"),
    [
        ({"orders": ["orders"], "^o.*": ["orders"]}, (), {}),
        ({"orders": []}, (), {"topics.there": "fail"}),
        ({"^o.*": []}, (), {"topics.there": "warn"}),
        ({"orders": []}, ("orders",), {"topics.there": "fail"}),
    ],
)
def test_topics_that_are_wanted(
    wanted_topics: dict[str, list[str]], hidden: Sequence[str], wanted: dict[str, str]
) -> None:
    """An expression may come to match something yet."""
    assert told(topics.there(wanted_topics, hidden)) == wanted


@pytest.mark.parametrize(
    ("topic", "brokers", "wanted"),
    [
        (TOPIC, 3, {}),
        (replace(TOPIC, operations=None, config={}), 3, {}),
        (replace(TOPIC, operations=frozenset({"DESCRIBE"})), 3, {"topics.readable": "fail"}),
        (replace(TOPIC, operations=frozenset({"READ", "DESCRIBE"})), 3, {"topics.readable": "fail"}),
        (replace(TOPIC, leaderless=(1,)), 3, {"topics.led": "fail"}),
        (replace(TOPIC, config={**WEEK, "retention.ms": "3600000"}), 3, {"topics.kept": "warn"}),
        (replace(TOPIC, config={**WEEK, "retention.ms": "-1"}), 3, {}),
        (replace(TOPIC, config={**WEEK, "retention.bytes": "1000"}), 3, {"topics.kept": "warn"}),
        (replace(TOPIC, config={"cleanup.policy": "compact", "retention.ms": "1000"}), 3, {}),
        (replace(TOPIC, replicas=1, in_sync=1), 3, {"topics.replicated": "warn"}),
        (replace(TOPIC, replicas=1, in_sync=1), 1, {}),
        (replace(TOPIC, in_sync=2), 3, {"topics.replicated": "warn"}),
        (replace(TOPIC, id=""), 3, {"topics.ids": "warn"}),
    ],
)
def test_topics_that_are_read(topic: topics.Topic, brokers: int, wanted: dict[str, str]) -> None:
    """What the cluster does not tell is not held against it."""
    assert told(topics.sources(topics.Sources(topics=[topic], brokers=brokers))) == wanted
    assert told(topics.sources(topics.Sources(topics=[], brokers=brokers))) == {}


DEAD = replace(TOPIC, name="shop.dlq", config={**WEEK, "min.insync.replicas": "2"})


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        (DEAD, {}),
        (replace(DEAD, operations=frozenset({"READ", "DESCRIBE"})), {"letters.writable": "fail"}),
        (replace(DEAD, config={**WEEK, "min.insync.replicas": "4"}), {"letters.writable": "warn"}),
        (replace(DEAD, config={**WEEK, "min.insync.replicas": "4"}, in_sync=2), {"letters.writable": "fail"}),
        (replace(DEAD, in_sync=1), {"letters.writable": "fail"}),
        (replace(DEAD, config={**DEAD.config, "retention.ms": "60000"}), {"letters.kept": "fail"}),
        (replace(DEAD, config={**DEAD.config, "retention.ms": "86400000"}), {"letters.kept": "warn"}),
        (replace(DEAD, config={**DEAD.config, "cleanup.policy": "compact,delete"}), {"letters.kept": "fail"}),
        (replace(DEAD, config=WEEK), {"letters.replicated": "warn"}),
        (replace(DEAD, config=WEEK, replicas=1, in_sync=1), {"letters.replicated": "warn"}),
        (replace(DEAD, config={**DEAD.config, "max.message.bytes": "1000"}), {"letters.size": "warn"}),
    ],
)
def test_topics_of_letters(topic: topics.Topic, wanted: dict[str, str]) -> None:
    """They keep letters, and take them."""
    seen = topics.LetterTopics(
        wanted=["shop.dlq"], topics=[topic], brokers=3, retention=604_800, longest_delay=600, largest=1_048_588
    )
    assert told(topics.letters(seen)) == wanted


@pytest.mark.parametrize(("may", "wanted"), [(True, {}), (None, {}), (False, {"letters.there": "warn"})])
def test_topics_of_letters_that_are_not_there(may: bool | None, wanted: dict[str, str]) -> None:
    """They are made when they may be."""
    seen = topics.LetterTopics(wanted=["d"], topics=[], brokers=1, retention=1, longest_delay=1, may_create=may)
    assert told(topics.letters(seen)) == wanted


def test_settings_that_are_not_told_lose_no_letters() -> None:
    """As far as is known."""
    assert misfits(60, {}) == []
    assert [one.hours for one in misfits(7200, {"retention.ms": "3600000", "cleanup.policy": "compact"})] == [1.0, None]


GROUP = group.Group(name="shop", state="STABLE", members=["h1"], committed={AT: 5}, operations=ALL)
PLACE = Place(at=AT, position=5, held=True)
KNOWN = group.Known(workers=["w1"], places=[PLACE])


@pytest.mark.parametrize(
    ("seen", "known", "wanted"),
    [
        (GROUP, KNOWN, {}),
        (GROUP, None, {}),
        (replace(GROUP, operations=frozenset({"DESCRIBE"})), KNOWN, {"group.readable": "fail"}),
        (replace(GROUP, state="PREPARING_REBALANCING"), KNOWN, {"group.state": "warn"}),
        (replace(GROUP, members=["h1", "h2"]), KNOWN, {"group.members": "warn"}),
        (replace(GROUP, members=[]), KNOWN, {}),
        (replace(GROUP, committed={AT: 4}), KNOWN, {}),
        (replace(GROUP, committed={AT: 6}), KNOWN, {"group.committed": "warn"}),
        (GROUP, replace(KNOWN, places=[]), {"group.committed": "warn"}),
        (replace(GROUP, committed={}), replace(KNOWN, places=[]), {}),
    ],
)
def test_groups(seen: group.Group, known: group.Known | None, wanted: dict[str, str]) -> None:
    """Others in it, and offsets of others."""
    assert told(group.group(seen, known, "earliest")) == wanted


PAUSED = Paused(of=Subject(table="t"), actor="ada", reason="r", since=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("place", "logs", "wanted"),
    [
        (PLACE, group.Logs(known=[AT], starts={AT: 5}, ends={AT: 5}), {}),
        # its partition has no leader, which is said of its topic
        (PLACE, group.Logs(known=[AT]), {}),
        (PLACE, group.Logs(), {"group.positions": "warn"}),
        (PLACE, group.Logs(lane=("orders",)), {}),
        (PLACE, group.Logs(known=[AT], starts={AT: 6}, ends={AT: 9}), {"group.positions": "fail"}),
        (PLACE, group.Logs(known=[AT], starts={AT: 6}, lane=("orders",)), {}),
        (PLACE, group.Logs(known=[AT], starts={AT: 0}, ends={AT: 4}), {"group.positions": "fail"}),
        (PLACE, group.Logs(known=[AT], ids={"orders": "b"}, stored_ids={AT: "a"}), {"group.positions": "fail"}),
        (PLACE, group.Logs(known=[AT], ids={"orders": "b"}), {}),
        (replace(PLACE, stopped={"kind": "table.missing", "detail": "d", "remedy": "r"}), group.Logs(known=[AT]),
         {"group.going": "fail"}),
        (replace(PLACE, paused=PAUSED), group.Logs(known=[AT]), {"group.going": "warn"}),
        # before workers run nobody holds anything
        (replace(PLACE, held=False), group.Logs(known=[AT]), {}),
    ],
)  # fmt: skip
def test_positions(place: Place, logs: group.Logs, wanted: dict[str, str]) -> None:
    """Held against the logs."""
    assert told(group.positions([place], logs)) == wanted


def test_positions_of_partitions_that_kafka_does_not_know_are_told_by_topic() -> None:
    """One line for all of them, however many there were; others of the topic may be there."""
    places = [replace(PLACE, at=TopicPartition("gone", number)) for number in range(64)]
    found = group.positions([PLACE, *places], group.Logs(known=[AT, TopicPartition("gone", 0)]))
    (line,) = [one for one in found if one.level is not Level.OK]
    assert (line.subject, line.level, "63 partitions" in line.detail) == ("gone", Level.WARN, True)
