"""The registry's answers as failures of a kind, from a server that gives them over HTTP."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from consumer.core.breaking import BreakerLimits, BreakerState
from consumer.core.failure import HeadraceError, Persistent, Transient
from consumer.core.schema_ref import SchemaRef, Space
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.registry import HttpRegistry
from consumer.ports.decoding import Found

SCHEMA = '{"type": "string"}'
KNOWN, MOVED, GIVEN_LATER = 1, 2, 503
SECRET = "sesame"
# what is answered for a schema id; the ids that are no keys here are statuses
BODIES = {
    KNOWN: json.dumps({"schema": SCHEMA}),
    3: json.dumps({"schema": SCHEMA, "schemaType": "JSON"}),
    7: json.dumps({"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}),
    4: json.dumps({"subject": SECRET}),
    5: f"<html>{SECRET}</html>",
    6: json.dumps([SECRET]),
}


class Answers(BaseHTTPRequestHandler):
    """Says what the id asks for."""

    def do_GET(self) -> None:
        """A body, a redirect, or a status."""
        number = int(self.path.rsplit("/", 1)[-1])
        body = BODIES.get(number, json.dumps({"message": SECRET})).encode()
        self.send_response(302 if number == MOVED else 200 if number in BODIES else number)
        self.send_header("Location", f"/schemas/ids/{KNOWN}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the server listens, with credentials in front."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:{SECRET}@127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def silent() -> Iterator[str]:
    """Where connections are taken, and nothing is answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def failing(url: str, schema_id: int, timeout: float = 30.0) -> HeadraceError:
    """What asking for a schema ends in."""
    with (
        closing(HttpRegistry(url, CircuitBreaker("registry"), timeout=timeout)) as registry,
        pytest.raises(HeadraceError) as caught,
    ):
        registry.find(SchemaRef(Space.IDS, schema_id))
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.provokes("record.schema_unknown", "record.format", "registry.refused", "registry.status", "registry.away")
@pytest.mark.parametrize(
    ("schema_id", "kind", "raised"),
    [
        (404, "record.schema_unknown", Persistent),
        (401, "registry.refused", Transient),
        (403, "registry.refused", Transient),
        (429, "registry.status", Transient),
        (500, "registry.status", Transient),
        (503, "registry.status", Transient),
        pytest.param(3, "record.format", Persistent, id="a schema of another language"),
        pytest.param(7, "record.format", Persistent, id="Protobuf"),
        pytest.param(4, "registry.away", Transient, id="JSON without a schema"),
        pytest.param(5, "registry.away", Transient, id="no JSON"),
        pytest.param(6, "registry.away", Transient, id="a list"),
    ],
)
def test_an_answer_that_is_no_schema_is_of_a_kind(
    url: str, schema_id: int, kind: str, raised: type[HeadraceError]
) -> None:
    """The status is its code; neither the answer's text nor the credentials are in it."""
    error = failing(url, schema_id)

    assert type(error) is raised
    assert error.failure.kind == kind
    assert error.failure.code == (str(schema_id) if schema_id > 100 else "")
    assert error.failure.remedy


@pytest.mark.provokes("registry.away")
def test_no_answer_is_for_time(silent: str) -> None:
    """Within the timeout, and nobody listening at once."""
    assert failing(silent, KNOWN, 0.2).failure.kind == "registry.away"
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert failing(f"http://127.0.0.1:{held.getsockname()[1]}", KNOWN).failure.kind == "registry.away"


@pytest.mark.parametrize("schema_id", [KNOWN, MOVED], ids=["known", "redirected"])
def test_a_schema_is_given_as_it_is(url: str, schema_id: int) -> None:
    """Also where the registry sends on."""
    with closing(HttpRegistry(url, CircuitBreaker("registry"), timeout=30)) as registry:
        assert registry.find(SchemaRef(Space.IDS, schema_id)) == Found(schema_id, SCHEMA)


@dataclass
class Sickbay:
    """A registry behind a breaker, at a time that the test sets, that was asked in vain for `GIVEN_LATER`."""

    registry: HttpRegistry
    breaker: CircuitBreaker
    now: list[float]

    @property
    def state(self) -> BreakerState:
        """The breaker's."""
        return self.breaker.status().state


@pytest.fixture
def sickbay(url: str) -> Iterator[Sickbay]:
    """Its breaker is open."""
    now = [0.0]
    breaker = CircuitBreaker("registry", BreakerLimits(failures=1, reset=2.0), lambda: now[0])
    with closing(HttpRegistry(url, breaker, timeout=30)) as registry:
        assert not registry.look_again()
        with pytest.raises(Transient):
            registry.find(SchemaRef(Space.IDS, GIVEN_LATER))
        yield Sickbay(registry, breaker, now)


def test_a_registry_that_nobody_needs_any_more_is_seen_to_be_back(
    sickbay: Sickbay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did not give is asked for again when it is time to, until the breaker is closed."""
    assert not sickbay.registry.look_again()
    sickbay.now[0] = 2.0
    assert sickbay.registry.look_again()
    assert sickbay.state is BreakerState.OPEN
    monkeypatch.setitem(BODIES, GIVEN_LATER, BODIES[KNOWN])
    assert not sickbay.registry.look_again()
    sickbay.now[0] = 4.0
    assert sickbay.registry.look_again()
    assert sickbay.state is BreakerState.CLOSED
    assert not sickbay.registry.look_again()
