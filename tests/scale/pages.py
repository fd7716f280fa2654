"""How long people wait for a page, and programs for an answer, with a million letters: `python -m tests.scale.pages`.

Each page of the console and each question to the API is asked often over HTTP, of a `headrace admin serve` of its own;
those whose 95th percentile is above 200 ms are marked, and then it ends with 1. A path of the API that is not asked is
an error.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import httpx
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.stack.options import KAFKA, TARGET, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until
from dlq.groups import groups
from dlq.letters import Place
from dlq.selection import Selection
from tests.real.engine.feed import create_topic
from tests.scale.filled import REGISTRY, TOPICS, filled
from tests.scale.index import DAYS, GROUP, MOST_MS, NOW, fill

API = "/api/v1"
# what asks other servers, or looks as long as somebody looks, or is not read
NOT_TIMED = {
    f"{API}/doctor": "examines every server; its report is told again for 15 s",
    "/doctor": "the same as a page",
    "/events": "stays open",
    f"{API}/openapi.json": "a document",
    "/login/oidc": "leads to a provider",
    "/login/oidc/back": "comes from one",
    "/guide": "leads to /guide/{number}",
    "/login": "leads to the overview where nobody has to say who they are",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `body`: posted as JSON."""

    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None

    @property
    def words(self) -> str:
        """As it is told."""
        return " ".join(filter(None, (self.path, urlencode(self.query, doseq=True)[:60], str(self.body or "")[:60])))


def questions(known: Mapping[str, int], large: str) -> Iterator[Question]:
    """All of them; `large`: the group of most letters."""
    at = {name: str(number) for name, number in known.items()}
    middle = NOW - timedelta(days=DAYS / 2)
    deep = str(Place(NOW - timedelta(days=DAYS * 0.9), 1))
    day = {"since": middle.isoformat(), "before": (middle + timedelta(days=1)).isoformat()}
    selections: dict[str, Mapping[str, Any]] = {
        "all": {},
        "dead": {"state": "dead"},
        "a large group": {"group": large},
        "a table": {"table": "public.t7", "state": "dead"},
        "a text": {"text": "after.c3"},
        "a day": day,
        "deep down": {"state": "dead", "after": deep},
    }
    for path in ("/", "/pipeline", "/batches", "/letters", "/replays", "/tables", "/recovery", "/flags", "/audit",
                 "/about", "/searches/new?state=dead", f"/batches/{at['batch']}", f"/letters/{at['letter']}",
                 f"/letters/{at['letter']}/content", f"/letters/{at['letter']}/edit", f"/replays/{at['job']}",
                 f"/replays/{at['search']}", f"/recovery/{at['comparison']}", f"/recovery/{at['comparison']}/keys",
                 f"/recovery/{at['comparison']}/repair", f"/recovery/new?kind=rewind&topic={TOPICS[3]}&to=earliest",
                 f"/positions?topic={TOPICS[3]}&partition=0&to=latest", f"/source?id={at['letter']}",
                 f"/guide/{at['letter']}", f"/replays/new/rows?id={at['letter']}"):  # fmt: skip
        yield Question(path=path)
    yield Question(path="/letters", query={"text": "after.c3"})
    yield Question(path="/batches", query={"state": "failed", "topic": TOPICS[7]})
    yield Question(path="/audit", query={"actor": "person 7"})
    for chosen in selections.values():
        yield Question(path="/letters/list", query=chosen)
        yield Question(path=f"{API}/letters", query=chosen)
    for path in ("/about", "/audit", "/batches", f"/batches/{at['batch']}", "/commands", "/connectors", "/flags",
                 "/healing", "/jobs", f"/jobs/{at['job']}", f"/jobs/{at['job']}/items", "/lag", "/letter-facets",
                 "/letter-groups", f"/letters/{at['letter']}", f"/letters/{at['letter']}/difference",
                 f"/letters/{at['letter']}/payload", f"/letters/{at['letter']}/row", "/pauses", "/positions",
                 f"/positions/outlook?topic={TOPICS[3]}&partition=0&to=latest", "/schema-changes",
                 f"/searches/{at['search']}", "/settings", "/tables", "/workers", "/workflow-tables", "/workflows",
                 f"/workflows/{at['comparison']}", f"/workflows/{at['comparison']}/keys",
                 f"/workflows/{at['comparison']}/repair", f"/workflows/{at['comparison']}/rows"):  # fmt: skip
        yield Question(path=API + path)
    yield Question(path=f"{API}/letter-facets", query={"table": "public.t7"})
    # a thousand letters
    rare = {"table": "public.t37", "state": "replaying"}
    yield Question(path=f"{API}/letter-export", query=rare)
    yield Question(path="/letters/export", query=rare)
    yield Question(path="/healthz")
    yield Question(path="/readyz")
    one_day = {"table": ["public.t7"], "state": ["dead"], "kind": ["record.behind"], **day}
    many = {"table": ["public.t7"], "state": ["dead"], "kind": ["record.behind"]}
    for some in (one_day, many):
        yield Question(path=f"{API}/jobs/preview", body={"letters": some})
        yield Question(path="/replays/new", query=some)
    yield Question(path=f"{API}/jobs/preview", body={"letters": one_day, "kind": "discard"})
    yield Question(path="/replays/new", query={**one_day, "job": "discard"})
    yield Question(path=f"{API}/source/preview", body={"letters": {"id": [known["letter"]]}})
    rewind = {"kind": "rewind", "subject": {"topic": TOPICS[3], "to": "earliest"}}
    yield Question(path=f"{API}/workflows/preview", body=rewind)


