"""`headrace flags`: what can be switched off while it runs."""

import time
from typing import Annotated, Any

import typer

from consumer.core.flags import FlagKind, UnknownFlag, flag_of
from consumer.inspection.flagging import FlagState, states, switch
from consumer.operate.listing import Column, Remark, listing, since
from consumer.operate.opening import control_of
from consumer.operate.output import USAGE, Config, Format, Output, Reason, because, nothing, reported, say
from consumer.ports.control import Control

app = typer.Typer(
    name="flags",
    help="What can be switched off while it runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Argument(metavar="FLAG", help="As headrace flags ls names it.")]
Value = Annotated[str, typer.Argument(metavar="on|off", help="Whether it is to be on.")]
Table = Annotated[str | None, typer.Option(help="With table-apply: the target table, as schema.table.")]
# seconds that workers have to hear of it, and between looks
_PATIENCE, _LOOK = 5.0, 0.1
_VALUES = {"on": True, "off": False}


@app.command("ls")
def ls(config: Config = None, output: Format = Output.TABLE) -> None:
    """List all flags: whether they are on, who has switched them, and how many workers have heard of it."""
    with reported(), control_of(config) as control:
        found = states(control)
    listing([row(state) for state in found], _COLUMNS, output, [mark for state in found for mark in _remarks(state)])


@app.command("set")
def put(
    name: Name, value: Value, reason: Reason, table: Table = None, config: Config = None, output: Format = Output.TABLE
) -> None:
    """Switch a flag. Workers hear of it at once, and at the latest with their next report.

    Exit code 2 for a flag that there is not, 3 when this group has no such table.
    """
    if value not in _VALUES:
        say("a flag is on or off")
        raise typer.Exit(USAGE)
    _switch(_known(name), _VALUES[value], table, reason, config, output)


@app.command("reset")
def reset(
    name: Name, reason: Reason, table: Table = None, config: Config = None, output: Format = Output.TABLE
) -> None:
    """Have a flag be as it is by default.

    Exit code 2 for a flag that there is not, 3 when this group has no such table.
    """
    _switch(_known(name), None, table, reason, config, output)


def row(state: FlagState) -> dict[str, Any]:
    """A flag for programs, and for people."""
    kind = state.kind
    return {
        "flag": kind.flag.value,
        "on": state.on,
        "default": kind.default,
        "condition": _condition(state),
        "actor": state.set and state.set.actor,
        "reason": state.set and state.set.reason,
        "since": state.set and state.set.since,
        "age": since(state.set.since) if state.set else None,
        "tables": [pause.of.table for pause in state.tables],
        "workers": state.workers,
        "heard": state.heard,
        "told": f"{state.heard} of {state.workers}" if state.workers else None,
        "owner": kind.owner,
        "heeder": kind.heeder.value,
        "what": kind.what,
        "off": kind.off,
        "risk": kind.risk,
    }


_COLUMNS = (
    Column(title="flag", of="flag"),
    Column(title="state", of="condition"),
    Column(title="set by", of="actor"),
    Column(title="for", of="age", number=True),
    Column(title="heard", of="told", number=True),
    Column(title="owner", of="owner", wide=True),
)


def _condition(state: FlagState) -> str:
    if state.kind.by_table and state.tables:
        count = len(state.tables)
        return f"off (of {count} table{'s' if count > 1 else ''})"
    return "on" if state.on else "off"


def _remarks(state: FlagState) -> list[Remark]:
    """What is off: why, what that means, and how it ends."""
    flag = state.kind.flag
    marks = [
        Remark(f"{flag}, {pause.of.table}", pause.reason, f"headrace flags set {flag} on --table {pause.of.table}")
        for pause in state.tables
    ]
    if state.set is not None and not state.on:
        marks.append(Remark(flag, f"{state.set.reason}. {state.kind.off}", f"headrace flags set {flag} on"))
    return marks


def _known(name: str) -> FlagKind:
    try:
        return flag_of(name)
    except UnknownFlag as why:
        say(str(why))
        raise typer.Exit(USAGE) from why


def _heard(control: Control, kind: FlagKind) -> FlagState:
    """The flag as it is, once all workers have heard of it, or after some seconds."""
    until = time.monotonic() + _PATIENCE
    while True:
        (now,) = (state for state in states(control) if state.kind is kind)
        if now.heard >= now.workers or time.monotonic() > until:
            return now
        time.sleep(_LOOK)


def _switch(kind: FlagKind, on: bool | None, table: str | None, reason: str, config: Config, output: Output) -> None:
    note = because(reason)
    with reported(), control_of(config) as control:
        changed = switch(control, kind, on, table, note)
        if changed is None:
            raise nothing(f"nothing of this group is known of table {table}; headrace tables ls lists what is")
        now = _heard(control, kind)
    if now.heard < now.workers:
        say("some workers have not heard of it yet; they will when they report")
    if not changed:
        say(f"it was {_condition(now)} before")
    listing([row(now)], _COLUMNS, output, _remarks(now))
