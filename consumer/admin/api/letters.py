"""Letters: groups, pages, one in full, what it holds, and what is done with it."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from consumer.admin.api.answers import Listed, Tried, listed
from consumer.admin.asking import Doored
from consumer.admin.inputs import LARGEST, After, Chosen, Id, Input, Limit, Numbers, Reasoned
from consumer.admin.problems import there
from consumer.admin.roles import Asker, needs, router
from consumer.core.roles import Role
from consumer.ports.desk import Note
from dlq.difference import Difference
from dlq.groups import Group
from dlq.history import Whole
from dlq.letters import Letter, Place
from dlq.patching import MOST_OPERATIONS
from dlq.payload import Payload

routes = router(tags=["letters"])


class Facets(BaseModel):
    """How many letters there are, and by facet its values."""

    letters: int
    facets: dict[str, dict[str, int]]


class WholeLetter(BaseModel):
    """A letter in full. `schema_words`: how its schema differs from its table and the newest one."""

    letter: Whole
    schema_words: list[str]


class Doing(Reasoned):
    """Letters, and why something is done with them."""

    letters: Annotated[Numbers, Field(min_length=1)]
    dry_run: bool = False


class GivingUp(Doing):
    """The same, agreed to. `expect`: how many letters a dry run says are given up; null for however many it is."""

    expect: Annotated[int, Field(ge=0, le=LARGEST)] | None = None


class Editing(Reasoned):
    """A JSON Patch (RFC 6902) under `/after/`."""

    patch: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_OPERATIONS)]
    dry_run: bool = False


class Edit(BaseModel):
    """The columns that changed."""

    changed: list[str]
    dry_run: bool


class Row(BaseModel):
    """A row as a patch finds it."""

    after: dict[str, Any]


class Paged(Chosen):
    """A page of a selection."""

    after: After = None
    limit: Limit = 50


class Some(Chosen):
    """The first of a selection."""

    limit: Limit = 100


class Original(Input):
    """`original`: as it was before edits."""

    original: bool = False


@routes.get("/letter-groups")
@needs(Role.VIEWER)
def groups(doors: Doored, wanted: Annotated[Some, Query()]) -> Listed[Group]:
    """Letters that failed in the same way, the last seen first. Ids, tables and times are not looked at."""
    with doors.through(doors.letters) as desk:
        return Listed(items=desk.groups(wanted.selection, wanted.limit))


@routes.get("/letters")
@needs(Role.VIEWER)
def letters(doors: Doored, wanted: Annotated[Paged, Query()]) -> Listed[Letter]:
    """Letters, the last that failed first."""
    place = None if wanted.after is None else Place.of(wanted.after)
    with doors.through(doors.letters) as desk:
        found = desk.page(wanted.selection, wanted.limit, place)
    return Listed(**listed(found, wanted.limit, lambda letter: letter.place))


@routes.get("/letter-facets")
@needs(Role.VIEWER)
def facets(doors: Doored, wanted: Annotated[Chosen, Query()]) -> Facets:
    """What the letters of a selection have in common."""
    with doors.through(doors.letters) as desk:
        return Facets(letters=desk.count(wanted.selection), facets=desk.facets(wanted.selection))


@routes.get("/letters/{number}")
@needs(Role.VIEWER)
def letter(doors: Doored, number: Id) -> WholeLetter:
    """One letter: why it failed, what became of it, and the letters of its row. No value of a row is in it."""
    with doors.through(doors.letters) as desk:
        found = there(desk.whole(number), "letter", number)
        return WholeLetter(letter=found, schema_words=desk.schema_words(number))


@routes.get("/letters/{number}/payload")
@needs(Role.CONTENT)
def payload(doors: Doored, asker: Asker, number: Id, how: Annotated[Original, Query()]) -> Payload:
    """What its record holds, but for masked columns. That somebody looked is kept."""
    with doors.through(doors.letters) as desk:
        # before somebody is written down as having looked at it
        there(desk.whole(number), "letter", number)
        return there(desk.payload(number, Note(asker.name, ""), original=how.original), "letter", number)


@routes.get("/letters/{number}/difference")
@needs(Role.CONTENT)
def difference(doors: Doored, asker: Asker, number: Id, how: Annotated[Original, Query()]) -> Difference:
    """What it would make of its row in the target. Nothing is changed; that somebody looked is kept."""
    with doors.through(doors.letters) as desk:
        # before somebody is written down as having looked at it
        there(desk.whole(number), "letter", number)
        return there(desk.difference(number, Note(asker.name, ""), original=how.original), "letter", number)


@routes.get("/letters/{number}/row")
@needs(Role.CONTENT)
def row(doors: Doored, asker: Asker, number: Id) -> Row:
    """A dead letter's row as a patch finds it. That somebody looked is kept."""
    with doors.through(doors.letters) as desk:
        # before somebody is written down as having looked at it
        there(desk.whole(number), "letter", number)
        return Row(after=desk.editable(number, Note(asker.name, "")))


@routes.post("/letters/{number}/edit")
@needs(Role.OPERATOR)
def edit(doors: Doored, asker: Asker, number: Id, wanted: Editing) -> Edit:
    """Change a dead letter's row before it is sent again; the record as it was stays."""
    with doors.through(doors.letters) as desk:
        there(desk.whole(number), "letter", number)
        changed = desk.edit(number, wanted.patch, wanted.note(asker.name), dry_run=wanted.dry_run)
    return Edit(changed=list(changed), dry_run=wanted.dry_run)


@routes.post("/letters/replay")
@needs(Role.OPERATOR)
def replay(doors: Doored, asker: Asker, wanted: Doing) -> Tried:
    """Send dead letters again: each is judged by its row, and the transaction that applies it writes its outcome."""
    with doors.through(doors.letters) as desk:
        done = desk.replay(wanted.letters, wanted.note(asker.name), dry_run=wanted.dry_run)
    return Tried(changed=list(done.changed), left=list(done.left), dry_run=wanted.dry_run)


@routes.post("/letters/discard")
@needs(Role.OPERATOR)
def discard(doors: Doored, asker: Asker, wanted: GivingUp) -> Tried:
    """Give letters up, and with each what waits for it. Refused when it would be more or fewer than expected."""
    with doors.through(doors.letters) as desk:
        note = wanted.note(asker.name)
        done = desk.discard(wanted.letters, note, dry_run=wanted.dry_run, expect=wanted.expect)
    return Tried(changed=list(done.changed), left=list(done.left), dry_run=wanted.dry_run)
