"""The statements that move staged rows into their table. Identifiers are composed, never formatted."""

from collections.abc import Sequence
from dataclasses import replace

from psycopg import sql

from consumer.core.modes import DELETED_AT
from consumer.core.moves import TOKEN
from consumer.core.writes import Action, StagedColumn, TableWrite
from consumer.edges.postgres.guards import alive, deleted, kept_out, late, newer, not_newer, version
from consumer.edges.postgres.refuting import refuting, refuting_kept, unrefuted
from consumer.edges.postgres.staged_rows import rows_with_places, same_row, table_name, written
from consumer.edges.postgres.staging import Staged

_KEPT = "#columns"


def delete(staged: Staged) -> sql.Composed:
    """Delete the rows whose identity is staged, or mark them as deleted, but for those that their version guards.

    A row that has moved to another spelling of its key stays: that delete only comes late.
    """
    write = staged.write
    spelled = [_spelled_alike(write)] if write.moved and write.spelled else []
    if write.soft is not None:
        at = sql.SQL("coalesce(s.{}, now())").format(sql.Identifier(DELETED_AT)) if write.soft.timed else None
        settings = [sql.SQL("{} = {}").format(sql.Identifier(write.soft.column), deleted(write.soft, at))]
        if write.version is not None:
            settings.append(_set(write, write.version, version(write)))
        return sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE {}").format(
            table_name(write.table),
            sql.SQL(", ").join(settings),
            staged.staging,
            sql.SQL(" AND ").join([not_newer(staged), alive(write.soft), *spelled]),
        )
    row = sql.SQL(" AND ").join([not_newer(staged), *spelled, *([_untold(staged)] if write.partial else [])])
    return sql.SQL("DELETE FROM {} AS t USING {} AS s WHERE {}").format(table_name(write.table), staged.staging, row)


def insert(staged: Staged, behind: sql.SQL | None = None) -> sql.Composed:
    """Insert the staged rows, with what was kept for them; fails on an existing one. `behind`: awaited first."""
    write = staged.write
    values = {column.name: _value(write, column) for column in write.columns if column.name != TOKEN}
    if write.soft is not None:
        values[write.soft.column] = sql.SQL("NULL" if write.soft.timed else "FALSE").format()
    if write.action is Action.TAKE:
        values |= {name: _taken(write.kept_as[name], kind) for name, kind in write.moving.items()}
        values |= dict.fromkeys(write.doubted, sql.SQL("NULL").format())
    conditions = [] if behind is None else [behind.format()]
    conditions += [] if staged.floor is None else [sql.SQL("({}) IS NOT TRUE").format(late(staged))]
    if write.action is Action.REPLACE and write.partial:
        conditions.append(_untold(staged))
    return sql.SQL("INSERT INTO {} AS t ({}){} SELECT {} FROM {} AS s{}").format(
        table_name(write.table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(" OVERRIDING SYSTEM VALUE" if write.overriding else ""),
        sql.SQL(", ").join(values.values()),
        staged.staging,
        sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(conditions)) if conditions else sql.SQL(""),
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
    # what is not inserted has its default there, or what a trigger gives it
    rest += [column.name for column in write.renewed if not column.always]
    settings = [_set(write, name, sql.SQL("excluded.{}").format(sql.Identifier(name))) for name in rest]
    settings += [sql.SQL("{} = DEFAULT").format(sql.Identifier(one.name)) for one in write.renewed if one.always]
    if not settings:
        return sql.SQL("{} ON CONFLICT ({}) DO NOTHING").format(insert(staged), identity)
    statement = sql.SQL("{} ON CONFLICT ({}) DO UPDATE SET {}").format(
        insert(staged), identity, sql.SQL(", ").join(settings)
    )
    against = []
    if write.version is not None:
        against.append(newer(write.version, sql.SQL("excluded.{}").format(sql.Identifier(write.version))))
    if write.partial:
        against.append(refuting(write, "excluded"))
    if not against:
        return statement
    return sql.SQL("{} WHERE ({}) IS NOT TRUE").format(statement, sql.SQL(" OR ").join(against))


def respell(staged: Staged) -> sql.Composed:
    """Spell keys as they are staged, in the rows that an upsert of these is about to change.

    For itself: a statement that may set a key keeps others from referring to any of its rows.
    """
    write = staged.write
    return sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND NOT ({})").format(
        table_name(write.table),
        sql.SQL(", ").join(_set(write, column.name, written(column)) for column in write.spelled),
        staged.staging,
        open_to(staged),
        _spelled_alike(write),
    )


