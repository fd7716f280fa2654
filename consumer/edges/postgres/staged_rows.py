"""Staged rows and rows of their table in SQL: what goes into it, and which row is which."""

from dataclasses import replace

from psycopg import sql

from consumer.core.target import TableName
from consumer.core.writes import StagedColumn, TableWrite
from consumer.edges.postgres.staging import Staged

_FLOATS = ("float4", "float8")
_FLOAT_ARRAYS = ("_float4", "_float8")
_BY_WHOLE = {"smallint": "smallint", "integer": "integer", "bigint": "bigint", "oid": "bigint"}
# of the types that staging tables have, and that order keys
_UNHASHED = "varbit"
# a record of one value has the hash of this value, which costs a third; no identity is null
_HASHES = {
    "int2": "hashint2extended",
    "int4": "hashint4extended",
    "int8": "hashint8extended",
    "text": "hashtextextended",
    "uuid": "uuid_hash_extended",
}


def table_name(table: TableName) -> sql.Identifier:
    """A table's name as statements write it."""
    return sql.Identifier(table.schema, table.name)


def keys(write: TableWrite) -> dict[str, sql.Composed]:
    """The identity's values as they go into the table, by column; `s` is a staged row."""
    by_name = {column.name: column for column in write.columns}
    return {name: written(by_name[name]) for name in write.identity}


def same_row(staged: Staged) -> sql.Composed:
    """Whether the row `t` of the table has the identity of the staged one, `s`."""
    return sql.SQL(" AND ").join(
        sql.SQL("t.{} = {}").format(sql.Identifier(name), value) for name, value in keys(staged.write).items()
    )


def rows_with_places(staged: Staged) -> sql.Composed:
    """The staged rows, `at`, with their places, counted from 0."""
    return sql.SQL("(SELECT ctid AS at, row_number() OVER (ORDER BY ctid) - 1 AS place FROM {} AS s)").format(
        staged.staging
    )


def written(column: StagedColumn) -> sql.Composed:
    """What goes into the table of a column of a staged row, `s`."""
    staged = sql.SQL("s.{}").format(sql.Identifier(column.name))
    if column.cast is None:
        return staged
    # the name of the type is the catalog's own format_type
    for kind in (*_between(column.staging, column.cast), column.cast):
        staged = sql.SQL("CAST({} AS {})").format(staged, sql.SQL(kind))
    return staged


def _between(staging: str, cast: str) -> list[str]:
    """The types that a value takes on its way from one to the other."""
    array = "[]" if staging in _FLOAT_ARRAYS and cast.endswith("[]") else ""
    between = []
    if staging in _FLOATS or array:
        # PostgreSQL's own cast to numeric keeps 15 digits (6 of a real), its text all; that to whole numbers is exact
        between.append(_BY_WHOLE.get(cast.removesuffix("[]"), "text") + array)
    if cast == "money":
        # as text it would be read by the rules of lc_monetary
        between.append("numeric")
    return between


def identity_hash(staged: Staged, seed: sql.Composable) -> sql.Composed:
    """The extended hash of a staged row's identity as one record, in the target's types where these can be hashed."""
    by_name = {column.name: column for column in staged.write.columns}
    columns = [by_name[name] for name in staged.write.identity]
    values = [_collated(hashed(column)) for column in columns]
    own = _HASHES.get(columns[0].staging) if len(columns) == 1 and columns[0].cast is None else None
    if own is not None:
        return sql.SQL("{}({}, {})").format(sql.Identifier("pg_catalog", own), values[0], seed)
    return sql.SQL("hash_record_extended(ROW({}), {})").format(sql.SQL(", ").join(values), seed)


def _collated(column: StagedColumn) -> sql.Composed:
    """A value as it is hashed: what its column takes for one has one hash."""
    value = written(column)
    if column.collation is None:
        return value
    # the name is quoted by the catalog
    return sql.SQL("{} COLLATE {}").format(value, sql.SQL(column.collation))


def hashed(column: StagedColumn) -> StagedColumn:
    """A column of an identity as it is hashed: in the target's type if that can be, else as it is staged."""
    if column.hashes:
        return column
    return replace(column, cast="text" if column.staging == _UNHASHED else None)
