"""Writer schemas of letters: as the group has kept them, or else from the registry."""

import psycopg

from consumer.core.framing import FRAME, framed_id
from consumer.ports.decoding import Registry

_KEPT = "SELECT schema FROM headrace.schemas WHERE registry = %s AND id = %s"
# the newest that the source of a table was seen to have
_NEWEST = """
SELECT max(schema_id) FROM headrace.source_columns WHERE group_name = %s AND table_name = %s
"""


_OF_LETTER = """
SELECT l.table_name, substring(coalesce(b.edited, b.value) FOR 5)
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id WHERE l.group_name = %s AND l.id = %s
"""


class NoSchema(ValueError):
    """Nothing leads to a schema; the message says why."""


def schema_id(raw: bytes | None) -> int:
    """The schema id in front of a datum. Raises NoSchema."""
    number = framed_id(raw[:FRAME]) if raw is not None else None
    if number is None:
        raise NoSchema("it does not begin with a zero byte and a schema id")
    return number


def schema_text(connection: psycopg.Connection, registry: Registry, number: int) -> str:
    """A schema's JSON text. Raises HeadraceError when the registry does not have it, or is away; psycopg.Error."""
    # ids are columns of 32 bits with a sign
    kept = connection.execute(_KEPT, (registry.name, number)).fetchone() if number < 1 << 31 else None
    return str(kept[0]) if kept else registry.schema(number)


def newest_id(connection: psycopg.Connection, group: str, table: str) -> int | None:
    """The newest writer schema that the group knows of a table; None where it follows none. Raises psycopg.Error."""
    row = connection.execute(_NEWEST, (group, table)).fetchone()
    return row[0] if row else None


def of_letter(connection: psycopg.Connection, group: str, number: int) -> tuple[str | None, bytes | None]:
    """A letter's table, and the five bytes in front of its value, as far as they are kept. Raises psycopg.Error."""
    row = connection.execute(_OF_LETTER, (group, number)).fetchone()
    return (row[0], row[1]) if row else (None, None)
