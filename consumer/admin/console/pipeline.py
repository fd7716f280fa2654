"""Pipeline: topics and partitions, how far they are and why they do not go on; workers; connectors."""

from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Literal

from fastapi import Form as Sent
from fastapi import Request, Response

from consumer.admin.asking import Doored, Watched
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Partition, Word
from consumer.admin.locking import steering
from consumer.admin.problems import Absent
from consumer.admin.roles import Asker, needs
from consumer.admin.telling import alive
from consumer.core.lag import Going, Lag, worst
from consumer.core.pausing import Subject
from consumer.core.roles import Role
from consumer.core.trend import Trend

routes = pages()


class Pausing(Form):
    """What is paused or resumed."""

    topic: Word | None = None
    table: Word | None = None
    partition: Partition | None = None

    @property
    def subject(self) -> Subject:
        """What is meant."""
        return Subject(table=self.table, topic=None if self.table else self.topic, partition=self.partition)


class Resetting(Form):
    """A breaker of all workers."""

    breaker: Literal["target", "registry"]


class Draining(Form):
    """A worker."""

    worker: Word


class Restarting(Form):
    """A connector."""

    connector: Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic's partitions, and what is so of all of them."""

    name: str
    tables: list[str]
    parts: list[Lag]
    lately: list[int]
    trends: list[Trend]

    @property
    def going(self) -> Going:
        """How the partition is that is worst."""
        return worst(part.going for part in self.parts)

    @property
    def trend(self) -> Trend | None:
        """Where the partition's lag is going that is worst; none where it is of no partition known."""
        return min(self.trends, key=list(Trend).index, default=None)

    @property
    def records(self) -> int | None:
        """Not applied; none where it is of no partition known."""
        known = [part.records for part in self.parts if part.records is not None]
        return sum(known) if known else None

    @property
    def seconds(self) -> float | None:
        """The oldest."""
        return max((part.seconds for part in self.parts if part.seconds is not None), default=None)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Why, and what to do, each once."""
        return list(dict.fromkeys((part.why, part.remedy) for part in self.parts if part.why))


@routes.get("/pipeline")
@needs(Role.VIEWER)
def pipeline(request: Request, doors: Doored, watch: Watched) -> Response:
    """The page."""
    seen, lately = watch.last, watch.lately()
    topics = []
    for name, of in groupby(seen.lags if seen else [], lambda lag: lag.at.topic):
        parts = list(of)
        tables = list(dict.fromkeys(table for part in parts for table in part.tables))
        past = [moment.by_topic.get(name, 0) for moment in lately]
        trends = [seen.trends[part.at] for part in parts if seen and part.at in seen.trends]
        topics.append(Topic(name=name, tables=tables, parts=parts, lately=past, trends=trends))
    with doors.through(doors.control) as control:
        workers, pauses = control.workers(), control.pauses()
    topics.sort(key=lambda topic: (list(Going).index(topic.going), topic.name))
    return render(
        request, "pipeline.html", seen=seen, problem=watch.problem, topics=topics, workers=workers, pauses=pauses
    )


@routes.post("/pipeline/pause")
@needs(Role.OPERATOR)
@steering
def pause(doors: Doored, asker: Asker, sent: Annotated[Pausing, Sent()]) -> Response:
    """Pause a table, a topic or a partition."""
    with doors.through(doors.control, steering=True) as control:
        if control.pause(sent.subject, sent.note(asker.name)) is None:
            raise Absent(f"nothing of this group is known as {sent.subject}")
    return back("/pipeline", "paused")


@routes.post("/pipeline/resume")
@needs(Role.OPERATOR)
@steering
def resume(doors: Doored, asker: Asker, sent: Annotated[Pausing, Sent()]) -> Response:
    """End a pause."""
    with doors.through(doors.control, steering=True) as control:
        if control.resume(sent.subject, sent.note(asker.name)) is None:
            raise Absent(f"{sent.subject} is not paused by itself")
    return back("/pipeline", "resumed")


@routes.post("/pipeline/reset")
@needs(Role.OPERATOR)
def reset(doors: Doored, asker: Asker, sent: Annotated[Resetting, Sent()]) -> Response:
    """Have a server that is away asked at once."""
    with doors.through(doors.control) as control:
        control.tell("reset breaker", sent.breaker, alive(control), sent.note(asker.name))
    return back("/pipeline", "reset")


@routes.post("/pipeline/drain")
@needs(Role.OPERATOR)
def drain(doors: Doored, asker: Asker, sent: Annotated[Draining, Sent()]) -> Response:
    """Have a worker leave after the batch in hand."""
    with doors.through(doors.control) as control:
        control.tell("drain", "", alive(control, [sent.worker]), sent.note(asker.name))
    return back("/pipeline", "drained")


@routes.post("/pipeline/restart")
@needs(Role.OPERATOR)
def restart(doors: Doored, asker: Asker, sent: Annotated[Restarting, Sent()]) -> Response:
    """Start what of a connector has failed again."""
    with doors.connectors() as connect:
        if not connect.restart(sent.connector, None, sent.note(asker.name)):
            raise Absent("Kafka Connect has no such connector")
    return back("/pipeline", "restarted")
