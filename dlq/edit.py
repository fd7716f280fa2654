"""A person changes the values of a dead letter's row before sending it again.

The record as it was stays; the edited one stands beside it and is what the lane applies. Every patch is kept, with
who and when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from consumer.core.avro import UnsupportedSchema
from consumer.core.envelope import read_key_schema
from consumer.core.letters import Record, State
from consumer.core.records import Framing, RecordRef, TopicPartition
from consumer.edges.postgres.letter_bytes import kept_headers
from dlq.image import BadImage, Image, NoImage, read_image, same
from dlq.patching import BadPatch, Patch, patched, written
from dlq.payload import Sources
from dlq.schemas import NoSchema, ref_of, schema_of

MOST_EDITS = 100
"""How often a letter may be edited in its life."""
LARGEST = 64 << 20
"""Most bytes of an edited record."""
LONGEST_NAME = 200
"""Most characters of who made an edit."""

_AGAIN = "Ask the source for the row again (Debezium incremental snapshot of its key), then discard the letter."

_READ = """
SELECT l.state, l.attempt, l.table_name, l.topic, l.partition, l."offset", b.letter_id IS NOT NULL AS kept, b.key,
    b.headers, coalesce(b.edited, b.value) AS value, coalesce(jsonb_array_length(b.edit), 0) AS edits
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE l.group_name = %s AND l.id = %s
"""
# the letter's lock keeps a replay away: it is seen before, or sends what was edited
_WRITE = """
WITH standing AS (
    SELECT id FROM headrace.letters
    WHERE group_name = %(group)s AND id = %(id)s AND state = 'dead' AND attempt = %(attempt)s FOR UPDATE
)
UPDATE headrace.letter_bytes b SET edited = %(value)s, edit = coalesce(b.edit, '[]') || jsonb_build_array(
    jsonb_build_object('at', clock_timestamp(), 'who', %(who)s::text, 'patch', %(patch)s::jsonb))
FROM standing WHERE b.letter_id = standing.id AND coalesce(jsonb_array_length(b.edit), 0) = %(edits)s
"""


class NotEdited(Exception):
    """Nothing was changed. `problems` say why, naming columns and never values; `remedy` says what to do instead."""

    def __init__(self, *problems: str, remedy: str = "Correct the patch.") -> None:
        super().__init__(f"{'; '.join(problems)}. {remedy}")
        self.problems = problems
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Editable:
    """A letter that can be edited. `values`: its row as a patch finds it under `/after/`; `fixed`: its identity;

    `hidden`: columns whose values are shown to nobody.
    """

    attempt: int
    edits: int
    fixed: frozenset[str]
    hidden: frozenset[str]
    image: Image = field(repr=False)
    framing: Framing | None = None

    @property
    def values(self) -> Mapping[str, Any]:
        """The values of the row as JSON, after earlier edits."""
        return self.image.values


def editable(connection: psycopg.Connection, group: str, letter: int, sources: Sources) -> Editable:
    """Look at a dead letter's row. Raises NotEdited, HeadraceError when its schema can't be had, psycopg.Error."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        row: Any = cursor.execute(_READ, (group, letter)).fetchone()
    _check_fit(row, letter)
    try:
        record, framing = sources.frames.record(_record(row))
        fixed = _identity(schema_of(connection, sources.registry, ref_of(record.key, framing)).text)
        text = schema_of(connection, sources.registry, ref_of(record.value, framing)).text
        image = read_image(record.value or b"", text)
    except (NoImage, NoSchema) as error:
        raise NotEdited(f"letter {letter} can't be edited: {error}", remedy=_AGAIN) from error
    hidden = frozenset(name for name in image.values if sources.mask.hides(row.table_name, name))
    return Editable(attempt=row.attempt, edits=row.edits, fixed=fixed, hidden=hidden, image=image, framing=framing)


def edit(
    connection: psycopg.Connection, group: str, letter: int, patch: Patch, who: str, sources: Sources
) -> tuple[str, ...]:
    """Change a dead letter's row by a JSON Patch (RFC 6902) under `/after/`; returns the columns that changed.

    An edit begins with what the one before left. Columns that are masked count as changed wherever the patch leads to
    them, so that nobody learns whether what they wrote was there before. Raises NotEdited, HeadraceError when the
    schema can't be had, psycopg.Error.
    """
    if not who.strip() or "\0" in who or len(who) > LONGEST_NAME:
        raise NotEdited("an edit says who made it", remedy=f"Give a name of at most {LONGEST_NAME} characters.")
    found = editable(connection, group, letter, sources)
    if found.edits >= MOST_EDITS:
        raise NotEdited(f"letter {letter} was edited {MOST_EDITS} times", remedy=_AGAIN)
    try:
        values = patched(found.values, patch, found.hidden)
        blind = found.hidden & written(patch)
        _check_identity(found, values, blind)
        changed = found.image.changed(values)
        record = changed if found.framing is None else found.framing.bare(changed)
    except BadPatch as error:
        raise NotEdited(str(error)) from error
    except BadImage as error:
        raise NotEdited(*error.problems) from error
    if len(record) > LARGEST:
        raise NotEdited(f"the record would have more than {LARGEST} bytes")
    said = {"group": group, "id": letter, "attempt": found.attempt, "edits": found.edits, "who": who}
    done = connection.execute(_WRITE, {**said, "value": record, "patch": Jsonb([dict(each) for each in patch])})
    if not done.rowcount:
        raise NotEdited(f"letter {letter} has changed meanwhile", remedy="Look at it again.")
    return tuple(name for name, before in found.values.items() if name in blind or not same(before, values[name]))


def _record(row: Any) -> Record:
    ref = RecordRef(TopicPartition(row.topic, row.partition), row.offset)
    return Record(ref=ref, key=row.key, value=row.value, headers=kept_headers(row.headers))


def _check_fit(row: Any, letter: int) -> None:
    if row is None:
        raise NotEdited(f"there is no letter {letter} in this group", remedy="Name one of its letters.")
    if row.state != State.DEAD:
        raise NotEdited(f"letter {letter} is {row.state}", remedy="Only dead letters are edited; wait until it is.")
    if not row.kept:
        raise NotEdited(
            f"letter {letter} only points to its record, whose bytes are not kept here",
            remedy="Put right what refuses it and send it again, or ask the source for the row again and discard the "
            "letter; letters.inline_bytes says up to which size later ones are kept.",
        )
    if row.value is None:
        raise NotEdited(f"letter {letter} is a tombstone, which has no values", remedy=_AGAIN)


def _identity(text: str) -> frozenset[str]:
    try:
        return frozenset(column.name for column in read_key_schema(text))
    except UnsupportedSchema as error:
        raise NoImage(f"its key can't be read: {error}") from error


def _check_identity(found: Editable, values: Any, blind: frozenset[str]) -> None:
    if isinstance(values, Mapping):
        moved = [name for name in sorted(found.fixed & found.values.keys())
                 if name in blind or (name in values and not same(values[name], found.values[name]))]  # fmt: skip
        if moved:
            raise BadImage(tuple(f"after.{name}: it says which row this is, and can't be changed" for name in moved))
