"""What of two tables is compared, and how each side is asked, by both catalogs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.core.canonical import Kind, Spelling, spelling
from consumer.core.target import TableName
from consumer.edges.postgres.canonical import spelled
from consumer.edges.postgres.sides import KeyPart, Shape, Translating
from consumer.ports.reconcile import Compared, NotComparable

_COLUMNS = """
SELECT a.attname,
    coalesce(i.typname, b.typname, t.typname),
    i.oid IS NOT NULL,
    coalesce(i.typtype, b.typtype, t.typtype) = 'e',
    CASE WHEN coalesce(b.typname, t.typname) = 'bit' THEN
        CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END END,
    format_type(coalesce(b.oid, t.oid), -1),
    -- whether an index of the column is sorted by bytes
    CASE WHEN a.attcollation = 0 OR l.collname IN ('C', 'POSIX', 'ucs_basic') THEN true
        WHEN l.collname = 'default' THEN d.datcollate IN ('C', 'POSIX')
            AND coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') IN ('c', 'b')
        ELSE false END,
    -- columns that an index only includes are no part of the key
    array_position(k.indkey[0:k.indnkeyatts - 1], a.attnum)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype
LEFT JOIN pg_type i ON i.typarray = coalesce(b.oid, t.oid)
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_index k ON k.indrelid = c.oid AND k.indisprimary
CROSS JOIN pg_database d
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p') AND d.datname = current_database()
ORDER BY a.attnum
"""
_ABOUT = """
SELECT c.reltuples::bigint, pg_encoding_to_char(d.encoding), row_security_active(c.oid),
    ARRAY (
        SELECT to_jsonb(array_agg(a.attname))
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
        GROUP BY i.indexrelid
        -- sources may be older than nulls that are not distinct
        HAVING bool_and(a.attnotnull) OR bool_or(coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false))
    )
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_database d
WHERE n.nspname = %s AND c.relname = %s AND d.datname = current_database()
"""
_ENCODING = "UTF8"
_INTEGERS = frozenset({"int2", "int4", "int8"})
_ALIKE = frozenset({"uuid", "date", "timestamp", "timestamptz", "bool", "bytea"})
_TEXTS = frozenset({"text", "varchar", "bpchar"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its catalog has it. `type_name`: as it is cast to. `bytewise`: its texts are sorted by bytes.

    `place`: of the primary key, if it is part of it.
    """

    name: str
    kind: Kind
    type_name: str
    bytewise: bool
    place: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of either side. `unique`: the columns of each index that lets no row be there twice."""

    name: TableName
    columns: Mapping[str, Column]
    rows: int
    encoding: str
    unique: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What of a table goes where: the target's columns by the source's, and which of these have other values by rule.

    `deleted`: the target's column that marks deleted rows, and whether it is a time.
    """

    source: TableName
    target: TableName
    columns: Mapping[str, str]
    hidden: Mapping[str, str]
    deleted: str | None = None


def read_table(connection: psycopg.Connection, name: TableName, translating: Translating) -> Table:
    """The table. Raises NotComparable when it is not there, or none of this role's; HeadraceError."""
    with translating("read catalog"):
        rows = connection.execute(_COLUMNS, (name.schema, name.name)).fetchall()
        about = connection.execute(_ABOUT, (name.schema, name.name)).fetchone()
    if not rows or about is None:
        raise NotComparable(f"there is no table {name}")
    if about[2]:
        # what a policy hides would count as deleted
        raise NotComparable(f"row-level security may hide rows of {name} from this role: give the role BYPASSRLS")
    columns = {
        row[0]: Column(row[0], Kind(name=row[1], array=row[2], enum=row[3], length=row[4]), row[5], row[6], row[7])
        for row in rows
    }
    return Table(
        name=name,
        columns=columns,
        rows=max(about[0], 0),
        encoding=about[1],
        unique=tuple(frozenset(index) for index in about[3]),
    )


def described(source: Table, target: Table, mapped: Mapped) -> tuple[Compared, Shape, Shape]:
    """What is compared of both, and how the source's side and the target's are asked. Raises NotComparable."""
    for table in (source, target):
        if table.encoding != _ENCODING:
            raise NotComparable(f"the database of {table.name} has the encoding {table.encoding}, not {_ENCODING}")
    key = _key(source)
    pairs = [(name, *_pair(source, target, mapped, name)) for name in key]
    _require_unique(target, {other.name for _, _, other in pairs})
    parts = [_parts(name, one, other) for name, one, other in pairs]
    cells, left_out = _cells(source, target, mapped, key)
    here = {name: part[0].text for name, part in zip(key, parts, strict=True)}
    there = {name: part[1].text for name, part in zip(key, parts, strict=True)}
    what = Compared(
        source=str(source.name),
        key=tuple(key),
        columns=tuple(cells),
        left_out=left_out,
        rows=max(source.rows, target.rows),
        sorted_apart=any(_sorted_apart(one, other) for _, one, other in pairs),
    )
    return (
        what,
        Shape(
            table=source.name,
            key=tuple(one for one, _ in parts),
            cells=here | {name: cell[0] for name, cell in cells.items()},
            live=sql.SQL("true"),
        ),
        Shape(
            table=target.name,
            key=tuple(other for _, other in parts),
            cells=there | {name: cell[1] for name, cell in cells.items()},
            live=_live(target, mapped.deleted),
        ),
    )


