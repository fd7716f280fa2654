"""The scene that needs no download: recorded events on librdkafka's mock broker, schemas from memory, one PostgreSQL.

The mock broker lives inside this process's producer. All records go to partition 0 of their topic, as they were
recorded. Latency begins when a record is replayed, as there is no source to commit. A replay without an end goes in
rounds: each begins with the snapshot, which brings every row back before it is changed.
"""

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException, Producer

from consumer.core.failure import HeadraceError
from consumer.stack.demo import line as lines
from consumer.stack.demo.background import Background
from consumer.stack.demo.compare import SAME_TEXT, Compared, against
from consumer.stack.demo.failures import late, replay_failed
from consumer.stack.demo.front import Front
from consumer.stack.demo.journal import Journal
from consumer.stack.demo.letters import TOPICS
from consumer.stack.demo.line import Line
from consumer.stack.demo.recording import Message, Recording, load
from consumer.stack.demo.scene import Scene
from consumer.stack.demo.trouble import Plan, Trouble
from consumer.stack.options import TARGET, StackOptions
from consumer.stack.ports import LOOPBACK
from consumer.stack.progress import Reporter
from consumer.stack.stack import Stack

_KAFKA_SECONDS = 30.0
_CHUNK = 50


@contextmanager
def recorded(directory: Path, rate: int, plan: Plan, reporter: Reporter) -> Iterator[Scene]:
    """The recording, replayed at so many records a second, in rounds without an end when the plan has none."""
    recording = load()
    options = StackOptions(target_settings=lines.TARGET_SETTINGS)
    with (
        Stack.open(lines.fresh(directory), {TARGET}, options, reporter) as stack,
        _registry(recording.schemas) as registry_url,
        _broker() as (producer, bootstrap),
    ):
        target_dsn = stack.endpoints.target_dsn
        line = Line(
            directory=directory,
            stack=stack,
            target_dsn=target_dsn,
            kafka=bootstrap,
            registry_url=registry_url,
        )
        journal = Journal(line.topics.values())
        replay = Replay(producer, recording, journal, rate, plan.endless)
        try:
            yield Scene(
                title="recorded Debezium events on a mock broker, applied by Headrace",
                line=line,
                journal=journal,
                feed=replay,
                trouble=Trouble(line, journal, plan),
                snapshot_rows=sum(message.snapshot for message in recording.messages),
                begin=replay.snapshot,
                arrived=lambda: True,
                compare=lambda: _compare(recording, target_dsn),
            )
        finally:
            replay.stop()


class Replay(Background):
    """Produces recorded messages; implements `Feed`."""

    def __init__(self, producer: Producer, recording: Recording, journal: Journal, rate: int, endless: bool) -> None:
        self._producer = producer
        self._snapshot = [message for message in recording.messages if message.snapshot]
        self._stream = [message for message in recording.messages if not message.snapshot]
        self._per_record = recording.changes / max(1, len(self._stream))
        self._journal = journal
        self._rate = rate
        self._endless = endless
        super().__init__("demo-replay", self._guarded)
        self._error: Exception | None = None
        self._sent = 0
        self.finished = False

    @property
    def changes(self) -> int:
        """Row changes so far; a delete or a key change has more records than one."""
        return round(self._sent * self._per_record)

    def snapshot(self) -> None:
        """Produces the snapshot at once."""
        at = time.time()
        counts = self._produce(self._snapshot)
        self._flush()
        self._journal.seeded(counts, at)

    def check(self) -> None:
        """Raises when the broker refused something."""
        if isinstance(self._error, HeadraceError):
            raise self._error
        if self._error is not None:
            raise replay_failed(self._error) from self._error

    def _guarded(self) -> None:
        try:
            self._play(self._stream)
            while self._endless and not self.stopping.is_set():
                self._play(self._snapshot)
                self._play(self._stream)
            self.finished = True
        except (KafkaException, BufferError, HeadraceError) as error:
            self._error = error

    def _play(self, messages: Sequence[Message]) -> None:
        began = time.monotonic()
        for place in range(0, len(messages), _CHUNK):
            if self.stopping.wait(max(0.0, began + place / self._rate - time.monotonic())):
                return
            at = time.time()
            counts = self._produce(messages[place : place + _CHUNK])
            self._journal.committed(counts, at)
            self._sent += sum(counts.values())
            self._flush()

    def _produce(self, messages: Sequence[Message]) -> Counter[str]:
        for message in messages:
            self._producer.produce(message.topic, key=message.key, value=message.value, partition=0)
        return Counter(message.topic for message in messages)

    def _flush(self) -> None:
        left = self._producer.flush(_KAFKA_SECONDS)
        if left:
            raise late(
                f"{left} records were not taken by the mock broker", _KAFKA_SECONDS, "its process has no time for it"
            )


@contextmanager
def _broker() -> Iterator[tuple[Producer, str]]:
    """A mock broker and the address that clients use."""
    quiet = logging.getLogger("consumer.stack.demo.mock")
    quiet.setLevel(logging.CRITICAL)
    settings = {"bootstrap.servers": LOOPBACK, "test.mock.num.brokers": 1, "log_level": 3, "linger.ms": 0}
    producer = Producer(settings, logger=quiet)
    (broker,) = producer.list_topics(timeout=_KAFKA_SECONDS).brokers.values()
    for topic in TOPICS:
        # the mock makes what is asked for, but not on request: Headrace finds the topics of letters there
        producer.list_topics(topic, timeout=_KAFKA_SECONDS)
    with closing(Front((str(broker.host), int(broker.port)))) as front:
        yield producer, front.bootstrap
        producer.flush(1)


@contextmanager
def _registry(schemas: Mapping[int, str]) -> Iterator[str]:
    """The Confluent API's one path that readers need, on loopback."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = self.path.rsplit("/", 1)[-1]
            text = schemas.get(int(number)) if self.path.startswith("/schemas/ids/") and number.isdigit() else None
            body = json.dumps({"schema": text} if text else {"error_code": 40403}).encode()
            self.send_response(200 if text else 404)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the terminal belongs to the view."""

    with ThreadingHTTPServer((LOOPBACK, 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="demo-registry", daemon=True).start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()


def _compare(recording: Recording, target_dsn: str) -> list[Compared]:
    """The target against the rows that the source had when the recording ended."""
    with psycopg.connect(target_dsn) as target:
        for statement in SAME_TEXT:
            target.execute(statement.encode())
        return [against(target, each.table, each.columns, [each.rows]) for each in recording.expected]
