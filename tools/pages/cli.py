"""The command line page, from the typer application."""

from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

import consumer.cli
from tools.pages.markdown import code, page, table

NAME = "headrace"

Command = TyperCommand | TyperGroup


@cache
def command_line() -> Command:
    """The application as a tree of commands."""
    return _known(typer.main.get_command(consumer.cli.app))


def children(command: Command) -> dict[str, Command]:
    """The commands below a command; none when it is one to run."""
    if not isinstance(command, TyperGroup):
        return {}
    return {name: _known(child) for name, child in command.commands.items() if not child.hidden}


def _known(command: object) -> Command:
    if not isinstance(command, TyperCommand | TyperGroup):
        raise TypeError(f"{command!r} is not one of typer's commands")
    return command


def cli_page() -> str:
    """The page."""
    intro = " ".join((consumer.cli.__doc__ or "").split())
    return page("Command line", intro, *_sections((NAME,), command_line()))


def _sections(path: tuple[str, ...], command: Command) -> Iterator[str]:
    if below := children(command):
        for name, child in below.items():
            yield from _sections((*path, name), child)
        return
    doc = (command.help or "").strip()
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    options = table(("option", "value", "default", "meaning"), rows) if rows else "No options."
    yield f"## `{' '.join(path)}`\n\n{doc}\n\n{options}"


def _row(parameter: Any) -> tuple[str, str, str, str]:
    argument = parameter.param_type_name == "argument"
    words = [parameter.metavar or parameter.name.upper()] if argument else parameter.opts + parameter.secondary_opts
    names = ", ".join(code(word) for word in words)
    value = "flag" if getattr(parameter, "is_flag", False) else _value(parameter)
    return names, value, _default(parameter.default), parameter.help or ""


def _value(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    kind = next((each for each in (*get_args(annotation), annotation) if isinstance(each, type)), str)
    if issubclass(kind, Enum):
        return " or ".join(code(member.value) for member in kind)
    bounds = [
        f"{word} {limit}" for word, limit in (("from", parameter.min), ("to", parameter.max)) if limit is not None
    ]
    return " ".join([kind.__name__.lower(), *bounds])


def _default(default: object) -> str:
    if default is None or default is False:
        return "-"
    return code(default.value if isinstance(default, Enum) else default)
