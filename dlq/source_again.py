"""The source is asked for rows again whose letters can't be applied any more: Debezium reads them and writes them to
their topic, and what arrives there closes the letters of these rows, as any later full image does.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.avro import UnsupportedSchema, named_types, parsed
from consumer.core.decision import Undecidable
from consumer.core.envelope import Column, read_key_schema
from consumer.core.framing import FRAME
from consumer.core.letters import Record
from consumer.core.records import RecordRef, TopicPartition
from consumer.edges.postgres import audit
from consumer.edges.postgres.audit import About
from consumer.edges.postgres.letter_bytes import kept_headers
from consumer.edges.postgres.memory import recall_source
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from dlq.payload import Sources
from dlq.schemas import NoSchema, ref_of, schema_of
from dlq.selection import Selection, letters_meant, parameters
from dlq.signals import Dialect, Unquotable, collection, condition, literal, portions, signal
from dlq.values import Types
from dlq.wire import Cursor, Damaged

MOST_LETTERS = 5_000
"""Most letters that are asked for at once."""
# seconds of reading keys: others have to wait for whoever asks
_LONGEST = 20.0

_READ = sql.SQL("""
SELECT l.id, l.topic, l.partition, l."offset", l.digest_a IS NOT NULL AS placed, b.letter_id IS NOT NULL AS kept,
    b.key, b.headers,
    (SELECT p.topic_id FROM headrace.positions p
     WHERE p.group_name = l.group_name AND p.topic = l.topic AND p.partition = l.partition) AS topic_id
FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id
WHERE {meant} AND l.state IN ({open}) ORDER BY l.id LIMIT %(most)s
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the source is asked for: of which letters, how many rows in how many signals.

    `left`: letters by why nothing is asked for them. `unplaced`: letters of which it is not known which row is theirs;
    what arrives does not close them.
    """

    letters: tuple[int, ...]
    signals: int
    keys: int
    left: Mapping[str, tuple[int, ...]]
    unplaced: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How the connector is reached. `send` publishes a signal, and returns once it is there. Raises HeadraceError."""

    dialect: Dialect
    send: Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class SourceDesk:
    """Raises HeadraceError, Undecidable."""

    connection: psycopg.Connection
    group: str
    sources: Sources
    channel: Channel

    def look(self, selection: Selection) -> Wanted:
        """What would be asked for."""
        return self._looked(selection)[0]

    def ask(self, selection: Selection, expect: int, said: Note) -> Wanted:
        """Send the signals for so many rows. That it is asked is written down first.

        Raises Undecidable, and asks nothing, when other rows would be asked for.
        """
        wanted, signals = self._looked(selection)
        if wanted.keys != expect:
            raise Undecidable(f"{wanted.keys} rows would be asked for, not {expect}; look again")
        with transaction(self.connection, "ask source"):
            details: dict[str, object] = {"rows": wanted.keys, "signals": wanted.signals}
            audit.write(self.connection, self.group, "ask source", details, said, About(letters=wanted.letters))
        for each in signals:
            self.channel.send(each)
        return wanted

    def _looked(self, selection: Selection) -> tuple[Wanted, list[bytes]]:
        query = _READ.format(meant=letters_meant(selection), open=sql.SQL(OPEN_STATES))
        values = {**parameters(self.group, selection), "most": MOST_LETTERS + 1}
        with translated("read letters"), self.connection.cursor(row_factory=namedtuple_row) as cursor:
            rows: list[Any] = cursor.execute(query, values).fetchall()
        if len(rows) > MOST_LETTERS:
            raise Undecidable(f"more than {MOST_LETTERS} letters match; select fewer")
        with translated("read keys"):
            return self._asked(list(zip(rows, self._records(rows), strict=True)))

    def _records(self, rows: Sequence[Any]) -> Iterator[Record | None]:
        """The letters' records. Raises Undecidable when reading them at their origins takes too long."""
        until = time.monotonic() + _LONGEST
        for number, row in enumerate(rows):
            if time.monotonic() > until:
                detail = f"in {_LONGEST:g} s the keys of {number} of {len(rows)} letters could be read"
                raise Undecidable(f"{detail}, as some are in their topics only; select fewer")
            yield self._record(row)

    def _record(self, row: Any) -> Record | None:
        """The letter's record, without its value; None where it is gone."""
        ref = RecordRef(TopicPartition(row.topic, row.partition), row.offset)
        if row.kept:
            return Record(ref=ref, key=row.key, value=None, headers=kept_headers(row.headers))
        return self.sources.fetch(ref, row.topic_id)

    def _asked(self, letters: Sequence[tuple[Any, Record | None]]) -> tuple[Wanted, list[bytes]]:
        rows: dict[tuple[str, tuple[str, ...]], dict[tuple[str, ...], None]] = defaultdict(dict)
        done, left = [], defaultdict(list)
        for letter, record in letters:
            try:
                table, columns, literals = self._row(record)
            except (Unquotable, NoSchema, Damaged, UnsupportedSchema) as why:
                left[str(why)].append(letter.id)
                continue
            rows[table, columns][literals] = None
            done.append(letter)
        signals = [
            signal(str(uuid.uuid4()), table, condition(self.channel.dialect, columns, part))
            for (table, columns), keys in rows.items()
            for part in portions(list(keys))
        ]
        wanted = Wanted(
            letters=tuple(letter.id for letter in done),
            signals=len(signals),
            keys=sum(map(len, rows.values())),
            left={why: tuple(ids) for why, ids in left.items()},
            unplaced=tuple(letter.id for letter in done if not letter.placed),
        )
        return wanted, signals

    def _row(self, record: Record | None) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """The source's table, its key's columns and their values as SQL."""
        if record is None or record.key is None:
            raise Unquotable("it has no key, or its record is gone")
        framed, framing = self.sources.frames.record(record)
        schema = schema_of(self.connection, self.sources.registry, ref_of(framed.key, framing))
        names = recall_source(self.connection, self.group, record.ref.at.topic, schema.number)
        table = collection(self.channel.dialect, names or {})
        columns, values = _decoded(schema.text, framed.key or b"")
        literals = [literal(self.channel.dialect, column, values[column.name]) for column in columns]
        return table, tuple(column.name for column in columns), tuple(literals)


def _decoded(text: str, key: bytes) -> tuple[Sequence[Column], Mapping[str, Any]]:
    schema = parsed(text)
    source = Cursor(key)
    source.take(FRAME)
    values = Types(named_types(schema)).typed(schema, "").read(source)
    source.end()
    if not isinstance(values, Mapping):
        raise Unquotable("its key is no record")
    return read_key_schema(text), values
