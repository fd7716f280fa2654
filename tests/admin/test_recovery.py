"""Comparisons and recoveries in API and console: looked at, begun, decided about, their rows shown to those who may."""

import json
from typing import Any

import httpx
import pytest

from consumer.core.roles import Role
from tests.admin.conftest import Clients
from tests.admin.scene import Shop


def start(client: httpx.Client, kind: str = "reconcile", **subject: object) -> int:
    """A workflow."""
    answer = client.post("/api/v1/workflows", json={"kind": kind, "subject": subject, "reason": "ticket 1"})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_a_comparison_is_begun_decided_about_and_read(shop: Shop, clients: Clients) -> None:
    """By the API."""
    client = clients(Role.OPERATOR)
    (table,) = client.get("/api/v1/workflow-tables").json()["items"]
    number = start(client, tables=[table])
    assert client.get("/api/v1/workflows").json()["items"][0]["state"] == "planned"
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        answer = client.post(f"/api/v1/workflows/{number}/{action}", json={"reason": "ticket 1"})
        assert answer.json()["state"] == state
    assert client.post(f"/api/v1/workflows/{number}/resume", json={"reason": "x"}).status_code == 409
    assert client.get("/api/v1/workflows/99").status_code == 404


def test_a_list_says_what_came_of_steps_without_each_of_them(shop: Shop, here: httpx.Client, clients: Clients) -> None:
    """A comparison may have a thousand, and the page of them is asked for time and again."""
    names = [f"public.many_{number}" for number in range(1000)]
    shop.session.execute(
        "INSERT INTO headrace.target_tables SELECT %s, t, t FROM unnest(%s::text[]) AS t", (shop.group, names)
    )
    client = clients(Role.OPERATOR)
    number = start(client, tables=names)
    shop.differing(number)
    answer = client.get("/api/v1/workflows")
    (one,) = answer.json()["items"]
    assert (one["steps"], one["rows"], one["differences"], one["table"]) == (1000, 41_000, 3, None)
    assert len(answer.content) < 1000
    assert 'data-is="rows">41' in here.get("/recovery").text


def test_rows_that_differ_are_for_those_who_may_see_contents(shop: Shop, clients: Clients) -> None:
    """And that they looked is kept."""
    number = start(clients(Role.OPERATOR))
    shop.differing(number)
    assert clients(Role.VIEWER).get(f"/api/v1/workflows/{number}/keys").status_code == 403
    found = clients(Role.CONTENT).get(f"/api/v1/workflows/{number}/keys", params={"verdict": "different"}).json()
    assert [(one["key"], one["columns"]) for one in found["items"]] == [(["it's"], ["status"])]
    query = "SELECT count(*) FROM headrace.audit WHERE action = 'look at differing keys' AND group_name = %s"
    assert shop.session.execute(query, (shop.group,)).fetchone() == (1,)


def test_the_source_is_asked_for_rows_that_are_missing_or_different(shop: Shop, clients: Clients) -> None:
    """By a condition on their keys that can't be read as anything else; rows that only the target has are not."""
    client = clients(Role.OPERATOR)
    number = start(client)
    shop.differing(number)
    looked = client.get(f"/api/v1/workflows/{number}/repair").json()
    assert looked == {"keys": 2, "signals": 1, "extra": 1, "left": {}}
    other = client.post(f"/api/v1/workflows/{number}/repair", json={"expect": 1, "reason": "ticket 1"})
    assert (other.status_code, shop.signals) == (409, [])
    assert client.post(f"/api/v1/workflows/{number}/repair", json={"expect": 2, "reason": "ticket 1"}).is_success
    (value,) = shop.signals
    (condition,) = json.loads(value)["data"]["additional-conditions"]
    assert condition == {"data-collection": r"shop\.orders", "filter": "\"id\" IN ('7', 'it''s')"}


def test_rows_of_a_table_that_would_have_them_twice_are_not_asked_for(shop: Shop, clients: Clients) -> None:
    """Each that the source sends again would be a row beside the one that is there."""
    client = clients(Role.OPERATOR)
    number = start(client)
    shop.differing(number)
    shop.appends = "match"
    refused = client.get(f"/api/v1/workflows/{number}/repair")
    assert (refused.status_code, "mode match" in refused.text, shop.signals) == (409, True, [])


