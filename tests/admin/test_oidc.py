"""A provider's word: tokens at the API and logins at the console, and everything that is no such word."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from consumer.admin.app import make_app
from consumer.admin.gate import COOKIE
from consumer.admin.visits import COOKIE as VISIT
from consumer.core.roles import Role
from consumer.edges.oidc import HttpProvider, ProviderSettings
from consumer.settings.admin import Admin, Oidc
from tests.admin.conftest import TOKENS, secret
from tests.admin.provider import AUDIENCE, CLIENT, SECRET, Issuer, issuing
from tests.admin.scene import Shop
from tests.admin.serving import served

ROLES = {"shop-operators": "operator", "shop-people": "viewer"}
URL = "http://127.0.0.1:8470"
# no certificates are needed, and to load them costs more than the request
_get, _post = partial(httpx.get, timeout=30, verify=False), partial(httpx.post, timeout=30, verify=False)


class Clock:
    """Goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Site:
    """A console whose people log in at a provider."""

    issuer: Issuer
    address: str
    shop: Shop
    clock: Clock

    def asked(self, token: str, path: str = "/api/v1/about") -> httpx.Response:
        """The API, with a token."""
        return _get(self.address + path, headers={"Authorization": f"Bearer {token}"})

    def begin(self, path: str = "/letters") -> tuple[str, str]:
        """A login begun: where to, and the cookie."""
        answer = _get(f"{self.address}/login/oidc", params={"next": path})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"], answer.cookies[VISIT]

    def allowed(self, where: str) -> str:
        """What the provider sends back with: state and code."""
        return urlsplit(_get(where).headers["location"]).query

    def end(self, query: str, cookie: str) -> httpx.Response:
        """A login that comes back."""
        where = f"{self.address}/login/oidc/back?{query}"
        return _get(where, headers={"Cookie": f"{VISIT}={cookie}"})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """One for all: keys take time to make."""
    with issuing() as made:
        yield made


Sites = Callable[..., Site]


@pytest.fixture
def sites(shop: Shop, issuer: Issuer) -> Iterator[Sites]:
    """Makes them."""
    kept = dict(issuer.claims), issuer.key, list(issuer.published)
    with ExitStack() as opened:

        def make(**more: Any) -> Site:
            how = {"issuer": issuer.url, "audience": AUDIENCE, "client_id": CLIENT, "roles": ROLES, **more}
            oidc = Oidc.model_validate(how)
            clock = Clock()
            provider = HttpProvider(ProviderSettings(issuer=oidc.issuer, client_id=CLIENT, secret=SECRET), clock)
            doors = replace(shop.doors, provider=provider)
            app = make_app(Admin(tokens=TOKENS, url=URL, oidc=oidc), doors)
            return Site(issuer, opened.enter_context(served(app)), shop, clock)

        yield make
    issuer.claims, issuer.key, issuer.published = kept
    issuer.called, issuer.broken, issuer.keyless = None, False, False


@pytest.fixture
def site(sites: Sites) -> Site:
    """One."""
    return sites()


def test_whoever_the_provider_names_is_known_to_the_api(site: Site) -> None:
    """By their groups they have a role; tokens of the settings are taken beside; the audit has their name."""
    assert site.asked(site.issuer.token()).status_code == 200
    letter = site.shop.bad(2)
    headers = {"Authorization": f"Bearer {site.issuer.token()}"}
    body = {"letters": [letter], "reason": "ticket 1"}
    _post(f"{site.address}/api/v1/letters/discard", json=body, headers=headers).raise_for_status()
    assert site.shop.audit() == [("ada (127.0.0.1)", "discard letters", "ticket 1")]
    viewer = site.issuer.token(groups=["shop-people"])
    headers = {"Authorization": f"Bearer {viewer}"}
    assert _post(f"{site.address}/api/v1/letters/discard", json=body, headers=headers).status_code == 403
    assert site.asked(secret(Role.VIEWER)).status_code == 200


