"""Dead letters of other consumers on real servers: Kafka Connect's own, Spring's byte for byte; and kills."""

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from psycopg.conninfo import conninfo_to_dict

from consumer.stack.connectors import delete_connector, register
from consumer.stack.options import CONNECT, KAFKA, REGISTRY, TARGET, Endpoints, StackOptions
from consumer.stack.stack import Stack

from .feed import Feed, create_topic, fresh_name
from .letters import Scene
from .wire import Proxy
from .witness import TEMPLATE, Target, create_database, make_template
from .worker import Job, Process, Workers, eventually

_JDBC = "io.debezium.connector.jdbc.JdbcSinkConnector"
CANARY = "canary-7731"


@pytest.fixture
def scene(at: Endpoints, target: Target, fresh_feed: Callable[..., Feed]) -> Scene:
    """A topic of one partition."""
    return Scene(at, target, fresh_feed("once", 1))


@pytest.fixture
def beside(fresh_stack: Callable[..., Stack]) -> Scene:
    """The same on servers of its own, with a sink connector."""
    parts = frozenset({KAFKA, REGISTRY, CONNECT, TARGET})
    at = fresh_stack(parts, StackOptions(with_jdbc_sink=True)).endpoints
    make_template(at.target_dsn)
    target = Target(create_database(at.target_dsn, fresh_name("engine"), TEMPLATE))
    return Scene(at, target, Feed(at, "once", fresh_name("once"), 1))


@contextmanager
def sink(at: Endpoints, feed: Feed, dead: str) -> Iterator[str]:
    """A connector that takes the topic's values for JSON, and puts what it can't take into its dead-letter topic."""
    name, address = fresh_name("sink"), conninfo_to_dict(at.target_dsn)
    config = {
        "connector.class": _JDBC,
        "tasks.max": "1",
        "topics": feed.topic,
        "connection.url": f"jdbc:postgresql://{address['host']}:{address['port']}/{address['dbname']}",
        "connection.username": str(address["user"]),
        "connection.password": str(address["password"]),
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": dead,
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
        "consumer.override.auto.offset.reset": "earliest",
    }
    try:
        register(at.connect_url, name, config)
        yield name
    finally:
        delete_connector(at.connect_url, name)


def end(at: Endpoints, topic: str) -> int:
    """The offset behind the last record of a topic of one partition."""
    client = Consumer({"bootstrap.servers": at.kafka, "group.id": "looks", "log_level": 0})
    try:
        return int(client.get_watermark_offsets(TopicPartition(topic, 0), 10)[1])
    finally:
        client.close()


def spring(topic: str, offset: int) -> list[tuple[str, bytes]]:
    """The headers of DeadLetterPublishingRecoverer: four bytes for an int, eight for a long, big-endian."""
    return [
        ("kafka_dlt-original-topic", topic.encode()),
        ("kafka_dlt-original-partition", struct.pack(">i", 0)),
        ("kafka_dlt-original-offset", struct.pack(">q", offset)),
        ("kafka_dlt-original-timestamp", struct.pack(">q", 1_764_380_000_123)),
        ("kafka_dlt-original-timestamp-type", b"CREATE_TIME"),
        ("kafka_dlt-original-consumer-group", b"billing"),
        ("kafka_dlt-exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
        ("kafka_dlt-exception-cause-fqcn", b"java.lang.IllegalStateException"),
        ("kafka_dlt-exception-message", CANARY.encode()),
        ("kafka_dlt-exception-stacktrace", f"java.lang.IllegalStateException: {CANARY}".encode()),
    ]


def put(
    at: Endpoints, topic: str, records: Sequence[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]]
) -> None:
    """Write records to a topic of one partition."""
    producer = Producer({"bootstrap.servers": at.kafka, "log_level": 0, "enable.idempotence": True, "linger.ms": 2})
    for key, value, headers in records:
        producer.produce(topic, value, key, 0, headers=headers)
    assert producer.flush(30) == 0


def told(process: Process, code: int = 0) -> Any:
    """What a command wrote as JSON, a line for each row."""
    assert process.finish() == code, process.text()
    return [json.loads(line) for line in process.text().splitlines() if line.startswith("{")]


def test_what_a_connector_could_not_take_is_imported_and_applied(beside: Scene, workers: Workers) -> None:
    """By a group that takes over behind it: what has changed since is superseded, the rest is applied; once each."""
    scene, at, feed, dead = beside, beside.job.at, beside.feed, fresh_name("connect-dlq")
    feed.create(3)
    with sink(at, feed, dead):
        eventually(lambda: _has(at, dead, 3), "the connector has given three records up")
    job = replace(scene.job, initial="latest", sections={"imports": {"topics": [dead]}})
    worker = workers.run(job)
    query = 'SELECT imported, component, operation, code, "offset", kind, detail FROM headrace.letters'
    eventually(lambda: len(scene.target.ask(query)) == 3, "they are letters")
    found = scene.target.ask(query + ' ORDER BY "offset"')
    assert [row[:6] for row in found] == [
        ("connect", "connect", "VALUE_CONVERTER", "DataException", offset, "record.imported") for offset in range(3)
    ]
    assert "org.apache.kafka.connect.errors.DataException" in str(found[0][6])
    eventually(lambda: scene.target.positions(job.group) == {(feed.topic, 0): 3}, "the group begins behind them")
    feed.send("u", 1, "new", 5)
    feed.flush()
    eventually(lambda: scene.target.rows("once") == {1: ("new", 5)}, "later changes are applied")
    scene.replay()
    scene.comes_to("0/0s 0/1a 0/2a")
    assert scene.target.rows("once") == feed.rows()
    assert scene.target.double_writes() == []
    assert scene.target.ask("SELECT topic, next_offset, letters FROM headrace.imports") == [(dead, 3, 3)]
    # the stack traces that the connector wrote stay with the letters
    ((kept,),) = scene.target.ask(
        "SELECT count(*) FROM headrace.letter_bytes WHERE headers::text LIKE '%%stacktrace%%'"
    )
    assert kept == 3
    assert worker.leave() == 0


