"""Target tables as the catalog has them."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from consumer.core.target import ExactType, TableName, TargetColumn, TargetTable
from consumer.core.types import Kind
from consumer.core.writes import StagedColumn
from consumer.edges.postgres.staged_rows import written
from consumer.edges.postgres.translate import translated

# Unique: usable as a conflict target, that is valid, immediate, whole, over plain columns.
# Hashes: by an operator class of its own or of a type whose form it has, with the function that takes a seed; of an
# array its elements do. Enums, ranges and records have one for all of their kind.
# Referenced: more than of any table that it refers to, unless they refer to one another in a circle.
_TABLE = """
SELECT
    ARRAY (
        SELECT 'DELETE' WHERE NOT has_table_privilege(c.oid, 'DELETE')
        UNION ALL
        SELECT 'USAGE on its schema' WHERE NOT has_schema_privilege(n.oid, 'USAGE')
    ),
    ARRAY (
        SELECT to_jsonb(array_agg(a.attname))
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        WHERE i.indrelid = c.oid
          AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
        GROUP BY i.indexrelid, i.indnkeyatts, i.indnullsnotdistinct
        HAVING count(*) = i.indnkeyatts AND (bool_and(a.attnotnull) OR i.indnullsnotdistinct)
    ),
    (
        WITH RECURSIVE referenced(relid) AS (
            SELECT k.confrelid FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid
            UNION
            SELECT k.confrelid FROM referenced r JOIN pg_constraint k ON k.contype = 'f' AND k.conrelid = r.relid
        )
        SELECT count(*) FROM referenced
    ),
    ARRAY (
        SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisunique
    )
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""


def _base(type_: str, modifier: str) -> str:
    """What a type is below all domains, with the modifier that holds there and whether one of them refuses nulls."""
    return f"""LATERAL (
    WITH RECURSIVE step(type, modifier, required) AS (
        SELECT {type_}, {modifier}, false
        UNION ALL
        SELECT d.typbasetype, d.typtypmod, step.required OR d.typnotnull
        FROM step JOIN pg_type d ON d.oid = step.type AND d.typtype = 'd'
    )
    SELECT p.*, step.modifier, step.required FROM step JOIN pg_type p ON p.oid = step.type AND p.typtype <> 'd'
)"""


