"""What keeps others out: tokens and their end, forms of other sites, names of other sites, and sizes."""

import hashlib
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from consumer.admin.app import make_app
from consumer.admin.console.entry import local
from consumer.admin.gate import COOKIE, Gate
from consumer.admin.problems import Unknown
from consumer.admin.shield import LARGEST
from consumer.core.roles import Role
from consumer.settings.admin import Admin, Token
from tests.admin.conftest import Clients, secret
from tests.admin.scene import Shop
from tests.admin.serving import served

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = "k" * 40


def hashed(token: str) -> str:
    """As the settings have it."""
    return hashlib.sha256(token.encode()).hexdigest()


def word(client: httpx.Client, path: str = "/login") -> str:
    """What forms of the client's session have to repeat; the cookie is sent back as over TLS."""
    page = client.get(path)
    if COOKIE in page.cookies:
        client.headers["cookie"] = f"{COOKIE}={page.cookies[COOKIE]}"
    return page.text.split('name="csrf" value="')[1].split('"')[0]


def enter(client: httpx.Client, role: Role) -> httpx.Response:
    """Log in at the console."""
    answer = client.post("/login", data={"csrf": word(client), "token": secret(role)})
    if COOKIE in answer.cookies:
        client.headers["cookie"] = f"{COOKIE}={answer.cookies[COOKIE]}"
    return answer


def test_a_token_is_taken_until_its_end() -> None:
    """And no other one, whatever it looks like."""
    token = Token(sha256=hashed("mine"), role="operator", expires=NOON)
    for now, taken in ((NOON - timedelta(seconds=1), True), (NOON, False)):
        gate = Gate({"me": token}, KEY, 60, now=lambda now=now: now)
        if taken:
            assert gate.holder("mine").role is Role.OPERATOR
        for other in ("mine",) * (not taken) + ("", "Mine", hashed("mine"), "x" * 10_000, "\ud800"):
            with pytest.raises(Unknown) as refused:
                gate.holder(other)
            # only to whoever has it
            assert ("is over since 2" in str(refused.value)) == (other == "mine")


@pytest.mark.parametrize("sent", ["hr_6mJ…", "a.b.…", "é", "…"])
def test_a_token_of_any_bytes_is_one_that_is_not_known(clients: Clients, sent: str) -> None:
    """In a header, as it comes over the wire, and in the form."""
    client = clients()
    for raw in (sent.encode(), sent.encode("latin-1", "ignore") + b"\xff"):
        answer = client.get("/api/v1/letters", headers={b"Authorization": b"Bearer " + raw})
        assert (answer.status_code, answer.json()["kind"]) == (401, "request.unknown")
    wrong = client.post("/login", data={"csrf": word(client), "token": sent})
    assert (wrong.status_code, "No such token" in wrong.text) == (401, True)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"host": "0.0.0.0"}, "admin.tokens"),
        ({"host": "headrace.example"}, "admin.tokens"),
        ({"tokens": {"a": {"sha256": hashed("x")}, "b": {"sha256": hashed("x")}}}, "the same sha256"),
        ({"tokens": {"a": {"sha256": "plain"}}}, "pattern"),
        ({"tokens": {"a": {"sha256": hashed("x"), "expires": "2026-01-01T00:00:00"}}}, "timezone"),
        ({"session_key": "short"}, "at least 32"),
    ],
)
def test_settings_that_would_let_others_in_are_refused(settings: dict[str, object], why: str) -> None:
    """At the start, with what to do."""
    with pytest.raises(ValidationError, match=why):
        Admin.model_validate(settings)


