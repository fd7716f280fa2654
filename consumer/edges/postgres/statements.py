"""The statements that move staged rows into their table. Identifiers are composed, never formatted."""

from dataclasses import replace

from psycopg import sql

from consumer.core.modes import DELETED_AT
from consumer.core.moves import TOKEN
from consumer.core.writes import Action, StagedColumn, TableWrite
from consumer.edges.postgres.guards import alive, deleted, kept_out, late, newer, not_newer, version
from consumer.edges.postgres.staged_rows import same_row, table_name, written
from consumer.edges.postgres.staging import Staged

_KEPT = "#columns"


def delete(staged: Staged) -> sql.Composed:
    """Delete the rows whose identity is staged, or mark them as deleted, but for those that their version guards."""
    write = staged.write
    if write.soft is not None:
        at = sql.SQL("coalesce(s.{}, now())").format(sql.Identifier(DELETED_AT)) if write.soft.timed else None
        settings = [sql.SQL("{} = {}").format(sql.Identifier(write.soft.column), deleted(write.soft, at))]
        if write.version is not None:
            settings.append(_set(write, write.version, version(write)))
        return sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND {}").format(
            table_name(write.table), sql.SQL(", ").join(settings), staged.staging, not_newer(staged), alive(write.soft)
        )
    return sql.SQL("DELETE FROM {} AS t USING {} AS s WHERE {}").format(
        table_name(staged.write.table), staged.staging, not_newer(staged)
    )


