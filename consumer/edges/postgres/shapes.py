"""Target tables as far as their changes need it, from the catalog."""

from collections.abc import Sequence

import psycopg

from consumer.core.sqltypes import sql_type
from consumer.core.steps import Labels, ShapeColumn, TableShape
from consumer.core.target import TableName
from consumer.edges.postgres.translate import translated

_COLUMNS = """
SELECT pg_has_role(c.relowner, 'USAGE'),
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND (g.tgtype & 7) = 7 AND g.tgenabled <> 'D'),
       a.attname,
       format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
       a.attgenerated <> '',
       CASE WHEN t.typtype = 'e' THEN t.typname END,
       tn.nspname,
       ARRAY (SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_namespace tn ON tn.oid = t.typnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
ORDER BY a.attnum
"""


def read_shape(connection: psycopg.Connection, name: TableName) -> TableShape | None:
    """The table's shape, or None when there is none of that name."""
    with translated("read catalog", name):
        rows = connection.execute(_COLUMNS, (name.schema, name.name)).fetchall()
    if not rows:
        return None
    columns = tuple(
        ShapeColumn(
            name=row[2],
            type=sql_type(row[3]),
            required=row[4],
            filled=row[5],
            key=row[6],
            fixed=row[7],
            labels=Labels(type=row[8], schema=row[9], labels=tuple(row[10])) if row[8] else None,
        )
        # a table without columns is one row without a name
        for row in rows
        if row[2] is not None
    )
    return TableShape(columns=columns, owned=rows[0][0], triggered=rows[0][1])


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