def _key(source: Table) -> list[str]:
    key = sorted((one.place, one.name) for one in source.columns.values() if one.place is not None)
    if not key:
        raise NotComparable(f"{source.name} has no primary key at the source")
    return [name for _, name in key]


def _pair(source: Table, target: Table, mapped: Mapped, name: str) -> tuple[Column, Column]:
    there = target.columns.get(mapped.columns.get(name, ""))
    if there is None:
        raise NotComparable(f"the target has no column for the key's {name}")
    if name in mapped.hidden:
        raise NotComparable(f"the key's column {name} is {mapped.hidden[name]}")
    return source.columns[name], there


def _require_unique(target: Table, key: set[str]) -> None:
    """Raises NotComparable where a row may be there twice, which looking it up by its key does not tell."""
    if not any(index <= key for index in target.unique):
        columns = ", ".join(sorted(key))
        raise NotComparable(
            f"{target.name} has no unique index over {columns} without nulls, so rows may be there twice"
        )


def _cells(
    source: Table, target: Table, mapped: Mapped, key: Sequence[str]
) -> tuple[dict[str, tuple[sql.Composable, sql.Composable]], dict[str, str]]:
    cells, left_out = {}, {}
    for name, one in source.columns.items():
        if name in key:
            continue
        other = target.columns.get(mapped.columns.get(name, ""))
        if name in mapped.hidden:
            left_out[name] = mapped.hidden[name]
        elif other is None:
            left_out[name] = "the target does not get it"
        elif (how := spelling(one.kind, other.kind)) is None:
            left_out[name] = f"{one.type_name} and {other.type_name} have no text in common that is known"
        else:
            cells[name] = _spelled(how, one), _spelled(how, other)
    return cells, left_out


def _parts(name: str, source: Column, target: Column) -> tuple[KeyPart, KeyPart]:
    """Both sides of a part of the key. Raises NotComparable where they are not sorted alike."""
    if source.kind.array or target.kind.array:
        raise NotComparable(f"the key's column {name} is an array")
    names = {source.kind.name, target.kind.name}
    how = spelling(source.kind, target.kind)
    if how is None:
        raise NotComparable(f"the key's column {name} has types that are not compared")
    if names <= _INTEGERS:
        return _part(source, how, "int8"), _part(target, how, "int8")
    if names <= _INTEGERS | {"numeric"}:
        return _part(source, how, "numeric"), _part(target, how, "numeric")
    if len(names) == 1 and names <= _ALIKE:
        plain = Spelling.PLAIN if how is Spelling.BYTES else how
        return _part(source, plain, source.type_name), _part(target, plain, target.type_name)
    if all(_is_text(column) for column in (source, target)):
        return _text_part(source, how), _text_part(target, how)
    raise NotComparable(f"the key's column {name} has types that are not sorted alike for sure")


def _part(column: Column, how: Spelling, sorted_as: str) -> KeyPart:
    name = _named(column)
    order = name if sorted_as != "numeric" else sql.SQL("{}::numeric").format(name)
    return KeyPart(
        name=column.name,
        text=_spelled(how, column),
        order=name if column.kind.name == "numeric" else order,
        sorted_as=sorted_as,
        # one that does not fit into a smaller type is not there
        equal_as=sorted_as if column.kind.name in _INTEGERS else column.type_name,
    )


def _text_part(column: Column, how: Spelling) -> KeyPart:
    text = _spelled(how, column)
    quick = column.bytewise and column.kind.name in ("text", "varchar")
    return KeyPart(
        name=column.name,
        text=text,
        order=_named(column) if quick else text,
        sorted_as="text",
        equal_as=column.type_name,
    )


def _sorted_apart(source: Column, target: Column) -> bool:
    pair = (source, target)
    texts = any(_is_text(column) for column in pair) and not all(column.kind.name == "uuid" for column in pair)
    quick = all(column.bytewise and column.kind.name in ("text", "varchar") for column in pair)
    numbers = {column.kind.name for column in pair}
    return (texts and not quick) or (len(numbers) == 2 and "numeric" in numbers)


def _is_text(column: Column) -> bool:
    return column.kind.enum or column.kind.name in _TEXTS or column.kind.name == "uuid"


def _spelled(how: Spelling, column: Column) -> sql.Composable:
    return spelled(how, column.kind.name, _named(column))


def _named(column: Column) -> sql.Composable:
    return sql.SQL("t.{}").format(sql.Identifier(column.name))


def _live(target: Table, deleted: str | None) -> sql.Composable:
    """What is so of rows that are not marked as deleted."""
    column = target.columns.get(deleted or "")
    if column is None:
        return sql.SQL("true")
    return sql.SQL("{} IS NOT TRUE" if column.kind.name == "bool" else "{} IS NULL").format(_named(column))
