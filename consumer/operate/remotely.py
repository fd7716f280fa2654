"""`--server`: commands of people against the API of another process instead of the database."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.operate.options import also

if TYPE_CHECKING:
    from consumer.remote.client import Client

_Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="HEADRACE_SERVER",
        help="Ask the API of `headrace admin serve` there (or at HEADRACE_SERVER), instead of the database.",
    ),
]
_TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="HEADRACE_TOKEN_FILE",
        help="With --server: a file whose first line is the token (or HEADRACE_TOKEN_FILE, or the token itself as "
        "HEADRACE_TOKEN).",
    ),
]
_CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="HEADRACE_CA_FILE",
        help="With --server: certificates in PEM by which the server's is checked (or HEADRACE_CA_FILE); by default "
        "the system's.",
    ),
]
_OPTIONS = {"server": _Server, "token_file": _TokenFile, "ca_file": _CaFile}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the options of the command that runs say."""

    server: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None


_said: ContextVar[Said] = ContextVar("headrace_server", default=Said())  # noqa: B039


def reachable(app: typer.Typer) -> typer.Typer:
    """Have each of its commands take these options."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = remote_too(command.callback)
    return app


def remote_too(function: Callable[..., Any]) -> Callable[..., Any]:
    """The command with these options, none of which reaches the function."""

    @wraps(function)
    def called(server: str | None, token_file: Path | None, ca_file: Path | None, **given: Any) -> Any:
        before = _said.set(Said(server=server, token_file=token_file, ca_file=ca_file))
        try:
            return function(**given)
        finally:
            _said.reset(before)

    return also(called, function, {name: (kind, None) for name, kind in _OPTIONS.items()})


def is_remote() -> bool:
    """Whether the command that runs is to ask a server."""
    return bool(_said.get().server)


@contextmanager
def client() -> Iterator["Client"]:
    """A client of the server that was named. Raises Refused for what can't work."""
    from consumer.remote.client import Client
    from consumer.remote.server import server

    said = _said.get()
    opened = Client(server(said.server or "", said.token_file, said.ca_file, os.environ))
    try:
        yield opened
    finally:
        opened.close()