def insert(staged: Staged) -> sql.Composed:
    """Insert the staged rows, with what was kept for them; fails on an existing one."""
    write = staged.write
    values = {column.name: _value(write, column) for column in write.columns if column.name != TOKEN}
    if write.soft is not None:
        values[write.soft.column] = sql.SQL("NULL" if write.soft.timed else "FALSE").format()
    if write.action is Action.TAKE:
        values |= {name: _taken(write.kept_as[name], kind) for name, kind in write.moving.items()}
        values |= dict.fromkeys(write.doubted, sql.SQL("NULL").format())
    return sql.SQL("INSERT INTO {} AS t ({}){} SELECT {} FROM {} AS s{}").format(
        table_name(write.table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(" OVERRIDING SYSTEM VALUE" if write.overriding else ""),
        sql.SQL(", ").join(values.values()),
        staged.staging,
        sql.SQL("") if staged.floor is None else sql.SQL(" WHERE ({}) IS NOT TRUE").format(late(staged)),
    )


def insert_checked(staged: Staged) -> sql.Composed:
    """Insert the staged rows and look whether the table took their identities as they are.

    Answers how many rows were inserted, how many pairs of an inserted and a staged row have one identity, and how
    many staged rows are in such a pair: the same number thrice, unless the columns' types merge or change keys.
    """
    return sql.SQL(
        "WITH t AS ({} RETURNING {}), pairs AS (SELECT s.ctid FROM t, {} AS s WHERE {}) "
        "SELECT (SELECT count(*) FROM t), count(*), count(DISTINCT ctid) FROM pairs"
    ).format(
        insert(staged),
        sql.SQL(", ").join(map(sql.Identifier, staged.write.identity)),
        staged.staging,
        same_row(staged),
    )


def upsert(staged: Staged) -> sql.Composed:
    """Insert the staged rows or set their columns where the identity exists and its version does not guard it."""
    write = staged.write
    identity = sql.SQL(", ").join(map(sql.Identifier, write.identity))
    rest = [column.name for column in write.columns if column.name not in (*write.identity, TOKEN)]
    rest += [*write.moving, *([write.soft.column] if write.soft else [])]
    if not rest:
        return sql.SQL("{} ON CONFLICT ({}) DO NOTHING").format(insert(staged), identity)
    settings = sql.SQL(", ").join(
        _set(write, name, sql.SQL("excluded.{}").format(sql.Identifier(name))) for name in rest
    )
    statement = sql.SQL("{} ON CONFLICT ({}) DO UPDATE SET {}").format(insert(staged), identity, settings)
    if write.version is None:
        return statement
    theirs = sql.SQL("excluded.{}").format(sql.Identifier(write.version))
    return sql.SQL("{} WHERE ({}) IS NOT TRUE").format(statement, newer(write.version, theirs))


def keep(staged: Staged) -> sql.Composed:
    """Keep some columns of the rows whose identity is staged, as texts, under the token of each.

    Answers for how many rows, and how many bytes that is.
    """
    write = staged.write
    names = sql.SQL(", ").join(sql.Literal(write.kept_as[name]) for name in write.moving)
    values = sql.SQL(", ").join(sql.SQL("CAST(t.{} AS text)").format(sql.Identifier(name)) for name in write.moving)
    return sql.SQL(
        "WITH old AS MATERIALIZED (SELECT s.{} AS token, jsonb_object(ARRAY[{}]::text[], ARRAY[{}]::text[]) AS columns "
        "FROM {} AS t, {} AS s WHERE {}), "
        "kept AS (INSERT INTO headrace.moved (table_name, token, columns, bytes) "
        "SELECT {}, token, columns, pg_column_size(columns) FROM old "
        "ON CONFLICT (table_name, token) DO NOTHING RETURNING bytes) "
        "SELECT count(*), coalesce(sum(bytes), 0) FROM kept"
    ).format(
        sql.Identifier(TOKEN),
        names,
        values,
        table_name(write.table),
        staged.staging,
        same_row(staged),
        sql.Literal(str(write.table)),
    )


def take(staged: Staged) -> sql.Composed:
    """Upsert the staged rows with the columns that were kept for them, and note that these were taken.

    Answers twice for how many of them there was something.
    """
    write = staged.write
    pairs = sql.SQL("SELECT s.*, m.columns AS {} FROM {} AS s JOIN headrace.moved AS m ON {}").format(
        sql.Identifier(_KEPT), staged.staging, _kept_for(write)
    )
    upserted = upsert(replace(staged, staging=sql.Identifier("pairs")))
    return sql.SQL(
        "WITH pairs AS ({pairs}), upserted AS ({upserted}), "
        "noted AS (UPDATE headrace.moved AS m SET taken = true FROM pairs AS s WHERE {kept_for} AND NOT m.taken) "
        "SELECT count(*), count(*) FROM pairs"
    ).format(pairs=pairs, upserted=upserted, kept_for=_kept_for(write))


def _kept_for(write: TableWrite) -> sql.Composed:
    kept = sql.SQL("m.table_name = {} AND m.token = s.{} AND m.columns ?& ARRAY[{}]::text[]").format(
        sql.Literal(str(write.table)),
        sql.Identifier(TOKEN),
        sql.SQL(", ").join(map(sql.Literal, write.kept_as.values())),
    )
    doubted = [
        sql.SQL("m.columns ->> {} IS NULL").format(sql.Literal(write.kept_as[name])) for name in sorted(write.doubted)
    ]
    return sql.SQL(" AND ").join([kept, *doubted])


def _taken(name: str, kind: str) -> sql.Composed:
    # the name of the type is the catalog's own format_type
    return sql.SQL("CAST(s.{} ->> {} AS {})").format(sql.Identifier(_KEPT), sql.Literal(name), sql.SQL(kind))


def update(staged: Staged) -> sql.Composed:
    """Set the staged columns of existing rows; columns that are not staged stay.

    Answers how many rows of the table were met, and how many staged rows met any; those that are kept out by a version
    are met too.
    """
    if staged.write.version is None:
        return sql.SQL("WITH met AS ({}) SELECT count(*), count(DISTINCT ctid) FROM met").format(_met(staged))
    return sql.SQL(
        "WITH changed AS ({}), met AS (SELECT ctid FROM changed UNION ALL {}) "
        "SELECT count(*), count(DISTINCT ctid) FROM met"
    ).format(_met(staged), kept_out(staged))


def _met(staged: Staged) -> sql.Composed:
    write = staged.write
    if all(column.name in write.identity for column in write.columns):
        return sql.SQL("SELECT s.ctid FROM {} AS t, {} AS s WHERE {} FOR UPDATE OF t").format(
            table_name(write.table), staged.staging, _same_living_row(staged)
        )
    settings = sql.SQL(", ").join(
        _set(write, column.name, _value(write, column)) for column in write.columns if column.name not in write.identity
    )
    return sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE {} RETURNING s.ctid").format(
        table_name(write.table), settings, staged.staging, _living(staged, not_newer(staged))
    )


def _same_living_row(staged: Staged) -> sql.Composed:
    return _living(staged, same_row(staged))


def _living(staged: Staged, row: sql.Composed) -> sql.Composed:
    """A row that is marked as deleted is not there for updates, nor one that has a value where a null is doubted."""
    soft = staged.write.soft
    sure = [_sure(name) for name in sorted(staged.write.doubted)]
    return sql.SQL(" AND ").join([row, *sure, *([] if soft is None else [alive(soft)])])


def _sure(name: str) -> sql.Composed:
    """Whether a staged value is one, or the row `t` has none there."""
    return sql.SQL("(s.{} IS NOT NULL OR t.{} IS NULL)").format(sql.Identifier(name), sql.Identifier(name))


def _set(write: TableWrite, name: str, value: sql.Composed) -> sql.Composed:
    """A column's new value; what comes without a version is at least as new as the row."""
    column = sql.Identifier(name)
    if name != write.version:
        return sql.SQL("{} = {}").format(column, value)
    return sql.SQL("{} = coalesce({}, t.{})").format(column, value, column)


def _value(write: TableWrite, column: StagedColumn) -> sql.Composed:
    """What goes into the table of a column; the place of a snapshot's read is no version."""
    return version(write) if column.name == write.version else written(column)
