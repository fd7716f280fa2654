"""Flags over the API and the console, and what those refuse while nobody is to change anything."""

import json
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.flags import Flag
from consumer.core.roles import Role
from tests.admin.conftest import Clients, secret
from tests.admin.scene import Shop
from tests.admin.test_guard import word
from tests.admin.walking import walk

WHY = {"reason": "ticket 1"}


def state(client: httpx.Client, flag: Flag) -> bool:
    """Whether it is on, by the API."""
    return {row["flag"]: row["on"] for row in client.get("/api/v1/flags").json()["items"]}[flag]


def test_flags_are_listed_set_and_reset(shop: Shop, clients: Clients) -> None:
    """With what each is for; who did it stands in the audit."""
    operator = clients(Role.OPERATOR)
    listed = clients(Role.VIEWER).get("/api/v1/flags").json()["items"]
    assert [row["flag"] for row in listed] == [flag.value for flag in Flag]
    assert all(row["off"] and row["risk"] and row["owner"] for row in listed)
    put = operator.post("/api/v1/flags", json={"flag": "tracing", "on": False, **WHY})
    assert put.json() == {"flag": "tracing", "changed": True}
    assert not state(operator, Flag.TRACING)
    assert operator.post("/api/v1/flags/reset", json={"flag": "tracing", **WHY}).json()["changed"]
    assert state(operator, Flag.TRACING)
    assert [action for _, action, _ in shop.audit()] == ["set flag", "reset flag"]


def test_what_can_not_be_meant_is_refused(shop: Shop, clients: Clients) -> None:
    """An unknown flag with those that there are, and what is for admins."""
    operator = clients(Role.OPERATOR)
    unknown = operator.post("/api/v1/flags", json={"flag": "tracign", "on": False, **WHY})
    assert (unknown.status_code, unknown.json()["kind"]) == (422, "request.invalid")
    assert "flags are: columnar-decoder" in unknown.json()["detail"]
    assert "tracign" not in unknown.text
    table = operator.post("/api/v1/flags", json={"flag": "table-apply", "on": False, "table": "no.such", **WHY})
    assert table.status_code == 404
    assert operator.post("/api/v1/flags", json={"flag": "table-apply", "on": False, **WHY}).status_code == 409
    assert operator.post("/api/v1/flags", json={"flag": "console-writes", "on": False, **WHY}).status_code == 403
    assert clients(Role.VIEWER).post("/api/v1/flags", json={"flag": "tracing", "on": False, **WHY}).status_code == 403
    assert shop.audit() == []


def test_while_nobody_is_to_change_anything_every_change_is_refused(
    shop: Shop, guarded: FastAPI, clients: Clients
) -> None:
    """Every route that changes something is walked, of API and console; those that only look answer as before."""
    letter, admin = shop.bad(2), clients(Role.ADMIN)
    assert admin.post("/api/v1/flags", json={"flag": "console-writes", "on": False, **WHY}).status_code == 200
    before, csrf = shop.audit(), word(admin, "/flags")
    looks = {"/api/v1/jobs/preview", "/api/v1/source/preview", "/logout", "/login", "/letters/export"}
    looks |= {"/api/v1/letter-export", "/api/v1/workflows/preview"}
    walked = 0
    for method, path, _ in walk(guarded):
        if method == "GET":
            continue
        # flags look for the lock by themselves, behind what is wanted
        more = {"/api/v1/flags": {"on": False}, "/flags": {"to": "off"}}.get(path, {})
        body = {"flag": "tracing", **more, **WHY} if "/flags" in path else WHY
        if path.startswith("/api/"):
            answer = admin.post(path, json=body)
        else:
            answer = admin.post(path, data={**body, "csrf": csrf}, follow_redirects=False)
        assert (answer.status_code == 423) == (path not in looks), (path, answer.status_code)
        walked += path not in looks
    assert walked > 25
    changed = [deed for deed in shop.audit() if deed[1] != "export payloads"]
    assert (shop.state(letter), changed) == ("dead", before)
    document = admin.post("/api/v1/pauses", json={"topic": shop.line.at.topic, **WHY}).json()
    assert document["kind"] == "request.locked"
    assert "headrace flags set console-writes on" in document["remedy"]
    assert admin.post("/api/v1/flags", json={"flag": "console-writes", "on": True, **WHY}).status_code == 200
    assert admin.post("/api/v1/pauses", json={"topic": shop.line.at.topic, **WHY}).status_code == 200


