"""Kafka Connect's answers: connectors and tasks, failures without a word of their messages, refusals."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from consumer.core.breaking import BreakerLimits
from consumer.core.connectors import Connector, Task, classes, silent
from consumer.core.failure import Persistent, Transient
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.connect import ConnectSettings, HttpConnect

CANARY = "canary-7716"
TRACE = f"""org.apache.kafka.connect.errors.ConnectException: the row {CANARY} is bad
\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)
Caused by: io.debezium.DebeziumException: {CANARY}
\t... 5 more
Caused by: org.postgresql.util.PSQLException: ERROR: {CANARY}
  Detail: Key (id)=({CANARY}) exists
"""
MYSQL = "io.debezium.connector.mysql.MySqlConnector"
KEYS = "shop.orders:tenant,number"
STATUS = {
    "shop": {
        "info": {
            "config": {
                "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
                "message.key.columns": KEYS,
                "database.password": CANARY,
            }
        },
        "status": {
            "name": "shop",
            "connector": {"state": "RUNNING", "worker_id": "w"},
            "tasks": [{"id": 1, "state": "RUNNING"}, {"id": 0, "state": "FAILED", "trace": TRACE}],
            "type": "source",
        },
    },
    "a/b": {
        "info": {
            "config": {"connector.class": "io.debezium.connector.mysql.MySqlConnector", "message.key.columns": KEYS}
        },
        "status": {"connector": {"state": "PAUSED"}, "tasks": [{"id": 0, "state": "PAUSED"}], "type": "source"},
    },
    "out": {"status": {"connector": {"state": "PAUSED"}, "tasks": [], "type": "sink"}},
}
TOPICS = {"shop": {"shop": {"topics": ["shop.a", "shop.b"]}}, "a%2Fb": {"a/b": {"topics": []}}}


class Rest(ThreadingHTTPServer):
    """Kafka Connect's interface; `status` is what it answers instead, so often."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.status = 0
        self.times = 1 << 30
        self.body: Any = None
        self.asked: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Rest

    def do_GET(self) -> None:
        """Lists."""
        if self.path.endswith("/topics"):
            return self._answer(200, TOPICS.get(self.path.split("/")[2], {}))
        return self._answer(200, STATUS if self.server.body is None else self.server.body)

    def do_POST(self) -> None:
        """Restarts of one connector and of its first task."""
        known = self.path.startswith("/connectors/shop/restart") or self.path == "/connectors/shop/tasks/0/restart"
        self._answer(202 if known else 404, {})

    def log_message(self, *_: object) -> None:
        """Nothing is said."""

    def _answer(self, status: int, body: Any) -> None:
        server = self.server
        server.asked.append((self.command, self.path, self.headers["Authorization"]))
        if server.status and server.times:
            server.times -= 1
            status = server.status
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def rest() -> Iterator[Rest]:
    """One that runs on a thread."""
    with Rest() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def client(url: str, **settings: Any) -> Any:
    """Asks it, and is closed in the end."""
    limits = BreakerLimits(failures=2, reset=60)
    how = ConnectSettings(url=url, timeout=30, **settings)
    return closing(HttpConnect(how, CircuitBreaker("connect", limits)))


def test_connectors_are_listed_with_their_tasks_and_topics(rest: Rest) -> None:
    """By name; of a failure the classes of its exceptions."""
    with client(rest.url) as connect:
        other, out, shop = connect.all()
    chain = (
        "org.apache.kafka.connect.errors.ConnectException",
        "io.debezium.DebeziumException",
        "org.postgresql.util.PSQLException",
    )
    assert shop == Connector(
        name="shop",
        kind="source",
        state="RUNNING",
        tasks=(Task(id=0, state="FAILED", failure=chain), Task(id=1, state="RUNNING")),
        topics=frozenset({"shop.a", "shop.b"}),
        key_columns=KEYS,
    )
    assert (other.key_columns, out.key_columns) == ("", ""), "a binlog has whole rows"
    assert (shop.condition, other.condition, out.condition) == ("failed", "paused", "paused")
    assert shop.failures == [f"{chain[0]} from {chain[2]}"]
    assert CANARY not in repr([other, out, shop])


