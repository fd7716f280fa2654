"""Jobs: many letters sent again, or given up."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from consumer.admin.api.answers import Listed, listed
from consumer.admin.asking import Doored
from consumer.admin.inputs import LARGEST, Chosen, Id, Input, Limit, Reasoned, Words
from consumer.admin.locking import steering
from consumer.admin.problems import Absent, there
from consumer.admin.roles import Asker, needs, router
from consumer.core.jobs import JobKind
from consumer.core.roles import Role
from consumer.core.steering import Steer
from dlq.jobs import MOST_ITEMS, Item, Job, Order
from dlq.preview import Sample

routes = router(tags=["replays"])


class Look(Input):
    """What a job would be of."""

    letters: Chosen
    kind: JobKind = JobKind.REPLAY
    stale: bool = False


class Start(Look, Reasoned):
    """A job. `expect`: how many letters the preview says go, also along, `these`: which ones; `rate`: letters a second.

    Without `these` any that are as many will do.
    """

    expect: Annotated[int, Field(ge=1, le=MOST_ITEMS)]
    these: Annotated[str, Field(max_length=64)] = ""
    rate: Annotated[float, Field(ge=0.01, le=5000)] = 50.0
    canary: Annotated[int, Field(ge=0, le=1000)] = 10
    stop_ratio: Annotated[float, Field(ge=0, le=1)] = 0.1


class Looked(BaseModel):
    """What a job would do. `goes`, `these`: what has to be expected; counts and samples by what becomes of letters.

    `along`: how many of those that go are not among the letters that are meant, and wait for those that are given up.
    """

    goes: int
    along: int
    these: str
    meant: int
    counts: dict[str, int]
    samples: dict[str, list[Sample]]


class Report(Input):
    """Which letters of a job."""

    state: Words = Field(default=[])
    after: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    limit: Limit = 200


@routes.get("/jobs")
@needs(Role.VIEWER)
def jobs(doors: Doored, limit: Limit = 50) -> Listed[Job]:
    """Jobs, newest first."""
    with doors.through(doors.jobs) as desk:
        return Listed(items=desk.jobs(limit))


@routes.post("/jobs/preview")
@needs(Role.VIEWER)
def preview(doors: Doored, wanted: Look) -> Looked:
    """What a job would do; nothing is done."""
    with doors.through(doors.jobs) as desk:
        found = desk.preview(wanted.letters.selection, desk.ruled(wanted.kind, stale=wanted.stale))
    samples = {fate.value: list(some) for fate, some in found.samples.items()}
    counts = {fate.value: count for fate, count in found.counts.items()}
    return Looked(
        goes=found.goes, along=found.along, these=found.these, meant=found.meant, counts=counts, samples=samples
    )


@routes.post("/jobs", status_code=201)
@needs(Role.OPERATOR)
def start(doors: Doored, asker: Asker, wanted: Start) -> Job:
    """Make a job. Refused when others go than expected."""
    with doors.through(doors.jobs) as desk:
        order = Order(
            selection=wanted.letters.selection,
            rules=desk.ruled(wanted.kind, stale=wanted.stale),
            expect=wanted.expect,
            these=wanted.these,
            said=wanted.note(asker.name),
            rate=wanted.rate,
            canary=wanted.canary,
            stop_ratio=wanted.stop_ratio,
        )
        made = desk.create(order)
        return there(desk.job(made), "job", made)


@routes.get("/jobs/{number}")
@needs(Role.VIEWER)
def job(doors: Doored, number: Id) -> Job:
    """One job, and what became of its letters."""
    with doors.through(doors.jobs) as desk:
        return there(desk.job(number), "job", number)


@routes.get("/jobs/{number}/items")
@needs(Role.VIEWER)
def items(doors: Doored, number: Id, wanted: Annotated[Report, Query()]) -> Listed[Item]:
    """What became of each letter of a job, in the order of their records."""
    with doors.through(doors.jobs) as desk:
        there(desk.job(number), "job", number)
        found = desk.items(number, states=wanted.state, after=wanted.after, most=wanted.limit)
    return Listed(**listed(found, wanted.limit, lambda item: item.number))


@routes.post("/jobs/{number}/{action}")
@needs(Role.OPERATOR)
@steering
def decide(doors: Doored, asker: Asker, number: Id, action: Steer, wanted: Reasoned) -> Job:
    """Pause, resume or cancel a job: once this is answered, nothing more is sent, or it goes on."""
    with doors.through(doors.jobs, steering=True) as desk:
        if not desk.decide(number, action, wanted.note(asker.name)):
            raise Absent.of("job", number)
        return there(desk.job(number), "job", number)
