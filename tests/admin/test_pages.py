"""The console's pages: what they say, that they show anything harmlessly, and what is done from them."""

import html
import json
import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from psycopg.types.json import Jsonb

from consumer.admin.app import make_app
from consumer.admin.watching import Watch
from consumer.core.roles import Role
from consumer.settings.admin import Admin
from tests.admin.conftest import Clients
from tests.admin.scene import CANARY, HOSTILE, Shop
from tests.admin.serving import served
from tests.admin.test_guard import word
from tests.pg.words import behind

PAGES = [
    "/",
    "/pipeline",
    "/batches",
    "/letters",
    "/letters/list",
    "/replays",
    "/tables",
    "/flags",
    "/doctor",
    "/audit",
    "/about",
]


def said(answer: httpx.Response) -> str:
    """A page's text, without its marks."""
    assert answer.status_code == 200, answer.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def test_somebody_is_led_through_a_first_letter(shop: Shop) -> None:
    """Where it is set; each step is read off the letter, and its pages say which is next."""
    with (
        served(make_app(Admin(guide=True), shop.doors)) as address,
        httpx.Client(base_url=address, timeout=30, verify=False) as on,
    ):
        assert "No letter can be fixed by hand now" in said(on.get("/guide"))
        letter = shop.bad(2)
        shop.bad(3)
        assert "Fix your first dead letter" in said(on.get("/"))
        assert on.get("/guide").headers["location"] == f"/guide/{letter}"
        csrf = word(on, f"/letters/{letter}")
        steps = [
            ("Find it", lambda: on.get(f"/letters/{letter}/content")),
            ("Correct it", lambda: on.post(f"/letters/{letter}/edit", data={
                "csrf": csrf, "reason": "r", "to:status": "paid", "as:status": "text", "was:status": 'text:"x"'})),
            ("Send it again", lambda: on.post(f"/letters/{letter}/replay", data={"csrf": csrf, "reason": "r"})),
            ("See it applied", lambda: shop.session.execute(
                "UPDATE headrace.letters SET state = 'applied', closed_at = now() WHERE id = %s", (letter,))),
        ]  # fmt: skip
        for title, act in steps:
            text = on.get(f"/guide/{letter}").text
            assert f'class="button primary" href="/letters/{letter}' in text
            assert title in text.split('aria-current="step"')[1].split("</p>")[0]
            act()
        assert "Your first dead letter is fixed" in said(on.get(f"/guide/{letter}"))
        assert "Your first dead letter is fixed." in said(on.get(f"/letters/{letter}"))


@pytest.mark.parametrize("url", ["", "https://traces.example/trace/{trace_id}?from=headrace&to=<x>"])
def test_a_letter_leads_to_its_trace(shop: Shop, url: str) -> None:
    """Where the settings say where that is; else its id stands there, by which it is found."""
    letter, trace = shop.bad(2), "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = b64encode(f"00-{trace}-00f067aa0ba902b7-01".encode()).decode()
    update = "UPDATE headrace.letter_bytes SET headers = %s WHERE letter_id = %s"
    shop.session.execute(update, (Jsonb([["traceparent", parent]]), letter))
    app = make_app(Admin(), replace(shop.doors, trace_url=url))
    with served(app) as address, httpx.Client(base_url=address, timeout=30, verify=False) as on:
        page = on.get(f"/letters/{letter}").text
        assert on.get(f"/api/v1/letters/{letter}").json()["letter"]["trace"] == trace
    assert trace in page
    link = f'href="https://traces.example/trace/{trace}?from=headrace&amp;to=&lt;x&gt;"'
    assert (link in page) == bool(url)


def test_times_of_a_selection_are_kept_on_the_way_to_what_is_done_with_it(shop: Shop, here: httpx.Client) -> None:
    """In links and forms; what they lead to means the same letters."""
    old, new = shop.bad(2), shop.bad(3)
    update = "UPDATE headrace.letters SET failed_at = now() - interval '2 days' WHERE id = %s"
    shop.session.execute(update, (old,))
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    page = here.get("/letters/list", params={"state": "dead", "since": since, "before": "2999-01-01T00:00:00+00:00"})
    assert "1 letter, that failed last since" in said(page)
    links = [
        html.unescape(link)
        for link in re.findall(r'href="(/(?:letters/export|replays/new|source|searches/new)\?[^"]*)"', page.text)
    ]
    assert len(links) == 6
    for link in links:
        assert [quote(since, safe="") in link, "before=2999" in link] == [True, True], link
    (exported,) = here.get(next(link for link in links if "ndjson" in link)).text.splitlines()
    assert json.loads(exported)["id"] == new
    assert "1 of 1 letters would be sent again" in said(
        here.get(next(link for link in links if "/replays/new" in link))
    )
    assert page.text.count(f'name="since" value="{since}"') == 1