def test_only_sources_that_do_not_run_are_a_reason(rest: Rest) -> None:
    """With what to do about each."""
    with client(rest.url) as connect:
        paused, failed = silent(connect.all())
    assert paused.why == "connector a/b is paused in Kafka Connect"
    assert "resume" in paused.remedy
    assert failed.why.startswith("connector shop is failed in Kafka Connect (org.apache")
    assert failed.topics == {"shop.a", "shop.b"}
    assert failed.remedy.endswith("headrace connectors restart shop")


@pytest.mark.parametrize(
    ("trace", "found"),
    [
        ("", ()),
        (CANARY, ()),
        (f"java.lang.OutOfMemoryError\n{CANARY}", ("java.lang.OutOfMemoryError",)),
        (f"a.B$C: {CANARY}\nCaused by: a.B$C: again", ("a.B$C",)),
        (f"{CANARY} is no.Class at all", ()),
    ],
)
def test_of_a_trace_only_classes_are_kept(trace: str, found: tuple[str, ...]) -> None:
    """Each once; what does not look like one is left out."""
    assert classes(trace) == found


def test_what_failed_is_started_again(rest: Rest) -> None:
    """A connector with its failed tasks, or one task; what is not there is said."""
    with client(rest.url) as connect:
        assert connect.restart("shop")
        assert connect.restart("shop", 0)
        assert not connect.restart("shop", 7)
        assert not connect.restart("no/body")
    assert [path for _, path, _ in rest.asked] == [
        "/connectors/shop/restart?includeTasks=true&onlyFailed=true",
        "/connectors/shop/tasks/0/restart",
        "/connectors/shop/tasks/7/restart",
        "/connectors/no%2Fbody/restart?includeTasks=true&onlyFailed=true",
    ]


def test_a_change_that_meets_a_rebalance_is_asked_for_again(rest: Rest) -> None:
    """It passes within seconds."""
    rest.status, rest.times = 409, 1
    with client(rest.url) as connect:
        assert connect.restart("shop")
    assert len(rest.asked) == 2


def test_credentials_are_sent_with_each_question(rest: Rest) -> None:
    """As basic authentication."""
    with client(rest.url, user="me", password="secret") as connect:
        connect.all()
    assert {login for _, _, login in rest.asked} == {"Basic " + base64.b64encode(b"me:secret").decode()}


@pytest.mark.provokes("connect.refused")
@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_refused_are_said_at_once(rest: Rest, status: int) -> None:
    """They do not become right by asking again."""
    rest.status = status
    with client(rest.url) as connect, pytest.raises(Persistent) as caught:
        connect.all()
    assert (caught.value.failure.kind, caught.value.failure.code) == ("connect.refused", str(status))


@pytest.mark.provokes("connect.away")
@pytest.mark.parametrize("body", [b"<html>", [1], None])
def test_an_answer_that_is_none_is_for_time(rest: Rest, body: Any) -> None:
    """Something else answers there, or Connect is not well."""
    rest.body = body
    rest.status = 0 if body else 500
    with client(rest.url) as connect, pytest.raises(Transient) as caught:
        connect.all()
    assert caught.value.failure.kind == "connect.away"


def test_one_that_is_away_is_not_asked_again_for_a_while(rest: Rest) -> None:
    """After two failures in a row; also when it is back before its time."""
    rest.status = 500
    with client(rest.url) as connect:
        for _ in range(2):
            with pytest.raises(Transient):
                connect.all()
        rest.status = 0
        with pytest.raises(Transient):
            connect.all()
    assert len(rest.asked) == 2


def test_no_answer_is_for_time() -> None:
    """Nobody listens there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with client(f"http://127.0.0.1:{held.getsockname()[1]}") as connect, pytest.raises(Transient) as caught:
            connect.all()
    assert caught.value.failure.kind == "connect.away"
