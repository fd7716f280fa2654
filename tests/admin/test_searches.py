"""Searches by values through the API: made, followed, their finds taken as a selection, cancelled."""

from functools import partial
from typing import Any

import pytest

from consumer.core.jobs import next_step
from consumer.core.roles import Role
from consumer.edges.postgres.value_searches import PostgresValueSearches
from dlq.payload import Sources
from dlq.value_search import judged
from tests.admin.conftest import Clients
from tests.admin.scene import CANARY, Shop
from tests.pg.conftest import Pools
from tests.unit.world import World

API = "/api/v1"
WHY = {"reason": "ticket 1"}


def worked(shop: Shop, pools: Pools) -> None:
    """A worker's steps until nothing is left."""
    world = World({1: shop.line.keys.text, 2: shop.line.values.text}, lambda name: None, address=shop.line.at.topic)
    sources = Sources(registry=world, fetch=lambda ref, known: None)

    searches = PostgresValueSearches(pools(), shop.group, partial(judged, sources=sources))
    while searches.step(next_step) is not None:
        pass


def test_what_a_search_finds_is_a_selection(shop: Shop, clients: Clients, pools: Pools) -> None:
    """For whoever may see content; what was compared with is in no answer and not in the audit."""
    content = clients(Role.CONTENT)
    shop.bad(2)
    wanted = shop.bad(3, note=CANARY)
    where = [{"field": "after.note", "comparison": "=", "value": CANARY}]
    made = content.post(f"{API}/searches", json={"letters": {"state": ["dead"]}, "where": where, **WHY})
    assert made.status_code == 201, made.text
    number = made.json()["job"]["id"]
    worked(shop, pools)
    found = content.get(f"{API}/searches/{number}")
    assert (found.json()["job"]["state"], found.json()["counts"]) == ("done", {"met": 1, "unmet": 1})
    listed = content.get(f"{API}/letters", params={"found_by": number}).json()["items"]
    assert [letter["id"] for letter in listed] == [wanted]
    looked = clients(Role.OPERATOR).post(f"{API}/jobs/preview", json={"letters": {"found_by": [number]}})
    assert looked.json()["goes"] == 1
    answers = [made, found, content.get(f"{API}/jobs"), content.get(f"{API}/audit"), content.get(f"/replays/{number}")]
    assert not any(CANARY in answer.text for answer in answers)
    assert "Looks at" in answers[-1].text
    assert shop.audit() == [("the content-viewer", "search payloads", "ticket 1")]


def test_a_search_is_cancelled_by_whoever_may_search(shop: Shop, clients: Clients) -> None:
    """A viewer may not; what is no search is not there."""
    content = clients(Role.CONTENT)
    shop.bad(2)
    asked = {"letters": {}, "where": [{"field": "op", "comparison": "is null"}], **WHY}
    number = content.post(f"{API}/searches", json=asked).json()["job"]["id"]
    assert clients(Role.VIEWER).post(f"{API}/searches/{number}/cancel", json=WHY).status_code == 403
    assert content.post(f"{API}/searches/{number}/cancel", json=WHY).json()["job"]["state"] == "cancelled"
    assert content.post(f"{API}/searches/{number}/cancel", json=WHY).status_code == 409
    other = shop.job([shop.bad(3)])
    assert content.get(f"{API}/searches/{other}").status_code == 404
    assert content.post(f"{API}/searches/{other}/cancel", json=WHY).status_code == 404
    assert content.post(f"{API}/searches", json={**asked, "letters": {"topic": ["none"]}}).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"where": []},
        {"where": [{"field": "nowhere", "comparison": "="}]},
        {"where": [{"field": "op", "comparison": "eval"}]},
        {"where": [{"field": "op", "comparison": "is null", "value": "x"}]},
        {"where": [{"field": "op", "comparison": "="}] * 21},
        {"limit": 100_001},
        {"limit": 0},
    ],
)
def test_what_can_not_be_searched_for_is_refused(clients: Clients, wrong: dict[str, Any]) -> None:
    """Before anything is done."""
    asked = {"letters": {}, "where": [{"field": "op", "comparison": "="}], **WHY}
    assert clients(Role.CONTENT).post(f"{API}/searches", json=asked | wrong).status_code == 422
