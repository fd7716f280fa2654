"""Positions, lag, tables, workers, breakers and connectors."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, model_validator

from consumer.admin.api.answers import Listed, Partition, Partitions
from consumer.admin.asking import Doored, Watched
from consumer.admin.inputs import Input, Limit, Reason, Reasoned, Word
from consumer.admin.inputs import Partition as PartitionNumber
from consumer.admin.problems import Absent
from consumer.admin.roles import Asker, needs, router
from consumer.control import Command, Worker
from consumer.core.connectors import Connector
from consumer.core.lag import Going
from consumer.core.pausing import Paused, Subject
from consumer.core.roles import Role
from consumer.desk import Position

routes = router(tags=["pipeline"])


class PartitionLag(BaseModel):
    """How far a partition is behind; `records`, `seconds` and `end` none where they are not known."""

    topic: str
    partition: int
    tables: list[str]
    position: int
    end: int | None
    records: int | None
    seconds: float | None
    going: Going
    why: str
    remedy: str


class Lagging(BaseModel):
    """The last look. `problem`: why lag is not known."""

    at: datetime | None
    items: list[PartitionLag]
    problem: str = ""


class Table(BaseModel):
    """A topic and the table that it is bound to."""

    table: str | None
    topic: str
    going: Going
    partitions: int
    letters: int
    dead: int
    batch: int | None
    applied_at: datetime | None


class Pausing(Input):
    """What to pause or resume: a table, a topic, or a partition of a topic; and why."""

    table: Word | None = None
    topic: Word | None = None
    partition: PartitionNumber | None = None
    reason: Reason

    @model_validator(mode="after")
    def _one(self) -> "Pausing":
        if (self.table is None) == (self.topic is None) or (self.partition is not None and self.topic is None):
            raise ValueError("a table, or a topic and maybe its partition")
        return self

    @property
    def subject(self) -> Subject:
        """What is meant."""
        return Subject(table=self.table, topic=self.topic, partition=self.partition)


class Restarting(Reasoned):
    """A connector, or one task of it."""

    connector: Word
    task: PartitionNumber | None = None


class Resetting(Reasoned):
    """A breaker of all workers that live, or of one."""

    breaker: Literal["target", "registry"]
    worker: Word | None = None


@routes.get("/positions")
@needs(Role.VIEWER)
def positions(
    doors: Doored, topic: Annotated[Word | None, Query()] = None, stopped: bool = False, limit: Limit = 200
) -> Listed[Position]:
    """Stored positions by topic and partition, and why they are stopped."""
    with doors.through(doors.desk) as desk:
        return Listed(items=desk.positions(topic, stopped=stopped, most=limit))


@routes.get("/lag")
@needs(Role.VIEWER)
def lag(watch: Watched) -> Lagging:
    """How far partitions were behind when it was looked at last, and why they do not go on."""
    seen = watch.last
    if seen is None:
        return Lagging(at=None, items=[], problem="it was not looked at yet")
    items = [PartitionLag(**(asdict(one) | one.at._asdict())) for one in seen.lags]
    return Lagging(at=seen.at, items=items, problem=seen.logs.detail if seen.logs else "")


@routes.get("/tables")
@needs(Role.VIEWER)
def tables(doors: Doored) -> Listed[Table]:
    """Target tables and their topics."""
    with doors.through(doors.control) as control:
        found = control.tables()
    return Listed(
        items=[
            Table(
                table=one.table,
                topic=one.topic,
                going=one.going,
                partitions=len(one.parts),
                letters=one.letters,
                dead=one.dead,
                batch=one.batch,
                applied_at=one.applied_at,
            )
            for one in found
        ]
    )


@routes.get("/pauses")
@needs(Role.VIEWER)
def pauses(doors: Doored) -> Listed[Paused]:
    """What people have paused."""
    with doors.through(doors.control) as control:
        return Listed(items=control.pauses())


@routes.post("/pauses")
@needs(Role.OPERATOR)
def pause(doors: Doored, asker: Asker, wanted: Pausing) -> Partitions:
    """Stop reading and applying. From when this is answered, no batch of these partitions is committed."""
    with doors.through(doors.control) as control:
        if not control.holds(wanted.subject):
            raise Absent(f"nothing of this group is known as {wanted.subject}")
        done = control.pause(wanted.subject, Reasoned(reason=wanted.reason).note(asker.name))
    return Partitions(partitions=[Partition.of(at) for at in done.partitions])


@routes.post("/pauses/end")
@needs(Role.OPERATOR)
def resume(doors: Doored, asker: Asker, wanted: Pausing) -> Partitions:
    """End a pause."""
    with doors.through(doors.control) as control:
        done = control.resume(wanted.subject, Reasoned(reason=wanted.reason).note(asker.name))
    if done is None:
        raise Absent(f"{wanted.subject} is not paused by itself")
    return Partitions(partitions=[Partition.of(at) for at in done.partitions])


@routes.get("/workers")
@needs(Role.VIEWER)
def workers(doors: Doored) -> Listed[Worker]:
    """Workers that report, and those that did lately."""
    with doors.through(doors.control) as control:
        return Listed(items=control.workers())


@routes.post("/breakers/reset")
@needs(Role.OPERATOR)
def reset(doors: Doored, asker: Asker, wanted: Resetting) -> Listed[Command]:
    """Have workers ask a server that is away with their next question. They answer when they look, within a second."""
    with doors.through(doors.control) as control:
        names = [one.name for one in control.workers() if not one.gone and wanted.worker in (None, one.name)]
        if not names:
            raise Absent("no such worker of this group reports itself")
        return Listed(items=control.told(control.tell("reset breaker", wanted.breaker, names, wanted.note(asker.name))))


@routes.get("/connectors")
@needs(Role.VIEWER)
def connectors(watch: Watched) -> Listed[Connector]:
    """Kafka Connect's connectors as they were when they were looked at last."""
    return Listed(items=list(watch.last.connectors) if watch.last else [])


@routes.post("/connectors/restart")
@needs(Role.OPERATOR)
def restart(doors: Doored, asker: Asker, wanted: Restarting) -> Restarting:
    """Start what of a connector has failed again."""
    with doors.through(doors.control) as control:
        details = {"connector": wanted.connector, "task": wanted.task}
        control.note("restart connector", details, wanted.note(asker.name))
    with doors.connectors() as connect:
        if connect is None or not connect.restart(wanted.connector, wanted.task):
            raise Absent("Kafka Connect has no such connector or task, or connect.url is not set")
    return wanted