def test_the_console_is_entered_with_a_token_and_left(clients: Clients) -> None:
    """The cookie is for this site alone, and no script's."""
    client = clients()
    assert client.get("/letters").headers["location"] == "/login?next=/letters"
    wrong = client.post("/login", data={"csrf": word(client), "token": "guessed"})
    assert (wrong.status_code, "No such token" in wrong.text) == (401, True)
    answer = enter(client, Role.VIEWER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    kept = answer.headers["set-cookie"].lower()
    assert all(said in kept for said in ("secure", "httponly", "samesite=strict"))
    assert "the viewer" in client.get("/").text
    left = client.post("/logout", data={"csrf": word(client, "/")})
    assert (left.status_code, "max-age=0" in left.headers["set-cookie"].lower()) == (303, True)


@pytest.mark.parametrize("sent", ["", "wrong", None])
def test_a_form_that_does_not_repeat_the_sessions_word_does_nothing(
    shop: Shop, here: httpx.Client, sent: str | None
) -> None:
    """Also where nobody has to log in."""
    letter = shop.bad(2)
    csrf = word(here, f"/letters/{letter}")
    wrong = {"reason": "r"} | ({} if sent is None else {"csrf": sent})
    answer = here.post(f"/letters/{letter}/replay", data=wrong)
    assert (answer.status_code, shop.state(letter), shop.audit()) == (422, "dead", [])
    here.post(f"/letters/{letter}/replay", data={"csrf": csrf, "reason": "r"})
    assert shop.state(letter) == "replaying"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_what_a_page_of_another_site_sends_is_not_done(shop: Shop, here: httpx.Client, headers: dict[str, str]) -> None:
    """Through the API neither, where a browser might send it in the name of whoever sits at this machine."""
    letter = shop.bad(2)
    body = {"letters": [letter], "reason": "r"}
    assert here.post("/api/v1/letters/discard", json=body, headers=headers).status_code == 403
    assert here.post("/api/v1/letters/discard", json=body, headers={"Content-Type": "text/plain"}).status_code == 422
    assert shop.state(letter) == "dead"


def test_where_nobody_logs_in_only_names_of_this_machine_are_answered(here: httpx.Client) -> None:
    """A name that somebody else has pointed here would make their pages ours."""
    assert here.get("/", headers={"Host": "elsewhere.example"}).status_code == 421
    assert here.get("/", headers={"Host": "localhost:8470"}).status_code == 200
    assert "Nobody has to log in here" in here.get("/").text


def test_what_is_too_large_is_not_read(clients: Clients) -> None:
    """Neither with its length said nor without."""
    client = clients(Role.OPERATOR)
    body = b"x" * (LARGEST + 1)
    assert client.post("/api/v1/letters/replay", content=body).status_code == 413
    assert client.get("/api/v1/letters?text=" + "x" * 20_000).status_code == 414
    # what would be taken if it were shorter
    pieces = iter([b'{"letters": [1], "reason": "r"', *[b" " * 65_536] * 64, b"}"])
    try:
        answer = client.post("/api/v1/letters/replay", content=pieces, headers={"Content-Type": "application/json"})
    except httpx.HTTPError:
        # it may hang up
        return
    assert answer.status_code >= 400


def test_a_session_ends_with_its_token(shop: Shop) -> None:
    """Another token of the same name goes on with none."""
    cookie = ""
    for text, code in ((secret(Role.ADMIN), 200), (secret(Role.ADMIN), 200), ("another", 303)):
        settings = Admin(tokens={"me": Token(sha256=hashed(text), role="admin")}, session_key=SecretStr(KEY))
        with (
            served(make_app(settings, shop.doors)) as at,
            httpx.Client(base_url=at, timeout=30, verify=False) as client,
        ):
            if not cookie:
                enter(client, Role.ADMIN)
                cookie = client.headers["cookie"]
            assert client.get("/", headers={"cookie": cookie}).status_code == code


@pytest.mark.parametrize(
    "path", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "javascript:1", "/a\r\nb"]
)
def test_nobody_is_sent_elsewhere_after_logging_in(path: str) -> None:
    """Only to a page of this site."""
    assert (local(path), local("/letters?a=b")) == ("/", "/letters?a=b")


def test_a_session_of_another_key_is_none(shop: Shop, clients: Clients) -> None:
    """So cookies can't be made elsewhere."""
    client = clients()
    enter(client, Role.ADMIN)
    assert client.get("/").status_code == 200
    tokens = {"the admin": Token(sha256=hashed(secret(Role.ADMIN)), role="admin")}
    with served(make_app(Admin(tokens=tokens), shop.doors)) as address:
        answer = httpx.get(address, headers={"cookie": client.headers["cookie"]})
    assert answer.status_code == 303
