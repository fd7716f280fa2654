"""Batches, schema changes and the audit."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field

from consumer.admin.api.answers import Listed, Partition, Partitions, listed
from consumer.admin.asking import Doored
from consumer.admin.batches import again
from consumer.admin.inputs import Id, Limit, Number, Numbers, Reasoned, Word
from consumer.admin.problems import there
from consumer.admin.roles import Asker, needs, router
from consumer.core.decision import Undecidable
from consumer.core.roles import Role
from consumer.ports.desk import Batch, Born, Checkpoint, Deed, Page, SchemaChange

routes = router(tags=["ledger"])

Before = Annotated[Number | None, Query(description="Only smaller ids: what a page names as the next.")]
_LETTERS = 100


class WholeBatch(BaseModel):
    """A batch with its partitions and its records' letters."""

    batch: Batch
    checkpoints: list[Checkpoint]
    letters: list[Born]


class Approving(Reasoned):
    """Changes to agree to, by id."""

    changes: Annotated[Numbers, Field(min_length=1)]


class Agreed(Partitions):
    """What was agreed to, and the partitions that go on with it."""

    changes: list[int]


@routes.get("/batches")
@needs(Role.VIEWER)
def batches(
    doors: Doored,
    state: Literal["started", "applied", "failed", "abandoned"] | None = None,
    topic: Annotated[Word | None, Query()] = None,
    since: AwareDatetime | None = None,
    before: Before = None,
    limit: Limit = 20,
) -> Listed[Batch]:
    """Batches, newest first."""
    with doors.through(doors.desk) as desk:
        found = desk.batches(Page(state=state, topic=topic, since=since, before=before, most=limit))
    return Listed(**listed(found, limit, lambda batch: batch.id))


@routes.get("/batches/{number}")
@needs(Role.VIEWER)
def batch(doors: Doored, number: Id) -> WholeBatch:
    """One batch."""
    with doors.through(doors.desk) as desk:
        found = there(desk.batch(number), "batch", number)
        return WholeBatch(batch=found, checkpoints=desk.checkpoints(number), letters=desk.letters_of(number, _LETTERS))


@routes.post("/batches/{number}/retry")
@needs(Role.OPERATOR)
def retry(doors: Doored, asker: Asker, number: Id, wanted: Reasoned) -> Partitions:
    """Have the partitions of a batch that is not applied tried again now. A worker sees it within two seconds."""
    with doors.through(doors.desk) as desk:
        there(desk.batch(number), "batch", number)
        asked = again(desk, number, wanted.note(asker.name))
    if not asked:
        raise Undecidable(f"the records of batch {number} are applied by now")
    return Partitions(partitions=[Partition.of(at) for at in asked])


@routes.get("/schema-changes")
@needs(Role.VIEWER)
def schema_changes(
    doors: Doored, table: Annotated[Word | None, Query()] = None, waiting: bool = False, limit: Limit = 100
) -> Listed[SchemaChange]:
    """Changes of target tables, newest first; `waiting`: those that are still to be made, in their order."""
    with doors.through(doors.desk) as desk:
        return Listed(items=desk.schema_changes(table, waiting=waiting, most=limit))


@routes.post("/schema-changes/approve")
@needs(Role.OPERATOR)
def approve(doors: Doored, asker: Asker, wanted: Approving) -> Agreed:
    """Agree to planned changes: they are made with the first rows that need them."""
    with doors.through(doors.desk) as desk:
        done = desk.approve(wanted.changes, wanted.note(asker.name))
    if not done.changes:
        raise Undecidable("none of these changes is planned")
    return Agreed(changes=done.changes, partitions=[Partition.of(at) for at in done.partitions])


@routes.get("/audit")
@needs(Role.VIEWER)
def audit(
    doors: Doored,
    actor: Annotated[Word | None, Query()] = None,
    action: Annotated[Word | None, Query()] = None,
    before: Before = None,
    limit: Limit = 50,
) -> Listed[Deed]:
    """What people decided and looked at, newest first."""
    with doors.through(doors.desk) as desk:
        found = desk.deeds(actor=actor, action=action, before=before, most=limit)
    return Listed(**listed(found, limit, lambda deed: deed.id))
