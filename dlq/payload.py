"""What a letter's record holds: its bytes, from beside the letter or from its origin, and what they mean.

Whatever the bytes are, they are shown: as far as they decode as JSON for people, else in hexadecimal with the reason.
What is masked never leaves here, nor is it shown as bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from consumer.core.failure import HeadraceError
from consumer.core.frames import Frames
from consumer.core.framing import Datum, expected, foreign
from consumer.core.letters import Record
from consumer.core.records import Framing, Header, RecordRef, TopicPartition
from consumer.core.schema_ref import Space
from consumer.core.wording import HIDDEN
from consumer.edges.postgres.letter_bytes import kept_headers
from consumer.ports.decoding import Registry
from dlq.masking import Mask
from dlq.reading import Reading, read
from dlq.schemas import schema_of
from dlq.showing import bounded

LARGEST_SHOWN = 4096
"""Most bytes of a key, a value or a header that are shown in hexadecimal."""
LARGEST_DECODED = 64 << 20
"""Most bytes that are decoded."""

Fetch = Callable[[RecordRef, str | None], Record | None]
"""Reads a record at its origin, as long as that is the topic of this id; None when it is gone."""

_READ = """
SELECT l.topic, l.partition, l."offset", l.table_name, b.letter_id IS NOT NULL AS kept, b.key, b.value, b.edited,
    b.headers, (SELECT p.topic_id FROM headrace.positions p
     WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition) AS topic_id
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE l.group_name = %s AND l.id = %s
"""
GONE = "The letter only points to its record, and that is not in its topic any more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A key or a value. `size` in bytes, None where there is none, as the value of a tombstone.

    `values`: what it says as JSON, as far as it could be read; `problem` and `field`: why, and where, not.
    `hexadecimal`: its first bytes, None where masked columns may be in them.
    """

    size: int | None
    schema_id: int | None = None
    values: Mapping[str, Any] | None = field(default=None, repr=False)
    hexadecimal: str | None = field(default=None, repr=False)
    problem: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What a letter's record holds. `found`: `kept` beside the letter, `edited`, at its `origin`, or `gone`.

    `headers`: by name their text, or hexadecimal digits behind `\\\\x`.
    """

    letter: int
    found: str
    key: Part
    value: Part
    headers: tuple[tuple[str, str | None], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom payloads are asked of: schemas of the registry, records of their topics; and what is not shown.

    `frames`: where topics have their schema ids.
    """

    registry: Registry
    fetch: Fetch
    frames: Frames = field(default_factory=Frames)
    mask: Mask = field(default_factory=Mask)


def payload(
    connection: psycopg.Connection, group: str, number: int, sources: Sources, *, original: bool = False
) -> Payload | None:
    """What a letter of the group holds; None when there is no such letter. `original`: not what edits made of it.

    Raises Transient when its topic can't be asked, psycopg.Error.
    """
    held = held_by(connection, group, number, sources.fetch, original=original)
    if held is None:
        return None
    record = held.record
    if record is None:
        nothing = Part(size=None, problem=GONE)
        return Payload(letter=number, found=held.found, key=nothing, value=nothing)
    framed, framing = sources.frames.record(record)
    show = _Show(connection, sources, held.table, record.headers, framing)
    return Payload(
        letter=number,
        found=held.found,
        key=show.part("key", record.key, framed.key),
        value=show.part("value", record.value, framed.value),
        headers=tuple((name, show.header(value)) for name, value in record.headers),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A letter's record, None where it is gone; where it was found, as in `Payload`, and its table if that is known."""

    found: str
    table: str | None
    record: Record | None


def held_by(
    connection: psycopg.Connection, group: str, number: int, fetch: Fetch, *, original: bool = False
) -> Held | None:
    """The record of a letter of the group; None when there is no such letter. Raises Transient, psycopg.Error."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        row: Any = cursor.execute(_READ, (group, number)).fetchone()
    if row is None:
        return None
    ref = RecordRef(TopicPartition(row.topic, row.partition), row.offset)
    if not row.kept:
        record = fetch(ref, row.topic_id)
        return Held(found="origin" if record else "gone", table=row.table_name, record=record)
    edited = row.edited is not None and not original
    value = row.edited if edited else row.value
    record = Record(ref=ref, key=row.key, value=value, headers=kept_headers(row.headers))
    return Held(found="edited" if edited else "kept", table=row.table_name, record=record)


@dataclass(frozen=True, slots=True)
class _Show:
    """Shows the parts of one record of a table."""

    connection: psycopg.Connection
    sources: Sources
    table: str | None
    headers: tuple[Header, ...]
    framing: Framing | None = None

    def part(self, name: str, raw: bytes | None, framed: bytes | None) -> Part:
        """A key or a value as it lay in its topic, read in the one form."""
        if raw is None or framed is None:
            return Part(size=None)
        number, reading = self._read(name, framed)
        mask = self.sources.mask
        values = None if reading.values is None else bounded(mask.record(reading.values, self.table))
        return Part(
            size=len(raw),
            schema_id=number,
            values=values,
            problem=reading.problem,
            field=reading.field,
            hexadecimal=None if mask.may_hide(self.table) else hexadecimal(raw),
        )

    def header(self, raw: bytes | None) -> str | None:
        """A header; Debezium's may hold keys."""
        if raw is None:
            return None
        return HIDDEN if self.sources.mask.may_hide(self.table) else _text(raw)

    def _read(self, name: str, raw: bytes) -> tuple[int | None, Reading]:
        datum = Datum(part=name, raw=raw, headers=lambda: self.headers, framing=self.framing)
        try:
            return read_part(self.connection, self.sources.registry, datum)
        except HeadraceError as error:
            ref = datum.ref
            number = None if ref is None or ref.space is Space.GUIDS else ref.number
            return number, Reading(problem=f"its schema can't be had: {error.failure.detail}")


def read_part(connection: psycopg.Connection, registry: Registry, datum: Datum) -> tuple[int | None, Reading]:
    """A record's key or value by its writer schema, and that one's id.

    Raises HeadraceError when the registry does not have it, or is away; psycopg.Error.
    """
    if len(datum.raw) > LARGEST_DECODED:
        return None, Reading(problem=f"it has {len(datum.raw)} bytes, too many to be shown")
    ref = datum.ref
    if ref is None:
        return None, Reading(problem=f"{expected(datum.framing)}, found {foreign(datum).found}")
    schema = schema_of(connection, registry, ref)
    return schema.number, read(datum.raw, schema.text)


def hexadecimal(raw: bytes) -> str:
    """The first bytes in hexadecimal, and how many more there are."""
    more = f"… ({len(raw) - LARGEST_SHOWN} more bytes)" if len(raw) > LARGEST_SHOWN else ""
    return raw[:LARGEST_SHOWN].hex() + more


def _text(raw: bytes) -> str:
    try:
        return str(bounded(raw.decode()))
    except UnicodeDecodeError:
        return "\\x" + hexadecimal(raw)
