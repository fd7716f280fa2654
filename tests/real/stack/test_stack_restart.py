"""What was written before an end, orderly or sudden, is there after the next start."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import httpx
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.stack.options import KAFKA, REGISTRY, SOURCE, TARGET
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until

Fresh = Callable[..., Stack]

_SCHEMA = '{"type":"record","name":"Kept","fields":[{"name":"id","type":"long"}]}'


def _register(stack: Stack, subject: str) -> int:
    url = f"{stack.endpoints.registry_url}/subjects/{subject}/versions"
    return int(httpx.post(url, json={"schema": _SCHEMA}).raise_for_status().json()["id"])


def _schema(stack: Stack, schema_id: int) -> str:
    answer = httpx.get(f"{stack.endpoints.registry_url}/schemas/ids/{schema_id}").raise_for_status()
    return str(answer.json()["schema"])


def _produce(stack: Stack, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": stack.endpoints.kafka, "log_level": 0})
    producer.produce("kept", value)
    assert producer.flush(20) == 0


def _read(stack: Stack) -> bytes:
    consumer = Consumer({"bootstrap.servers": stack.endpoints.kafka, "group.id": "kept", "log_level": 0})
    consumer.assign([TopicPartition("kept", 0, 0)])
    found: list[bytes] = []

    def arrived() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            value = message.value()
            assert isinstance(value, bytes)
            found.append(value)
        return bool(found)

    try:
        assert wait_until(arrived, 120)
    finally:
        consumer.close()
    return found[0]


def _write_row(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS id")


def _rows(dsn: str) -> list[tuple[int, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT id FROM kept").fetchall()


def test_a_stack_opened_again_has_its_records_schemas_rows_and_addresses(fresh_stack: Fresh) -> None:
    """A record written before the restart is decoded by its id after it, and new ids do not repeat old ones."""
    parts = frozenset({SOURCE, TARGET, KAFKA, REGISTRY})
    with fresh_stack(parts) as first:
        before = first.endpoints
        kept_id = _register(first, "kept-value")
        _produce(first, b"\0" + kept_id.to_bytes(4, "big") + b"\x0e")
        _write_row(before.source_dsn)
        _write_row(before.target_dsn)

    with fresh_stack(parts) as second:
        assert second.endpoints == before
        record = _read(second)
        assert _schema(second, int.from_bytes(record[1:5], "big")) == _SCHEMA
        other = httpx.post(f"{before.registry_url}/subjects/other/versions", json={"schema": '"long"'}).json()["id"]
        assert other != kept_id
        assert [_rows(before.source_dsn), _rows(before.target_dsn)] == [[(1,)], [(1,)]]


def test_a_killed_registry_keeps_its_ids(fresh_stack: Fresh) -> None:
    """The ids that were answered survive kill -9."""
    stack = fresh_stack(frozenset({REGISTRY}))
    kept_id = _register(stack, "kept-value")
    stack.kill(REGISTRY)
    assert not stack.alive(REGISTRY)
    stack.start_part(REGISTRY)
    assert _schema(stack, kept_id) == _SCHEMA


def test_a_killed_kafka_keeps_its_records_and_its_address(fresh_stack: Fresh) -> None:
    """kill -9 of the broker loses nothing that was acknowledged."""
    stack = fresh_stack(frozenset({KAFKA}))
    _produce(stack, b"kept")
    address = stack.endpoints.kafka
    stack.kill(KAFKA)
    stack.start_part(KAFKA)
    assert (stack.endpoints.kafka, _read(stack)) == (address, b"kept")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT, signal.SIGTERM])
def test_a_killed_target_keeps_what_was_committed(fresh_stack: Fresh, number: signal.Signals) -> None:
    """However PostgreSQL ends, all of its processes are gone at once and its rows are there after a start."""
    stack = fresh_stack(frozenset({TARGET}))
    dsn = stack.endpoints.target_dsn
    _write_row(dsn)
    stack.kill(TARGET, number)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
    stack.start_part(TARGET)
    assert _rows(dsn) == [(1,)]


def test_a_paused_target_answers_nothing_until_it_is_resumed(fresh_stack: Fresh) -> None:
    """A frozen server holds its connections open: a query waits, and is answered after the thaw."""
    stack = fresh_stack(frozenset({TARGET}))
    with psycopg.connect(stack.endpoints.target_dsn, autocommit=True) as connection, ThreadPoolExecutor(1) as pool:
        stack.pause(TARGET)
        answer = pool.submit(lambda: connection.execute("SELECT 1").fetchone())
        assert not wait([answer], timeout=0.5).done
        stack.resume(TARGET)
        assert answer.result(60) == (1,)


def test_a_restarted_part_keeps_its_port(fresh_stack: Fresh) -> None:
    """An orderly restart of one part changes its process and nothing else."""
    stack = fresh_stack(frozenset({TARGET}))
    before, pid = stack.endpoints, stack.pid(TARGET)
    stack.restart(TARGET)
    assert stack.endpoints == before
    assert stack.pid(TARGET) != pid