NOW = int(time.time())
OTHER = RSAKey.generate_key(2048, {"kid": "first"})
FORGERIES: dict[str, Callable[[Issuer], str]] = {
    "alg none": lambda at: _unsigned(at),
    "HS256 with the public key": lambda at: _shared(at),
    "signed by another key of the same id": lambda at: at.token(key=OTHER),
    "signed by an unknown key": lambda at: at.token(key=RSAKey.generate_key(2048, {"kid": "who knows"})),
    "an algorithm that is not on the list": lambda at: _other_algorithm(at),
    "for somebody else": lambda at: at.token(audience="another-api"),
    "for nobody": lambda at: at.token(aud=None),
    "of another issuer": lambda at: at.token(iss="https://elsewhere.example"),
    "of no issuer": lambda at: at.token(iss=None),
    "over": lambda at: at.token(exp=NOW - 3600),
    "without an end": lambda at: at.token(exp=None),
    "whose end is no time": lambda at: at.token(exp="tomorrow"),
    "not valid yet": lambda at: at.token(nbf=NOW + 3600),
    "made in the future": lambda at: at.token(iat=NOW + 7200, exp=NOW + 9000),
    "of nobody": lambda at: at.token(sub=None),
    "whose words were changed": lambda at: _changed(at),
    "for another use": lambda at: _typed(at, "logout+jwt"),
    "an id token, for the console": lambda at: at.token(audience=CLIENT),
    "nonsense": lambda at: "a.b.c",
    "much too long": lambda at: at.token(padding="x" * 20_000),
}


def _unsigned(at: Issuer) -> str:
    none = urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{none}.{at.token().split('.')[1]}."


def _shared(at: Issuer) -> str:
    """The public key is known to all, so whoever takes it for a shared secret takes anything."""
    parts = ({"alg": "HS256", "kid": str(at.key.kid)}, _claims(at))
    said = b".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    digest = hmac.new(at.key.as_pem(private=False), said, hashlib.sha256).digest()
    return f"{said.decode()}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _other_algorithm(at: Issuer) -> str:
    return jwt.encode({"alg": "RS512", "kid": str(at.key.kid)}, _claims(at), at.key, algorithms=["RS512"])


def _typed(at: Issuer, kind: str) -> str:
    return jwt.encode({"alg": "RS256", "kid": str(at.key.kid), "typ": kind}, _claims(at), at.key)


def _changed(at: Issuer) -> str:
    head, _, signature = at.token().split(".")
    return f"{head}.{at.token(sub='another').split('.')[1]}.{signature}"


def _claims(at: Issuer) -> dict[str, Any]:
    return {"iss": at.url, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 3600, **at.claims}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES)
def test_no_other_word_is_taken(site: Site, forged: Callable[[Issuer], str]) -> None:
    """And it is not said which check it was."""
    answer = site.asked(forged(site.issuer))
    assert answer.status_code in (401, 431), answer.text
    if answer.status_code == 401:
        assert answer.json()["detail"] == "the token is not one that is taken here, or its time is over"


def test_who_has_no_group_that_is_named_may_do_nothing(site: Site) -> None:
    """They are known, so they are told what is missing."""
    for groups in ([], ["others"], None, "others", [7], {"shop-operators": True}):
        answer = site.asked(site.issuer.token(groups=groups))
        assert (answer.status_code, "admin.oidc.roles" in answer.json()["remedy"]) == (403, True), groups


def test_groups_may_be_one_text_and_inside_other_claims(sites: Sites) -> None:
    """As some providers have them."""
    site = sites(role_claim="realm_access.roles")
    assert site.asked(site.issuer.token(realm_access={"roles": ["shop-people"]})).status_code == 200
    assert site.asked(site.issuer.token(realm_access={"roles": "shop-people"})).status_code == 200
    assert site.asked(site.issuer.token(realm_access=["roles"])).status_code == 403


def test_new_keys_are_fetched_and_old_ones_forgotten(site: Site) -> None:
    """But nobody makes us fetch them time and again."""
    old = site.issuer.token()
    assert site.asked(old).status_code == 200
    site.issuer.asked.clear()
    for _ in range(5):
        assert site.asked(site.issuer.token(key=RSAKey.generate_key(2048, {"kid": "made up"}))).status_code == 401
    assert site.issuer.asked == []


