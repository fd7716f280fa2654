"""Overview: is everything fine, and what needs a person?"""

from itertools import pairwise

from fastapi import Request, Response

from consumer.admin.asking import Doored, Watched
from consumer.admin.console.forms import pages
from consumer.admin.console.rendering import render
from consumer.admin.console.verdict import Known, needs, sentence
from consumer.admin.roles import needs as only_for
from consumer.admin.watching import Moment
from consumer.core.letters import OPEN
from consumer.core.roles import Role
from consumer.ports.desk import Page
from dlq.selection import Selection

routes = pages()

_GROUPS, _BATCHES, _JOBS, _CHANGES = 6, 5, 20, 100
_ALL = 1000


@routes.get("/")
@only_for(Role.VIEWER)
def overview(request: Request, doors: Doored, watch: Watched) -> Response:
    """The first page."""
    with doors.through(doors.desk) as desk:
        changes = desk.schema_changes(None, waiting=True, most=_CHANGES)
        failed = desk.batches(Page(state="failed", most=_BATCHES))
        last = desk.batches(Page(state="applied", most=1))
    with doors.through(doors.control) as control:
        workers = control.workers()
    with doors.through(doors.letters) as letters:
        groups = letters.groups(Selection(states=tuple(sorted(OPEN))), _ALL)
    with doors.through(doors.jobs) as jobs:
        newest = jobs.jobs(_JOBS)
    known = Known(seen=watch.last, problem=watch.problem, groups=groups, workers=workers, changes=changes, jobs=newest)
    found, lately = needs(known), watch.lately()
    counts: dict[str, int] = {}
    for group in groups:
        for state, number in group.states.items():
            counts[state] = counts.get(state, 0) + number
    living = [worker for worker in workers if not worker.gone]
    breakers = [breaker["state"] != "closed" for worker in living for breaker in worker.breakers]
    return render(
        request,
        "overview.html",
        sentence=sentence(known, found),
        needs=found,
        seen=watch.last,
        workers=living,
        breakers={"open": sum(breakers), "all": len(breakers)} if breakers else None,
        groups=groups[:_GROUPS],
        more=max(0, len(groups) - _GROUPS),
        counts=counts,
        failed=failed,
        last=last[0] if last else None,
        records=[moment.records for moment in lately],
        rates=rates(lately),
    )


def rates(lately: list[Moment]) -> list[float]:
    """Records applied a second, between looks."""
    found = []
    for before, after in pairwise(lately):
        seconds = (after.at - before.at).total_seconds()
        found.append(max(0, after.applied - before.applied) / seconds if seconds > 0 else 0.0)
    return found
