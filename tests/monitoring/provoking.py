"""How each alert is provoked on real servers, and put right again.

Each is a context: what is entered makes it fire, and says the labels that it has; what is left ends it.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import conninfo_to_dict

from consumer.stack.connectors import Capture, connector_status, register_debezium, remove_debezium
from consumer.stack.options import CONNECT, KAFKA, TARGET
from consumer.stack.ports import choose
from tests.faults.disk import fill, on_a_small_disk
from tests.real.engine.feed import create_topic, fresh_name
from tests.real.engine.wire import Proxy
from tests.real.engine.witness import create_database
from tests.real.engine.worker import eventually

from .scene import Scene

Labels = Mapping[str, str]
Provoke = Callable[[Scene], AbstractContextManager[Labels]]
# a batch waits for a lock for longer than any test does
_PATIENT = {"deadline": 60.0}
_GOODS = "CREATE TABLE public.goods (id int PRIMARY KEY, name text)"


@contextmanager
def _lagging(scene: Scene) -> Iterator[Labels]:
    """Somebody locks the table."""
    scene.worker(**_PATIENT)
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


@contextmanager
def _server_away(scene: Scene) -> Iterator[Labels]:
    scene.worker()
    scene.settle()
    scene.stack.stop_part(TARGET)
    try:
        yield {"server": "target"}
    finally:
        scene.stack.start_part(TARGET)


@contextmanager
def _full(scene: Scene) -> Iterator[Labels]:
    """The disk of the table is full to its last page."""
    with ExitStack() as held:
        place = held.enter_context(tempfile.TemporaryDirectory(prefix="headrace-disk-"))
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="headrace-full-"))
        scene.target = held.enter_context(on_a_small_disk(Path(folder) / "target", Path(place)))
        scene.job = replace(scene.job, dsn=scene.target.dsn)
        worker = scene.worker()
        scene.settle()
        fill(scene.target)
        scene.feed.create(2000)
        yield {"kind": "target.resources"}
        scene.target.do("DROP TABLE filler")
        eventually(lambda: not scene.watch.firing("HeadraceTargetFull"), "it has ended", 90)
        scene.kill(worker)


@contextmanager
def _pool(scene: Scene) -> Iterator[Labels]:
    """One session for all questions, which waits for a lock."""
    wanted = {"dsn": scene.job.dsn, "batch_deadline": 5, "connect_timeout": 3, "pool_size": 1}
    sections = {**scene.job.sections, "target": wanted}
    scene.job = replace(scene.job, sections=sections)
    scene.worker()
    scene.settle()
    with scene.locked("headrace.letters"):
        yield {}


@contextmanager
def _large(scene: Scene) -> Iterator[Labels]:
    """Somebody's decisions fill the control schema."""
    scene.worker()
    scene.settle()
    scene.target.do(
        "INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason) "
        "SELECT 'other', 'a test', 'none', 'none', 0, string_agg(md5(n::text || m::text), '') "
        "FROM generate_series(1, 400) n, generate_series(1, 4000) m "
        "GROUP BY n"
    )
    yield {}
    scene.target.do("DELETE FROM headrace.audit WHERE group_name = 'other'")
    scene.target.do("VACUUM FULL headrace.audit")


@contextmanager
def _missing(scene: Scene) -> Iterator[Labels]:
    worker = scene.worker()
    scene.settle()
    scene.kill(worker)
    yield {}
    scene.worker()


@contextmanager
def _unread(scene: Scene) -> Iterator[Labels]:
    worker = scene.worker()
    scene.admin()
    scene.settle()
    scene.kill(worker)
    scene.feed.create(10)
    yield {"topic": scene.feed.topic}
    scene.worker()


@contextmanager
def _restarting(scene: Scene) -> Iterator[Labels]:
    """It is killed again and again, and started on the same port."""
    port = choose(["worker"], {})["worker"]
    telemetry = {**scene.job.sections["telemetry"], "port": port}
    scene.job = replace(scene.job, sections={**scene.job.sections, "telemetry": telemetry})
    seen = [0.0]
    for _ in range(4):
        worker = scene.worker()
        eventually(lambda: _began(scene) > seen[-1], "Prometheus sees it")
        seen.append(_began(scene))
        worker.kill()
    scene.worker()
    yield {}


@contextmanager
def _overtaken(scene: Scene) -> Iterator[Labels]:
    """A worker is stopped within a batch, overtaken, and woken."""
    with Proxy(scene.target.dsn) as proxy:
        client = {"max.poll.interval.ms": "3000"}
        job = replace(scene.job, dsn=proxy.dsn, client=client, name="first", deadline=30.0)
        scene.job = job
        first = scene.worker()
        # so that Prometheus knows what was before
        scene.settle()
        # it has staged its rows, and is about to ask whether the partition is still its own
        hold = proxy.before("FOR UPDATE OF p", worker="first")
        scene.feed.create(300)
        hold.wait()
        first.freeze()
        scene.worker(name="second")
        eventually(lambda: scene.target.reached(job.group, scene.feed), "the second worker has done all")
        first.thaw()
        hold.deliver()
        yield {}
        eventually(lambda: not scene.watch.firing("HeadraceFenceLosses"), "it has ended", 60)


@contextmanager
def _rebalancing(scene: Scene) -> Iterator[Labels]:
    """Workers come and go."""
    scene.worker()
    scene.settle()
    for number in range(4):
        other = scene.worker(name=f"other-{number}")
        other.said("partitions taken")
        other.leave()
        scene.forget(other)
    yield {}


@contextmanager
def _memory(scene: Scene) -> Iterator[Labels]:
    """Wide rows have a worker grow, while somebody locks the table; another one in its place is small again."""
    worker = scene.worker(**_PATIENT)
    scene.settle()
    least = _memory_of(scene) + (20 << 20)
    scene.heed(memory_bytes=least)
    with scene.locked("once"):
        for _ in range(60):
            for _ in range(10):
                scene.feed.last += 1
                scene.feed.send("c", scene.feed.last, "x" * 100_000)
            scene.feed.flush()
        yield {}
    eventually(lambda: scene.target.reached(scene.job.group, scene.feed), "everything is applied")
    worker.leave()
    scene.forget(worker)
    scene.worker()


def _began(scene: Scene) -> float:
    found = scene.watch.now("headrace_started_timestamp_seconds")
    return float(found[0]["value"][1]) if found else 0.0


def _memory_of(scene: Scene) -> int:
    (found,) = scene.watch.now("headrace_memory_bytes")
    return int(float(found["value"][1]))


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
    "HeadraceServerAway": _server_away,
    "HeadraceTargetFull": _full,
    "HeadracePoolExhausted": _pool,
    "HeadraceControlSchemaLarge": _large,
    "HeadraceWorkersMissing": _missing,
    "HeadraceNoWorker": _unread,
    "HeadraceLoopStuck": _stuck,
    "HeadraceRestarting": _restarting,
    "HeadraceFenceLosses": _overtaken,
    "HeadraceRebalancing": _rebalancing,
    "HeadraceMemoryHigh": _memory,
}
"""All alerts, in their order."""
