"""The whole stack does what it is for: a row of the source becomes a framed Avro record."""

import io
import json
from collections.abc import Iterator

import fastavro
import httpx
import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Message

from consumer.core.failure import Persistent
from consumer.stack.connectors import Capture, connector_status, register_debezium, remove_debezium
from consumer.stack.options import Endpoints, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until


def _first_record(bootstrap: str, topic: str) -> Message:
    settings = {"bootstrap.servers": bootstrap, "group.id": f"test-{topic}", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings | {"topic.metadata.refresh.interval.ms": 200, "log_level": 0})
    found: list[Message] = []

    def arrived() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
        return bool(found)

    consumer.subscribe([topic])
    try:
        assert wait_until(arrived, 120), f"nothing arrived in {topic}"
    finally:
        consumer.close()
    return found[0]


def _decode(registry_url: str, data: bytes) -> dict[str, object]:
    schema_id = int.from_bytes(data[1:5], "big")
    answer = httpx.get(f"{registry_url}/schemas/ids/{schema_id}")
    schema = fastavro.parse_schema(json.loads(answer.json()["schema"]))
    decoded = fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None)
    assert isinstance(decoded, dict)
    return decoded


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose Connect may write exactly once."""
    options = StackOptions(exactly_once_source=True)
    with Stack.open(tmp_path_factory.mktemp("exact"), options=options, progress=Terminal(quiet_steps=True)) as opened:
        yield opened


def _slots(source: psycopg.Connection) -> int:
    found = source.execute("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'headrace_stack_first%'")
    return int(found.fetchall()[0][0])


def test_a_row_of_the_source_becomes_a_framed_avro_record(at: Endpoints) -> None:
    """Debezium, converter, registry and Kafka work together, with Confluent framing and ids."""
    with psycopg.connect(at.source_dsn, autocommit=True) as source:
        source.execute("CREATE TABLE stack_first (id int PRIMARY KEY, name text)")
        source.execute("INSERT INTO stack_first VALUES (7, 'seven')")
    capture = Capture(topic_prefix="stack", tables=("public.stack_first",))
    assert register_debezium(at.connect_url, at.source_dsn, "stack-first", capture).running

    record = _first_record(at.kafka, "stack.public.stack_first")

    value, key = record.value(), record.key()
    assert isinstance(value, bytes)
    assert isinstance(key, bytes)
    assert (value[0], key[0]) == (0, 0)
    assert _decode(at.registry_url, key) == {"id": 7}
    assert _decode(at.registry_url, value)["after"] == {"id": 7, "name": "seven"}
    with psycopg.connect(at.source_dsn, autocommit=True) as source:
        assert _slots(source) == 1
        remove_debezium(at.connect_url, at.source_dsn, "stack-first")
        assert connector_status(at.connect_url, "stack-first") is None
        assert _slots(source) == 0


def test_an_exactly_once_worker_streams_in_transactions(exact: Stack) -> None:
    """With exactly-once source support on, a reader of committed records gets the row."""
    where = exact.endpoints
    with psycopg.connect(where.source_dsn, autocommit=True) as source:
        source.execute("CREATE TABLE once AS SELECT 1 AS id")
    extra = {"exactly.once.support": "required"}
    capture = Capture(topic_prefix="stack", tables=("public.once",), extra=extra)
    register_debezium(where.connect_url, where.source_dsn, "once", capture)
    value = _first_record(where.kafka, "stack.public.once").value()
    assert isinstance(value, bytes)
    assert _decode(where.registry_url, value)["after"] == {"id": 1}


def test_a_connector_that_cannot_work_tells_why(at: Endpoints) -> None:
    """Connect's own words are in the failure."""
    wrong = Capture(topic_prefix="wrong", tables=("public.a",), extra={"database.password": "wrong"})
    with pytest.raises(Persistent, match="password authentication failed"):
        register_debezium(at.connect_url, at.source_dsn, "stack-wrong", wrong)


def test_every_part_listens_on_loopback_only(exact: Stack) -> None:
    """Nothing of the stack can be reached from another machine."""
    listening = {
        name: {each.laddr.ip for each in psutil.Process(exact.pid(name)).net_connections() if each.status == "LISTEN"}
        for name in exact.parts
    }
    assert all(addresses and addresses <= {"127.0.0.1", "::1"} for addresses in listening.values()), listening
