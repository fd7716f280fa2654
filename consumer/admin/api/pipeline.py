"""Positions, lag, tables, workers, breakers and connectors."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field, model_validator

from consumer.admin.api.answers import Listed, Partition
from consumer.admin.asking import Doored, Watched
from consumer.admin.inputs import Input, Numbers, Reason, Reasoned, Word, Words
from consumer.admin.inputs import Partition as PartitionNumber
from consumer.admin.locking import steering
from consumer.admin.problems import Absent
from consumer.admin.roles import Asker, needs, router
from consumer.admin.telling import alive
from consumer.core.connectors import Connector
from consumer.core.decision import Undecidable
from consumer.core.failure import Failure
from consumer.core.flags import Flag
from consumer.core.healing import Healing
from consumer.core.lag import Going, Lag
from consumer.core.pausing import Paused, Subject
from consumer.core.roles import Role
from consumer.core.trend import Trend
from consumer.ports.control import Command, Switched, Worker

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
    trend: Trend | None = None

    @staticmethod
    def of(lag: Lag, trend: Trend | None = None) -> "PartitionLag":
        """From the program's own. `trend`: none where it is not known yet."""
        return PartitionLag(**(asdict(lag) | lag.at._asdict()), trend=trend)


class Lagging(BaseModel):
    """The last look, none at first. `logs`, `connect`: why Kafka, or Kafka Connect, did not answer.

    `missed`: why it could not be looked since, as where the database is away.
    """

    at: datetime | None
    items: list[PartitionLag]
    logs: Failure | None = None
    connect: Failure | None = None
    missed: Failure | None = None


class Table(BaseModel):
    """A topic and the table that it is bound to. `parts`: its partitions; how far their logs reach is not asked for."""

    table: str | None
    topic: str
    going: Going
    parts: list[PartitionLag]
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
    """A breaker of all workers that live, or of some."""

    breaker: Literal["target", "registry"]
    workers: Words = Field(default=[])


class Draining(Reasoned):
    """Workers that are to leave."""

    workers: Annotated[Words, Field(min_length=1)]


class Reloading(Reasoned):
    """Workers that are to read their settings again; all that live by default."""

    workers: Words = Field(default=[])


class Reloaded(Listed[Command]):
    """What workers were told. `admin`: what came of it in the process that answers."""

    admin: str


class PauseSwitched(BaseModel):
    """A pause that was begun or ended, and the partitions that it holds. `changed`: it was not so before."""

    pause: Paused
    partitions: list[Partition]
    changed: bool

    @staticmethod
    def of(done: Switched) -> "PauseSwitched":
        """From the program's own."""
        partitions = [Partition.of(at) for at in done.partitions]
        return PauseSwitched(pause=done.pause, partitions=partitions, changed=done.changed)


class Connectors(BaseModel):
    """Kafka Connect's connectors at the last look, none at first. `there`: whether one is set.

    `failure`: why they are not known, or not as they are now.
    """

    there: bool
    at: datetime | None
    items: list[Connector]
    failure: Failure | None = None


class Told(Input):
    """Commands by their ids."""

    id: Numbers = Field(default=[])


@routes.get("/lag")
@needs(Role.VIEWER)
def lag(watch: Watched, topic: Annotated[Word | None, Query()] = None) -> Lagging:
    """How far partitions were behind when it was looked at last, where that goes, and why they do not go on."""
    seen = watch.last
    if seen is None:
        return Lagging(at=None, items=[], missed=watch.problem)
    found = [one for one in seen.lags if topic in (None, one.at.topic)]
    items = [PartitionLag.of(one, seen.trends.get(one.at)) for one in found]
    return Lagging(at=seen.at, items=items, logs=seen.logs, connect=seen.connect, missed=watch.problem)


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
                parts=[PartitionLag.of(part) for part in one.parts],
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
@steering
def pause(doors: Doored, asker: Asker, wanted: Pausing) -> PauseSwitched:
    """Stop reading and applying. From when this is answered, no batch of these partitions is committed."""
    with doors.through(doors.control, steering=True) as control:
        done = control.pause(wanted.subject, Reasoned(reason=wanted.reason).note(asker.name))
    if done is None:
        raise Absent(f"nothing of this group is known as {wanted.subject}")
    return PauseSwitched.of(done)


