"""Writer schemas of letters: as the group has kept them, or else from the registry."""

import psycopg

from consumer.core.frames import Frames
from consumer.core.framing import FRAME, LONG_FRAME, said_by
from consumer.core.letters import Record
from consumer.core.records import Framing, RecordRef, TopicPartition
from consumer.core.schema_ref import SchemaRef, Space
from consumer.edges.postgres.letter_bytes import kept_headers
from consumer.ports.decoding import Found, Registry

# of a GUID there is one row, whose number is not known
_KEPT = "SELECT id, schema FROM headrace.schemas WHERE registry = %s AND (id = %s OR %s) LIMIT 1"
# the newest that the source of a table was seen to have
_NEWEST = """
SELECT max(schema_id) FROM headrace.source_columns WHERE group_name = %s AND table_name = %s
"""


# what may stand in front of a datum is enough
_OF_LETTER = f"""
SELECT l.topic, l.partition, l."offset", l.table_name, substring(coalesce(b.edited, b.value) FOR {LONG_FRAME}),
    b.headers
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id WHERE l.group_name = %s AND l.id = %s
"""


class NoSchema(ValueError):
    """Nothing leads to a schema; the message says why."""


def ref_of(raw: bytes | None, framing: Framing | None = None) -> SchemaRef:
    """What leads to the schema of a datum in the one form. Raises NoSchema."""
    found = said_by(raw[:FRAME], framing) if raw is not None else None
    if not isinstance(found, SchemaRef):
        nowhere = "does not begin with a zero byte and a schema id" if framing is None else "has no schema id"
        raise NoSchema(f"it {nowhere}")
    return found


def schema_of(connection: psycopg.Connection, registry: Registry, ref: SchemaRef) -> Found:
    """A schema, kept or asked for. Raises HeadraceError when the registry lacks it, or is away; psycopg.Error."""
    # ids are columns of 32 bits with a sign
    number = ref.number if ref.number < 1 << 31 else 0
    kept = connection.execute(_KEPT, (registry.name(ref), number, ref.space is Space.GUIDS)).fetchone()
    return Found(*kept) if kept else registry.find(ref)


def newest_id(connection: psycopg.Connection, group: str, table: str) -> int | None:
    """The newest writer schema that the group knows of a table; None where it follows none. Raises psycopg.Error."""
    row = connection.execute(_NEWEST, (group, table)).fetchone()
    return row[0] if row else None


def of_letter(
    connection: psycopg.Connection, group: str, number: int, frames: Frames
) -> tuple[str | None, SchemaRef | None]:
    """A letter's table, and what leads to its value's schema, as far as they are known here. Raises psycopg.Error."""
    row = connection.execute(_OF_LETTER, (group, number)).fetchone()
    if row is None:
        return None, None
    topic, partition, offset, table, front, headers = row
    ref = RecordRef(TopicPartition(topic, partition), offset)
    record, framing = frames.record(Record(ref=ref, key=None, value=front, headers=kept_headers(headers)))
    try:
        return table, ref_of(record.value, framing)
    except NoSchema:
        return table, None
