"""What became of each value: equal, lost at the source, refused, not sent, or wrong."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import fastavro
import psycopg

from consumer.stack import loopback
from consumer.stack.options import Endpoints
from tests.fidelity.catalogue import Type, named
from tests.fidelity.compare import Row, column_type, compare
from tests.fidelity.modes import Mode
from tests.fidelity.source import Path, key, values
from tests.recorded import row_fields

_FRAME = 5
_TEXTS = ("text", "varchar", "varchar(5)")


class Outcome(StrEnum):
    """How a value ended."""

    EQUAL = "equal"
    # what is kept of it is less by a rule, and that is there
    LOST = "lost"
    # a letter, or a table that is stopped, and nothing else is there
    REFUSED = "refused"
    NOT_SENT = "not sent"
    # of the sink: it made a text column, which has the event's own spelling
    AS_TEXT = "as text"
    WRONG = "wrong"
    # of the sink: its task has failed, and the row is not there
    FAILED = "task failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value on one way. `kind`: of the failure, where it is refused."""

    mode: str
    type: str
    number: int
    path: str
    outcome: Outcome
    kind: str = ""

    @property
    def at(self) -> tuple[str, str]:
        """Mode and type."""
        return self.mode, self.type


def letters(target: psycopg.Connection, topic: str) -> Mapping[int, str]:
    """The kinds of open letters of a topic, by the row's key."""
    query = (
        "SELECT b.key, l.kind FROM headrace.letters l JOIN headrace.letter_bytes b ON b.letter_id = l.id "
        "WHERE l.topic = %s AND l.state IN ('retrying', 'held', 'dead', 'replaying') ORDER BY l.\"offset\" DESC"
    )
    return {_row(framed): kind for framed, kind in target.execute(query, [topic])}


def stopped(target: psycopg.Connection, topic: str) -> str | None:
    """The kind of failure that a topic's partition is stopped by."""
    query = "SELECT stopped ->> 'kind' FROM headrace.positions WHERE topic = %s AND stopped IS NOT NULL"
    row = target.execute(query, [topic]).fetchone()
    return None if row is None else str(row[0])


@cache
def sent(registry: str, topic: str) -> bool:
    """Whether a topic's rows have the value's column, by its schema in a registry."""
    answer = loopback.request("GET", f"{registry}/subjects/{topic}-value/versions/latest", 30)
    answer.raise_for_status()
    return any(field["name"] == "v" for field in row_fields(answer.json()["schema"]))


def ours(at: Endpoints, target: psycopg.Connection, mode: Mode, kind: Type) -> Iterator[Cell]:
    """Headrace's cells of a table."""
    topic = mode.topic(kind)
    refused, stop = letters(target, topic), stopped(target, topic)
    for row in compare(target, mode, kind):
        why = stop or refused.get(key(row.number, row.path), "")
        outcome = settled(row, why) or _unsettled(at, topic)
        yield _cell(mode, kind, row, outcome, why)


def sinks(at: Endpoints, target: psycopg.Connection, mode: Mode, kind: Type, failed: bool) -> Iterator[Cell]:
    """The cells of Debezium's sink; `failed`: its task has."""
    spelled = kind.kind not in _TEXTS and column_type(target, mode, kind) in ("text", "text[]")
    for row in compare(target, mode, kind):
        # it may have been on its way there
        unfinished = failed and (not row.there or row.path not in (Path.SNAPSHOT, Path.STREAMED))
        outcome = settled(row) or (Outcome.FAILED if unfinished else _unsettled(at, mode.topic(kind)))
        if outcome is Outcome.WRONG and spelled and row.there and row.wanted:
            outcome = Outcome.AS_TEXT
        yield _cell(mode, kind, row, outcome, "")


def settled(row: Row, why: str = "") -> Outcome | None:
    """What became of a value, if that is no other value. `why`: the kind of failure of its letter, or its table's."""
    if row.equal:
        return Outcome.EQUAL
    if row.lost:
        return Outcome.LOST
    return Outcome.REFUSED if why and row.absent else None


def _unsettled(at: Endpoints, topic: str) -> Outcome:
    return Outcome.WRONG if sent(at.registry_url, topic) else Outcome.NOT_SENT


def _cell(mode: Mode, kind: Type, row: Row, outcome: Outcome, why: str) -> Cell:
    return Cell(
        mode=mode.name,
        type=kind.name,
        number=row.number,
        path=row.path.name.lower(),
        outcome=outcome,
        kind=why if outcome is Outcome.REFUSED else "",
    )


def label_of(cell: Cell) -> str:
    """A cell's value as it is written in the catalogue."""
    (kind,) = named([cell.type])
    value = values(kind)[cell.number]
    return "null" if value is None else value


def _row(framed: bytes) -> int:
    """The id in a key's bytes."""
    found = fastavro.schemaless_reader(io.BytesIO(framed[_FRAME:]), "int", None)
    assert isinstance(found, int)
    return found
