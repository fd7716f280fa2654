"""Rows that a write leaves alone, in SQL: newer ones than what is staged, by their version, and those that are marked
as deleted; and staged rows that are older than a truncate.
"""

from psycopg import sql

from consumer.core.modes import SoftDelete
from consumer.core.position import FIRST_READ
from consumer.core.writes import TableWrite
from consumer.edges.postgres.staged_rows import rows_with_places, same_row, table_name
from consumer.edges.postgres.staging import Staged


def alive(soft: SoftDelete) -> sql.Composed:
    """Whether the row `t` is not marked as deleted."""
    return sql.SQL("t.{} IS NULL" if soft.timed else "t.{} IS NOT TRUE").format(sql.Identifier(soft.column))


def deleted(soft: SoftDelete, at: sql.Composed | None = None) -> sql.Composed:
    """The mark of a row that was deleted then, or now."""
    if not soft.timed:
        return sql.SQL("TRUE").format()
    # the name of the type is the catalog's own format_type
    return sql.SQL("CAST({} AS {})").format(at or sql.SQL("now()"), sql.SQL(soft.cast))


def version(write: TableWrite) -> sql.Composed:
    """The version that a staged row has, if it has one."""
    assert write.version is not None
    column = sql.SQL("s.{}").format(sql.Identifier(write.version))
    return sql.SQL("CASE WHEN {} >= 0 THEN {} END").format(column, column) if write.floored else column


def newer(version: str, change: sql.Composed) -> sql.Composed:
    """Whether the row's version says that it is newer; of what has none nothing is said."""
    return sql.SQL("t.{} > {}").format(sql.Identifier(version), change)


def not_newer(staged: Staged) -> sql.Composed:
    """The row of the staged identity, unless its version guards it."""
    if staged.write.version is None:
        return same_row(staged)
    kept = sql.SQL("{} AND ({}) IS NOT TRUE").format(same_row(staged), _guarded(staged))
    return kept if staged.floor is None else sql.SQL("{} AND ({}) IS NOT TRUE").format(kept, late(staged))


def late(staged: Staged) -> sql.Composed:
    """Whether the staged row is older than a truncate; of what has no place in the source's log nothing is said."""
    assert staged.write.version is not None
    return sql.SQL("CASE WHEN s.{v} < 0 THEN s.{v} - {first} ELSE s.{v} END < {floor}").format(
        v=sql.Identifier(staged.write.version), first=sql.Literal(FIRST_READ), floor=sql.Literal(staged.floor)
    )


def _guarded(staged: Staged) -> sql.Composed:
    assert staged.write.version is not None
    return newer(staged.write.version, version(staged.write))


def kept_out(staged: Staged) -> sql.Composed:
    """The staged rows whose row in the table is newer, by its version, and those that are older than a truncate.

    Only for writes that have a version.
    """
    assert staged.write.version is not None
    guarded = sql.SQL("SELECT s.ctid FROM {} AS t, {} AS s WHERE {} AND {}").format(
        table_name(staged.write.table),
        staged.staging,
        same_row(staged),
        _guarded(staged),
    )
    if staged.floor is None:
        return guarded
    older = late(staged)
    return sql.SQL("{} AND ({}) IS NOT TRUE UNION ALL SELECT s.ctid FROM {} AS s WHERE {}").format(
        guarded, older, staged.staging, older
    )


def places_kept_out(staged: Staged) -> sql.Composed:
    """The places of these rows among the staged ones, counted from 0."""
    return sql.SQL("SELECT p.place FROM {} AS p WHERE p.at IN ({})").format(rows_with_places(staged), kept_out(staged))
