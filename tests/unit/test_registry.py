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
KNOWN, MOVED, NULL_TYPE, NO_TYPE, GIVEN_LATER = 1, 2, 8, 9, 503
SECRET = "sesame"
# what is answered for a schema id; the ids that are no keys here or in MISSING are statuses
BODIES = {
    KNOWN: json.dumps({"schema": SCHEMA}),
    NULL_TYPE: json.dumps({"schema": SCHEMA, "schemaType": None}),
    NO_TYPE: json.dumps({"schema": SCHEMA, "schemaType": ""}),
    3: json.dumps({"schema": SCHEMA, "schemaType": "JSON"}),
    7: json.dumps({"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}),
    4: json.dumps({"subject": SECRET}),
    5: f"<html>{SECRET}</html>",
    6: json.dumps([SECRET]),
}
# registries' words on an id that they do not know: by Confluent's API, and by that of Apicurio 2 and 3
UNKNOWN = {
    40401: json.dumps({"error_code": 40403, "message": SECRET}),
    40402: json.dumps({"error_code": 404, "message": SECRET, "name": "ArtifactNotFoundException"}),
    40403: json.dumps({"status": 404, "title": SECRET, "name": "ContentNotFoundException"}),
}
# what stands in front of one, or a registry that is asked where it has nothing
ELSEWHERE = {
    40411: f"default backend - 404, {SECRET}",
    40412: "",
    40413: json.dumps({"message": SECRET}),
    40414: json.dumps([SECRET]),
    40415: json.dumps({"error_code": 404, "message": "HTTP 404 Not Found"}),
    40416: json.dumps({"error_code": 0, "message": "RESTEASY003210: Could not find resource"}),
    40417: json.dumps({"error_code": 404, "name": "NotFoundException"}),
    40418: json.dumps({"error_code": SECRET, "name": 7}),
}
MISSING = UNKNOWN | ELSEWHERE


class Answers(BaseHTTPRequestHandler):
    """Says what the id asks for."""

    def do_GET(self) -> None:
        """A body, a redirect, or a status."""
        number = int(self.path.rsplit("/", 1)[-1])
        body = (BODIES | MISSING).get(number, json.dumps({"message": SECRET})).encode()
        statuses = {MOVED: 302, **dict.fromkeys(BODIES, 200), **dict.fromkeys(MISSING, 404)}
        self.send_response(statuses.get(number, number))
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


@pytest.mark.provokes("record.format", "registry.refused", "registry.status", "registry.away")
@pytest.mark.parametrize(
    ("schema_id", "kind", "raised"),
    [
        (404, "registry.status", Transient),
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


@pytest.mark.provokes("record.schema_unknown")
@pytest.mark.parametrize("schema_id", UNKNOWN)
def test_an_id_is_unknown_if_the_registry_says_so(url: str, schema_id: int) -> None:
    """By the words that registries have for it."""
    error = failing(url, schema_id)
    assert type(error) is Persistent
    assert (error.failure.kind, error.failure.code) == ("record.schema_unknown", "404")


@pytest.mark.provokes("registry.status")
@pytest.mark.parametrize("schema_id", ELSEWHERE)
def test_any_other_404_is_for_time(url: str, schema_id: int) -> None:
    """A default backend has it for everything, and so has a registry at another path: no record is at fault."""
    error = failing(url, schema_id)
    assert type(error) is Transient
    assert (error.failure.kind, error.failure.code) == ("registry.status", "404")
    assert "path of registry.url" in error.failure.remedy


@pytest.mark.provokes("registry.away")
def test_no_answer_is_for_time(silent: str) -> None:
    """Within the timeout, and nobody listening at once."""
    assert failing(silent, KNOWN, 0.2).failure.kind == "registry.away"
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert failing(f"http://127.0.0.1:{held.getsockname()[1]}", KNOWN).failure.kind == "registry.away"


@pytest.mark.parametrize(
    "schema_id", [KNOWN, MOVED, NULL_TYPE, NO_TYPE], ids=["known", "redirected", "of type null", "of no type"]
)
def test_a_schema_is_given_as_it_is(url: str, schema_id: int) -> None:
    """Also where the registry sends on, or names no language: that is Avro."""
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
