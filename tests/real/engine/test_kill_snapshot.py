"""SIGKILL while the rows of a real Debezium snapshot are applied, and while their table is made."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import Endpoints

from .feed import fresh_name
from .replay import Replay
from .wire import BATCH_COMMIT, COPY_DATA, Proxy
from .witness import Target
from .worker import Job, Workers, eventually

_ROWS = 400
_PARTITIONS = 3
_TABLES = ("once", "made")
_POINTS = {
    "table not made": ("before", "^CREATE TABLE", 0),
    "table made": ("after", "^CREATE TABLE", 0),
    "in COPY": ("before", COPY_DATA, 3),
    "rows inserted": ("after", r'^SAVEPOINT plain; INSERT INTO "public"(?!.*ON CONFLICT)', 2),
    "COMMIT not sent": ("before", BATCH_COMMIT, 3),
    "COMMIT not answered": ("after", BATCH_COMMIT, 3),
}


@pytest.fixture(scope="module")
def prefix(at: Endpoints) -> Iterator[str]:
    """Two source tables, one of which the target has to be given, in a database of their own; a connector on both."""
    word = fresh_name("snap")
    with psycopg.connect(at.source_dsn, autocommit=True) as source:
        for table in _TABLES:
            name = sql.Identifier(table)
            source.execute(
                sql.SQL("CREATE TABLE {} (id bigint PRIMARY KEY, label text, amount int NOT NULL)").format(name)
            )
            source.execute(
                sql.SQL("INSERT INTO {} SELECT n, 'row ' || n, mod(n, 7) FROM generate_series(1, %s) n").format(name),
                [_ROWS],
            )
    extra = {"topic.creation.default.partitions": str(_PARTITIONS)}
    tables = tuple(f"public.{table}" for table in _TABLES)
    register_debezium(at.connect_url, at.source_dsn, word, Capture(topic_prefix=word, tables=tables, extra=extra))
    yield word
    remove_debezium(at.connect_url, at.source_dsn, word)
    with psycopg.connect(at.source_dsn, autocommit=True) as source:
        source.execute("DROP TABLE once, made")


@pytest.fixture(scope="module")
def truths(at: Endpoints, prefix: str) -> tuple[Replay, ...]:
    """What the topics hold when the snapshot is complete."""

    def whole() -> bool:
        found.clear()
        found.extend(Replay(at, table, f"{prefix}.public.{table}", _PARTITIONS) for table in _TABLES)
        return all(len(truth.changes) == _ROWS for truth in found)

    found: list[Replay] = []
    eventually(whole, "the snapshot is complete")
    assert {change.op for truth in found for change in truth.changes} == {"r"}
    return tuple(found)


@pytest.mark.parametrize("point", _POINTS)
def test_killed_while_snapshot_rows_are_applied(
    at: Endpoints, truths: tuple[Replay, ...], target: Target, proxy: Proxy, workers: Workers, point: str
) -> None:
    """The successor applies the rest; each row is inserted exactly once."""
    side, pattern, skip = _POINTS[point]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, skip)
    topics = tuple(truth.topic for truth in truths)
    client = {"group.instance.id": "one"}
    job = Job(at=at, dsn=proxy.dsn, group=fresh_name("snapshot"), topics=topics, client=client)
    victim = workers.run(job)
    hold.wait()
    victim.kill()
    hold.discard()
    workers.until_current(job)
    assert len(target.rows("once")) == len(target.rows("made")) == _ROWS
    target.must_equal(job.group, *truths)
