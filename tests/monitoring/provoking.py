"""How each alert is provoked on real servers, and put right again.

Each is a context: what is entered makes it fire, and says the labels that it has; what is left ends it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import conninfo_to_dict

from consumer.stack.connectors import Capture, connector_status, register_debezium, remove_debezium
from consumer.stack.options import CONNECT, KAFKA
from tests.real.engine.feed import create_topic, fresh_name
from tests.real.engine.witness import create_database
from tests.real.engine.worker import eventually

from .provoking_workers import (
    full,
    large,
    memory,
    missing,
    overtaken,
    pool,
    rebalancing,
    restarting,
    server_away,
    unread,
)
from .scene import PATIENT, Labels, Provoke, Scene

_GOODS = "CREATE TABLE public.goods (id int PRIMARY KEY, name text)"


@contextmanager
def _lagging(scene: Scene) -> Iterator[Labels]:
    """Somebody locks the table."""
    scene.worker(**PATIENT)
    scene.settle()
    with scene.locked("once"):
        scene.feed.create(10)
        yield {"topic": scene.feed.topic}


@contextmanager
def _stalled(scene: Scene) -> Iterator[Labels]:
    """The same, for longer than a position may stand still: of twelve looks it is said."""
    looks = {**scene.job.sections["telemetry"], "look_every": 2}
    scene.job = replace(scene.job, sections={**scene.job.sections, "telemetry": looks})
    with _lagging(scene) as labels:
        yield labels


@contextmanager
def _stale(scene: Scene) -> Iterator[Labels]:
    with _lagging(scene):
        yield {"table": "public.once"}


@contextmanager
def _stuck(scene: Scene) -> Iterator[Labels]:
    with _lagging(scene):
        yield {"loop": "applier"}


@contextmanager
def _stopped(scene: Scene) -> Iterator[Labels]:
    """The table gets a column that nothing fills."""
    scene.worker()
    scene.settle()
    scene.target.do("ALTER TABLE once ADD COLUMN must integer NOT NULL DEFAULT 1")
    scene.target.do("ALTER TABLE once ALTER COLUMN must DROP DEFAULT")
    scene.feed.create(10)
    yield {"topic": scene.feed.topic}
    scene.target.do("ALTER TABLE once DROP COLUMN must")


@contextmanager
def _unknown(scene: Scene) -> Iterator[Labels]:
    """Somebody deletes the topic, then makes it again."""
    scene.worker()
    scene.settle()
    _delete_topic(scene, scene.feed.topic)
    yield {"topic": scene.feed.topic}
    create_topic(scene.job.at.kafka, scene.feed.topic, 3)


@contextmanager
def _paused(scene: Scene) -> Iterator[Labels]:
    scene.worker()
    scene.settle()
    scene.command("tables", "pause", "--topic", scene.feed.topic, "--reason", "a test")
    scene.feed.create(10)
    yield {"topic": scene.feed.topic}
    scene.command("tables", "resume", "--topic", scene.feed.topic, "--reason", "it is over")


@contextmanager
def _differs(scene: Scene) -> Iterator[Labels]:
    """The source's table has none of the rows."""
    at, source, name = scene.job.at, shop(scene), fresh_name("watched")
    register_debezium(at.connect_url, source, name, Capture(topic_prefix=name, tables=("public.goods",)))
    sections = {**scene.job.sections, "reconcile": {"settle": 0.5}}
    scene.job = replace(scene.job, source={"dsn": source}, sections=sections)
    scene.worker()
    scene.settle()
    _do(source, "CREATE TABLE public.once (id bigint PRIMARY KEY, label text, amount int)")
    scene.command("reconcile", "start", "public.once", "--reason", "a test", code=5)
    yield {"table": "public.once"}
    scene.target.do("DELETE FROM once")
    scene.command("reconcile", "start", "public.once", "--reason", "they are deleted")
    remove_debezium(at.connect_url, source, name)


@contextmanager
def _unseen(scene: Scene) -> Iterator[Labels]:
    """The broker is away."""
    scene.worker()
    scene.settle()
    scene.stack.stop_part(KAFKA)
    try:
        yield {}
    finally:
        scene.stack.start_part(KAFKA)


@contextmanager
def _silent(scene: Scene) -> Iterator[Labels]:
    """The source sends a heartbeat, then no more."""
    topic = fresh_name("heartbeat")
    create_topic(scene.job.at.kafka, topic, 1)
    producer = Producer({"bootstrap.servers": scene.job.at.kafka})

    def beat() -> None:
        producer.produce(topic, b"beat")
        assert producer.flush(30) == 0

    beat()
    scene.worker(source={"heartbeat_topic": topic})
    scene.settle()
    yield {}
    beat()
    # the alert ends with the beat, and would come again
    eventually(lambda: not scene.watch.firing("HeadraceSourceSilent"), "it has ended", 60)
    scene.heed(silence_seconds=600)