@contextmanager
def servers() -> Iterator[tuple[str, str]]:
    """A target and Kafka, with the topics that are read."""
    with TemporaryDirectory(prefix="headrace-scale-") as place:
        options = StackOptions(target_settings={"fsync": "off"})
        with Stack.open(Path(place), {TARGET, KAFKA}, options, Terminal(quiet_steps=True)) as stack:
            kafka = stack.endpoints.kafka
            for topic in (*TOPICS, "shop.public.orders", "shop-signal"):
                create_topic(kafka, topic, 1)
            producer = Producer({"bootstrap.servers": kafka})
            for _ in range(5):
                producer.produce(TOPICS[3], b"a record that is not read")
            assert producer.flush(30) == 0
            yield stack.endpoints.target_dsn, kafka


@contextmanager
def admin(dsn: str, bootstrap: str) -> Iterator[httpx.Client]:
    """`headrace admin serve` for the group, and a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "KAFKA__TOPICS": '["shop[.].*"]',
        "KAFKA__GROUP": GROUP,
        "REGISTRY__URL": REGISTRY,
        "TARGET__DSN": dsn,
        "ADMIN__PORT": str(port),
        "SOURCE__TOPIC_PREFIX": "shop",
        "SOURCE__SIGNAL_TOPIC": "shop-signal",
    }
    command = [sys.executable, "-m", "consumer", "admin", "serve"]
    process = subprocess.Popen(command, env={**os.environ, **{f"HEADRACE_{name}": it for name, it in settings.items()}})
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, follow_redirects=False)

    def looked() -> bool:
        assert process.poll() is None
        try:
            return client.get(f"{API}/lag").json()["at"] is not None
        except httpx.HTTPError:
            return False

    try:
        assert wait_until(looked, 120)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(30)


def measured(client: httpx.Client, question: Question, times: int) -> tuple[float, float, str]:
    """Median and 95th percentile in milliseconds, behind a first one that is not counted; and what was wrong."""
    taken, wrong = [], ""
    for _ in range(times + 1):
        begin = time.perf_counter()
        if question.body is None:
            answer = client.get(question.path, params=question.query or None)
        else:
            answer = client.post(question.path, json=question.body)
        taken.append((time.perf_counter() - begin) * 1000)
        if not answer.is_success:
            wrong = str(answer.status_code)
        elif is_empty(answer):
            wrong = "empty"
    cuts = quantiles(taken[1:], n=20)
    return cuts[9], cuts[18], wrong or ("above" if cuts[18] > MOST_MS else "")


def is_empty(answer: httpx.Response) -> bool:
    """Whether an answer is about no letter where it is to be about some, so that its time says nothing."""
    path = answer.request.url.path
    if "export" in path:
        return len(answer.text.splitlines()) < 100
    if answer.headers["content-type"] != "application/json" or not ("letter" in path or "jobs" in path):
        return False
    found = answer.json()
    return found.get("meant") == 0 or found.get("items") == []


def check_all(client: httpx.Client, asked: list[Question]) -> None:
    """Whether there is a question for each path of the API that is read. Raises AssertionError."""
    described = client.get(f"{API}/openapi.json").json()["paths"]
    reads = {path for path, ways in described.items() if "get" in ways or path.endswith("preview")}
    for path in reads - NOT_TIMED.keys():
        pattern = re.compile(re.sub(r"\{\w+\}", "[0-9]+", path))
        assert any(pattern.fullmatch(question.path.partition("?")[0]) for question in asked), f"nobody asks {path}"


def main() -> int:
    """Fill, ask, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--only", default="", help="questions with this in their words")
    chosen = parser.parse_args()
    table, late = Table("question", "median ms", "p95 ms", ""), 0
    with servers() as (dsn, kafka):
        with connect(SessionSettings(dsn=dsn, worker="scale")) as session:
            migrate(session)
            fill(session, chosen.letters)
            known = filled(session, dsn)
            every = groups(session, GROUP, Selection(), 1000)
        large = max(every, key=lambda group: sum(group.states.values())).fingerprint
        with admin(dsn, kafka) as client:
            asked = list(questions(known, large))
            check_all(client, asked)
            for question in asked:
                if chosen.only not in question.words:
                    continue
                median, slow, wrong = measured(client, question, chosen.times)
                late += bool(wrong)
                table.add_row(question.words, f"{median:.1f}", f"{slow:.1f}", wrong)
    Console(width=120).print(table)
    return 1 if late else 0


if __name__ == "__main__":
    raise SystemExit(main())
