"""All pages."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from consumer.admin.console import (
    batches,
    doctor,
    entry,
    exports,
    flags,
    guide,
    letters,
    overview,
    pipeline,
    positions,
    records,
    recovery,
    replays,
    searches,
    source,
    tables,
)
from consumer.admin.console.rendering import STATIC


def install(app: FastAPI) -> None:
    """Have the app serve them."""
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.state.problem_page = entry.problem_page
    app.state.streams = 0
    app.state.ending = lambda: False
    # what has a path of its own in front of what has a number there
    working = (entry, overview, pipeline, positions, batches, exports, letters, searches, source, replays)
    for part in (*working, tables, recovery, flags, doctor, records, guide):
        app.include_router(part.routes)
