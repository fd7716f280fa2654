"""The registry over https, with logins: Apicurio's own TLS, and a front that wants to know who asks."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from consumer.stack.registry import CONFLUENT_PATH
from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.witness import Target
from tests.real.engine.worker import Job, Workers, eventually

from .conftest import PASSWORD, USER, Ground
from .test_kafka import examined, says

TOKEN = "a-token-of-alice"


def job_of(ground: Ground, target: Target, feed: Feed, url: str, **said: Any) -> Job:
    """A group that asks this registry."""
    return Job(
        at=ground.at, dsn=target.dsn, group=fresh_name("secured"), topics=(feed.topic,), stall=60.0,
        sections={"registry": {"url": url, "timeout": 2, "unknown_grace": 0, **said}},
    )  # fmt: skip


def secured(ground: Ground, host: str = "127.0.0.1") -> str:
    """The registry's own https address."""
    return f"https://{host}:{ground.at.registry_tls_port}{CONFLUENT_PATH}"


def refused(workers: Workers, target: Target, job: Job, kind: str) -> str:
    """A worker that is refused: it waits, nothing is applied, and the doctor says the same. Its log."""
    worker = workers.run(job)
    eventually(lambda: says(worker, kind), "it says why")
    assert worker.leave() == 0
    assert target.rows("once") == {}
    reachable = examined(workers, job)["registry.reachable"]
    assert (reachable["level"], reachable["kind"]) == ("fail", kind)
    return worker.text()


def test_an_authority_of_our_own_is_trusted_by_its_file(
    ground: Ground, workers: Workers, target: Target, feed: Feed
) -> None:
    """From topic to table."""
    job = job_of(ground, target, feed, secured(ground), ca_file=str(ground.papers.ours.certificates))
    workers.until_current(job)
    target.must_equal(job.group, feed)
    assert examined(workers, job)["registry.security"]["detail"] == "over TLS"


@pytest.mark.provokes("registry.tls")
@pytest.mark.parametrize("what", ["another authority", "the system's authorities", "another name"])
def test_wrong_papers_are_refused_and_nothing_is_lost(
    ground: Ground, workers: Workers, target: Target, feed: Feed, what: str
) -> None:
    """The worker waits, and goes on with the right ones."""
    ours, others = (str(each.certificates) for each in (ground.papers.ours, ground.papers.others))
    said = {"another authority": {"ca_file": others}, "another name": {"ca_file": ours}}.get(what, {})
    host = "localhost" if what == "another name" else "127.0.0.1"
    job = job_of(ground, target, feed, secured(ground, host), **said)
    assert "registry.ca_file" in refused(workers, target, job, "registry.tls")
    right = Job(at=ground.at, dsn=target.dsn, group=job.group, topics=job.topics)
    workers.until_current(right)
    target.must_equal(job.group, feed)


@contextmanager
def front(ground: Ground, *, ended: bool = False) -> Iterator[str]:
    """Asks who is there, and passes on to the registry; over https."""
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") not in (basic, f"Bearer {TOKEN}"):
                self._answer(401, b"{}")
                return
            answer = httpx.get(ground.at.registry_url + self.path, timeout=10)
            self._answer(answer.status_code, answer.content)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    papers = ground.papers.ended if ended else ground.papers.server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.certificate, papers.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        # a client that refuses us is no error of ours
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize("way", ["password", "token", "in the address"])
def test_logins_lead_from_topic_to_table(
    ground: Ground, workers: Workers, target: Target, feed: Feed, way: str, tmp_path: Any
) -> None:
    """A password from a file, a token from a file, or both in the address; none is told to anybody."""
    file = tmp_path / "secret"
    file.write_text(f"{TOKEN if way == 'token' else PASSWORD}\n")
    ways = {"password": {"user": USER, "password_file": str(file)}, "token": {"token_file": str(file)}}
    with front(ground) as url:
        if way == "in the address":
            url = url.replace("https://", f"https://{USER}:{PASSWORD}@")
        job = job_of(ground, target, feed, url, ca_file=str(ground.papers.ours.certificates), **ways.get(way, {}))
        worker = workers.until_current(job)
        target.must_equal(job.group, feed)
        assert examined(workers, job)["registry.reachable"]["level"] == "ok"
    assert PASSWORD not in worker.text() + str(target.ask("SELECT registry FROM headrace.schemas"))


def test_a_wrong_login_is_refused_and_nothing_is_lost(
    ground: Ground, workers: Workers, target: Target, feed: Feed
) -> None:
    """So is none at all; and a front whose certificate has ended."""
    trusted = {"ca_file": str(ground.papers.ours.certificates)}
    with front(ground) as url:
        wrong = job_of(ground, target, feed, url, user=USER, password="guessed", **trusted)
        assert "guessed" not in refused(workers, target, wrong, "registry.refused")
        right = job_of(ground, target, feed, url, user=USER, password=PASSWORD, **trusted)
    with front(ground, ended=True) as url:
        refused(workers, target, job_of(ground, target, feed, url, **trusted), "registry.tls")
    workers.until_current(Job(at=ground.at, dsn=target.dsn, group=right.group, topics=right.topics))
    target.must_equal(right.group, feed)
