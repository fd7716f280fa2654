"""A letter's bytes: its record as it lay in its topic."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.letters import Letter, Record, Standing, State
from consumer.core.records import Header, RecordRef

_BYTES = "INSERT INTO headrace.letter_bytes (letter_id, key, value, headers) VALUES (%s, %s, %s, %s)"
_READ = """
SELECT letter_id, key, CASE WHEN %s THEN value ELSE coalesce(edited, value) END, headers
FROM headrace.letter_bytes WHERE letter_id = ANY (%s)
"""
SIZE = """coalesce(octet_length(b.key), 0) + coalesce(octet_length(coalesce(b.edited, b.value)), 0)
    + coalesce(pg_column_size(b.headers), 0)"""
"""What a letter's bytes are in memory, in SQL on `b`; the values are not read for it."""


def write_bytes(
    connection: psycopg.Connection, letters: Sequence[Letter], ids: Mapping[RecordRef, int], inline_bytes: int
) -> None:
    """A letter that is closed at once, or too large, has none: the record stays where it was."""
    rows = [
        (ids[letter.record.ref], letter.record.key, letter.record.value, _headers(letter.record.headers))
        for letter in letters
        if letter.record.ref in ids and letter.state is not State.SUPERSEDED and letter.record.size <= inline_bytes
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_BYTES, rows)


def read(connection: psycopg.Connection, letters: Sequence[Standing], *, original: bool = False) -> list[Record]:
    """The records of letters, as they were edited or as they were first; none for what has no bytes."""
    found = {row[0]: row[1:] for row in connection.execute(_READ, (original, [letter.id for letter in letters]))}
    return [
        Record(ref=letter.ref, key=key, value=value, headers=kept_headers(headers))
        for letter in letters
        if letter.id in found
        for key, value, headers in (found[letter.id],)
    ]


def _headers(headers: Sequence[Header]) -> Jsonb | None:
    if not headers:
        return None
    return Jsonb([[name, None if value is None else b64encode(value).decode()] for name, value in headers])


def kept_headers(headers: Sequence[tuple[str, str | None]] | None) -> tuple[Header, ...]:
    """A record's headers, as they are kept beside its letter."""
    return tuple((name, None if value is None else b64decode(value)) for name, value in headers or ())
