"""Comparisons with the source, and recoveries."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from consumer.admin.api.answers import Listed
from consumer.admin.asking import Doored
from consumer.admin.inputs import Id, Input, Limit, Reasoned, Tables, Word
from consumer.admin.locking import steering
from consumer.admin.problems import there
from consumer.admin.roles import Asker, needs, router
from consumer.core.plans import Planned
from consumer.core.reconcile import Verdict
from consumer.core.roles import Role
from consumer.core.steering import Steer
from consumer.ports.desk import Note
from consumer.ports.recovering import BatchRow, DifferingKey, Repair, Workflow, WorkflowSummary

routes = router(tags=["workflows"])

Given = bool | int | Word | Tables | None
"""What a subject has by a name."""


class Meant(Input):
    """What is to be done. `subject`: of a comparison its `tables`; of other kinds as their command has it."""

    kind: Word
    subject: Annotated[dict[Word, Given], Field(max_length=20)] = Field(default_factory=dict)


class Start(Meant, Reasoned):
    """The same, agreed to."""


class Expected(Reasoned):
    """Agreed to: so many rows."""

    expect: Annotated[int, Field(ge=1, le=1_000_000)]


@routes.get("/workflows")
@needs(Role.VIEWER)
def workflows(doors: Doored, kind: Word | None = None, limit: Limit = 20) -> Listed[WorkflowSummary]:
    """Comparisons and recoveries, newest first; what came of their steps in sums."""
    with doors.through(doors.recoveries) as desk:
        return Listed[WorkflowSummary](items=desk.workflows(limit, kind))


@routes.get("/workflow-tables")
@needs(Role.VIEWER)
def tables(doors: Doored) -> Listed[str]:
    """Target tables that have a topic."""
    with doors.through(doors.recoveries) as desk:
        return Listed[str](items=desk.tables())


@routes.post("/workflows/preview")
@needs(Role.VIEWER)
def preview(doors: Doored, wanted: Meant) -> Listed[Planned]:
    """The steps that a workflow would have; nothing is done."""
    with doors.through(doors.recoveries) as desk:
        return Listed[Planned](items=desk.planned(wanted.kind, wanted.subject))


@routes.post("/workflows", status_code=201)
@needs(Role.OPERATOR)
def start(doors: Doored, asker: Asker, wanted: Start) -> Workflow:
    """Have something done; workers do it."""
    with doors.through(doors.recoveries) as desk:
        made = desk.start(wanted.kind, wanted.subject, wanted.note(asker.name))
        return there(desk.workflow(made), "workflow", made)


@routes.get("/workflows/{number}")
@needs(Role.VIEWER)
def workflow(doors: Doored, number: Id) -> Workflow:
    """How far it is, step by step."""
    with doors.through(doors.recoveries) as desk:
        return there(desk.workflow(number), "workflow", number)


@routes.get("/workflows/{number}/keys")
@needs(Role.CONTENT)
def keys(
    doors: Doored,
    asker: Asker,
    number: Id,
    verdict: Annotated[list[Verdict], Query(max_length=6)] = [],  # noqa: B006
    limit: Limit = 100,
) -> Listed[DifferingKey]:
    """Rows that differ, by their keys. That somebody looked is kept."""
    with doors.through(doors.recoveries) as desk:
        there(desk.workflow(number), "workflow", number)
        note = Note(asker.name, f"GET /workflows/{number}/keys")
        return Listed[DifferingKey](
            items=desk.keys(number, note, verdicts=[each.value for each in verdict], most=limit)
        )


@routes.get("/workflows/{number}/rows")
@needs(Role.CONTENT)
def rows(doors: Doored, asker: Asker, number: Id, limit: Limit = 100) -> Listed[BatchRow]:
    """Rows of a batch that is to be taken back, and what would be done or why it can't be. That somebody looked is
    kept.
    """
    with doors.through(doors.recoveries) as desk:
        there(desk.workflow(number), "workflow", number)
        return Listed[BatchRow](items=desk.rows(number, Note(asker.name, f"GET /workflows/{number}/rows"), limit))


@routes.get("/workflows/{number}/repair")
@needs(Role.VIEWER)
def look(doors: Doored, number: Id) -> Repair:
    """What the source would be asked for; nothing is asked."""
    with doors.through(doors.repairs) as desk:
        return desk.look(number)


@routes.post("/workflows/{number}/repair")
@needs(Role.OPERATOR)
def repair(doors: Doored, asker: Asker, number: Id, wanted: Expected) -> Repair:
    """Have Debezium read the rows again that are missing or different."""
    with doors.through(doors.repairs) as desk:
        return desk.ask(number, wanted.expect, wanted.note(asker.name))


@routes.post("/workflows/{number}/{action}")
@needs(Role.OPERATOR)
@steering
def decide(doors: Doored, asker: Asker, number: Id, action: Steer, wanted: Reasoned) -> Workflow:
    """Pause, resume or cancel a workflow: no more turns of it are taken, or it goes on; what was done stays."""
    with doors.through(doors.recoveries, steering=True) as desk:
        desk.decide(number, action, wanted.note(asker.name))
        return there(desk.workflow(number), "workflow", number)