# Values are brought into the form below all domains, and are assigned to these: what does not fit is refused then, and
# cut where it is cast to a domain.
_COLUMNS = f"""
SELECT a.attname,
       w.typname,
       format_type(w.oid, -1),
       b.typtype = 'e',
       e.typname,
       e.typtype = 'e',
       coalesce(e.modifier, b.modifier),
       a.attidentity <> '',
       a.attidentity = 'a',
       a.attgenerated <> '',
       a.attnotnull OR b.required,
       (a.attnotnull OR b.required) AND NOT a.atthasdef AND a.attidentity = '' AND t.typdefault IS NULL
           AND NOT EXISTS (
               SELECT FROM pg_trigger g
               WHERE g.tgrelid = c.oid AND (g.tgtype & 7) = 7 AND g.tgenabled <> 'D'
           ),
       ARRAY (
           SELECT p FROM unnest('{{SELECT,INSERT,UPDATE}}'::text[]) AS p
           WHERE NOT has_column_privilege(c.oid, a.attnum, p)
       ),
       (
           SELECT format('%%I.%%I', m.nspname, l.collname)
           FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace
           WHERE l.oid = a.attcollation AND NOT l.collisdeterministic
       ),
       coalesce(e.typtype, b.typtype) <> 'b' OR EXISTS (
           SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'hash'
           JOIN pg_amproc f ON f.amprocfamily = o.opcfamily AND f.amproclefttype = o.opcintype
               AND f.amprocrighttype = o.opcintype AND f.amprocnum = 2
           WHERE o.opcdefault AND (
               o.opcintype = coalesce(e.oid, b.oid) OR EXISTS (
                   SELECT FROM pg_cast k
                   WHERE k.castsource = coalesce(e.oid, b.oid) AND k.casttarget = o.opcintype
                     AND k.castmethod = 'b' AND k.castcontext = 'i'
               )
           )
       ),
       ARRAY (
           SELECT jsonb_build_array(y.typname, y.typtype = 'e', y.modifier)
           FROM pg_attribute x CROSS JOIN {_base("x.atttypid", "x.atttypmod")} AS y
           WHERE x.attrelid = coalesce(e.typrelid, b.typrelid) AND x.attnum > 0 AND NOT x.attisdropped
           ORDER BY x.attnum
       ),
       a.atttypid,
       a.atttypmod
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
CROSS JOIN {_base("a.atttypid", "a.atttypmod")} AS b
LEFT JOIN pg_type i ON i.typarray = b.oid
LEFT JOIN {_base("i.oid", "b.modifier")} AS e ON true
JOIN pg_type w ON w.oid = coalesce(e.typarray, b.oid)
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

_VARHDRSZ = 4
_FULL_PRECISION = 0xFFFF
# the bit of seconds among an interval's fields, which stand in front of its precision (INTERVAL_MASK in timestamp.h)
_SECONDS = 1 << 28
_WITH_SECONDS = frozenset({"time", "timetz", "timestamp", "timestamptz"})


def read_table(connection: psycopg.Connection, name: TableName) -> TargetTable | None:
    """The table, or None when there is none of that name."""
    with translated("read catalog", name):
        rows = connection.execute(_COLUMNS, (name.schema, name.name)).fetchall()
        found = connection.execute(_TABLE, (name.schema, name.name)).fetchone()
        if not rows or found is None:
            return None
        lacks, unique, referenced, referable = found
    columns = tuple(
        TargetColumn(
            name=row[0],
            type_name=row[1],
            cast=row[2],
            is_enum=row[3],
            item=_kind(row[4], row[5], row[6], row[15]) if row[4] else None,
            **({} if row[4] else {**_limits(row[1], row[6]), "fields": _fields(row[15])}),
            identity=row[7],
            always=row[8],
            generated=row[9],
            required=row[10],
            needed=row[11],
            lacks=frozenset(row[12]),
            collation=row[13],
            hashes=row[14],
            exact=ExactType(row[16], row[17]),
        )
        for row in rows
    )
    return TargetTable(
        name=name,
        columns=columns,
        unique=tuple(map(frozenset, unique)),
        referable=frozenset(referable),
        lacks=frozenset(lacks),
        rank=referenced,
    )


def has_casts(connection: psycopg.Connection, casts: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether values of staging types can be cast to the target's types at all, whatever they are."""
    return [_has_cast(connection, staging, cast) for staging, cast in casts]


def _has_cast(connection: psycopg.Connection, staging: str, cast: str) -> bool:
    cast_value = written(StagedColumn(name="x", staging=staging, cast=cast))
    # staging types come from `consumer.core.types`, never from input
    nothing = sql.SQL("SELECT NULL::pg_catalog.{} AS x").format(sql.Identifier(staging))
    statement = sql.SQL("SELECT {} FROM ({}) AS s").format(cast_value, nothing)
    with translated("read catalog"):
        try:
            connection.execute(statement)
        except psycopg.errors.CannotCoerce:
            return False
    return True


def _kind(name: str, is_enum: bool, modifier: int, fields: Sequence[Any]) -> Kind:
    return Kind(name=name, is_enum=is_enum, **_limits(name, modifier), fields=_fields(fields))


def _fields(found: Sequence[Any]) -> tuple[Kind, ...]:
    """Those of a composite type; what they themselves are made of is not read."""
    return tuple(_kind(name, is_enum, modifier, ()) for name, is_enum, modifier in found)


def _limits(kind: str, modifier: int) -> dict[str, Any]:
    """What a type keeps, as its modifier says it (numerictypmodin, anytime_typmod_check and others)."""
    if modifier < 0:
        return {}
    if kind == "numeric":
        # eleven bits with a sign
        return {"digits": ((modifier - _VARHDRSZ & 0x7FF) ^ 1024) - 1024}
    if kind == "varchar":
        return {"length": modifier - _VARHDRSZ}
    if kind == "interval":
        # of the fields that it names, those in front of seconds are kept whole
        digits = modifier & _FULL_PRECISION
        masked = {} if modifier & _SECONDS else {"masked": True}
        return masked if digits == _FULL_PRECISION else {"digits": digits, **masked}
    return {"digits": modifier & 0xFFFF} if kind in _WITH_SECONDS else {}
