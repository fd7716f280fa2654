"""Dead letters: groups of them, letters of a group, one letter, and what is done with it."""

from typing import Annotated

from fastapi import Form as Sent
from fastapi import Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from consumer.admin.asking import Doored
from consumer.admin.console.content import fields, lines, patch
from consumer.admin.console.forms import Form, back, pages
from consumer.admin.console.guide import guide
from consumer.admin.console.rendering import render
from consumer.admin.console.timeline import history
from consumer.admin.inputs import LARGEST, After, Chosen, Id, Input, Reasoned, Text
from consumer.admin.problems import there
from consumer.admin.roles import Asker, needs
from consumer.core.decision import Undecidable
from consumer.core.failure import HeadraceError
from consumer.core.letters import OPEN, State
from consumer.core.roles import Role
from consumer.ports.desk import Note
from dlq.letters import Place
from dlq.selection import Selection

routes = pages()

_GROUPS, _PAGE = 200, 50


class Searched(Input):
    """What is looked for. `state`: one of them, or `open`, or `any`."""

    text: Text = ""
    state: Text = "open"
    said: Text = ""


class GivingUp(Form):
    """Give a letter up. `expect`: how many the page said that go."""

    expect: Annotated[int, Field(ge=1, le=LARGEST)]


class Listing(Chosen):
    """A page of letters."""

    after: After = None
    said: Text = ""


@routes.get("/letters")
@needs(Role.VIEWER)
def groups(request: Request, doors: Doored, wanted: Annotated[Searched, Query()]) -> Response:
    """Letters that failed in the same way, the last seen first."""
    states = {"open": tuple(sorted(OPEN)), "any": ()}.get(wanted.state, (wanted.state,))
    with doors.through(doors.letters) as desk:
        found = desk.groups(Selection(states=tuple(str(state) for state in states), text=wanted.text), _GROUPS)
    return render(request, "groups.html", groups=found, wanted=wanted, choices=["open", *State, "any"])


@routes.get("/letters/list")
@needs(Role.VIEWER)
def listing(request: Request, doors: Doored, wanted: Annotated[Listing, Query()]) -> Response:
    """Letters of a selection, the last that failed first."""
    place = None if wanted.after is None else Place.of(wanted.after)
    # of the state it is asked how many there are of each
    every = wanted.model_copy(update={"state": []}).selection
    with doors.through(doors.letters) as desk:
        found = desk.page(wanted.selection, _PAGE, place)
        facets, count = desk.facets(every), desk.count(wanted.selection)
        of_group = desk.groups(Selection(fingerprints=tuple(wanted.group)), 1) if len(wanted.group) == 1 else []
    more = str(found[-1].place) if len(found) == _PAGE else None
    return render(
        request,
        "letters.html",
        letters=found,
        wanted=wanted,
        facets=facets,
        count=count,
        group=of_group[0] if of_group else None,
        more=more,
    )


@routes.get("/letters/{number}")
@needs(Role.VIEWER)
def letter(request: Request, doors: Doored, number: Id) -> Response:
    """One letter, without what its record holds."""
    with doors.through(doors.letters) as desk:
        found = there(desk.whole(number), "letter", number)
        words, goes = desk.schema_words(number), desk.given_up([number])
    return render(
        request,
        "letter.html",
        whole=found,
        letter=found.letter,
        words=words,
        goes=goes,
        trace_url=doors.trace_url.replace("{trace_id}", found.trace) if found.trace else "",
        history=history(found),
        guide=guide(found),
    )


@routes.get("/letters/{number}/content")
@needs(Role.CONTENT)
def content(request: Request, doors: Doored, asker: Asker, number: Id, original: bool = False) -> Response:
    """What its record holds, and what it would make of its row. That somebody looked is kept."""
    note, held, weighed, why = Note(asker.name, ""), None, None, []
    with doors.through(doors.letters) as desk:
        found = there(desk.whole(number), "letter", number)
        try:
            held = desk.payload(number, note, original=original)
        except HeadraceError as error:
            why.append(error.failure)
        try:
            weighed = desk.difference(number, note, original=original)
        except HeadraceError as error:
            why.append(error.failure)
    return render(
        request,
        "content.html",
        whole=found,
        letter=found.letter,
        held=held,
        weighed=weighed,
        lines=lines(held, weighed),
        original=original,
        why=list(dict.fromkeys(why)),
        guide=guide(found),
    )


@routes.get("/letters/{number}/edit")
@needs(Role.OPERATOR)
def editing(request: Request, doors: Doored, asker: Asker, number: Id) -> Response:
    """Its row as it can be changed. That somebody looked is kept."""
    with doors.through(doors.letters) as desk:
        found = there(desk.whole(number), "letter", number)
        row = desk.editable(number, Note(asker.name, ""))
    return render(request, "edit.html", letter=found.letter, fields=fields(row), guide=guide(found))


@routes.post("/letters/{number}/edit")
@needs(Role.OPERATOR)
async def edit(request: Request, doors: Doored, asker: Asker, number: Id) -> Response:
    """Change it."""
    form = await request.form()
    sent = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    return await run_in_threadpool(_edit, doors, asker.name, number, sent)


@routes.post("/letters/{number}/replay")
@needs(Role.OPERATOR)
def replay(doors: Doored, asker: Asker, number: Id, sent: Annotated[Form, Sent()]) -> Response:
    """Send it again."""
    with doors.through(doors.letters) as desk:
        found = there(desk.whole(number), "letter", number)
        if not desk.replay([number], sent.note(asker.name)).changed:
            raise Undecidable(f"letter {number} is {found.letter.state}, or was sent again as often as may be")
    return back(f"/letters/{number}", "replayed")


@routes.post("/letters/{number}/discard")
@needs(Role.OPERATOR)
def discard(doors: Doored, asker: Asker, number: Id, sent: Annotated[GivingUp, Sent()]) -> Response:
    """Give it up, and what waits for it."""
    with doors.through(doors.letters) as desk:
        found = there(desk.whole(number), "letter", number)
        if found.letter.state not in OPEN:
            raise Undecidable(f"letter {number} is {found.letter.state} already")
        desk.discard([number], sent.note(asker.name), expect=sent.expect)
    return back(f"/letters/{number}", "discarded")


def _edit(doors: Doored, actor: str, number: int, sent: list[tuple[str, str]]) -> Response:
    note = Reasoned.model_validate({"reason": dict(sent).get("reason", "")}).note(actor)
    with doors.through(doors.letters) as desk:
        there(desk.whole(number), "letter", number)
        desk.edit(number, patch(sent), note)
    return back(f"/letters/{number}", "edited")
