"""Letters of a selection, all of them, one after the other: read from a cursor of the server, so that no more are held
than are read at a time.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from consumer.core.failure import HeadraceError
from dlq.letters import COLUMNS, Letter
from dlq.payload import Payload, Sources, payload
from dlq.selection import Selection, letters_meant, parameters

AT_ONCE = 500
"""Letters that are read at a time."""

# whoever reads them may be slow
_PATIENT = "SET LOCAL idle_in_transaction_session_timeout = '10min'"
_ALL = sql.SQL("SELECT {} FROM headrace.letters l WHERE {} ORDER BY l.id")
# with these a cell of a spreadsheet begins what is worked out, or sent somewhere
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A letter, and what it holds if that was wanted; `problem`: why it could not be had."""

    letter: Letter
    payload: Payload | None = field(default=None, repr=False)
    problem: str = ""

    def row(self) -> dict[str, Any]:
        """What is written of it, by name."""
        row = {name: _plain(value) for name, value in asdict(self.letter).items()}
        if self.payload is not None:
            row["payload"] = asdict(self.payload)
        elif self.problem:
            row["payload"] = {"problem": self.problem}
        return row


@contextmanager
def exported(
    connection: psycopg.Connection, group: str, selection: Selection, sources: Sources | None
) -> Iterator[Iterator[Exported]]:
    """The letters as they are at one moment, by id. Raises psycopg.Error."""
    query = _ALL.format(COLUMNS, letters_meant(selection))
    with connection.transaction():
        connection.execute(_PATIENT)
        with connection.cursor("headrace_export", row_factory=class_row(Letter)) as cursor:
            cursor.itersize = AT_ONCE
            cursor.execute(query, parameters(group, selection))
            yield (_with_payload(connection, group, letter, sources) for letter in cursor)


def _with_payload(connection: psycopg.Connection, group: str, letter: Letter, sources: Sources | None) -> Exported:
    if sources is None:
        return Exported(letter=letter)
    try:
        return Exported(letter=letter, payload=payload(connection, group, letter.id, sources))
    except HeadraceError as error:
        return Exported(letter=letter, problem=error.failure.detail)


def ndjson(found: Iterator[Exported]) -> Iterator[str]:
    """A line of JSON for each."""
    for each in found:
        yield json.dumps(each.row())


def comma_separated(found: Iterator[Exported], *, payloads: bool = False) -> Iterator[str]:
    """A line of names, and one for each letter (RFC 4180); no cell is a formula to a spreadsheet."""
    names = [each.name for each in fields(Letter)] + (["payload"] if payloads else [])
    yield _line(names)
    for each in found:
        row: Mapping[str, Any] = each.row()
        yield _line([_cell(row.get(name)) for name in names])


def _line(cells: list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(cells)
    return stream.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULAS) else text


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
