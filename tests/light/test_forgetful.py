"""A cluster that is silent, slow or gone, and a member that must not stay alone nor be torn from it."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError
from structlog.testing import capture_logs

from consumer.core.failure import Transient
from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.source import KafkaSource
from tests.light.broker import Broker
from tests.light.forgetful import Forgetful

ANEW = "the client is made anew"


class _Assigned:
    """What a member is given."""

    def __init__(self) -> None:
        self.partitions: set[TopicPartition] = set()

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self.partitions |= set(partitions)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.partitions -= set(partitions)

    lost = revoked


@pytest.fixture
def forgetful() -> Iterator[Forgetful]:
    """Names no broker."""
    with closing(Forgetful("t")) as opened:
        yield opened


def test_a_member_that_was_told_of_no_broker_gets_another_client(forgetful: Forgetful) -> None:
    """The first would be alone for ever."""
    broker = Broker()
    broker.create("t")
    settings = KafkaSettings(bootstrap_servers=forgetful.bootstrap, group="g", topics=("t",), request_timeout=3)
    mine = _Assigned()
    with closing(KafkaSource(settings)) as source, capture_logs() as logs:
        source.open(mine)
        assert forgetful.told.wait(10)
        forgetful.becomes(broker.bootstrap)
        _poll(source, lambda: bool(mine.partitions), 120)
        assert mine.partitions == {TopicPartition("t", 0)}
    assert ANEW in [line["event"] for line in logs]


def test_a_member_that_holds_partitions_gets_another_client_too() -> None:
    """What it held is revoked, and is taken again when the cluster is back."""
    broker = Broker()
    broker.create("t")
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("t",), request_timeout=3)
    mine = _Assigned()
    with closing(KafkaSource(settings)) as source, capture_logs() as logs:
        source.open(mine)
        _poll(source, lambda: bool(mine.partitions), 60)
        broker.vanish()
        _poll(source, lambda: ANEW in [line["event"] for line in logs], 60)
        assert not mine.partitions
        _poll(source, lambda: False, 1)
    assert ANEW in [line["event"] for line in logs]


class _Stuck(Consumer):
    """A client that keeps an answer back when it is asked again, as one does whose threads wait for each other."""

    asked = 0

    def list_topics(self, *args: Any, **kwargs: Any) -> Any:
        type(self).asked += 1
        if self.asked == 2:
            threading.Event().wait()
        return super().list_topics(*args, **kwargs)


def test_a_member_whose_client_answers_nothing_any_more_gets_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even that nobody has answered."""
    monkeypatch.setattr("consumer.edges.kafka.member.Consumer", _Stuck)
    monkeypatch.setattr(_Stuck, "asked", 0)
    broker = Broker()
    broker.create("t")
    # what the first one held is free when it has not polled for so long
    client = {"session.timeout.ms": "6000", "max.poll.interval.ms": "6000"}
    settings = KafkaSettings(
        bootstrap_servers=broker.bootstrap, group="g", topics=("t",), request_timeout=3, client=client
    )
    mine = _Assigned()
    with closing(KafkaSource(settings)) as source, capture_logs() as logs:
        source.open(mine)
        _poll(source, lambda: _Stuck.asked > 1, 60)
        _poll(source, lambda: ANEW in [line["event"] for line in logs], 30)
        assert ANEW in [line["event"] for line in logs]
        _poll(source, lambda: bool(mine.partitions), 60)
        assert mine.partitions == source.held() == {TopicPartition("t", 0)}


def test_a_slow_cluster_is_no_silent_one() -> None:
    """Its answers come late, each in time."""
    broker = Broker()
    broker.create("t")
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("t",), request_timeout=6)
    mine = _Assigned()
    with closing(KafkaSource(settings)) as source, capture_logs() as logs:
        source.open(mine)
        _poll(source, lambda: bool(mine.partitions), 60)
        broker.delay(2600)
        _poll(source, lambda: False, 18)
        assert mine.partitions == {TopicPartition("t", 0)}
    assert ANEW not in [line["event"] for line in logs]


def test_a_cluster_that_is_nowhere_keeps_nobody_from_ending() -> None:
    """While it is asked for a sign of life the client polls nothing, so that is not for long."""
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1", group="g", topics=("t",), request_timeout=15)
    longest = 0.0
    with closing(KafkaSource(settings)) as source:
        source.open(_Assigned())
        until = time.monotonic() + 8
        while time.monotonic() < until:
            began = time.monotonic()
            source.poll(100, 0.1)
            longest = max(longest, time.monotonic() - began)
    assert longest < 8


@pytest.mark.parametrize("client", [{}, {"group.instance.id": "one"}, {"partition.assignment.strategy": "range"}])
def test_leaving_a_cluster_that_is_gone_takes_seconds(client: dict[str, str]) -> None:
    """Also with a commit in flight, which the client itself would wait for as long as a session lasts.

    What it finds out behind that is not said.
    """
    broker = Broker()
    broker.create("t", [b"0"])
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=("t",), client=client)
    mine = _Assigned()
    source = KafkaSource(settings)
    source.open(mine)
    _poll(source, lambda: bool(mine.partitions), 60)
    broker.vanish()
    source.commit({TopicPartition("t", 0): 1})
    member = source._member
    assert member is not None
    started = time.monotonic()
    source.close()
    assert time.monotonic() - started < 20
    assert not mine.partitions, "what it had is revoked"
    with capture_logs() as logs:
        member._heed(KafkaError(KafkaError._SSL))
        member._committed(KafkaError(KafkaError._WAIT_COORD), [])
    assert logs == []


def _poll(source: KafkaSource, enough: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not enough() and time.monotonic() < deadline:
        source.poll(1, 0.1)


def test_an_address_that_leads_nowhere_is_named() -> None:
    """Whoever asks learns more than that nobody answered."""
    offsets = KafkaOffsets(
        KafkaSettings(bootstrap_servers="nowhere.invalid:9092", group="g", topics=(), request_timeout=2)
    )
    with pytest.raises(Transient, match=r"resolve 'nowhere\.invalid:9092'") as caught:
        offsets.matching()
    assert caught.value.failure.kind == "kafka.away"
