"""Shops on one PostgreSQL server, and clients of their app."""

import hashlib
from collections.abc import Callable, Iterator

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from consumer.admin.app import make_app
from consumer.core.roles import Role
from consumer.edges.postgres.sink import PostgresSink
from consumer.settings.admin import Admin, Token
from tests.admin.scene import Shop, make_shop
from tests.admin.serving import served
from tests.pg.conftest import Pools, bystander, group, pools, schema, server, session, sink, sinks

__all__ = ["bystander", "group", "pools", "schema", "server", "session", "sink", "sinks"]
Clients = Callable[..., httpx.Client]


def secret(role: Role) -> str:
    """The token of whoever has a role."""
    return f"token of the {role.words}"


TOKENS = {
    f"the {role.words}": Token(sha256=hashlib.sha256(secret(role).encode()).hexdigest(), role=role.words)
    for role in Role
}


@pytest.fixture
def shop(session: psycopg.Connection, server: str, pools: Pools, sink: PostgresSink, group: str, schema: str) -> Shop:
    """A shop with one order."""
    sink.seed({})
    return make_shop(session, server, pools(), sink, (group, schema))


@pytest.fixture
def guarded(shop: Shop) -> FastAPI:
    """Its app, with a token for each role."""
    return make_app(Admin(tokens=TOKENS), shop.doors)


@pytest.fixture
def clients(guarded: FastAPI) -> Iterator[Clients]:
    """Clients of it by role; without one, of nobody."""
    made: list[httpx.Client] = []
    with served(guarded) as address:

        def make(role: Role | None = None) -> httpx.Client:
            headers = {} if role is None else {"Authorization": f"Bearer {secret(role)}"}
            made.append(httpx.Client(base_url=address, headers=headers, timeout=30, verify=False))
            return made[-1]

        yield make
        for client in made:
            client.close()


@pytest.fixture
def here(shop: Shop) -> Iterator[httpx.Client]:
    """A client of an app where nobody has to log in."""
    with (
        served(make_app(Admin(), shop.doors)) as address,
        httpx.Client(base_url=address, timeout=30, verify=False) as client,
    ):
        yield client
