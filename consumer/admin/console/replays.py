"""Replays: many letters sent again, or given up: looked at, agreed to by number, followed, paused, cancelled."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form as Sent
from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.console.content import weighed
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import LARGEST, Chosen, Id, Number, Text
from consumer.admin.locking import steering
from consumer.admin.problems import Absent, there
from consumer.admin.roles import Asker, needs
from consumer.core.jobs import ACTIVE, FITTING, WAITING_FOR_A_PERSON, JobKind
from consumer.core.roles import Role
from consumer.core.steering import Steer, offered
from consumer.ports.desk import Note
from dlq.jobs import MOST_ITEMS, Order
from dlq.preview import ROWS

routes = pages()

_JOBS, _ITEMS = 50, 100


class Wanted(Chosen):
    """Letters, and what is to be done with them."""

    job: JobKind = JobKind.REPLAY
    stale: bool = False

    @property
    def meant(self) -> Chosen:
        """Without a state: those that fit."""
        return self if self.state else self.model_copy(update={"state": list(FITTING[self.job])})


class Start(Wanted, Form):
    """The same, agreed to. `expect`: the number that a person has typed; `these`: which letters the page was about."""

    expect: Annotated[int, Field(ge=1, le=MOST_ITEMS)]
    these: Annotated[str, Field(max_length=64)] = ""
    rate: Annotated[float, Field(ge=0.01, le=5000)] = 50.0
    canary: Annotated[int, Field(ge=0, le=1000)] = 10
    stop_percent: Annotated[float, Field(ge=0, le=100)] = 10.0


@routes.get("/replays")
@needs(Role.VIEWER)
def replays(request: Request, doors: Doored) -> Response:
    """Jobs, newest first."""
    with doors.through(doors.jobs) as desk:
        return render(request, "replays.html", jobs=desk.jobs(_JOBS))


@routes.get("/replays/new")
@needs(Role.VIEWER)
def new(request: Request, doors: Doored, wanted: Annotated[Wanted, Query()]) -> Response:
    """What would be done, and the form that has it done."""
    with doors.through(doors.jobs) as desk:
        found = desk.preview(wanted.meant.selection, desk.ruled(wanted.job, stale=wanted.stale))
    rows = found.first if wanted.job is JobKind.REPLAY else ()
    return render(request, "replay_new.html", wanted=wanted, found=found, samples=found.samples, rows=rows)


@routes.get("/replays/new/rows")
@needs(Role.CONTENT)
def differences(
    request: Request, doors: Doored, asker: Asker, id: Annotated[list[Number], Query(min_length=1, max_length=ROWS)]
) -> Response:
    """What some letters would make of their rows. That somebody looked is kept."""
    with doors.through(doors.letters) as desk:
        found = [row for number in id if (row := weighed(desk, number, Note(asker.name, ""))) is not None]
    return render(request, "replay_rows.html", found=found)


@routes.post("/replays")
@needs(Role.OPERATOR)
def start(doors: Doored, asker: Asker, sent: Annotated[Start, Sent()]) -> Response:
    """Make the job."""
    with doors.through(doors.jobs) as desk:
        order = Order(
            selection=sent.meant.selection,
            rules=desk.ruled(sent.job, stale=sent.stale),
            expect=sent.expect,
            these=sent.these,
            said=Note(asker.name, sent.reason),
            rate=sent.rate,
            canary=sent.canary,
            stop_ratio=sent.stop_percent / 100,
        )
        number = desk.create(order)
    return back(f"/replays/{number}", "started")


@routes.get("/replays/{number}")
@needs(Role.VIEWER)
def job(
    request: Request,
    doors: Doored,
    number: Id,
    state: Annotated[Text, Query()] = "",
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
) -> Response:
    """One job: how far it is, and what became of its letters."""
    with doors.through(doors.jobs) as desk:
        found = there(desk.job(number), "job", number)
        items = desk.items(number, states=[state] if state else [], after=after, most=_ITEMS)
    now = datetime.now(UTC)
    return render(
        request,
        "replay.html",
        job=found,
        items=items,
        state=state,
        more=items[-1].number if len(items) == _ITEMS else None,
        pace=found.pace(now),
        left=found.seconds_left(now),
        decisions=offered(active=found.state in ACTIVE, waits=found.state in WAITING_FOR_A_PERSON),
    )


@routes.post("/replays/{number}/{action}")
@needs(Role.OPERATOR)
@steering
def decide(
    doors: Doored,
    asker: Asker,
    number: Id,
    action: Steer,
    sent: Annotated[Form, Sent()],
) -> Response:
    """Pause, resume or cancel it."""
    with doors.through(doors.jobs, steering=True) as desk:
        if not desk.decide(number, action, sent.note(asker.name)):
            raise Absent.of("job", number)
    return RedirectResponse(f"/replays/{number}?said=decided", 303)
