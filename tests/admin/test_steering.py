"""What runs is paused and ended however many others ask: places are kept for that."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx
import pytest

from consumer.admin import doors
from consumer.admin.app import make_app
from consumer.ports.desk import Note
from consumer.settings.admin import Admin
from tests.admin.scene import Shop
from tests.admin.serving import served
from tests.admin.test_guard import word

WHY = {"reason": "ticket 1"}


@dataclass
class Crowd:
    """A client while others have all places for questions. `csrf`: what forms of its session repeat."""

    client: httpx.Client
    csrf: str
    number: int
    job: int


@pytest.fixture
def crowd(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    """With a workflow and a job that go on."""
    monkeypatch.setattr(doors, "_PATIENCE", 0.5)
    with shop.doors.recoveries() as desk:
        number = desk.start("reconcile", {}, Note("me", "ticket 1"))
    job = shop.job([shop.bad(4)])
    free = threading.Semaphore(1)
    app = make_app(Admin(look_every=300), replace(shop.doors, free=free))
    with served(app) as address, httpx.Client(base_url=address, timeout=30, verify=False) as client:
        csrf = word(client, "/flags")
        assert free.acquire(timeout=10)
        assert client.get("/api/v1/workers").status_code == 503
        yield Crowd(client, csrf, number, job)


def test_the_api_pauses_and_ends_what_runs(crowd: Crowd, shop: Shop) -> None:
    """Jobs, workflows, partitions."""
    topic = {"topic": shop.line.at.topic, **WHY}
    sent = {
        f"/api/v1/jobs/{crowd.job}/cancel": WHY,
        f"/api/v1/workflows/{crowd.number}/cancel": WHY,
        "/api/v1/pauses": topic,
        "/api/v1/pauses/end": topic,
    }
    assert {path: crowd.client.post(path, json=body).status_code for path, body in sent.items()} == dict.fromkeys(
        sent, 200
    )


def test_the_console_pauses_and_ends_what_runs(crowd: Crowd, shop: Shop) -> None:
    """The same."""
    topic = {"topic": shop.line.at.topic}
    sent: dict[str, dict[str, str]] = {
        f"/replays/{crowd.job}/cancel": {},
        f"/recovery/{crowd.number}/cancel": {},
        "/pipeline/pause": topic,
        "/pipeline/resume": topic,
    }
    answers = {path: crowd.client.post(path, data={**body, "csrf": crowd.csrf, **WHY}) for path, body in sent.items()}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(sent, 303)


def test_a_search_is_ended(crowd: Crowd, shop: Shop) -> None:
    """It costs as much as it reads."""
    query = "UPDATE headrace.jobs SET kind = 'search', conditions = '[]' WHERE id = %s"
    shop.session.execute(query, (crowd.job,))
    assert crowd.client.post(f"/api/v1/searches/{crowd.job}/cancel", json=WHY).status_code == 200
