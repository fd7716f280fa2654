"""What a worker's report writes."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from consumer.core.records import TopicPartition
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.session import SessionSettings
from tests.pg.test_control import REPORT


@pytest.fixture
def board(server: str, group: str) -> Iterator[PostgresBoard]:
    """That of a worker."""
    settings = SessionSettings(dsn=server, worker="many")
    with closing(PostgresBoard(settings, group, "1.2", CircuitBreaker("target"))) as opened:
        yield opened


def test_partitions_are_written_only_when_they_are_others(session: psycopg.Connection, board: PostgresBoard) -> None:
    """Thousands of them are too much for each report."""
    many = frozenset(TopicPartition(f"a topic with a long name {number % 50}", number) for number in range(5000))

    def kept() -> object:
        board.report(replace(REPORT, partitions=many))
        (toast,) = session.execute(
            "SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'headrace.workers'::regclass"
        ).fetchone() or ("",)
        return session.execute(f"SELECT max(chunk_id) FROM {toast}".encode()).fetchone()

    first = kept()
    assert first == kept() == kept()
    many |= {TopicPartition("another", 0)}
    assert kept() != first
