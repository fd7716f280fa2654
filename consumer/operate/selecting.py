"""Which letters a command means: the options that say it, written once."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.core.letters import State
from consumer.operate.moments import moment
from consumer.operate.options import Option, replaced

if TYPE_CHECKING:
    from dlq.selection import Selection

SOME = "; may be given several times."
Texts = list[str] | None
Numbers = list[int] | None
_FOUND_BY = "Only letters that this search by values has found" + SOME
_OPTIONS: Mapping[str, Option] = {
    "number": (Annotated[Numbers, typer.Option("--id", min=1, help="Only this letter" + SOME)], None),
    "group": (
        Annotated[Texts, typer.Option("--group", "--fingerprint", help="Only letters of this group" + SOME)],
        None,
    ),
    "state": (Annotated[list[State] | None, typer.Option("--state", help="Only letters in this state" + SOME)], None),
    "kind": (Annotated[Texts, typer.Option("--kind", help="Only failures of this kind" + SOME)], None),
    "topic": (Annotated[Texts, typer.Option("--topic", help="Only records of this topic" + SOME)], None),
    "table": (Annotated[Texts, typer.Option("--table", help="Only rows of this table, as schema.table" + SOME)], None),
    "text": (Annotated[str, typer.Option("--text", help="Only where kind, field, code or remedy have this text.")], ""),
    "since": (Annotated[str | None, typer.Option(help="Only those that failed since: 30m, 2h, 3d, or a time.")], None),
    "before": (
        Annotated[str | None, typer.Option(help="Only those that failed before: 30m, 2h, 3d ago, or a time.")],
        None,
    ),
    "job": (Annotated[Numbers, typer.Option("--job", min=1, help=_FOUND_BY)], None),
}


def selecting(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose parameter `chosen`, a `Selection`, is said by options: those of these names, by default all."""
    options = {name: _OPTIONS[name] for name in names or _OPTIONS}

    def command(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def called(**given: Any) -> None:
            said = {name: given.pop(name) for name in options}
            function(chosen=_selection(said), **given)

        return replaced(called, function, "chosen", options)

    return command


def _selection(said: Mapping[str, Any]) -> "Selection":
    """What is meant, by what was said on the command line. Raises typer.BadParameter."""
    from dlq.selection import Selection

    def several(name: str) -> tuple[Any, ...]:
        return tuple(said.get(name) or ())

    return Selection(
        ids=several("number"),
        found_by=several("job"),
        fingerprints=several("group"),
        states=tuple(state.value for state in several("state")),
        kinds=several("kind"),
        topics=several("topic"),
        tables=several("table"),
        text=said.get("text", ""),
        failed_since=moment(said.get("since")),
        failed_before=moment(said.get("before")),
    )
