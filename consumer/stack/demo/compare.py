"""Compares two databases row by row in SQL: source rows are copied beside the target's and joined by key.

Values are compared in PostgreSQL's own text form, because the target may hold a column in another type (an enum as
text). Only counts leave the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.stack.demo import shop

SAME_TEXT = ("SET TimeZone = 'UTC'", "SET DateStyle = 'ISO, YMD'", "SET bytea_output = 'hex'")
_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One table: rows of each side, and how many of all are not the same on both."""

    table: str
    source: int
    target: int
    different: int

    @property
    def equal(self) -> bool:
        """True when both sides are the same."""
        return self.different == 0 and self.source == self.target


def compare(source_dsn: str, target_dsn: str) -> list[Compared]:
    """All tables of the shop, each side at one moment; call it when nothing changes any more."""
    with psycopg.connect(source_dsn) as source, psycopg.connect(target_dsn) as target:
        for session in (source, target):
            for statement in SAME_TEXT:
                session.execute(statement.encode())
        source.commit()
        source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return [_table(source, target, table) for table in shop.TABLES]


def columns(connection: psycopg.Connection, table: str) -> list[str]:
    """The columns of a table, none when there is no such table."""
    return [str(name) for (name,) in connection.execute(_COLUMNS, [f"{shop.SCHEMA}.{table}"])]


def as_text(table: str, names: Sequence[str]) -> sql.Composed:
    """The rows of a table with every value as text."""
    values = sql.SQL(", ").join(sql.SQL("{0}::text AS {0}").format(sql.Identifier(name)) for name in names)
    return sql.SQL("SELECT {} FROM {}").format(values, sql.Identifier(shop.SCHEMA, table))


def _table(source: psycopg.Connection, target: psycopg.Connection, table: str) -> Compared:
    names = columns(source, table)
    copy = sql.SQL("COPY ({}) TO STDOUT").format(as_text(table, names))
    with source.cursor().copy(copy) as rows:
        return against(target, table, names, rows)


def against(
    target: psycopg.Connection, table: str, names: Sequence[str], rows: Iterable[bytes | bytearray | memoryview]
) -> Compared:
    """Compares rows in COPY's text format with the target's table."""
    beside = sql.Identifier(f"compare_{table}")
    fields = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(name)) for name in names)
    target.execute(sql.SQL("CREATE TEMP TABLE {} ({})").format(beside, fields))
    with target.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(beside)) as copy:
        for chunk in rows:
            copy.write(chunk)
    expected = _count(target, sql.SQL("SELECT count(*) FROM {}").format(beside))
    if set(names) - set(columns(target, table)):
        return Compared(table=table, source=expected, target=0, different=expected)
    joined = sql.SQL(
        "SELECT count(*) FROM {} AS source FULL JOIN ({}) AS target USING ({}) WHERE source IS DISTINCT FROM target"
    ).format(beside, as_text(table, names), sql.SQL(", ").join(map(sql.Identifier, shop.TABLES[table])))
    found = _count(target, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(shop.SCHEMA, table)))
    return Compared(table=table, source=expected, target=found, different=_count(target, joined))


def _count(connection: psycopg.Connection, query: sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def summary(found: Sequence[Compared]) -> Mapping[str, object]:
    """For the report: totals and each table."""
    return {
        "rows_compared": sum(max(each.source, each.target) for each in found),
        "rows_different": sum(each.different for each in found),
        "equal": all(each.equal for each in found),
        "tables": {
            each.table: {"source": each.source, "target": each.target, "different": each.different} for each in found
        },
    }
