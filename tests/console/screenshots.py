"""Pictures of the console's pages for the docs, of a shop in which something has gone wrong: `make screenshots`."""

import os
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from playwright.sync_api import Page
from psycopg.types.json import Jsonb

from consumer.admin.app import make_app
from consumer.core.flags import Flag
from consumer.core.pausing import Subject
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.desk import Note
from consumer.settings.admin import Admin
from tests.admin.conftest import TOKENS
from tests.admin.scene import Shop, make_shop
from tests.admin.serving import served
from tests.console.conftest import Opens
from tests.pg.conftest import Pools

# all pages in both looks, for whoever has changed them: they are not kept
EVERY_LOOK = "HEADRACE_EVERY_LOOK" in os.environ
IMAGES = Path(__file__).parents[2] / "docs" / "images"
WIDTH, HEIGHT, TALLEST = 1280, 800, 1300
# those that are shown in the dark look too
DARK = ("overview", "pipeline", "letter")


@pytest.fixture
def group() -> str:
    """As a shop would name it."""
    return "shop"


@pytest.fixture
def schema(session: psycopg.Connection) -> str:
    """Likewise."""
    session.execute("DROP SCHEMA IF EXISTS shop CASCADE")
    session.execute("CREATE SCHEMA shop")
    return "shop"


@pytest.fixture
def shop(session: psycopg.Connection, server: str, pools: Pools, sink: PostgresSink, group: str, schema: str) -> Shop:
    """Orders flow; some can't be applied, a table waits for a column, a job has letters to send."""
    sink.seed({})
    made = make_shop(session, server, pools(), sink, (group, schema))
    people = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Radia", "Niklaus", "Frances")
    for number, name in enumerate(people * 5, 10):
        made.line.apply(("c", {"id": number, "customer": name, "status": "paid", "price": 7 * number, "note": None}))
    made.shown["first"] = made.bad(
        101, customer="Radia", status="waiting for the customs", price=2350, note="to Reykjavík"
    )
    for number, name in enumerate(people, 102):
        made.bad(number, customer=name, status="waiting for the customs", price=4 * number)
    for number in (120, 121, 122):
        made.bad(number, customer="a customer whose name is longer than the rule allows", status="paid")
    made.job([made.bad(140 + number, status="sent, and then some") for number in range(4)])
    made.plan()
    made.failed_batch()
    made.worker()
    with_fix(made)
    made.logs.reach[made.line.at] = made.line.next_offset + 240
    with_control(made)
    return made


def with_control(shop: Shop) -> None:
    """Somebody has paused and resumed something, for the audit."""
    control = PostgresControl(SessionSettings(dsn=shop.dsn, worker="admin"), shop.group)
    for person, reason in (("ada (login.example)", "an index is built"), ("grace (login.example)", "a new column")):
        control.pause(Subject(table="shop.orders"), Note(person, reason))
        control.resume(Subject(table="shop.orders"), Note(person, "it is there"))
    control.set_flag(Flag.COLUMN_CHECKS, False, Note("ada (login.example)", "the new rule keeps out too much"))
    control.close()


def with_fix(shop: Shop) -> None:
    """A change of a row that is there, put right by hand, and not sent yet; its trace is known."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    shop.shown["fixed"] = shop.bad(12, customer="Edsger", status="waiting for the customs", price=84, note="second try")
    headers = Jsonb([["traceparent", b64encode(trace.encode()).decode()]])
    for letter in (shop.shown["first"], shop.shown["fixed"]):
        update = "UPDATE headrace.letter_bytes SET headers = %s WHERE letter_id = %s"
        shop.session.execute(update, (headers, letter))
    patch = [{"op": "replace", "path": "/after/status", "value": "in customs"}]
    with shop.doors.letters() as desk:
        desk.edit(shop.shown["fixed"], patch, Note("ada (login.example)", "the customs' word was too long"))


def picture(page: Page, name: str) -> None:
    """As much of a page as a picture may be tall."""
    height = min(TALLEST, int(page.evaluate("document.documentElement.scrollHeight")))
    page.set_viewport_size({"width": WIDTH, "height": max(480, height)})
    page.wait_for_timeout(150)
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="initial")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


PAGES = {
    "overview": "/",
    "pipeline": "/pipeline",
    "set-a-position": "/positions?topic={topic}&partition=0&to=latest",
    "batches": "/batches",
    "batch": "/batches/{batch}",
    "dead-letters": "/letters",
    "letters": "/letters/list?state=dead",
    "letter": "/letters/{letter}",
    "content": "/letters/{letter}/content",
    "edit": "/letters/{letter}/edit",
    "ask-the-source": "/source?id={letter}",
    "replay-new": "/replays/new?kind=record.checks",
    "replay-rows": "/replays/new/rows?id={fixed}",
    "search": "/searches/new?state=dead",
    "replay": "/replays/{job}",
    "replays": "/replays",
    "tables": "/tables",
    "recovery": "/recovery",
    "workflow": "/recovery/{compared}",
    "differing-rows": "/recovery/{compared}/keys",
    "doctor": "/doctor",
    "flags": "/flags",
    "audit": "/audit",
    "first-letter": "/guide/{letter}",
    "about": "/about",
}


@pytest.fixture
def app(shop: Shop) -> FastAPI:
    """Its console, that leads people."""
    doors = replace(shop.doors, trace_url="https://traces.example/{trace_id}")
    return make_app(Admin(look_every=0.5, guide=True), doors)


def test_pictures(shop: Shop, app: FastAPI, opens: Opens) -> None:
    """Each page, once it has something to show; some in the dark look too."""
    IMAGES.mkdir(exist_ok=True)
    ((batch,),) = shop.session.execute("SELECT max(id) FROM headrace.batches WHERE state = 'failed'").fetchall()
    ((job,),) = shop.session.execute("SELECT max(id) FROM headrace.jobs").fetchall()
    known = {"topic": shop.line.at.topic, "batch": batch, "job": job, "letter": shop.shown["first"]}
    known |= {"fixed": shop.shown["fixed"], "compared": shop.compared()}
    size: Any = {"width": WIDTH, "height": HEIGHT}
    with served(app) as address:
        light, dark = (opens(address, color_scheme=look, viewport=size) for look in ("light", "dark"))
        light.goto("/")
        for step in range(14):
            # lag that is worked off
            shop.logs.reach[shop.line.at] = shop.line.next_offset + 240 - 12 * step
            light.wait_for_timeout(300)
        for name, path in PAGES.items():
            light.goto(path.format(**known))
            picture(light, name)
        for name in PAGES if EVERY_LOOK else DARK:
            dark.goto(PAGES[name].format(**known))
            picture(dark, f"{name}-dark")
    with served(make_app(Admin(tokens=TOKENS), shop.doors)) as address:
        page = opens(address, viewport=size)
        page.goto("/login")
        picture(page, "log-in")
