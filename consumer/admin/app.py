"""The app: the API under `/api/v1`, and the console."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from consumer.admin import problems
from consumer.admin.api import (
    doctor,
    exports,
    flags,
    ledger,
    letters,
    pipeline,
    positions,
    process,
    recoveries,
    replays,
    searches,
    source,
)
from consumer.admin.api.answers import PROBLEMS, ProblemDocument
from consumer.admin.checkup import Checkup
from consumer.admin.console import pages
from consumer.admin.doors import Doors
from consumer.admin.gate import Gate
from consumer.admin.locking import Lock
from consumer.admin.shield import Shield
from consumer.admin.tokens import WebTokens
from consumer.admin.visits import Visits
from consumer.admin.watching import Watch
from consumer.settings.admin import Admin

PREFIX = "/api/v1"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
"""The names by which a machine calls itself."""


def make_app(settings: Admin, doors: Doors) -> FastAPI:
    """The app; its watch looks as long as it runs."""
    watch = Watch(doors, settings.look_every)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        watch.start()
        yield
        watch.close()

    app = FastAPI(
        title="Headrace",
        version="1",
        summary="Dead letters, positions, batches and control of a Headrace group.",
        lifespan=life,
        # pages of others would load scripts of others
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    key = settings.session_key.get_secret_value() if settings.session_key else secrets.token_urlsafe(48)
    app.state.doors, app.state.watch, app.state.lock = doors, watch, Lock(doors, watch)
    app.state.checkup = Checkup(doors)
    app.state.describe = lambda: description(app)
    oidc, provider = settings.oidc, doors.provider
    web = WebTokens(oidc, provider) if provider is not None else None
    app.state.guides = settings.guide
    app.state.gate = Gate(settings.tokens, key, settings.session_hours * 3600, web)
    visited = provider is not None and oidc.client_id
    app.state.visits = Visits(oidc, provider, key, settings.url) if provider is not None and visited else None
    app.include_router(process.probes)
    running = (doctor, pipeline, flags, positions, ledger, letters, exports, source)
    for part in (*running, replays, searches, recoveries, process):
        app.include_router(part.routes, prefix=PREFIX, responses=PROBLEMS)
    pages.install(app)
    problems.install(app)
    app.add_middleware(Shield, hosts=LOCAL if settings.is_open else ())
    return app


def description(app: FastAPI) -> dict[str, Any]:
    """The API's OpenAPI document."""
    found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    found["components"]["schemas"][ProblemDocument.__name__] = ProblemDocument.model_json_schema()
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    return found
