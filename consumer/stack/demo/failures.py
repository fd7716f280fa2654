"""The demonstration's failures, each with its remedy."""

from pathlib import Path

import psycopg

from consumer.core.failure import HeadraceError
from consumer.stack.failures import persistent, refused, transient
from consumer.stack.logs import tail


def load_failed(error: psycopg.Error) -> HeadraceError:
    """The source refused a change."""
    detail = f"the source refused a change ({type(error).__name__}, SQLSTATE {error.sqlstate or 'none'})"
    return persistent("load", "demo_load_failed", detail, "Read the log of the source; a full disk is the usual cause.")


def headrace_ended(code: int | None, log: Path) -> HeadraceError:
    """Headrace is gone."""
    detail = f"headrace ended with code {code}; the end of its log:\n{tail(log, 15)}\n"
    return persistent("run", "demo_headrace_ended", detail, f"Read {log}.")


def console_ended(code: int | None, log: Path) -> HeadraceError:
    """The web console is gone, or could not be started on either of two ports."""
    detail = f"the console ended with code {code}; the end of its log:\n{tail(log, 15)}\n"
    return persistent("run", "demo_console_ended", detail, f"Read {log}, then start the demo again.")


def partition_stopped(topic: str, reason: str) -> HeadraceError:
    """Headrace does not go on with a topic."""
    detail = f"headrace stopped {topic}: {reason}"
    return persistent("run", "demo_partition_stopped", detail, "Read headrace's log and the table headrace.positions.")


def late(what: str, seconds: float, lagging: str) -> HeadraceError:
    """Something did not happen in time."""
    detail = f"{what} within {seconds:.0f} s; {lagging}"
    return transient("wait", "demo_late", detail, "Read the logs of headrace and connect in the data directory.")


def replay_failed(error: BaseException) -> HeadraceError:
    """The mock broker refused a record."""
    detail = f"the mock broker refused a record ({type(error).__name__})"
    return persistent("replay", "demo_replay_failed", detail, "Start the demo again.")


def foreign_directory(place: Path) -> HeadraceError:
    """Something that the demonstration did not make is where its data would be."""
    detail = f"{place} is there and was not made by the demo"
    return refused("open", "demo_directory_foreign", detail, "Remove it, or choose another with --data-dir.")


def server_failed(error: psycopg.Error) -> HeadraceError:
    """A database did not answer as it should."""
    detail = f"a database of the demo failed ({type(error).__name__}, SQLSTATE {error.sqlstate or 'none'})"
    return persistent(
        "run", "demo_database_failed", detail, "Read the logs of source and target in the data directory."
    )