def test_pages_show_no_forms_while_changes_are_off(shop: Shop, here: httpx.Client) -> None:
    """But the one that ends it."""
    letter = shop.bad(2)
    form = {"csrf": word(here, "/flags"), "flag": "console-writes", **WHY}
    assert here.post("/flags", data={**form, "to": "off"}, follow_redirects=True).status_code == 200
    for path in ("/pipeline", "/tables", "/letters/list", f"/letters/{letter}", "/replays"):
        page = here.get(path).text
        assert "Changes over the console and the API are switched off" in page
        assert re.findall(r'action="(?!/logout|/letters/export|/letters/list|/audit)', page) == [], path
    page = here.get("/flags").text
    assert re.findall(r'action="(/flags)"', page) == ["/flags"]
    assert "ticket 1" in page
    assert here.post("/flags", data={**form, "to": "on"}, follow_redirects=True).status_code == 200
    assert 'action="/pipeline/pause"' in here.get("/tables").text


def test_a_table_that_is_switched_off_is_paused(shop: Shop, here: httpx.Client) -> None:
    """From the page of flags; and resumed from there."""
    table = f"{shop.schema}.orders"
    here.post("/api/v1/flags", json={"flag": "table-apply", "on": False, "table": table, **WHY})
    assert [pause["of"]["table"] for pause in here.get("/api/v1/pauses").json()["items"]] == [table]
    assert f"Apply {table} again" in here.get("/flags").text
    form = {"csrf": word(here, "/flags"), "flag": "table-apply", "table": table, "to": "on", **WHY}
    assert here.post("/flags", data=form, follow_redirects=True).status_code == 200
    assert here.get("/api/v1/pauses").json()["items"] == []
    assert [action for _, action, _ in shop.audit()] == ["pause", "resume"]


def test_kafka_connect_is_not_asked_while_its_watch_is_off(shop: Shop, here: httpx.Client, guarded: FastAPI) -> None:
    """And again once it is on."""
    watch = guarded.state.watch
    watch.look()
    assert len(watch.last.connectors) == 2
    here.post("/api/v1/flags", json={"flag": "connect-watch", "on": False, **WHY})
    watch.look()
    assert list(watch.last.connectors) == []
    here.post("/api/v1/flags/reset", json={"flag": "connect-watch", **WHY})
    watch.look()
    assert len(watch.last.connectors) == 2


def test_the_command_does_the_same_at_a_server(
    shop: Shop, clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the name whose token it is; what the server refuses is told with what to do."""
    shop.worker()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_SERVER", str(clients().base_url))
    monkeypatch.setenv("HEADRACE_TOKEN", secret(Role.ADMIN))

    def run(*words: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["flags", *words])
        return result.exit_code, result.stdout, result.stderr

    assert json.loads(run("ls", "--output", "json")[1])[0]["workers"] == 1
    code, told, _ = run("set", "console-writes", "off", "--reason", "hands off", "--output", "json")
    assert (code, json.loads(told)[0]["on"]) == (0, False)
    code, _, said = run("reset", "tracing", "--reason", "r")
    assert (code, "console-writes on" in said) == (4, True), said
    assert run("reset", "console-writes", "--reason", "r")[0] == 0
    table = f"{shop.schema}.orders"
    assert run("set", "table-apply", "off", "--table", table, "--reason", "r")[0] == 0
    assert run("reset", "table-apply", "--table", table, "--reason", "r")[0] == 0
    assert {actor for actor, *_ in shop.audit()} == {"the admin"}
