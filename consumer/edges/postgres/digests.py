"""How letters know the rows of a table: by digests of their identities.

A digest is PostgreSQL's own extended hash of the identity in the target's types, twice with seeds of the group's own:
it compares keys as the target does, and says nothing of their values.

Values of another type have another hash. So each letter says of which types its digest was made, and as long as one is
open that was made of others than the table's key has by now, nothing of the table is applied: it could not be told
whether it is the letter's row.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import BEHIND, KEEPING
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.sqltypes import sql_type
from consumer.core.target import TableName
from consumer.core.writes import StagedColumn, TableWrite
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.staged_rows import hashed, identity_hash
from consumer.edges.postgres.staging import Staged
from consumer.ports.refusals import TableFault

_OPEN, _BEHIND, _KEEPING = sql.SQL(OPEN_STATES), sql.Literal(BEHIND), sql.Literal(KEEPING)
# equal values of these have one hash
_ALIKE = {
    **dict.fromkeys(("smallint", "integer", "bigint"), "integer"),
    **dict.fromkeys(("real", "double precision"), "float"),
    "character varying": "text",
}

# the limit has the index asked for the first one, whatever the statistics say
_LETTERED = sql.SQL("""
SELECT w.name FROM unnest(%(tables)s::text[]) AS w(name), LATERAL (
    SELECT FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.table_name = w.name AND l.state IN ({open}) LIMIT 1
) AS l
""").format(open=_OPEN)

# The first and the last in their index. Asked for what is less or greater, the planner itself looks for both ends, past
# all entries of dead versions.
_OTHER_TYPES = sql.SQL("""
SELECT EXISTS (
    SELECT FROM (
        SELECT l.row_types FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.table_name = %(table)s AND l.state IN ({open}) AND l.row_types IS NOT NULL
        ORDER BY l.row_types LIMIT 1
    ) AS first WHERE first.row_types <> %(types)s
) OR EXISTS (
    SELECT FROM (
        SELECT l.row_types FROM headrace.letters l
        WHERE l.group_name = %(group)s AND l.table_name = %(table)s AND l.state IN ({open}) AND l.row_types IS NOT NULL
        ORDER BY l.row_types DESC LIMIT 1
    ) AS last WHERE last.row_types <> %(types)s
)
""").format(open=_OPEN)

_SEEDS = "(SELECT seed_{} FROM headrace.groups WHERE group_name = %(group)s)"
# places count the staged rows from 0 in their order
_DIGESTS = sql.SQL("""
WITH every AS MATERIALIZED (SELECT array_agg(ctid ORDER BY ctid) AS rows FROM {staging} AS s),
wanted AS MATERIALIZED (
    SELECT w.place, every.rows[w.place + 1] AS at FROM every, unnest(%(places)s::bigint[]) AS w(place)
)
SELECT wanted.place, {a}, {b} FROM wanted JOIN {staging} AS s ON s.ctid = wanted.at
""")

# Most staged rows have no letter: of all letters only what stands in their index is asked for, and of all rows only one
# digest is worked out.
_LIKELY = sql.SQL("""
SELECT s.ctid::text, {a} FROM {staging} AS s WHERE {a} IN (
    SELECT l.digest_a FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.table_name = %(table)s AND l.state IN ({open})
)
""")
_MET = sql.SQL("""
SELECT l.id, w.at::text, l.topic, l.partition, l."offset", l.state = 'dead',
    (l.kind, l.operation) = ({behind}, {keeping})
