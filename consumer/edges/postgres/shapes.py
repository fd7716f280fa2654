"""Target tables as far as their changes need it, from the catalog."""

from collections.abc import Sequence

import psycopg

from consumer.core.plan import TableName
from consumer.core.sqltypes import sql_type
from consumer.core.steps import Labels, ShapeColumn, TableShape
from consumer.edges.postgres.translate import translated

_COLUMNS = """
SELECT pg_has_role(c.relowner, 'USAGE'),
       a.attname,
       format_type(a.atttypid, a.atttypmod),
       a.attnotnull OR t.typnotnull,
       a.atthasdef OR a.attidentity <> '',
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
            name=row[1],
            type=sql_type(row[2]),
            required=row[3],
            filled=row[4],
            key=row[5],
            fixed=row[6],
            labels=Labels(type=row[7], schema=row[8], labels=tuple(row[9])) if row[7] else None,
        )
        # a table without columns is one row without a name
        for row in rows
        if row[1] is not None
    )
    return TableShape(columns=columns, owned=rows[0][0])


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
