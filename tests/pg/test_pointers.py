"""Letters that point to their records are looked at in bounded pieces, and never wait for a batch."""

import psycopg
import pytest
from structlog.testing import capture_logs

from consumer.background.expiry import Expiry
from consumer.core.records import RecordRef, TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.logs import KafkaLogs
from consumer.edges.postgres.pointers import PostgresPointers
from consumer.ports.facts import Fact, Failed
from consumer.ports.letters import Reach
from tests.pg.conftest import Pools

_LETTER = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy
) VALUES (%s, %s, %s, %s, 'dead', 'record.check', 'persistent', 't', 't', 'd', 'r')
"""
A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


@pytest.fixture
def pointers(pools: Pools, session: psycopg.Connection, group: str) -> PostgresPointers:
    """Two letters in each of three partitions."""
    for at in (B0, A1, A0):
        for offset in (5, 6):
            session.execute(_LETTER, (group, *at, offset))
    return PostgresPointers(pools(), group)


def test_partitions_come_in_pieces(pointers: PostgresPointers) -> None:
    """Each piece begins behind the last."""
    assert pointers.partitions(None, 2) == [A0, A1]
    assert pointers.partitions(A1, 2) == [B0]
    assert pointers.partitions(B0, 2) == []


def test_letters_come_in_pieces(pointers: PostgresPointers) -> None:
    """What was said is not said again, but that a record which was leaving is gone."""
    reaches = {A0: Reach(start=6, leaving=9), A1: Reach(start=0, leaving=6), B0: Reach(start=0)}
    found = [part for _ in range(3) for part in pointers.part(reaches, 2)]
    assert {(part.origin, part.gone) for part in found} == {
        (RecordRef(A0, 5), True), (RecordRef(A0, 6), False), (RecordRef(A1, 5), False)
    }  # fmt: skip
    assert len(found) == 3
    assert [(part.origin, part.gone) for part in pointers.part({A1: Reach(start=6)}, 2)] == [(RecordRef(A1, 5), True)]


def test_a_letter_that_a_batch_has_locked_comes_later(
    pointers: PostgresPointers, server: str, session: psycopg.Connection, group: str
) -> None:
    """Looking waits for nobody, and nobody is kept waiting for what it waits for."""
    with psycopg.connect(server) as other:
        other.execute("SELECT FROM headrace.letters WHERE group_name = %s FOR UPDATE", (group,))
        assert pointers.part({A0: Reach(start=9)}, 9) == []
    assert len(pointers.part({A0: Reach(start=9)}, 9)) == 2


def test_servers_that_are_away_are_asked_again_later(pointers: PostgresPointers) -> None:
    """It is said once, told each time, and the thread that looks goes on."""
    # a port that nobody can listen on
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1", group="g", topics=(), request_timeout=1)
    expiry = Expiry(pointers, KafkaLogs(nowhere), 24, first=0.0, again=0.0)
    told: list[Fact] = []
    expiry.tell = told.append
    with capture_logs() as lines:
        assert [expiry.turn(), expiry.turn()] == [True, True]
    assert [line["event"] for line in lines if "looked" in line["event"]] == ["letters' records not looked at"]
    assert [fact.failure.kind for fact in told if isinstance(fact, Failed)] == ["kafka.away"] * 2