FROM unnest(%(rows)s::tid[], %(digests)s::bigint[]) AS w(at, digest)
JOIN headrace.letters l ON l.digest_a = w.digest
JOIN {staging} AS s ON s.ctid = w.at
WHERE l.group_name = %(group)s AND l.table_name = %(table)s AND l.state IN ({open}) AND l.digest_b = {b}
ORDER BY l.digest_a, l.digest_b, l."offset"
FOR UPDATE OF l
""")
_MET_AT = sql.SQL("""
SELECT p.at, p.place FROM (
    SELECT s.ctid::text AS at, row_number() OVER (ORDER BY s.ctid) - 1 AS place FROM {staging} AS s
) AS p
WHERE p.at = ANY (%s)
""")

_DROP = sql.SQL("""
DELETE FROM {staging} WHERE ctid IN (
    SELECT p.at FROM (SELECT ctid AS at, row_number() OVER (ORDER BY ctid) - 1 AS place FROM {staging} AS s) AS p
    WHERE p.place = ANY (%s)
)
""")


def lettered(connection: psycopg.Connection, group: str, tables: Collection[TableName]) -> set[TableName]:
    """Those of the tables that have open letters."""
    names = {str(table): table for table in tables}
    rows = connection.execute(_LETTERED, {"tables": sorted(names), "group": group}).fetchall()
    return {names[row[0]] for row in rows}


@dataclass(frozen=True, slots=True)
class Met:
    """An open letter of a table's staged row, which is counted from 0. `dead`: it waits for a person. `keeps`: it is a
    delete that waits to keep what the row has for its next key.
    """

    id: int
    table: TableName
    place: int
    origin: RecordRef
    dead: bool
    keeps: bool


def met(connection: psycopg.Connection, group: str, staged: Staged) -> list[Met]:
    """The open letters of the staged rows, locked. Raises TableFault as `require_types` does."""
    require_types(connection, group, staged.write)
    known = {"group": group, "table": str(staged.write.table)}
    digest = _digests(staged)
    likely = connection.execute(_LIKELY.format(staging=staged.staging, open=_OPEN, a=digest["a"]), known).fetchall()
    if not likely:
        return []
    wanted = {"rows": [row[0] for row in likely], "digests": [row[1] for row in likely]}
    query = _MET.format(staging=staged.staging, open=_OPEN, b=digest["b"], behind=_BEHIND, keeping=_KEEPING)
    rows = connection.execute(query, {**known, **wanted}).fetchall()
    where = list({row[1] for row in rows})
    places: dict[str, int] = dict(connection.execute(_MET_AT.format(staging=staged.staging), (where,)).fetchall())
    return [
        Met(number, staged.write.table, places[at], RecordRef(TopicPartition(topic, partition), offset), dead, keeps)
        for number, at, topic, partition, offset, dead, keeps in rows
    ]


def require_types(connection: psycopg.Connection, group: str, write: TableWrite) -> None:
    """Raises TableFault where the table has open letters whose digests were made of other types than the rows' are."""
    values = {"group": group, "table": str(write.table), "types": types(write)}
    if connection.execute(_OTHER_TYPES, values).fetchone() == (True,):
        raise TableFault(_other_types(write.table), write.table)


def types(write: TableWrite) -> str:
    """What the digests of a write's rows are made of: of types that hash alike it says the same."""
    by_name = {column.name: hashed(column) for column in write.columns}
    columns = [by_name[name] for name in write.identity]
    return ", ".join(_alike(column.cast or column.staging) + _by(column) for column in columns)


def _by(column: StagedColumn) -> str:
    return f" COLLATE {column.collation}" if column.collation else ""


def _alike(name: str) -> str:
    kind = sql_type(f"{name[1:]}[]" if name.startswith("_") else name)
    return _ALIKE.get(kind.name, kind.name) + ("[]" if kind.array else "")


def drop(connection: psycopg.Connection, staged: Staged, places: Sequence[int]) -> None:
    """Remove staged rows, which nobody will name by their places any more."""
    if places:
        connection.execute(_DROP.format(staging=staged.staging), (list(places),))


def digests(
    connection: psycopg.Connection, group: str, staged: Staged, places: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """The digests that staged rows are known by, by their places."""
    query = _DIGESTS.format(staging=staged.staging, **_digests(staged))
    rows = connection.execute(query, {"group": group, "places": list(places)})
    return {row[0]: (row[1], row[2]) for row in rows}


def _digests(staged: Staged) -> dict[str, sql.Composed]:
    """Both digests of a staged row `s`, in SQL."""
    return {one: identity_hash(staged, sql.SQL(_SEEDS.format(one))) for one in "ab"}


def _other_types(table: TableName) -> Failure:
    detail = f"open letters of table {table} know their rows by other types than the key's columns have by now"
    return failed(KINDS["table.letters"], "postgres", "compare types", detail)
