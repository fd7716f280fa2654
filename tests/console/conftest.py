"""Debian's Chromium, and shops that it is shown."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from consumer.admin.app import make_app
from consumer.settings.admin import Admin
from tests.admin.conftest import TOKENS, bystander, group, pools, schema, server, session, shop, sink, sinks
from tests.admin.scene import Shop
from tests.admin.serving import served

__all__ = ["bystander", "group", "pools", "schema", "server", "session", "shop", "sink", "sinks"]
Opens = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    found = shutil.which("chromium")
    assert found is not None, "chromium is missing: make console-tests installs it"
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opens(browser: Browser) -> Iterator[Opens]:
    """Opens pages, each in a window of its own; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    opened: list[Any] = []

    def make(address: str, **how: Any) -> Page:
        window = browser.new_context(base_url=address, **how)
        window.set_default_timeout(15_000)
        opened.append(window)
        page = window.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield make
    for window in opened:
        window.close()
    # what a test asked for and was refused, browsers complain of too
    assert [said for said in complaints if "the server responded with a status of 4" not in said] == []


def _app(shop: Shop, **settings: Any) -> FastAPI:
    return make_app(Admin(look_every=0.5, **settings), shop.doors)


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    """Where nobody has to log in."""
    with served(_app(shop)) as found:
        yield found


@pytest.fixture
def guarded(shop: Shop) -> Iterator[str]:
    """Where everybody has to."""
    with served(_app(shop, tokens=TOKENS)) as found:
        yield found