def keep(staged: Staged) -> sql.Composed:
    """Keep some columns of the rows whose identity is staged, as texts, under the token of each.

    Of several rows with one key nothing is kept: it is not known which one is meant. Answers for how many rows, and how
    many bytes that is.
    """
    write = staged.write
    names = sql.SQL(", ").join(sql.Literal(write.kept_as[name]) for name in write.moving)
    values = sql.SQL(", ").join(sql.SQL("CAST(t.{} AS text)").format(sql.Identifier(name)) for name in write.moving)
    return sql.SQL(
        "WITH old AS MATERIALIZED (SELECT s.{} AS token, "
        "jsonb_object(ARRAY[{}]::text[], ARRAY[{}]::text[]) AS columns, {} AS rows FROM {} AS t, {} AS s WHERE {}), "
        "kept AS (INSERT INTO headrace.moved (table_name, token, columns, bytes) "
        "SELECT {}, token, columns, pg_column_size(columns) FROM old WHERE rows = 1 "
        "ON CONFLICT (table_name, token) DO NOTHING RETURNING bytes) "
        "SELECT count(*), coalesce(sum(bytes), 0) FROM kept"
    ).format(
        sql.Identifier(TOKEN),
        names,
        values,
        sql.SQL("1" if write.unique else "count(*) OVER (PARTITION BY s.{})").format(sql.Identifier(TOKEN)),
        table_name(write.table),
        staged.staging,
        same_row(staged),
        sql.Literal(str(write.table)),
    )


def take(staged: Staged) -> sql.Composed:
    """Upsert the staged rows with the columns that were kept for them, and note that these were taken.

    Rows without an index are replaced. Answers as `update` does: for how many of them there was something.
    """
    write = staged.write
    pairs = sql.SQL("SELECT s.*, m.columns AS {} FROM {} AS s JOIN headrace.moved AS m ON {}").format(
        sql.Identifier(_KEPT), staged.staging, _kept_for(write)
    )
    return sql.SQL(
        "WITH pairs AS ({pairs}), {written}, "
        "noted AS (UPDATE headrace.moved AS m SET taken = true FROM pairs AS s WHERE {kept_for} AND NOT m.taken) "
        "SELECT {counts}"
    ).format(pairs=pairs, kept_for=_kept_for(write), **_taking(replace(staged, staging=sql.Identifier("pairs"))))


def _taking(pairs: Staged) -> dict[str, sql.Composed]:
    """How rows with what was kept for them are written, and counted."""
    if pairs.write.unique:
        counts = sql.SQL("count(*), count(*) FROM pairs").format()
        return {"written": sql.SQL("upserted AS ({})").format(upsert(pairs)), "counts": counts}
    # nothing would keep out a key that is another one's to the table: each is to be found as it was written
    counts = sql.SQL("count(*), count(DISTINCT s.{}) FROM t, pairs AS s WHERE {}").format(
        sql.Identifier(TOKEN), same_row(pairs)
    )
    identity = sql.SQL(", ").join(map(sql.Identifier, pairs.write.identity))
    # of one statement's parts those come first that others need, and the old row must not be met by a unique index
    written = sql.SQL("gone AS ({} RETURNING 1), t AS ({} RETURNING {})").format(
        delete(pairs), insert(pairs, sql.SQL("(SELECT count(*) FROM gone) >= 0")), identity
    )
    return {"written": written, "counts": counts}


def _kept_for(write: TableWrite) -> sql.Composed:
    kept = sql.SQL("m.table_name = {} AND m.token = s.{} AND m.columns ?& ARRAY[{}]::text[]").format(
        sql.Literal(str(write.table)),
        sql.Identifier(TOKEN),
        sql.SQL(", ").join(map(sql.Literal, write.kept_as.values())),
    )
    return sql.SQL(" AND ").join([kept, *refuting_kept(write)])


def _taken(name: str, kind: str) -> sql.Composed:
    # the name of the type is the catalog's own format_type
    return sql.SQL("CAST(s.{} ->> {} AS {})").format(sql.Identifier(_KEPT), sql.Literal(name), sql.SQL(kind))


def update(staged: Staged) -> sql.Composed:
    """Set the staged columns of existing rows; columns that are not staged stay.

    Answers how many rows of the table were met, and how many staged rows met any; those that are kept out by a version
    are met too.
    """
    return sql.SQL("{} SELECT count(*), count(DISTINCT ctid) FROM met").format(_with_met(staged))


def update_telling(staged: Staged) -> sql.Composed:
    """The same. Answers the places of staged rows that met none too, where there are any."""
    return sql.SQL(
        "{} SELECT count(*), count(DISTINCT ctid), CASE WHEN count(DISTINCT ctid) < {} THEN "
        "(SELECT array_agg(p.place ORDER BY p.place) FROM {} AS p WHERE p.at NOT IN (SELECT ctid FROM met)) END "
        "FROM met"
    ).format(_with_met(staged), sql.Literal(staged.write.rows), rows_with_places(staged))


