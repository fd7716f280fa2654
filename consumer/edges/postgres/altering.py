"""The end of a batch's writes: what the target defers happens, and tables are still what the rows were planned for.

PostgreSQL rounds or cuts without a word what it assigns to a column, so that a value fits was looked at in front, by
the types that bindings know. Somebody may have altered the table since. Behind the last write nobody can: its lock on
the table stays until the end. So it is asked there, in the journey that the constraints take.
"""

from collections.abc import Collection
from functools import lru_cache

import psycopg
from psycopg import sql

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.target import FilledColumn, TableName
from consumer.core.writes import TableWrite
from consumer.ports.refusals import Altered

_SETTLE = "SET CONSTRAINTS ALL IMMEDIATE"
_SETTLE_AND_COMPARE = sql.SQL("""SET CONSTRAINTS ALL IMMEDIATE;
SELECT known.place FROM (VALUES {}) AS known(place, relation, columns)
WHERE NOT known.columns <@ ARRAY(
    SELECT concat_ws(' ', a.atttypid, a.atttypmod, a.attname) FROM pg_attribute a
    WHERE a.attrelid = to_regclass(known.relation) AND a.attnum > 0 AND NOT a.attisdropped
)
""")
_KNOWN = sql.SQL("{}, CAST({} AS text[])")
# tables that are named at once
_NAMED = 5


def settle(connection: psycopg.Connection, writes: Collection[TableWrite]) -> None:
    """Have what is deferred happen. Raises Altered where a column that was filled is not of the type that it had when
    the rows were planned.
    """
    wanted = [*dict.fromkeys((write.table, write.filled) for write in writes if write.filled)]
    if not wanted:
        connection.execute(_SETTLE)
        return
    known = (sql.SQL(f"({place}, {_known(*one)})") for place, one in enumerate(wanted))
    cursor = connection.execute(_SETTLE_AND_COMPARE.format(sql.SQL(", ").join(known)), prepare=False)
    cursor.nextset()
    if others := cursor.fetchall():
        tables = frozenset(wanted[place][0] for (place,) in others)
        raise Altered(_altered(tables), tables)


@lru_cache(maxsize=4096)
def _known(table: TableName, filled: tuple[FilledColumn, ...]) -> str:
    """What is known of a table, as SQL: bindings stay for many batches."""
    relation = sql.Identifier(table.schema, table.name).as_string()
    columns = [f"{column.type.oid} {column.type.modifier} {column.name}" for column in filled]
    return _KNOWN.format(sql.Literal(relation), sql.Literal(columns)).as_string()


def _altered(tables: Collection[TableName]) -> Failure:
    named = ", ".join(map(str, sorted(tables)[:_NAMED])) + (", ..." if len(tables) > _NAMED else "")
    detail = f"columns of {named} have other types than when the rows were planned"
    return failed(KINDS["table.shape"], "postgres", "compare types", detail)
