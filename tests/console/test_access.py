"""Everybody can use it: no violation of axe's rules, on any page, in either look, wide or narrow."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.admin.scene import HOSTILE, Shop
from tests.console.conftest import Opens

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", WIDE), ("light", NARROW)])
def test_no_page_breaks_a_rule_or_its_width(
    shop: Shop, address: str, guarded: str, opens: Opens, scheme: str, size: Any
) -> None:
    """With something of each kind on it; the login of who has to say who they are, too."""
    letters = [shop.bad(2, note=HOSTILE * 10), shop.bad(3), shop.bad(4)]
    job, batch = shop.job(letters[1:]), shop.failed_batch()
    shop.plan()
    shop.stop()
    shop.worker(away=True)
    compared = shop.compared()
    page = opens(address, color_scheme=scheme, viewport=size)
    paths = [
        "/", "/pipeline", "/batches", f"/batches/{batch}", "/letters", "/letters/list", f"/letters/{letters[0]}",
        f"/letters/{letters[0]}/content", f"/letters/{letters[0]}/edit", "/replays", f"/replays/{job}",
        "/replays/new?state=dead", "/tables", "/flags", "/audit", "/about", "/letters/99999999",
        f"/positions?topic={shop.line.at.topic}&partition=0&to=latest", f"/source?id={letters[1]}",
        f"/guide/{letters[1]}", "/guide", "/doctor", "/recovery", f"/recovery/{compared}", f"/recovery/{compared}/keys",
        f"/recovery/{compared}/repair", f"/recovery/new?kind=rewind&topic={shop.line.at.topic}&to=earliest",
        "/searches/new?state=dead", f"/replays/new/rows?id={letters[0]}", "/replays/new?state=dead&job=discard",
        f"{guarded}/login", f"{guarded}/login?left=true",
    ]  # fmt: skip
    broken: dict[str, Any] = {}
    for path in paths:
        page.goto(path)
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
        for each in found.response["violations"]:
            broken[f"{path} {each['id']}"] = [node["html"][:200] for node in each["nodes"][:2]]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            broken[f"{path} width"] = page.evaluate("document.documentElement.scrollWidth")
    assert broken == {}
