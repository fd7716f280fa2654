"""Every route, of API and console, asked by everybody: nobody does more than their role says."""

import pytest
from fastapi import APIRouter, FastAPI

from consumer.admin.roles import GuardedRoute, router
from consumer.core.roles import Role
from tests.admin.conftest import Clients
from tests.admin.scene import Shop
from tests.admin.walking import walk

OPEN = {
    *(("GET", path) for path in ("/healthz", "/readyz", "/login", "/login/oidc", "/login/oidc/back")),
    ("POST", "/login"),
}
CONTENT = {
    *("/api/v1/letters/1/payload", "/api/v1/letters/1/difference", "/api/v1/letters/1/row", "/letters/1/content"),
    *("POST /api/v1/letter-export", "POST /letters/export"),
    *("/searches/new", "/searches", "/replays/new/rows"),
    *("/api/v1/searches", "/api/v1/searches/1", "/api/v1/searches/1/cancel"),
    *("/api/v1/workflows/1/keys", "/recovery/1/keys", "/api/v1/workflows/1/rows", "/recovery/1/rows"),
}
OPERATORS = {"/letters/1/edit", "/positions", "/guide", "/guide/1"}
ADMINS = {"/api/v1/settings"}
# asked with POST, and nothing is changed
LOOKS = {"/api/v1/jobs/preview", "/api/v1/workflows/preview", "/api/v1/source/preview", "/logout"}


def expected(method: str, path: str) -> Role | None:
    """What a route has to need, by what it is for; written down here once more, by hand."""
    if (method, path) in OPEN:
        return None
    if path in ADMINS:
        return Role.ADMIN
    if path in CONTENT or f"{method} {path}" in CONTENT:
        return Role.CONTENT
    return Role.OPERATOR if path in OPERATORS or (method != "GET" and path not in LOOKS) else Role.VIEWER


def test_each_route_needs_what_it_is_for(guarded: FastAPI) -> None:
    """All of them are walked, and one that is added has to be thought of."""
    found = walk(guarded)
    assert len(found) > 60
    assert {(method, path): role for method, path, role in found} == {
        (method, path): expected(method, path) for method, path, _ in found
    }


@pytest.mark.parametrize("role", [None, *Role], ids=lambda role: role.words if role else "nobody")
def test_nobody_gets_behind_a_route_of_a_higher_role(
    guarded: FastAPI, clients: Clients, shop: Shop, role: Role | None
) -> None:
    """Who is not known is told so, or asked to log in; who is known and may not, is told that; others are answered."""
    letter = shop.bad(2)
    client, before = clients(role), len(shop.audit())
    guarded.state.ending = lambda: True
    for method, path, _ in walk(guarded):
        needed = expected(method, path)
        answer = client.request(method, path, json={} if method == "POST" else None)
        where = f"{method} {path}: {answer.status_code}"
        if needed is None or (role is not None and role >= needed):
            assert answer.status_code not in (401, 403, 500), where
        elif role is None and method == "GET" and not path.startswith("/api/"):
            assert (answer.status_code, answer.headers["location"][:6]) == (303, "/login"), where
        else:
            assert answer.status_code == (401 if role is None else 403), where
        assert answer.headers["content-security-policy"].startswith("default-src 'none'"), where
    assert (shop.state(letter), len(shop.audit())) == ("dead", before), "with nothing said, nothing is done"


def test_a_route_that_does_not_say_what_it_needs_can_not_be_made() -> None:
    """So none is forgotten."""

    def forgotten() -> None:
        """Says nothing."""

    with pytest.raises(TypeError, match="forgotten says not which role it needs"):
        router().get("/forgotten")(forgotten)


def test_a_route_of_another_kind_is_noticed_by_the_walk(guarded: FastAPI) -> None:
    """It would be open to everybody."""
    bare = APIRouter()
    bare.get("/bare")(lambda: None)
    guarded.include_router(bare)
    with pytest.raises(AttributeError):
        walk(guarded)
    assert not isinstance(bare.routes[0], GuardedRoute)