@contextmanager
def _connector(scene: Scene) -> Iterator[Labels]:
    """The database of a connector takes no connections, and the connector is restarted by no one but people."""
    at = scene.job.at
    source, name = shop(scene), fresh_name("watched")
    capture = Capture(topic_prefix=name, tables=("public.goods",), extra={"errors.max.retries": "0"})
    register_debezium(at.connect_url, source, name, capture)
    database = conninfo_to_dict(source)["dbname"]
    more = {"connect": {"url": at.connect_url}, "healing": {"connect_restarts": 0}}
    scene.job = replace(scene.job, sections={**scene.job.sections, **more})
    scene.worker()
    scene.admin()
    scene.settle()
    _do(at.source_dsn, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
    _do(at.source_dsn, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    yield {"connector": name}
    _do(at.source_dsn, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    scene.command("connectors", "restart", name, "--reason", "its database is back")
    eventually(lambda: not scene.watch.firing("HeadraceConnectorFailed"), "it has ended", 60)
    assert connector_status(at.connect_url, name) is not None
    remove_debezium(at.connect_url, source, name)


@contextmanager
def _connect_away(scene: Scene) -> Iterator[Labels]:
    """Kafka Connect is stopped."""
    scene.job = replace(scene.job, sections={**scene.job.sections, "connect": {"url": scene.job.at.connect_url}})
    scene.worker()
    scene.admin()
    eventually(lambda: scene.watch.now("headrace_connect_answered == 1"), "it is heard that Connect answers", 60)
    scene.stack.stop_part(CONNECT)
    try:
        yield {}
    finally:
        scene.stack.start_part(CONNECT)


@contextmanager
def _letters(scene: Scene) -> Iterator[Labels]:
    """Some records that the table refuses; a person gives them up."""
    scene.worker()
    scene.settle()
    scene.bad(5)
    yield {}
    scene.command("dlq", "discard", *scene.dead(), "--reason", "a test", "--yes")


@contextmanager
def _overdue(scene: Scene) -> Iterator[Labels]:
    """A letter is to be tried again while nobody works."""
    scene.job = replace(scene.job, letters={"delays": [2]})
    worker = scene.worker()
    scene.admin()
    scene.settle()
    scene.target.do("CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT DISTINCT amount FROM once")
    scene.target.do("ALTER TABLE once ADD CONSTRAINT family FOREIGN KEY (amount) REFERENCES parent")
    scene.feed.last += 1
    scene.feed.send("c", scene.feed.last, "later", 667)
    scene.feed.flush()
    query = "SELECT state FROM headrace.letters WHERE group_name = %s"
    eventually(lambda: scene.target.ask(query, scene.job.group) == [("retrying",)], "the letter waits")
    scene.kill(worker)
    yield {}
    scene.target.do("INSERT INTO parent VALUES (667)")
    scene.worker()


@contextmanager
def _unpublished(scene: Scene) -> Iterator[Labels]:
    """The dead-letter topic can't be made: its name collides with another one's."""
    # the broker takes one of `a.b` and `a_b`
    name = fresh_name("letters")
    create_topic(scene.job.at.kafka, f"{name}_dead", 1)
    scene.job = replace(scene.job, letters={"dead_topic": f"{name}.dead"})
    scene.worker()
    scene.settle()
    scene.bad(1)
    yield {}
    _delete_topic(scene, f"{name}_dead")


@contextmanager
def _new_kind(scene: Scene) -> Iterator[Labels]:
    """It ends by itself, when it is known."""
    scene.worker()
    scene.settle()
    scene.bad(1)
    yield {"kind": "record.check"}


@contextmanager
def _flood(scene: Scene) -> Iterator[Labels]:
    scene.worker(max_rows=500)
    scene.settle()
    scene.bad(600)
    yield {"kind": "table.flood"}
    scene.target.do("ALTER TABLE once DROP CONSTRAINT devilish")
    scene.command("batches", "retry", "--stopped", "--reason", "put right")


def shop(scene: Scene) -> str:
    """A source with a table."""
    source = create_database(scene.job.at.source_dsn, fresh_name("shop"))
    _do(source, _GOODS)
    return source


def _do(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def _delete_topic(scene: Scene, topic: str) -> None:
    # it has to live until the answer is there
    client = AdminClient({"bootstrap.servers": scene.job.at.kafka})
    client.delete_topics([topic])[topic].result(30)


PROVOKED: dict[str, Provoke] = {
    "HeadraceLagging": _lagging,
    "HeadraceStalled": _stalled,
    "HeadraceStopped": _stopped,
    "HeadracePartitionUnknown": _unknown,
    "HeadracePaused": _paused,
    "HeadraceTableStale": _stale,
    "HeadraceTableDiffers": _differs,
    "HeadraceLagUnseen": _unseen,
    "HeadraceSourceSilent": _silent,
    "HeadraceConnectorFailed": _connector,
    "HeadraceConnectAway": _connect_away,
    "HeadraceDeadLetters": _letters,
    "HeadraceManyLetters": _letters,
    "HeadraceRetryOverdue": _overdue,
    "HeadraceLettersUnpublished": _unpublished,
    "HeadraceNewFailureKind": _new_kind,
    "HeadraceFlood": _flood,
    "HeadraceServerAway": server_away,
    "HeadraceTargetFull": full,
    "HeadracePoolExhausted": pool,
    "HeadraceControlSchemaLarge": large,
    "HeadraceWorkersMissing": missing,
    "HeadraceNoWorker": unread,
    "HeadraceLoopStuck": _stuck,
    "HeadraceRestarting": restarting,
    "HeadraceFenceLosses": overtaken,
    "HeadraceRebalancing": rebalancing,
    "HeadraceMemoryHigh": memory,
}
"""All alerts, in their order."""
