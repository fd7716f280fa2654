"""Letters searched by what their records hold: jobs that only look."""

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from consumer.admin.asking import Doored
from consumer.admin.inputs import Chosen, Id, Input, Reasoned, Text, Word
from consumer.admin.locking import changing, steering
from consumer.admin.problems import Absent
from consumer.admin.roles import Asker, needs, router
from consumer.core.jobs import SEARCH
from consumer.core.roles import Role
from consumer.core.steering import Steer
from dlq.filter import LONGEST, MOST, Comparison, Condition
from dlq.job_desk import JobDesk
from dlq.jobs import Job
from dlq.value_search import MOST_LETTERS, Wanted

routes = router(tags=["searches"])


class Where(Input):
    """A condition on a record: its field as a path (`after.total`, `key.id`, `op`), how it is compared, with what."""

    field: Word
    comparison: Comparison
    value: Annotated[Text, Field(max_length=LONGEST)] = ""

    @model_validator(mode="after")
    def _meant(self) -> "Where":
        # raises BadFilter, which is a ValueError
        _ = self.condition
        return self

    @property
    def condition(self) -> Condition:
        """The same for the desk."""
        return Condition(self.field, self.comparison, self.value)


class Start(Reasoned):
    """A search: all conditions have to be so. At most `limit` letters are read, the last that failed first."""

    letters: Chosen
    where: Annotated[list[Where], Field(min_length=1, max_length=MOST)]
    limit: Annotated[int, Field(ge=1, le=MOST_LETTERS)] = 10_000


class Found(BaseModel):
    """A search as it is now. `counts`: letters by what is known of them; those that are `met` are had by `found_by`."""

    job: Job
    counts: dict[str, int]


@routes.post("/searches", status_code=201)
@needs(Role.CONTENT)
@changing
def start(doors: Doored, asker: Asker, wanted: Start) -> Found:
    """Have the records of letters read, but for masked columns. That somebody did is kept."""
    with doors.through(doors.jobs) as desk:
        conditions = tuple(each.condition for each in wanted.where)
        made = desk.search(
            Wanted(
                selection=wanted.letters.selection,
                conditions=conditions,
                said=wanted.note(asker.name),
                most=wanted.limit,
            )
        )
        if made is None:
            raise Absent("no letter matches")
        return _found(desk, made)


@routes.get("/searches/{number}")
@needs(Role.CONTENT)
def search(doors: Doored, number: Id) -> Found:
    """How far a search is."""
    with doors.through(doors.jobs) as desk:
        return _found(desk, number)


@routes.post("/searches/{number}/cancel")
@needs(Role.CONTENT)
@changing
@steering
def cancel(doors: Doored, asker: Asker, number: Id, wanted: Reasoned) -> Found:
    """Read no more; what was found stays found."""
    with doors.through(doors.jobs, steering=True) as desk:
        _found(desk, number)
        desk.decide(number, Steer.CANCEL, wanted.note(asker.name))
        return _found(desk, number)


def _found(desk: JobDesk, number: int) -> Found:
    job = desk.job(number)
    if job is None or job.kind != SEARCH:
        raise Absent.of("search", number)
    return Found(job=job, counts=job.counts)
