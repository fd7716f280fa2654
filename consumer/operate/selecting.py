"""Which letters a command means: the options that say it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.core.letters import State
from consumer.operate.moments import moment

if TYPE_CHECKING:
    from dlq.selection import Selection

SOME = "; may be given several times."
Ids = Annotated[list[int] | None, typer.Option("--id", min=1, help="Only this letter" + SOME)]
FoundBy = Annotated[
    list[int] | None, typer.Option("--job", min=1, help="Only letters that this search by values has found" + SOME)
]
Fingerprints = Annotated[
    list[str] | None, typer.Option("--group", "--fingerprint", help="Only letters of this group" + SOME)
]
States = Annotated[list[State] | None, typer.Option("--state", help="Only letters in this state" + SOME)]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help="Only failures of this kind" + SOME)]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Only records of this topic" + SOME)]
Tables = Annotated[list[str] | None, typer.Option("--table", help="Only rows of this table, as schema.table" + SOME)]
Search = Annotated[str, typer.Option("--text", help="Only where kind, field, code or remedy have this text.")]
Since = Annotated[str | None, typer.Option(help="Only those that failed since: 30m, 2h, 3d, or a time.")]
Before = Annotated[str | None, typer.Option(help="Only those that failed before: 30m, 2h, 3d ago, or a time.")]


def selected(
    groups: Sequence[str] | None = None,
    states: Sequence[State] | None = None,
    kinds: Sequence[str] | None = None,
    topics: Sequence[str] | None = None,
    tables: Sequence[str] | None = None,
    text: str = "",
    since: str | None = None,
    before: str | None = None,
    ids: Sequence[int] | None = None,
    found_by: Sequence[int] | None = None,
) -> "Selection":
    """What is meant, by what was said on the command line. Raises typer.BadParameter."""
    from dlq.selection import Selection

    return Selection(
        ids=tuple(ids or ()),
        found_by=tuple(found_by or ()),
        fingerprints=tuple(groups or ()),
        states=tuple(state.value for state in states or ()),
        kinds=tuple(kinds or ()),
        topics=tuple(topics or ()),
        tables=tuple(tables or ()),
        text=text,
        failed_since=moment(since),
        failed_before=moment(before),
    )
