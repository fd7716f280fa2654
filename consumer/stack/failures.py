"""The stack's failures: one constructor per shape, so that every error names its remedy; and how commands tell them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from consumer.core.failure import Failure, HeadraceError, Persistent, Refused, Transient
from consumer.stack.logs import tail

_COMPONENT = "stack"
_TAIL_LINES = 15
_FAILED = 1
_OTHER = "choose others with --data-dir, and with HEADRACE_CACHE for downloads"
_FULL, _CLOSED = (errno.ENOSPC, errno.EDQUOT), (errno.EACCES, errno.EPERM, errno.EROFS)
_CURES = dict.fromkeys(_FULL, "Make room there") | dict.fromkeys(_CLOSED, "See who may read and write there")


def refused(operation: str, kind: str, detail: str, remedy: str) -> Refused:
    """An environment or a setting that can't work; nothing was started."""
    return Refused(Failure(component=_COMPONENT, operation=operation, kind=kind, detail=detail, remedy=remedy))


def transient(operation: str, kind: str, detail: str, remedy: str) -> Transient:
    """Time or another try may heal it."""
    return Transient(Failure(component=_COMPONENT, operation=operation, kind=kind, detail=detail, remedy=remedy))


def persistent(operation: str, kind: str, detail: str, remedy: str) -> Persistent:
    """The same input will fail again."""
    return Persistent(Failure(component=_COMPONENT, operation=operation, kind=kind, detail=detail, remedy=remedy))


def part_died(name: str, code: int | None, log: Path) -> Persistent:
    """A part ended by itself; the last lines of its log are in the failure."""
    detail = f"{name} ended with code {code}; the end of its log:\n{tail(log, _TAIL_LINES)}\n"
    return persistent(f"run.{name}", "part_died", detail, f"Read {log}, then start the stack again.")


def part_late(name: str, seconds: float, log: Path) -> Transient:
    """A part did not become ready in time; the last lines of its log are in the failure."""
    detail = f"{name} was not ready after {seconds:.0f} s; the end of its log:\n{tail(log, _TAIL_LINES)}\n"
    return transient(f"run.{name}", "part_late", detail, f"Read {log}; a slow machine needs a longer start timeout.")


def part_stuck(name: str, seconds: float, log: Path) -> Transient:
    """A part did not end in time, not even when it was killed."""
    detail = f"{name} had not ended after {seconds:.0f} s"
    return transient(f"stop.{name}", "part_stuck", detail, f"Read {log}, and end the process by hand.")


def missing_extra(cause: ImportError) -> Refused:
    """The refusal when the packages of the stack are not installed."""
    return refused(
        "start",
        "extra_missing",
        f"the package {cause.name} is not installed",
        "Run: pip install 'headrace[stack]'",
    )


def is_of_files(cause: OSError) -> bool:
    """Whether it is about a file or a directory, and not about a server, or about who read our output and has left."""
    return cause.filename is not None or cause.errno in _CURES


def not_allowed(cause: OSError, other: str) -> Refused:
    """The refusal when the system does not read or write a file for us. `other`: how to choose another."""
    where = f"{cause.filename}: " if cause.filename else ""
    cure = _CURES.get(cause.errno or 0, "See what is there")
    return refused("run", "not_allowed", f"{where}{cause.strerror or cause}", f"{cure}, or {other}.")


@contextmanager
def told(other: str = _OTHER) -> Iterator[None]:
    """The edge of a command: failures become a message on stderr and an exit code.

    `other`: how another file or directory is chosen than one that the system refuses.
    """
    try:
        try:
            yield
        except ImportError as cause:
            raise missing_extra(cause) from cause
        except OSError as cause:
            if not is_of_files(cause):
                raise
            raise not_allowed(cause, other) from cause
    except HeadraceError as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(_FAILED) from failure
