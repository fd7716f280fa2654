"""Searches by what letters hold: asked for with a form; what becomes of one is a job's page."""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Form as Sent
from fastapi import Query, Request, Response
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Chosen, Text
from consumer.admin.locking import changing
from consumer.admin.problems import Absent
from consumer.admin.roles import Asker, needs
from consumer.core.roles import Role
from dlq.filter import MOST, BadFilter, Comparison, Condition
from dlq.value_search import MOST_LETTERS, Wanted

routes = pages()

# lines of the form
_LINES = 3
_LIMIT = 10_000
Texts = Annotated[list[Text], Field(max_length=MOST)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A condition as it stands in the form."""

    field: str = ""
    comparison: str = Comparison.IS
    value: str = ""


class Asked(Chosen, Form):
    """Letters, and what has to be so of their records, line by line."""

    field: Texts = Field(default_factory=list)
    comparison: Annotated[list[Comparison], Field(max_length=MOST)] = Field(default_factory=list)
    value: Texts = Field(default_factory=list)
    limit: Annotated[int, Field(ge=1, le=MOST_LETTERS)] = _LIMIT

    @property
    def lines(self) -> list[Line]:
        """As they were sent."""
        sent = zip_longest(self.field, self.comparison, self.value)
        return [Line(field=name or "", comparison=how or Comparison.IS, value=value or "") for name, how, value in sent]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Of lines that name a field. Raises BadFilter."""
        found = tuple(
            Condition(line.field.strip(), Comparison(line.comparison), line.value)
            for line in self.lines
            if line.field.strip()
        )
        if not found:
            raise BadFilter("a search has one condition at least")
        return found


@routes.get("/searches/new")
@needs(Role.CONTENT)
def new(request: Request, doors: Doored, wanted: Annotated[Chosen, Query()]) -> Response:
    """The form."""
    return _form(request, doors, wanted, [Line()] * _LINES)


@routes.post("/searches")
@needs(Role.CONTENT)
@changing
def start(request: Request, doors: Doored, asker: Asker, sent: Annotated[Asked, Sent()]) -> Response:
    """Have the records read. What can't be meant is said beside what was written."""
    try:
        conditions = sent.conditions
    except BadFilter as error:
        return _form(request, doors, sent, sent.lines, wrong=str(error))
    with doors.through(doors.jobs) as desk:
        number = desk.search(
            Wanted(selection=sent.selection, conditions=conditions, said=sent.note(asker.name), most=sent.limit)
        )
    if number is None:
        raise Absent("no letter matches")
    return back(f"/replays/{number}", "searching")


def _form(request: Request, doors: Doored, wanted: Chosen, lines: list[Line], *, wrong: str = "") -> Response:
    with doors.through(doors.letters) as desk:
        count = desk.count(wanted.selection)
    given = wanted.model_dump(mode="json", include=set(Chosen.model_fields), exclude_defaults=True)
    return render(
        request,
        "search_new.html",
        422 if wrong else 200,
        wanted=wanted,
        query=urlencode(given, doseq=True),
        lines=lines,
        comparisons=list(Comparison),
        count=count,
        limit=getattr(wanted, "limit", _LIMIT),
        most=MOST_LETTERS,
        wrong=wrong,
    )