def test_a_key_that_is_new_when_it_is_first_asked_is_taken(site: Site) -> None:
    """The provider is asked for its keys with the first token."""
    site.issuer.rotate()
    assert site.asked(site.issuer.token()).status_code == 200


@pytest.mark.provokes("oidc.away")
def test_a_provider_that_is_away_is_no_stranger(site: Site) -> None:
    """It is said so; tokens of the settings work."""
    site.issuer.broken = True
    answer = site.asked(site.issuer.token())
    assert (answer.status_code, answer.json()["kind"]) == (503, "oidc.away")
    assert _get(f"{site.address}/login/oidc").status_code == 503
    assert site.asked("guessed").status_code == 401


@pytest.mark.provokes("oidc.away")
def test_a_provider_that_gave_no_keys_yet_is_asked_again_soon(site: Site) -> None:
    """Nobody is a stranger meanwhile, and nobody makes us ask it time and again."""
    site.issuer.keyless = True
    token = site.issuer.token()
    site.issuer.asked.clear()
    for said in ("502", "gave no keys", "gave no keys"):
        answer = site.asked(token)
        assert (answer.status_code, answer.json()["kind"], said in answer.json()["detail"]) == (503, "oidc.away", True)
    assert site.issuer.asked.count("/keys") == 1
    site.clock.now += 31
    assert site.asked(token).status_code == 503
    assert site.issuer.asked.count("/keys") == 2
    site.issuer.keyless = False
    site.clock.now += 31
    assert site.asked(token).status_code == 200


def test_keys_of_before_are_used_while_the_provider_is_away(site: Site) -> None:
    """Only whoever asks when they are due to be asked for is told; the next is known by the old ones."""
    token = site.issuer.token()
    assert site.asked(token).status_code == 200
    site.issuer.keyless = True
    site.clock.now += 601
    assert [site.asked(token).status_code for _ in range(3)] == [503, 200, 200]
    site.clock.now += 31
    assert site.asked(token).status_code == 200


def test_keys_of_before_are_used_while_the_provider_is_away_as_a_whole(site: Site) -> None:
    """Also when its description is due to be asked for: nobody waits for that but who asks."""
    token = site.issuer.token()
    assert site.asked(token).status_code == 200
    site.issuer.broken = True
    site.clock.now += 3700
    site.issuer.asked.clear()
    assert [site.asked(token).status_code for _ in range(3)] == [503, 200, 200]
    assert len(site.issuer.asked) == 2
    site.issuer.broken = False
    site.clock.now += 601
    site.issuer.asked.clear()
    assert site.asked(token).status_code == 200
    assert len(site.issuer.asked) == 2


def test_a_provider_that_published_no_key_at_first_is_asked_again_soon(site: Site) -> None:
    """As one that is still starting."""
    published, site.issuer.published = site.issuer.published, []
    token = site.issuer.token()
    assert site.asked(token).status_code == 401
    site.issuer.published = published
    site.clock.now += 31
    assert site.asked(token).status_code == 200


@pytest.mark.provokes("oidc.refused")
def test_a_provider_that_calls_itself_otherwise_is_not_believed(site: Site) -> None:
    """Its keys could be anybody's."""
    site.issuer.called = "https://elsewhere.example"
    answer = site.asked(site.issuer.token())
    assert (answer.status_code, answer.json()["kind"]) == (502, "oidc.refused")


