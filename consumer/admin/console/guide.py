"""A first dead letter, fixed in five steps: which one it is about, and how far somebody is with it.

What is done is read off the letter itself, so the way can be left and taken up anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from consumer.admin.asking import Doored
from consumer.admin.console.forms import pages
from consumer.admin.console.rendering import render
from consumer.admin.inputs import Id
from consumer.admin.problems import there
from consumer.admin.roles import needs
from consumer.core.letters import State
from consumer.core.roles import Role
from dlq.history import Whole
from dlq.selection import Selection

routes = pages()

# failures that a changed value puts right
_FIXABLE = ("record.check", "record.checks", "record.value")
_LOOKED = 500
_ENDED = (State.APPLIED, State.SUPERSEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do, where, and whether it is done."""

    title: str
    what: str
    path: str
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """The steps of a letter."""

    letter: int
    steps: Sequence[Step]

    @property
    def now(self) -> int:
        """The number of the step that is next; behind the last one when all is done."""
        return next((number for number, step in enumerate(self.steps, 1) if not step.done), len(self.steps) + 1)


def guide(whole: Whole, *, found: bool = True) -> Guide:
    """How far somebody is with a letter. `found`: they are looking at it."""
    number, state = whole.letter.id, whole.letter.state
    at = f"/letters/{number}"
    did = {decided.action for decided in whole.decisions}
    ended = state in _ENDED
    edited = bool(whole.edits) or "edit letter" in did
    sent = "replay letters" in did or ended
    looked = "view payload" in did or edited
    return Guide(
        letter=number,
        steps=(
            Step(title="Find it", what="Open the letter: it says why it could not be applied, and what to do.",
                 path=at, done=found or looked or sent),
            Step(title="Understand it", what="See what the record holds, and what it would do to its row. The target "
                 "refuses one of the values: which?", path=f"{at}/content", done=looked or sent),
            Step(title="Correct it", what="Change that value, and say why. The record as it was is kept.",
                 path=f"{at}/edit", done=edited or sent),
            Step(title="Send it again", what="It comes back through the retry topic, in its row's order.",
                 path=at, done=sent),
            Step(title="See it applied", what="The transaction that applies it writes its outcome into the letter.",
                 path=at, done=ended),
        ),
    )  # fmt: skip


@routes.get("/guide")
@needs(Role.OPERATOR)
def begin(request: Request, doors: Doored) -> Response:
    """To the oldest letter that can be put right by hand."""
    chosen = Selection(states=(State.DEAD,), kinds=_FIXABLE)
    with doors.through(doors.letters) as desk:
        found = desk.page(chosen, _LOOKED)
    if not found:
        return render(request, "guide.html", guide=None, letter=None)
    return RedirectResponse(f"/guide/{min(letter.id for letter in found)}", 303)


@routes.get("/guide/{number}")
@needs(Role.OPERATOR)
def steps(request: Request, doors: Doored, number: Id) -> Response:
    """The steps, and how far somebody is."""
    with doors.through(doors.letters) as desk:
        whole = there(desk.whole(number), "letter", number)
    return render(request, "guide.html", guide=guide(whole, found=False), letter=whole.letter)
