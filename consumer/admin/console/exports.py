"""Exports of letters to a file, as the API has them."""

from typing import Annotated, Literal

from fastapi import Form as Sent
from fastapi import Query, Response

from consumer.admin.asking import Doored
from consumer.admin.console.forms import Form, pages
from consumer.admin.exporting import written
from consumer.admin.inputs import Chosen
from consumer.admin.roles import Asker, needs
from consumer.core.roles import Role
from consumer.ports.desk import Note

routes = pages()


class Exporting(Chosen):
    """Letters, and how they are written."""

    output: Literal["ndjson", "csv"] = "ndjson"


class ExportingContent(Exporting, Form):
    """The same with what their records hold."""


@routes.get("/letters/export")
@needs(Role.VIEWER)
async def export(doors: Doored, asker: Asker, wanted: Annotated[Exporting, Query()]) -> Response:
    """Letters of a selection, without what their records hold."""
    return await written(doors, wanted.selection, Note(asker.name, ""), wanted.output, payloads=False)


@routes.post("/letters/export")
@needs(Role.CONTENT)
async def export_content(doors: Doored, asker: Asker, sent: Annotated[ExportingContent, Sent()]) -> Response:
    """The same with it. Who did so, and why, is kept."""
    return await written(doors, sent.selection, sent.note(asker.name), sent.output, payloads=True)