def test_the_rows_of_the_first_letters_are_compared_before_a_job_is_made(shop: Shop, clients: Clients) -> None:
    """For whoever may see contents; that they looked is kept."""
    good, bad = shop.bad(2, note=CANARY), shop.bad(3)
    patch = [{"op": "replace", "path": "/after/status", "value": "paid"}]
    edit = {"patch": patch, "reason": "ticket 1"}
    assert clients(Role.OPERATOR).post(f"/api/v1/letters/{good}/edit", json=edit).is_success
    content, viewer = clients(Role.CONTENT), clients(Role.VIEWER)
    path = "/replays/new?state=dead"
    assert "/replays/new/rows" not in viewer.get(path).text
    (rows,) = set(re.findall(r'href="(/replays/new/rows\?[^"]*)"', content.get(path).text))
    assert rows == f"/replays/new/rows?id={good}&amp;id={bad}"
    assert len(shop.audit()) == 1
    text = said(content.get(f"/replays/new/rows?id={good}&id={bad}&id=99999999"))
    assert (text.count("insert a row"), text.count("it would be refused"), CANARY in text) == (1, 1, True)
    assert [deed[1] for deed in shop.audit()[1:]] == ["view payload"] * 2
    assert viewer.get("/replays/new/rows", params={"id": good}).status_code == 403
    assert content.get("/replays/new/rows", params={"id": [good] * 6}).status_code == 422


def test_what_letters_hold_is_searched_from_a_form(shop: Shop, clients: Clients) -> None:
    """Lines without a field count for nothing; what can't be meant is said beside what was written."""
    shop.bad(2)
    content, viewer = clients(Role.CONTENT), clients(Role.VIEWER)
    assert "/searches/new" not in viewer.get("/letters/list").text
    assert "/searches/new?" in content.get("/letters/list?state=dead").text
    csrf = word(content, "/searches/new?state=dead")
    lines = {"field": ["after.note", "", ""], "comparison": ["=", "=", "="], "value": [CANARY, "", ""]}
    asked = {"csrf": csrf, "reason": "ticket 1", "state": "dead", "limit": "100", **lines}
    for wrong, why in (
        ({"field": ["nowhere", "", ""]}, "a field begins with one of"),
        ({"field": ["", "", ""]}, "one condition at least"),
        ({"comparison": ["is null", "=", "="]}, "is asked without a value"),
    ):
        answer = content.post("/searches", data=asked | wrong)
        assert (answer.status_code, why[1:] in answer.text, CANARY in answer.text) == (422, True, True)
    answer = content.post("/searches", data=asked)
    assert (answer.status_code, answer.headers["location"][-15:]) == (303, "?said=searching")
    page = said(content.get(answer.headers["location"]))
    assert ("The search is there." in page, "Looks at 1 letters" in page, CANARY in page) == (True, True, False)
    assert shop.audit() == [("the content-viewer", "search payloads", "ticket 1")]
    assert content.post("/searches", data={**asked, "topic": "none"}).status_code == 404


def test_nobody_is_led_where_it_is_not_set(here: httpx.Client) -> None:
    """It is for beginners."""
    assert "New here?" not in said(here.get("/"))


def test_the_first_line_says_whether_something_needs_a_person(shop: Shop) -> None:
    """What it is, why, and what to do, on the first page."""
    shop.bad(2)
    shop.plan()
    shop.stop()
    shop.failed_batch()
    shop.worker(away=True)
    watch = Watch(shop.doors, 60)
    watch.look()
    app = make_app(Admin(), shop.doors)
    app.state.watch.look()
    with served(app) as address:
        text = said(httpx.get(address))
    assert re.search(r"\d+ things need you\.", text)
    for part in (
        "One record waits as dead letters",
        "waits for a change of its columns",
        "the table lacks a column",
        "registry is not asked by worker-1",
        "Connector billing-source has failed",
    ):
        assert part in text, part


