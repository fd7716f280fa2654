"""A batch taken back in the target: its rows compared with what it left there, and made what they were before.

Whoever does it holds the positions of the batch's partitions, so no worker's batch comes between, and the rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from consumer.core.decision import Undecidable
from consumer.core.records import OffsetRange, RecordRef, TopicPartition
from consumer.core.undo import Effect, UndoRow
from consumer.core.writes import Action, TableWrite
from consumer.edges.postgres import catalog, digests, positions
from consumer.edges.postgres.guards import alive
from consumer.edges.postgres.session import hold_shortly
from consumer.edges.postgres.staged_rows import keys, same_row, table_name, written
from consumer.edges.postgres.staging import Staged, Staging
from consumer.edges.postgres.statements import delete, upsert
from consumer.edges.postgres.translate import translated

_BATCH = """
SELECT ranges, records, outcomes ? 'returned' FROM headrace.batches
WHERE group_name = %s AND id = %s AND state = 'applied'
"""
_IDS = "SELECT topic, topic_id FROM headrace.positions WHERE group_name = %s AND topic = ANY (%s)"
_SOURCES = """
SELECT DISTINCT ON (topic) topic, names ->> 'schema' || '.' || (names ->> 'table') FROM headrace.topic_sources
WHERE group_name = %s AND topic = ANY (%s) AND names ->> 'schema' <> '' AND names ->> 'table' <> ''
ORDER BY topic, key_schema DESC
"""
_LETTERS = """
SELECT topic, partition, "offset", id, state FROM headrace.letters
WHERE group_name = %s AND topic = %s AND partition = %s AND "offset" >= %s AND "offset" < %s
"""
_FORGET = "DELETE FROM headrace.undo_rows WHERE workflow_id = %s"
_KEEP = """
COPY headrace.undo_rows (workflow_id, topic, partition, "offset", first_offset, table_name, key, effect, why) FROM STDIN
"""
_LOCK = sql.SQL("SELECT FROM {table} AS t, {staging} AS s WHERE {same} ORDER BY {keys} FOR UPDATE OF t")
# places count the staged rows from 0 in their order
_LOOK = sql.SQL("""
SELECT p.place, {keys}, t.{some} IS NOT NULL, {columns}
FROM (SELECT ctid AS at, row_number() OVER (ORDER BY ctid) - 1 AS place FROM {staging} AS s) AS p
JOIN {staging} AS s ON s.ctid = p.at
LEFT JOIN {table} AS t ON {same}
""")

Rows = dict[RecordRef, UndoRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What the control schema says of a batch; see `consumer.composition.undoing.Batch`. `sources`: of its topics."""

    ranges: Sequence[OffsetRange]
    records: int
    topic_ids: Mapping[str, str | None]
    letters: Mapping[RecordRef, str]
    sources: Mapping[str, str]


def booked(connection: psycopg.Connection, group: str, batch: int) -> Booked:
    """A batch that was applied. Raises Undecidable."""
    with translated("read batch"):
        row = connection.execute(_BATCH, (group, batch)).fetchone()
        if row is None:
            raise Undecidable(f"batch {batch} was not applied by this group, or is not kept any more")
        if row[2]:
            raise Undecidable(f"batch {batch} has brought letters further, whose records lie elsewhere")
        ranges = [OffsetRange(TopicPartition(str(r[0]), int(r[1])), int(r[2]), int(r[3])) for r in row[0]]
        topics = [part.at.topic for part in ranges]
        ids: dict[str, str | None] = dict(connection.execute(_IDS, (group, topics)).fetchall())
        sources: dict[str, str] = dict(connection.execute(_SOURCES, (group, topics)).fetchall())
        letters = {
            RecordRef(TopicPartition(*found[:2]), found[2]): f"it became letter {found[3]}, which is {found[4]}"
            for part in ranges
            for found in connection.execute(_LETTERS, (group, *part.at, part.start, part.end))
        }
    return Booked(ranges=ranges, records=int(row[1]), topic_ids=ids, letters=letters, sources=sources)


def keep(connection: psycopg.Connection, workflow: int, rows: Sequence[UndoRow]) -> None:
    """Write the rows of a workflow down, instead of what was known of them before."""
    with translated("keep rows"), connection.cursor() as cursor:
        cursor.execute(_FORGET, (workflow,))
        with cursor.copy(_KEEP) as copy:
            for row in rows:
                at, offset = row.last
                values = (*at, offset, row.first, row.table, Jsonb(dict(row.key)), row.effect.value, row.why)
                copy.write_row((workflow, *values))


def hold(connection: psycopg.Connection, group: str, ranges: Sequence[OffsetRange]) -> None:
    """Lock the positions of a batch's partitions until the transaction ends. Raises Undecidable."""
    with translated("lock positions"):
        hold_shortly(connection)
        found = positions.lock(connection, group, sorted(part.at for part in ranges))
    for part in ranges:
        if part.at not in found:
            raise Undecidable(f"the group has no position of {part.at}")
        if found[part.at][1] < part.end:
            raise Undecidable(f"{part.at} was set back in front of the batch's end: it applies the records again")


