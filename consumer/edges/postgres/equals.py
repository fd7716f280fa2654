"""Rows that have no key are removed by what is equal to them."""

from collections.abc import Sequence

from psycopg import sql

from consumer.edges.postgres.staged_rows import table_name, written
from consumer.edges.postgres.staging import Staged

# types whose equal values are one value; of others, as of boxes, more than that may be equal
_EQUAL = (
    *("smallint", "integer", "bigint", "numeric", "real", "double precision", "money", "boolean", "bytea", "uuid"),
    *("text", "character", "name", "citext", "date", "time", "interval", "jsonb", "inet", "cidr", "macaddr", "bit"),
)


def remove(staged: Staged) -> sql.Composed:
    """Delete a row of the table for each staged one, equal to it in all staged columns.

    The staged rows are joined by their hash, which reads the table once, or by an index over columns without nulls, for
    which equality is written as an index can look it up, and no join can hash it: it might hash the table. Of several
    that are equal one that is written alike goes first.
    Answers twice how many were deleted.
    """
    write = staged.write
    values = {column.name: _compared(written(column), write.moving[column.name]) for column in write.columns}
    ours = {name: _compared(sql.SQL("t.{}").format(sql.Identifier(name)), write.moving[name]) for name in values}
    hashed = [each.name for each in write.columns if each.hashes and write.moving[each.name].startswith(_EQUAL)]
    same = sql.SQL(" AND ").join(
        sql.SQL("{} = ANY (ARRAY[w.{}])" if name in write.required else "{} IS NOT DISTINCT FROM w.{}").format(
            ours[name], sql.Identifier(name)
        )
        for name in values
    )
    return sql.SQL(
        "WITH wanted AS (SELECT {hash_s} AS {hash}, {values}, count(*) AS {number} FROM {staging} AS s "
        "GROUP BY {places}), "
        "each AS (SELECT row_number() OVER () AS {id}, * FROM wanted), "
        "found AS (SELECT t.ctid AS at, t.tableoid AS part, w.{number} AS number, "
        "row_number() OVER (PARTITION BY w.{id} ORDER BY {otherwise}) AS place FROM {table} AS t, each AS w "
        "WHERE {hash_t} = w.{hash} AND {same}), "
        "gone AS (DELETE FROM {table} AS t USING found AS f "
        "WHERE t.ctid = f.at AND t.tableoid = f.part AND f.place <= f.number RETURNING 1) "
        "SELECT count(*), count(*) FROM gone"
    ).format(
        hash_s=_hash_of([values[name] for name in hashed]),
        hash_t=_hash_of([ours[name] for name in hashed]),
        hash=sql.Identifier("#hash"),
        number=sql.Identifier("#number"),
        id=sql.Identifier("#id"),
        values=sql.SQL(", ").join(sql.SQL("{} AS {}").format(v, sql.Identifier(n)) for n, v in values.items()),
        places=sql.SQL(", ").join(sql.Literal(place + 1) for place in range(len(values) + 1)),
        staging=staged.staging,
        table=table_name(write.table),
        same=same,
        otherwise=sql.SQL("CAST(ROW({}) AS text) <> CAST(ROW({}) AS text)").format(
            sql.SQL(", ").join(ours.values()),
            sql.SQL(", ").join(sql.SQL("w.{}").format(sql.Identifier(name)) for name in values),
        ),
    )


def _hash_of(values: Sequence[sql.Composed]) -> sql.Composed:
    if not values:
        return sql.SQL("0").format()
    return sql.SQL("hash_record_extended(ROW({}), 0)").format(sql.SQL(", ").join(values))


def _compared(value: sql.Composed, kind: str) -> sql.Composed:
    """A value as it is compared: by its type where equality is that of values, else by its text."""
    return value if kind.startswith(_EQUAL) and "[" not in kind else sql.SQL("CAST({} AS text)").format(value)