def test_a_calm_group_is_told_so(shop: Shop) -> None:
    """Nothing is made up."""
    shop.connect.all = list
    shop.session.execute(
        "UPDATE headrace.positions SET owner_pid = pg_backend_pid() WHERE group_name = %s", (shop.group,)
    )
    app = make_app(Admin(), shop.doors)
    app.state.watch.look()
    with served(app) as address:
        text = said(httpx.get(address))
    assert "No open letters" in text
    assert "0 s" in text


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_there_with_and_without_anything_to_show(shop: Shop, here: httpx.Client, path: str) -> None:
    """Without a script of its own inside, and without one of another site."""
    for fill in (lambda: None, lambda: (shop.bad(2), shop.plan(), shop.failed_batch(), shop.job([shop.bad(3)]))):
        fill()
        page = here.get(path)
        assert page.status_code == 200
        assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)|\sstyle=|\son\w+=|https?://", page.text)


def test_hostile_values_are_text_and_every_character_is_seen(shop: Shop, here: httpx.Client) -> None:
    """In content, edits, reasons and names of people."""
    letter = shop.bad(2, note=HOSTILE, customer=HOSTILE[:20])
    csrf = word(here, f"/letters/{letter}")
    here.post(f"/letters/{letter}/replay", data={"csrf": csrf, "reason": HOSTILE})
    for path in (f"/letters/{letter}/content", f"/letters/{letter}", "/audit"):
        page = here.get(path)
        assert "&lt;script&gt;alert(1)" in page.text
        assert "<script>alert" not in page.text
        assert not set(page.text) & set("\u202e\x1b\u200b")
        assert "\\u202e" in page.text


def test_a_huge_value_is_shown_bounded(shop: Shop, here: httpx.Client) -> None:
    """The page stays one."""
    page = here.get(f"/letters/{shop.bad(2, note='x' * 5_000_000)}/content")
    assert (page.status_code, len(page.text) < 1_000_000) == (200, True)


def test_no_more_letters_are_given_up_than_the_page_said(shop: Shop, here: httpx.Client) -> None:
    """Those that go are counted, not all that stand behind it: what waits for another one does not go."""
    letter, other = shop.bad(2), shop.bad(2)
    behind(shop.session, other)
    path = f"/letters/{letter}"
    page = here.get(path)
    shown = re.findall(r'name="expect" value="(\d+)"', page.text)
    assert (shown, "Give it up Not now" in said(page)) == (["1"], True)

    shop.session.execute("UPDATE headrace.letters SET state = 'held' WHERE id = %s", (other,))
    assert "Give it up, and 2 behind it" in said(here.get(path))
    sent = {"csrf": word(here, path), "reason": "ticket 1", "expect": "1"}
    refused = here.post(f"{path}/discard", data=sent)
    assert (refused.status_code, "3 letters would be given up, not 1" in refused.text) == (409, True)
    assert (shop.state(letter), shop.audit()) == ("dead", [])
    assert here.post(f"{path}/discard", data={**sent, "expect": "3"}).headers["location"] == f"{path}?said=discarded"
    again = here.post(f"{path}/discard", data=sent)
    assert (again.status_code, "is discarded already" in again.text) == (409, True)


def test_a_letter_is_edited_and_sent_from_its_page(shop: Shop, here: httpx.Client) -> None:
    """Only the column that was changed is; one that is left alone stays what it was, whatever is in it."""
    letter = shop.bad(2, note="a\r\nb\t\u202e")
    path = f"/letters/{letter}"
    csrf = word(here, f"{path}/edit")
    form = here.get(f"{path}/edit").text
    fields = dict(re.findall(r'name="(was:\w+)" value="([^"]*)"', form))
    sent = {name: html.unescape(value) for name, value in fields.items()}
    sent |= {f"as:{name[4:]}": value.partition(":")[0] for name, value in sent.items()}
    sent |= {
        f"to:{name[4:]}": json.loads(value.partition(":")[2]) for name, value in sent.items() if name.startswith("was:")
    }
    wanted = {**sent, "to:status": "paid", "csrf": csrf, "reason": "ticket 1"}
    nothing = here.post(f"{path}/edit", data={**sent, "csrf": csrf, "reason": "r"})
    assert (nothing.status_code, "nothing was changed" in nothing.text) == (422, True)
    done = here.post(f"{path}/edit", data=wanted)
    assert (done.status_code, done.headers["location"]) == (303, f"{path}?said=edited")
    assert "Changed after.status" in said(here.get(path))
    assert "insert a row" in said(here.get(f"{path}/content"))
    assert here.post(f"{path}/replay", data={"csrf": csrf, "reason": "ticket 1"}).status_code == 303
    assert shop.state(letter) == "replaying"


