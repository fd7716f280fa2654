"""Target tables as far as their changes need it, from the catalog."""

from collections.abc import Sequence

import psycopg

from consumer.core.plan import TableName
from consumer.core.sqltypes import sql_type
from consumer.core.steps import Labels, ShapeColumn, TableShape
from consumer.edges.postgres.translate import translated

_TABLE = """
SELECT pg_has_role(c.relowner, 'USAGE'),
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND (g.tgtype & 7) = 7 AND g.tgenabled <> 'D')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
"""
_COLUMNS = """
SELECT a.attname,
       format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
       a.attgenerated <> '',
       CASE WHEN t.typtype = 'e' THEN t.typname END,
       tn.nspname,
       ARRAY (SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_namespace tn ON tn.oid = t.typnamespace
WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


def read_shape(connection: psycopg.Connection, name: TableName) -> TableShape | None:
    """The table's shape, or None when there is none of that name."""
    with translated("read catalog", name):
        found = connection.execute(_TABLE, (name.schema, name.name)).fetchone()
        if found is None:
            return None
        rows = connection.execute(_COLUMNS, (name.schema, name.name)).fetchall()
    columns = tuple(
        ShapeColumn(
            name=row[0],
            type=sql_type(row[1]),
            required=row[2],
            filled=row[3],
            key=row[4],
            fixed=row[5],
            labels=Labels(type=row[6], schema=row[7], labels=tuple(row[8])) if row[6] else None,
        )
        for row in rows
    )
    return TableShape(columns=columns, owned=found[0], triggered=found[1])


def available(connection: psycopg.Connection, types: Sequence[str]) -> str:
    """The first type that the server has; the last one is taken without asking. Raises Transient."""
    with translated("read catalog"):
        for kind in types[:-1]:
            if kind == "xml":
                # every server knows the name, and some no value
                try:
                    connection.execute("SELECT CAST('<a/>' AS xml)")
                except psycopg.errors.FeatureNotSupported:
                    continue
                return kind
            there = connection.execute("SELECT to_regtype(%s) IS NOT NULL", (kind,)).fetchone()
            if there == (True,):
                return kind
        return types[-1]