def open_to(staged: Staged) -> sql.Composed:
    """Whether the row `t` is one that the staged row changes where it is there: by an update, or an upsert."""
    write = staged.write
    if write.action is Action.UPDATE:
        return _living(staged, not_newer(staged))
    if not write.partial:
        return not_newer(staged)
    return sql.SQL("{} AND ({}) IS NOT TRUE").format(not_newer(staged), refuting(write))


def _with_met(staged: Staged) -> sql.Composed:
    """An update whose `met` are the staged rows that met one."""
    if staged.write.version is None:
        return sql.SQL("WITH met AS ({})").format(_met(staged))
    return sql.SQL("WITH changed AS ({}), met AS (SELECT ctid FROM changed UNION ALL {})").format(
        _met(staged), kept_out(staged)
    )


def bases(staged: Staged, places: Sequence[int]) -> sql.Composed:
    """For staged rows: their place, how many rows of the table are theirs, and for each doubted column, by its name,
    whether the staged row has none there, and whether one of these has a value then.
    """
    write = staged.write
    refuted = [
        sql.SQL(", bool_or(s.{column} IS NULL), coalesce(bool_or(NOT {sure}), false)").format(
            column=sql.Identifier(name), sure=unrefuted(write, name)
        )
        for name in sorted(write.doubted)
    ]
    return sql.SQL(
        "SELECT p.place, count(t.{key}){refuted} FROM {places} AS p JOIN {staging} AS s ON s.ctid = p.at "
        "LEFT JOIN {table} AS t ON {same} WHERE p.place = ANY (CAST({wanted} AS bigint[])) GROUP BY p.place"
    ).format(
        key=sql.Identifier(write.identity[0]),
        refuted=sql.SQL("").join(refuted),
        places=rows_with_places(staged),
        staging=staged.staging,
        table=table_name(write.table),
        same=_alive_too(staged, same_row(staged)),
        wanted=sql.Literal(list(places)),
    )


def withheld(staged: Staged) -> sql.Composed:
    """The places of staged rows that were not written, since their row has a long value where they have null.

    Asked behind the write, of rows with all columns.
    """
    rows = sql.SQL("SELECT s.ctid FROM {} AS t, {} AS s WHERE {} AND {}").format(
        table_name(staged.write.table), staged.staging, not_newer(staged), refuting(staged.write)
    )
    return sql.SQL("SELECT p.place FROM {} AS p WHERE p.at IN ({}) ORDER BY 1").format(rows_with_places(staged), rows)


def _spelled_alike(write: TableWrite) -> sql.Composed:
    """Whether the key of the row `t` is spelled as the staged one, whatever the table takes for one."""
    return sql.SQL(" AND ").join(
        sql.SQL('CAST(t.{} AS text) COLLATE "C" = CAST({} AS text)').format(sql.Identifier(one.name), written(one))
        for one in write.spelled
    )


def _untold(staged: Staged) -> sql.Composed:
    """Whether no row of the table refutes a null of a staged one, where several rows may have one key."""
    return sql.SQL("s.ctid NOT IN (SELECT s.ctid FROM {} AS t, {} AS s WHERE {} AND {})").format(
        table_name(staged.write.table), staged.staging, same_row(staged), refuting(staged.write)
    )


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
    """A row that is marked as deleted is not there for updates, nor one that has a value where a null is doubted.

    Where several rows may have one key, none of them is there if one has such a value.
    """
    write = staged.write
    sure = [_sure(write, name) for name in sorted(write.doubted)]
    if sure and not write.unique:
        refuted = sql.SQL("s.ctid NOT IN (SELECT s.ctid FROM {} AS t, {} AS s WHERE {} AND NOT ({}))").format(
            table_name(write.table), staged.staging, _alive_too(staged, same_row(staged)), sql.SQL(" AND ").join(sure)
        )
        sure = [refuted]
    return _alive_too(staged, sql.SQL(" AND ").join([row, *sure]))


def _alive_too(staged: Staged, row: sql.Composed) -> sql.Composed:
    soft = staged.write.soft
    return row if soft is None else sql.SQL("{} AND {}").format(row, alive(soft))


def _sure(write: TableWrite, name: str) -> sql.Composed:
    """Whether a staged value may be written into the row `t`."""
    if name in write.never_null:
        return sql.SQL("s.{} IS NOT NULL").format(sql.Identifier(name))
    return unrefuted(write, name)


def _set(write: TableWrite, name: str, value: sql.Composed) -> sql.Composed:
    """A column's new value; what comes without a version is at least as new as the row."""
    column = sql.Identifier(name)
    if name != write.version:
        return sql.SQL("{} = {}").format(column, value)
    return sql.SQL("{} = coalesce({}, t.{})").format(column, value, column)


def _value(write: TableWrite, column: StagedColumn) -> sql.Composed:
    """What goes into the table of a column; the place of a snapshot's read is no version."""
    return version(write) if column.name == write.version else written(column)
