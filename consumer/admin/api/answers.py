"""What the API answers with, where that is not what a desk has."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from consumer.core.records import TopicPartition

T = TypeVar("T")


class Listed(BaseModel, Generic[T]):
    """A page of a list. `next`: what to ask for with to have the page behind it, nothing at the end."""

    items: list[T]
    next: str | None = None


class Partition(BaseModel):
    """A partition of a topic."""

    topic: str
    partition: int

    @staticmethod
    def of(at: TopicPartition) -> "Partition":
        """From the program's own."""
        return Partition(topic=at.topic, partition=at.partition)


class Partitions(BaseModel):
    """Partitions that something was done to."""

    partitions: list[Partition]


class Tried(BaseModel):
    """Letters by id: those that were changed, and those that were not, because they are not in a fitting state."""

    changed: list[int]
    left: list[int]
    dry_run: bool


class Health(BaseModel):
    """Whether the process goes on."""

    state: str = "ok"


class Readiness(BaseModel):
    """Whether it can answer, and why not."""

    ready: bool
    why: str = ""


class ProblemDocument(BaseModel):
    """RFC 9457; `kind` and `remedy` say what it is and what to do."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    kind: str
    remedy: str


def listed(items: Sequence[T], limit: int, after: Any) -> dict[str, Any]:
    """A page; `after`: of its last item, what names the next page."""
    return {"items": items, "next": str(after(items[-1])) if len(items) == limit else None}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "content": {
            "application/problem+json": {"schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}}
        },
        "description": said,
    }
    for status, said in {
        401: "Nobody that is known asks",
        403: "It is for other roles",
        404: "There is no such thing",
        409: "Refused as things stand",
        413: "Too large",
        414: "Too long a query",
        421: "Asked by a name that is not this machine's own",
        423: "Changes over the API are switched off",
        422: "What was sent can't be taken",
        502: "A server refused",
        503: "A server is away, or too many ask",
    }.items()
}
"""What every route may answer with instead."""
