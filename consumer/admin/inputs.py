"""What may be sent: every text, number and list has its bounds, and PostgreSQL can take it."""

from typing import Annotated, TypeVar

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from consumer.core.letters import State
from consumer.core.plans import MOST_TABLES
from consumer.ports.desk import Note
from dlq.letters import Place
from dlq.selection import Selection

T = TypeVar("T")
LARGEST = 2**63 - 1
_PARTITIONS = 2**31 - 1


def _plain(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("a zero byte, or half a surrogate pair")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("it is done for a reason")
    return text.strip()


def _placed(text: str) -> str:
    Place.of(text)
    return text


Word = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_plain)]
Text = Annotated[str, Field(max_length=255), AfterValidator(_plain)]
Reason = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_plain), AfterValidator(_said)]
Number = Annotated[int, Field(ge=1, le=LARGEST)]
Partition = Annotated[int, Field(ge=0, le=_PARTITIONS)]
Words = Annotated[list[Word], Field(max_length=50)]
Tables = Annotated[list[Word], Field(max_length=MOST_TABLES)]
Numbers = Annotated[list[Number], Field(max_length=1000)]
After = Annotated[
    Annotated[str, Field(max_length=100), AfterValidator(_plain), AfterValidator(_placed)] | None, Query()
]
Limit = Annotated[int, Query(ge=1, le=1000)]
Id = Annotated[int, Path(ge=1, le=LARGEST)]


class Input(BaseModel):
    """What is sent; unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Reasoned(Input):
    """A change, and why."""

    reason: Reason

    def note(self, actor: str) -> Note:
        """As it is kept."""
        return Note(actor, self.reason)


class Chosen(Input):
    """Which letters: all that is given has to match, and of a list any."""

    id: Numbers = []
    found_by: Numbers = []
    group: Words = []
    state: Annotated[list[State], Field(max_length=7)] = []
    kind: Words = []
    topic: Words = []
    table: Words = []
    text: Text = ""
    since: AwareDatetime | None = None
    before: AwareDatetime | None = None

    @property
    def selection(self) -> Selection:
        """The same for the desk."""
        return Selection(
            ids=tuple(self.id),
            found_by=tuple(self.found_by),
            fingerprints=tuple(self.group),
            states=tuple(state.value for state in self.state),
            kinds=tuple(self.kind),
            topics=tuple(self.topic),
            tables=tuple(self.table),
            text=self.text,
            failed_since=self.since,
            failed_before=self.before,
        )