def looked_at(shop: Shop, number: int) -> None:
    """Rows of a batch that an undo has looked at."""
    for offset, effect, why in ((3, "restore", ""), (4, "insert", "it is there again")):
        shop.session.execute(
            """INSERT INTO headrace.undo_rows
            (workflow_id, topic, partition, "offset", first_offset, table_name, key, effect, why)
            VALUES (%s, 't', 0, %s, 2, 'public.orders', '{"id": "it''s"}', %s, %s)""",
            (number, offset, effect, why),
        )


def test_rows_of_a_batch_are_for_those_who_may_see_contents(shop: Shop, here: httpx.Client, clients: Clients) -> None:
    """Those that can't be taken back come first; that somebody looked is kept."""
    batch = shop.session.execute(
        "SELECT max(id) FROM headrace.batches WHERE group_name = %s AND state = 'applied'", (shop.group,)
    ).fetchone()
    assert batch is not None
    number = start(clients(Role.OPERATOR), "undo", batch=batch[0])
    looked_at(shop, number)
    assert clients(Role.VIEWER).get(f"/api/v1/workflows/{number}/rows").status_code == 403
    found = clients(Role.CONTENT).get(f"/api/v1/workflows/{number}/rows").json()["items"]
    assert [(one["offset"], one["effect"], one["why"], one["key"]) for one in found] == [
        (4, "insert", "it is there again", {"id": "it's"}),
        (3, "restore", "", {"id": "it's"}),
    ]
    query = "SELECT count(*) FROM headrace.audit WHERE action = 'look at rows of a batch' AND group_name = %s"
    assert shop.session.execute(query, (shop.group,)).fetchone() == (1,)
    assert f'href="/recovery/{number}/rows"' in here.get(f"/recovery/{number}").text
    assert "it is there again" in here.get(f"/recovery/{number}/rows").text


PREVIEWS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "rebuild": ({"table": "{table}"}, ["snapshot", "reconcile", "sweep", "reconcile"]),
    "rewind": ({"topic": "{topic}", "to": "earliest", "compare": True}, ["move", "reach", "reconcile"]),
    "skip": ({"topic": "{topic}", "partition": 0, "first": 1, "to": 3}, ["skip"]),
    "adopt": ({"topic": "{topic}"}, ["move", "reach"]),
}


@pytest.mark.parametrize("kind", PREVIEWS)
def test_a_recovery_is_looked_at_before_it_is_begun(shop: Shop, here: httpx.Client, kind: str) -> None:
    """In API and console alike; looking does nothing."""
    wanted, acts = PREVIEWS[kind]
    (table,) = here.get("/api/v1/workflow-tables").json()["items"]
    names = {"{table}": table, "{topic}": shop.line.at.topic}
    subject = {name: names.get(str(value), value) for name, value in wanted.items()}
    looked = here.post("/api/v1/workflows/preview", json={"kind": kind, "subject": subject})
    assert [step["act"] for step in looked.json()["items"]] == acts
    page = here.get("/recovery/new", params={"kind": kind, **subject})
    assert all(f">{act}<" in page.text for act in acts), page.text
    assert here.get("/api/v1/workflows").json()["items"] == []
    number = start(here, kind, **subject)
    assert f"{kind.capitalize()} {number}" in here.get(f"/recovery/{number}").text


def test_what_can_not_be_done_says_why(shop: Shop, here: httpx.Client) -> None:
    """And nothing is begun."""
    refused = here.post("/api/v1/workflows/preview", json={"kind": "rebuild", "subject": {"table": "no.body"}})
    assert refused.status_code == 409
    assert "no topic of the group" in here.get("/recovery/new", params={"kind": "rebuild", "table": "no.body"}).text
    shop.signals_go = False
    assert "source.topic_prefix is not set" in here.get("/recovery/1/repair").text


def test_pages_show_what_there_is(shop: Shop, here: httpx.Client) -> None:
    """A list, a workflow, its rows."""
    number = start(here)
    shop.differing(number)
    assert f'href="/recovery/{number}"' in here.get("/recovery").text
    assert "Rows that differ" in here.get(f"/recovery/{number}").text
    assert "<code>it&#39;s</code>" in here.get(f"/recovery/{number}/keys").text