def _has(at: Endpoints, topic: str, records: int) -> bool:
    client = Consumer({"bootstrap.servers": at.kafka, "group.id": "looks", "log_level": 0})
    try:
        return topic in client.list_topics(timeout=10).topics and end(at, topic) >= records
    finally:
        client.close()


def test_letters_of_a_topic_that_is_not_read_are_looked_at_exported_and_discarded(
    scene: Scene, workers: Workers
) -> None:
    """Sending them again is refused, with what to do instead; what was said there is only in the payload."""
    at, job, dead, elsewhere = scene.job.at, scene.job, fresh_name("spring-dlt"), fresh_name("elsewhere")
    create_topic(at.kafka, dead, 1)
    put(at, dead, [(b"k", b"v", spring(elsewhere, 7)), (b"k", b"\0\1", [("odd", b"\xff\xfe")]), (None, None, [])])

    def dlq(*words: str, code: int = 0) -> Any:
        return told(workers.command(job, "dlq", *words), code)

    json_lines = ("--output", "ndjson")
    workers.until_current(job)
    (looked,) = dlq("import", "--topic", dead, "--dry-run", *json_lines)
    assert (looked["left"], looked["letters"]) == (3, 0)
    (read,) = dlq("import", "--topic", dead, "--reason", "ticket 3", *json_lines)
    assert (read["left"], read["letters"], read["next_offset"]) == (0, 3, 3)
    (again,) = dlq("import", "--topic", dead, "--reason", "ticket 3", *json_lines)
    assert again["letters"] == 3
    listed = dlq("ls", *json_lines)
    assert [(one["topic"], one["offset"], one["imported"]) for one in reversed(listed)] == [
        (elsewhere, 7, "spring"),
        (dead, 1, "unknown"),
        (dead, 2, "unknown"),
    ]
    letter = str(listed[-1]["id"])
    (shown,) = dlq("show", letter, "--payload", *json_lines)
    assert shown["found"] == [dead, 0, 0]
    assert shown["letter"]["detail"] == (
        "the Spring Kafka group billing could not take it (java.lang.IllegalStateException)"
    )
    assert ["kafka_dlt-exception-message", CANARY] in shown["payload"]["headers"]

    refused = workers.command(job, "dlq", "replay", letter, "--reason", "r", "--yes", *json_lines)
    assert refused.finish() == 4, refused.text()
    assert "only if this group reads its topic (kafka.topics)" in refused.text()
    preview = workers.command(job, "replay", "start", "--kind", "record.imported", "--dry-run", "--output", "json")
    assert preview.finish() == 0, preview.text()
    assert '"foreign": 3' in preview.text()
    exported = workers.command(job, "dlq", "export", "--kind", "record.imported")
    assert len(told(exported)) == 3
    assert dlq("discard", letter, "--reason", "put right there", "--yes", *json_lines)[0]["state"] == "discarded"
    texts = scene.target.ask("SELECT l::text FROM headrace.letters l UNION ALL SELECT a::text FROM headrace.audit a")
    assert CANARY not in str(texts)

    assert workers.command(job, "dlq", "import", "--topic", scene.feed.topic, "--reason", "r").finish() == 4
    assert workers.command(job, "dlq", "import", "--topic", f"{job.group}.dlq", "--reason", "r").finish() == 4
    assert workers.command(job, "dlq", "import", "--topic", fresh_name("nowhere"), "--reason", "r").finish() == 3
    assert workers.command(job, "dlq", "import", "--topic", dead).finish() == 2


_POINTS = {
    "claimed": ("after", "UPDATE headrace.imports i SET claimed_until", 0),
    "letters written": ("after", "INSERT INTO headrace.letters", 0),
    "before it is noted": ("before", "UPDATE headrace.imports SET next_offset", 0),
    "noted": ("after", "UPDATE headrace.imports SET next_offset", 0),
    "the second piece": ("after", "UPDATE headrace.imports SET next_offset", 1),
}


@pytest.mark.parametrize("point", _POINTS)
def test_a_kill_neither_doubles_nor_loses_a_letter(scene: Scene, workers: Workers, proxy: Proxy, point: str) -> None:
    """Wherever it comes: each record of the topic is one letter afterwards."""
    at, dead = scene.job.at, fresh_name("killed-dlq")
    create_topic(at.kafka, dead, 1)
    put(at, dead, [(b"k", str(number).encode(), spring("elsewhere", number)) for number in range(1200)])
    job = replace(scene.job, sections={"imports": {"topics": [dead]}})
    side, pattern, skip = _POINTS[point]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, skip)
    victim = workers.run(replace(job, dsn=proxy.dsn))
    hold.wait()
    victim.kill()
    hold.discard()
    if point != "claimed":
        # as its claim does by itself some time later
        scene.target.ask("UPDATE headrace.imports SET claimed_until = NULL RETURNING 1")
    worker = workers.run(job)
    query = "SELECT next_offset, letters, known FROM headrace.imports"
    eventually(lambda: scene.target.ask(query) == [(1200, 1200, 0)], "all is read", 90)
    assert _letters(scene.target, job) == (1200, 1200, 1200)
    assert worker.leave() == 0


def _letters(target: Target, job: Job) -> tuple[object, ...]:
    (found,) = target.ask(
        "SELECT count(*), count(DISTINCT imported_offset), count(DISTINCT b.letter_id) FROM headrace.letters l"
        " LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id WHERE l.group_name = %s",
        job.group,
    )
    return found
