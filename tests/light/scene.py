"""Real worker processes on a real target, without a JVM: the cluster is librdkafka's mock, the registry two schemas."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from consumer.stack.demo.front import Front
from consumer.stack.options import TARGET, Endpoints, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.light.broker import Broker
from tests.real.engine.witness import Target, create_database
from tests.real.engine.worker import Job, Workers
from tests.unit.avro import Writer, envelope, event, key

_NAMES = count(1)
_ID = {"name": "id", "type": "long"}
_FIELDS = [_ID, {"name": "label", "type": ["null", "string"], "default": None}]
_KEY, _VALUE = 1, 2


class Topic:
    """Changes of one table, produced; the table is `public.<table>`, and made by the worker."""

    def __init__(self, broker: Broker, table: str, value: Writer, key_: Writer) -> None:
        self.name = f"{table}.{next(_NAMES)}"
        self.table = table
        self._value, self._key = value, key_
        broker.create(self.name)
        self._producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 1})

    def send(self, *numbers: int, label: str = "a", schema: int = _VALUE) -> None:
        """Creates of rows; `schema`: what the registry is asked for, which knows but one of values."""
        for number in numbers:
            value = event("c", None, {"id": number, "label": label})
            value["source"]["table"] = self.table
            self._producer.produce(self.name, self._value.framed(schema, value), self._key.framed(_KEY, {"id": number}))
        assert self._producer.flush(20) == 0


class Scene:
    """One database and group on shared servers."""

    def __init__(self, endpoints: Endpoints, broker: Broker, workers: Workers) -> None:
        self.broker = broker
        self.workers = workers
        name = f"light_{next(_NAMES)}"
        self.target = Target(create_database(endpoints.target_dsn, name))
        self._at = endpoints
        self._value, self._key = Writer(envelope(_FIELDS)), Writer(key([_ID]))

    def topic(self, table: str) -> Topic:
        """A new topic."""
        return Topic(self.broker, table, self._value, self._key)

    def job(self, *topics: Topic, **more: Any) -> Job:
        """A job of them."""
        group = f"group-{next(_NAMES)}"
        names = tuple(topic.name for topic in topics)
        return Job(at=self._at, dsn=self.target.dsn, group=group, topics=names, **more)


@contextmanager
def servers(place: Path) -> Iterator[tuple[Endpoints, Broker]]:
    """A target, a mock broker, and a registry of the two schemas."""
    schemas = {_KEY: Writer(key([_ID])).text, _VALUE: Writer(envelope(_FIELDS)).text}
    with Stack.open(place, {TARGET}, StackOptions(), Terminal(quiet_steps=True)) as stack, registry(schemas) as url:
        broker = Broker()
        host, port = broker.bootstrap.split(",")[0].rsplit(":", 1)
        # what the mock does not know is answered in front of it
        with closing(Front((host, int(port)))) as front:
            yield Endpoints(target_dsn=stack.endpoints.target_dsn, kafka=front.bootstrap, registry_url=url), broker


@contextmanager
def registry(schemas: dict[int, str]) -> Iterator[str]:
    """The one path of Confluent's API that workers need."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = schemas.get(int(self.path.rsplit("/", 1)[-1]))
            body = json.dumps({"schema": text} if text else {"error_code": 40403}).encode()
            self.send_response(200 if text else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