@routes.post("/pauses/end")
@needs(Role.OPERATOR)
@steering
def resume(doors: Doored, asker: Asker, wanted: Pausing) -> PauseSwitched:
    """End a pause."""
    with doors.through(doors.control, steering=True) as control:
        done = control.resume(wanted.subject, Reasoned(reason=wanted.reason).note(asker.name))
    if done is None:
        raise Absent(f"{wanted.subject} is not paused by itself")
    return PauseSwitched.of(done)


@routes.get("/workers")
@needs(Role.VIEWER)
def workers(doors: Doored) -> Listed[Worker]:
    """Workers that report, and those that did lately."""
    with doors.through(doors.control) as control:
        return Listed(items=control.workers())


@routes.get("/healing")
@needs(Role.VIEWER)
def healing(doors: Doored, most: Annotated[int, Query(ge=1, le=1000)] = 100) -> Listed[Healing]:
    """What was put right without a hand, the newest first."""
    with doors.through(doors.control) as control:
        return Listed(items=control.healed(most))


@routes.post("/workers/drain")
@needs(Role.OPERATOR)
def drain(doors: Doored, asker: Asker, wanted: Draining) -> Listed[Command]:
    """Have workers leave after the batch in hand; others take their partitions. They answer when they look."""
    with doors.through(doors.control) as control:
        names = alive(control, wanted.workers)
        return Listed(items=control.told(control.tell("drain", "", names, wanted.note(asker.name))))


@routes.post("/workers/reload")
@needs(Role.OPERATOR)
def reload(doors: Doored, asker: Asker, wanted: Reloading) -> Reloaded:
    """Have workers, and this process, read their settings again: what they say of tables and topics holds from then on.

    Each has its own file; what can't be taken is refused as a whole. Workers answer when they look.
    """
    with doors.through(doors.control) as control:
        told = control.tell("reload", "", alive(control, wanted.workers), wanted.note(asker.name))
        return Reloaded(items=control.told(told), admin=doors.reload())


@routes.post("/breakers/reset")
@needs(Role.OPERATOR)
def reset(doors: Doored, asker: Asker, wanted: Resetting) -> Listed[Command]:
    """Have workers ask a server that is away with their next question. They answer when they look, within a second."""
    with doors.through(doors.control) as control:
        names = alive(control, wanted.workers)
        return Listed(items=control.told(control.tell("reset breaker", wanted.breaker, names, wanted.note(asker.name))))


@routes.get("/commands")
@needs(Role.VIEWER)
def commands(doors: Doored, wanted: Annotated[Told, Query()]) -> Listed[Command]:
    """What workers were told, and what came of it."""
    with doors.through(doors.control) as control:
        return Listed(items=control.told(wanted.id))


@routes.get("/connectors")
@needs(Role.VIEWER)
def connectors(doors: Doored, watch: Watched) -> Connectors:
    """Kafka Connect's connectors as they were when they were looked at last. Refused while it is not watched."""
    if not doors.has_connect:
        return Connectors(there=False, at=None, items=[])
    if Flag.CONNECT_WATCH in watch.off:
        raise Undecidable("Kafka Connect is not watched (connect-watch is off), so its connectors are not known")
    seen, failure = watch.last, watch.problem
    if seen is None:
        return Connectors(there=True, at=None, items=[], failure=failure)
    return Connectors(there=True, at=seen.at, items=list(seen.connectors), failure=failure or seen.connect)


@routes.post("/connectors/restart")
@needs(Role.OPERATOR)
def restart(doors: Doored, asker: Asker, wanted: Restarting) -> Restarting:
    """Start what of a connector has failed again."""
    with doors.connectors() as connect:
        if not connect.restart(wanted.connector, wanted.task, wanted.note(asker.name)):
            raise Absent("Kafka Connect has no such connector or task, or connect.url is not set")
    return wanted