def test_somebody_logs_in_at_the_provider(site: Site) -> None:
    """With PKCE, a state and a nonce; the session is for this site alone, and no script's."""
    where, cookie = site.begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
    assert asked["redirect_uri"] == f"{URL}/login/oidc/back"
    assert (asked["code_challenge_method"], asked["response_type"], asked["scope"]) == (
        "S256", "code", "openid profile email"
    )  # fmt: skip
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    answer = site.end(site.allowed(where), cookie)
    assert (answer.status_code, 'content="0; url=/letters"' in answer.text) == (200, True), answer.text
    (kept,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith(COOKIE)]
    assert all(word in kept.lower() for word in ("secure", "httponly", "samesite=strict"))
    page = _get(f"{site.address}/letters", headers={"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"})
    assert ("ada (127.0.0.1)" in page.text, "operator" in page.text) == (True, True)
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    session = {"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
    left = _post(f"{site.address}/logout", data={"csrf": csrf}, headers=session)
    assert (left.status_code, "max-age=0" in left.headers["set-cookie"].lower()) == (303, True)
    assert f"{site.issuer.url}/leave" in _get(site.address + left.headers["location"]).text


def refused(site: Site, answer: httpx.Response) -> None:
    """Nobody has logged in."""
    assert answer.status_code in (401, 403, 422, 502, 303), answer.text
    assert COOKIE not in answer.cookies or _get(
        f"{site.address}/api/v1/about", headers={"Cookie": f"{COOKIE}={answer.cookies[COOKIE]}"}
    ).status_code == 401  # fmt: skip


def test_a_login_is_used_once(site: Site) -> None:
    """Whoever sees its address later has nothing of it, whatever cookie they have."""
    where, cookie = site.begin()
    query = site.allowed(where)
    assert site.end(query, cookie).status_code == 200
    site.issuer.asked.clear()
    refused(site, site.end(query, cookie))
    assert site.issuer.asked == [], "it is not even asked"


LOGINS: dict[str, Callable[[Site], httpx.Response]] = {
    "another's login": lambda site: site.end(site.allowed(site.begin()[0]), site.begin()[1]),
    "no cookie": lambda site: site.end(site.allowed(site.begin()[0]), ""),
    "a cookie of another key": lambda site: site.end(site.allowed(site.begin()[0]), site.begin()[1][:-3] + "abc"),
    "another state": lambda site: _with(site, state="guessed"),
    "no state": lambda site: _with(site, state=""),
    "another code": lambda site: _with(site, code="guessed"),
    "no code": lambda site: _with(site, code=""),
    "the provider's no": lambda site: _with(site, error="access_denied"),
}


def _with(site: Site, **other: str) -> httpx.Response:
    where, cookie = site.begin()
    query = {name: values[0] for name, values in parse_qs(site.allowed(where)).items()} | other
    return site.end("&".join(f"{name}={value}" for name, value in query.items()), cookie)


@pytest.mark.parametrize("attack", LOGINS.values(), ids=LOGINS)
def test_no_other_login_is_one(site: Site, attack: Callable[[Site], httpx.Response]) -> None:
    """Nobody has a session by it."""
    refused(site, attack(site))


@pytest.mark.parametrize("claims", [{"nonce": "of another"}, {"azp": "another-client"}, {"groups": ["others"]}])
def test_a_token_of_another_login_is_none(site: Site, claims: dict[str, Any]) -> None:
    """Though its code and its state fit."""
    site.issuer.claims = {**site.issuer.claims, **claims}
    where, cookie = site.begin()
    refused(site, site.end(site.allowed(where), cookie))


def test_nobody_is_sent_elsewhere_by_a_login(site: Site) -> None:
    """Only to a page of this site."""
    where, cookie = site.begin("//elsewhere.example")
    assert 'content="0; url=/"' in site.end(site.allowed(where), cookie).text


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"issuer": "http://login.example"}, "must be https"),
        ({"audience": "", "client_id": ""}, "audience"),
        ({"roles": {}}, "nobody would have a role"),
        ({"algorithms": ["HS256"]}, "RS256"),
        ({"algorithms": ["none"]}, "RS256"),
        ({"algorithms": []}, "at least 1"),
        ({"client_secret": "a", "client_secret_file": "b"}, "set either"),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(more: dict[str, Any], why: str) -> None:
    """At the start."""
    how = {"issuer": "https://login.example", "audience": "a", "client_id": "b", "roles": ROLES, **more}
    with pytest.raises(ValidationError, match=why):
        Admin.model_validate({"oidc": how, "url": "https://headrace.example"})


def test_the_console_needs_its_own_address_to_be_found_again() -> None:
    """Over TLS, or here."""
    how = {"issuer": "https://login.example", "client_id": "b", "roles": ROLES}
    for url in ("", "http://headrace.example"):
        with pytest.raises(ValidationError, match=r"admin\.url"):
            Admin.model_validate({"oidc": how, "url": url})
    assert not Admin.model_validate({"oidc": how, "url": "https://headrace.example"}).is_open
