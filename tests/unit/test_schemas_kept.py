"""Schemas when a registry gives some of them only: asked over HTTP, with a target that keeps what was given."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from consumer.binding.schemas import Schemas, value_of
from consumer.core.breaking import BreakerLimits
from consumer.core.failure import Persistent, Transient
from consumer.core.runs import Run
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.registry import HttpRegistry
from tests.unit.avro import framed
from tests.unit.known import slice_of
from tests.unit.test_frames import TOPIC, row
from tests.unit.test_registry_ids import Kept

Answer = tuple[int, str]
UNKNOWN: Answer = (404, json.dumps({"error_code": 40403, "message": "Schema not found"}))
ELSEWHERE: Answer = (404, "default backend - 404")
LIMITED: Answer = (429, json.dumps({"error_code": 42901}))


class Server(ThreadingHTTPServer):
    """`answer`: what is said of an id."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Callable[[int], Answer] = given


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        status, body = self.server.answer(int(self.path.rsplit("/", 1)[-1]))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """It has a schema for every id, until the test says otherwise."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def registry(server: Server) -> Iterator[HttpRegistry]:
    """That server, which is asked however often it failed."""
    url = f"http://127.0.0.1:{server.server_port}"
    with closing(HttpRegistry(url, CircuitBreaker("registry", BreakerLimits(failures=1000)))) as asked:
        yield asked


def given(number: int) -> Answer:
    """A schema."""
    return 200, json.dumps({"schema": text(number)})


def text(number: int) -> str:
    """That of an id."""
    return json.dumps({"type": "string", "number": number})


def runs_of(numbers: Sequence[int]) -> list[Run]:
    """A record each, whose value is of that schema."""
    body = TOPIC.record("c", row(1))[1]
    assert body is not None
    return [run_of(framed(number, body[5:])) for number in numbers]


def run_of(value: bytes) -> Run:
    """A record without a key."""
    return Run(piece=slice_of([(None, value)]), start=0, end=1, key_frame=None, value_frame=value[:5])


@pytest.mark.parametrize("answer", [UNKNOWN, ELSEWHERE], ids=["an id it does not know", "another server's 404"])
def test_what_was_kept_is_taken_where_the_registry_answers_404(
    server: Server, registry: HttpRegistry, answer: Answer
) -> None:
    """Ids are for ever, so what one stood for once it stands for still."""
    kept = Kept()
    (run,) = runs_of([7])
    with closing(Schemas(registry, kept, 0.0)) as before:
        before.learn([run])
    server.answer = lambda number: answer

    with closing(Schemas(registry, kept, 60.0)) as schemas:
        schemas.learn([run])
        assert not schemas.lacks([run])
        assert schemas.text(value_of(run)) == text(7)


def test_what_was_kept_does_not_count_where_the_registry_says_what_else_an_id_is(
    server: Server, registry: HttpRegistry
) -> None:
    """As one does that was made anew and counts from one on again."""
    kept = Kept()
    (run,) = runs_of([7])
    with closing(Schemas(registry, kept, 0.0)) as before:
        before.learn([run])
    server.answer = lambda number: (200, json.dumps({"schema": "syntax", "schemaType": "PROTOBUF"}))

    with closing(Schemas(registry, kept, 60.0)) as schemas:
        schemas.learn([run])
        with pytest.raises(Persistent) as caught:
            schemas.text(value_of(run))
    assert caught.value.failure.kind == "record.format"


def test_an_id_that_nobody_knows_is_the_record_s_fault_beside_those_that_are_kept(
    server: Server, registry: HttpRegistry
) -> None:
    """The answer is believed for a while, and who binds gets it at once."""
    kept = Kept()
    known, unknown = runs_of([7, 8])
    with closing(Schemas(registry, kept, 0.0)) as before:
        before.learn([known])
    server.answer = lambda number: UNKNOWN

    with closing(Schemas(registry, kept, 60.0)) as schemas:
        schemas.learn([known, unknown])
        assert not schemas.lacks([known, unknown])
        with pytest.raises(Persistent) as caught:
            schemas.text(value_of(unknown))
    assert caught.value.failure.kind == "record.schema_unknown"


def test_an_id_is_waited_for_where_another_server_says_404(server: Server, registry: HttpRegistry) -> None:
    """It is said which setting leads there."""
    server.answer = lambda number: ELSEWHERE
    with closing(Schemas(registry, Kept(), 60.0)) as schemas, pytest.raises(Transient) as caught:
        schemas.learn(runs_of([7]))
    assert caught.value.failure.kind == "registry.status"
    assert "registry.url" in caught.value.failure.remedy


def test_what_was_given_beside_a_refusal_is_not_asked_for_again(server: Server, registry: HttpRegistry) -> None:
    """A registry that limits its requests gives more with each try, and nothing twice."""
    answers, times = count(1), Counter[int]()

    def limited(number: int) -> Answer:
        if next(answers) % 10 == 0:
            return LIMITED
        times[number] += 1
        return given(number)

    server.answer = limited
    kept, runs = Kept(), runs_of(range(1, 101))
    with closing(Schemas(registry, kept, 60.0)) as schemas:
        for _ in range(20):
            with suppress(Transient):
                schemas.learn(runs)
        assert not schemas.lacks(runs)
    assert times == dict.fromkeys(range(1, 101), 1)
    assert {number: found for (_, number), found in kept.schemas.items()} == {n: text(n) for n in range(1, 101)}