class Undone:
    """The rows of one undo, staged within an open transaction. `rows` is what is known of them."""

    def __init__(self, connection: psycopg.Connection, group: str, rows: Mapping[RecordRef, UndoRow]) -> None:
        self._connection = connection
        self._group = group
        self.rows: Rows = dict(rows)

    def compare(self, left: Sequence[TableWrite]) -> None:
        """Note the keys of rows, and which are not as the batch has left them. Locks them."""
        tables = {write.table for write in left}
        lettered = digests.lettered(self._connection, self._group, tables)
        for staged in _staged(self._connection, left):
            with translated("compare rows", staged.write.table):
                self._compared(staged)
                if staged.write.table in lettered:
                    self._met(staged)

    def write(self, wanted: Sequence[TableWrite]) -> None:
        """Make rows what they were. Raises DataFault, TableFault, Transient."""
        order = list(Action)
        writes = sorted(wanted, key=lambda write: (order.index(write.action), write.turn))
        # they are held, and as they were left, so that no version has a say
        for staged in _staged(self._connection, [replace(write, version=None) for write in writes]):
            write = staged.write
            with translated(write.action.value, write.table):
                self._connection.execute(delete(staged) if write.action is Action.DELETE else upsert(staged))
        with translated("check constraints"):
            self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def _compared(self, staged: Staged) -> None:
        write = staged.write
        values = {name: sql.SQL("CAST({} AS text)").format(value) for name, value in keys(write).items()}
        same = same_row(staged)
        known = {"table": table_name(write.table), "staging": staged.staging, "same": same}
        self._connection.execute(_LOCK.format(keys=sql.SQL(", ").join(values.values()), **known))
        if write.soft is not None:
            known["same"] = sql.SQL("{} AND {}").format(same, alive(write.soft))
        gone = write.action is Action.DELETE
        query = _LOOK.format(
            keys=sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(values.values())),
            some=sql.Identifier(write.identity[0]),
            columns=sql.SQL("ARRAY[]::text[]") if gone else self._differing(staged),
            **known,
        )
        found: list[Any] = self._connection.execute(query).fetchall()
        for place, key, there, columns in found:
            ref = write.origins.ref(place)
            row = replace(self.rows[ref], key=dict(zip(values, key, strict=True)))
            why = _why(gone=gone, there=there, columns=columns)
            self.rows[ref] = row.barred(why) if why else row

    def _differing(self, staged: Staged) -> sql.Composed:
        """The names of the columns that are not as they were left."""
        write = staged.write
        table = catalog.read_table(self._connection, write.table)
        kinds = {column.name: column.cast for column in table.columns} if table else {}
        parts = [
            _differs(write, column.name, written(column), kinds.get(column.name, "text"))
            for column in write.columns
            if column.name not in write.identity
        ]
        return sql.SQL("array_remove(ARRAY[{}]::text[], NULL)").format(sql.SQL(", ").join(parts))

    def _met(self, staged: Staged) -> None:
        for met in digests.met(self._connection, self._group, staged):
            ref = staged.write.origins.ref(met.place)
            self.rows[ref] = self.rows[ref].barred(f"letter {met.id} of its row is open")


def count(rows: Mapping[RecordRef, UndoRow]) -> dict[str, int]:
    """How many rows there are, of each effect, and that can't be taken back."""
    every = list(rows.values())
    effects = {effect.value: sum(row.effect is effect and not row.why for row in every) for effect in Effect}
    return {"rows": len(every), **effects, "cannot": sum(bool(row.why) for row in every)}


def _differs(write: TableWrite, name: str, value: sql.Composed, kind: str) -> sql.Composed:
    column = sql.Identifier(name)
    if name == write.version:
        # What has no place in the source's log has left the row's as it was. A later one says nothing of the row: it is
        # also that of the change which was taken back last.
        differs = sql.SQL("s.{0} >= 0 AND coalesce(t.{0} < s.{0}, true)").format(column)
    else:
        # the name of the type is the catalog's own format_type
        differs = sql.SQL("CAST(CAST({} AS {}) AS text) IS DISTINCT FROM CAST(t.{} AS text)").format(
            value, sql.SQL(kind), column
        )
    return sql.SQL("CASE WHEN {} THEN {} END").format(differs, sql.Literal(name))


def _why(*, gone: bool, there: bool, columns: Sequence[str]) -> str:
    if gone:
        return "the batch has deleted it, and it is there again" if there else ""
    if not there:
        return "the batch has left it, and it is gone"
    return f"it was written since: {', '.join(columns)} differ" if columns else ""


def _staged(connection: psycopg.Connection, writes: Sequence[TableWrite]) -> Iterator[Staged]:
    """Each write in its turn, alone in a staging table; all tables are dropped at the end, or with the transaction."""
    staging = Staging(connection)
    for write in writes:
        # what has like columns takes the same table: the server keeps the locks of each, dropped or not, until the end
        ((staged,),) = staging.prepare([[write]])
        with translated("empty staging"):
            staging.clear([staged])
        staging.fill(staged)
        yield staged
    staging.drop()