def test_letters_are_sent_again_by_group_with_the_number_typed(shop: Shop, here: httpx.Client) -> None:
    """A number that is another is refused, and says so."""
    letters = [shop.bad(number) for number in range(2, 5)]
    page = here.get("/letters/list")
    (link,) = re.findall(r'href="(/replays/new\?[^"]*)">', page.text.replace("&amp;job=discard", "&job"))[:1]
    csrf = word(here, html.unescape(link))
    assert "3 of 3 letters would be sent again" in said(here.get(html.unescape(link)))
    sent = {"csrf": csrf, "reason": "ticket 1", "expect": "2", "state": "dead"}
    refused = here.post("/replays", data=sent)
    assert (refused.status_code, "it would be 3 letters now, not 2" in refused.text) == (409, True)
    made = here.post("/replays", data={**sent, "expect": "3"})
    job = made.headers["location"].partition("?")[0]
    assert "3 waiting" in said(here.get(job))
    here.post(f"{job}/cancel", data={"csrf": csrf, "reason": "not yet"})
    assert "cancelled" in said(here.get(job))
    assert [shop.state(letter) for letter in letters] == ["dead"] * 3


def test_what_waits_for_letters_that_are_given_up_is_told_and_counts(shop: Shop, here: httpx.Client) -> None:
    """The number to be typed is that of all that go."""
    front = shop.bad(2)
    behind(shop.session, front)
    path = f"/replays/new?id={front}&job=discard"
    page = said(here.get(path))
    assert "1 of 1 letters would be given up, and 1 that waits for them" in page
    assert "Type 2 to agree, 1 and 1 that go along" in page
    sent = {"csrf": word(here, path), "reason": "ticket 1", "expect": "1", "id": str(front), "job": "discard"}
    assert here.post("/replays", data=sent).status_code == 409
    made = here.post("/replays", data={**sent, "expect": "2"})
    job = said(here.get(made.headers["location"].partition("?")[0]))
    assert "Gives up 2 letters, 1 of them because they wait for others" in job
    assert "goes along with the letter that it waits for" in job


def test_tables_are_paused_plans_agreed_to_and_batches_tried_again(shop: Shop, here: httpx.Client) -> None:
    """Each from its page, with a reason that the audit has."""
    batch, change, table = shop.failed_batch(), shop.plan(), f"{shop.schema}.orders"
    form = {"csrf": word(here, "/tables"), "reason": "ticket 1"}
    here.post("/pipeline/pause", data={**form, "table": table})
    assert "paused" in said(here.get("/tables"))
    here.post("/pipeline/resume", data={**form, "table": table})
    here.post("/tables/approve", data={**form, "change": str(change)})
    here.post(f"/batches/{batch}/retry", data=form)
    actions = [action for _, action, reason in shop.audit() if reason == "ticket 1"]
    assert ("pause" in actions[0], "resume" in actions[1], "retry" in actions) == (True, True, True)


def test_a_viewer_sees_neither_content_nor_what_would_change_something(shop: Shop, clients: Clients) -> None:
    """Nor a value of the row anywhere."""
    letter = shop.bad(2, note=CANARY)
    viewer = clients(Role.VIEWER)
    for path in (*PAGES, f"/letters/{letter}", "/replays/new"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert (CANARY in page.text, re.findall(r'action="(?!/logout|/letters|/batches|/audit)', page.text)) == (
            False,
            [],
        )
    assert viewer.get(f"/letters/{letter}/content").status_code == 403
    assert shop.audit() == []


def test_what_is_not_there_is_told_as_a_page(here: httpx.Client) -> None:
    """With what to do."""
    for path in ("/letters/99999999", "/batches/99999999", "/replays/99999999", "/nothing"):
        page = here.get(path)
        assert (page.status_code, "What to do" in page.text) == (404, True)


def test_live_parts_are_told_that_there_is_something_new(here: httpx.Client) -> None:
    """By an event for each look."""
    with here.stream("GET", "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert next(stream.iter_lines()) == "event: look"


def test_a_batch_says_what_became_of_its_parts(shop: Shop, here: httpx.Client) -> None:
    """Of one that is applied; what failed has none, and is shown all the same."""
    shop.bad(2)
    query = "SELECT max(id) FROM headrace.batches WHERE group_name = %s AND state = 'applied'"
    ((number,),) = shop.session.execute(query, (shop.group,)).fetchall()
    page = said(here.get(f"/batches/{number}"))
    assert "records that became letters 1" in page
    assert f"letters of {shop.schema}.orders, dead 1" in page
    assert here.get(f"/api/v1/batches/{number}").json()["batch"]["outcomes"]["records"] == {"letters": 1}
    assert "What became of its records" not in said(here.get(f"/batches/{shop.failed_batch()}"))
