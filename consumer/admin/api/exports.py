"""Letters written out, all of a selection, as they are at one moment: a line for each, while they are read."""

from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.exporting import written
from consumer.admin.inputs import Chosen, Reasoned
from consumer.admin.roles import Asker, needs, router
from consumer.core.roles import Role
from consumer.ports.desk import Note

routes = router(tags=["letters"])

Written = Literal["ndjson", "csv"]


class Exporting(Chosen):
    """Letters, and how they are written."""

    output: Written = "ndjson"


class ExportingContent(Reasoned):
    """Letters with what their records hold, and why somebody wants that."""

    letters: Chosen = Field(default_factory=Chosen)
    output: Written = "ndjson"


_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/x-ndjson": {}, "text/csv": {}}, "description": "A line for each letter"}
}


@routes.get("/letter-export", response_class=Response, responses=_STREAM)
@needs(Role.VIEWER)
async def export(doors: Doored, asker: Asker, wanted: Annotated[Exporting, Query()]) -> Response:
    """Letters of a selection, by id, without what their records hold."""
    return await written(doors, wanted.selection, Note(asker.name, ""), wanted.output, payloads=False)


@routes.post("/letter-export", response_class=Response, responses=_STREAM)
@needs(Role.CONTENT)
async def export_content(doors: Doored, asker: Asker, wanted: ExportingContent) -> Response:
    """The same with what their records hold, but for masked columns. Who did so, and why, is kept."""
    selection = wanted.letters.selection
    return await written(doors, selection, wanted.note(asker.name), wanted.output, payloads=True)
