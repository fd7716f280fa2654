"""All pages."""

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from consumer.admin.console import batches, entry, letters, overview, pipeline, records, replays, tables
from consumer.admin.console.rendering import STATIC


def install(app: FastAPI) -> None:
    """Have the app serve them."""
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.state.problem_page = entry.problem_page
    app.state.streams = 0
    app.state.ending = lambda: False
    for part in (entry, overview, pipeline, batches, letters, replays, tables, records):
        app.include_router(part.routes)
