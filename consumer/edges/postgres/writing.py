"""Staged rows into their table; of a table that refused some lately only those that it takes."""

from collections.abc import Collection, Mapping, Sequence

import psycopg
from psycopg import sql

from consumer.core.failure import Failure, failed
from consumer.core.flood import filled_by
from consumer.core.kinds import DEPENDENT, KINDS, TOO_DEPENDENT, UNIQUE
from consumer.core.target import TableName
from consumer.core.writes import Action, TableWrite
from consumer.edges.postgres.bases import judged, refused
from consumer.edges.postgres.equals import remove
from consumer.edges.postgres.refusals import Refusal, RowThere, TooManyRefused, find
from consumer.edges.postgres.staging import MOST_AT_ONCE, Staged
from consumer.edges.postgres.statements import (
    delete,
    insert,
    insert_checked,
    respell,
    take,
    update,
    update_telling,
    upsert,
)
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import DataFault, TableFault

# batches for which a table that refused rows is written so that they are found
_CAUTION = 32
# fewer refused rows than this are no flood
_LEAST_FLOOD = 100
# rows of a flood that are looked at for what they are refused for
_SAMPLE = 500
_TRIED = sql.SQL("SAVEPOINT plain; {}; RELEASE SAVEPOINT plain")
# how many batches a table goes without the plain INSERT after one met an existing row
_PLAIN_REST = 32


class Writer:
    """Writes staged rows within an open transaction, and remembers how the tables took the last ones.

    `flood_percent`: most rows of a write that may be refused.
    """

    def __init__(self, flood_percent: float) -> None:
        self._flood_percent = flood_percent
        self._rest: dict[TableName, int] = {}
        self._caution: dict[TableName, int] = {}
        self._immediate: set[TableName] = set()
        self._refused = False

    @property
    def careful(self) -> Collection[TableName]:
        """The tables that refused rows lately; of what they refuse next the places are told."""
        return self._caution.keys()

    def write(self, connection: psycopg.Connection, staged: Staged) -> Mapping[int, Failure]:
        """Write the staged rows; of a table that refused some lately, or may refuse nulls, those that it takes.

        Returns the others' places.

        Raises DataFault, TableFault, Transient.
        """
        write = staged.write
        # a doubted null is refused by its row, which is no failure of the write
        if write.table in self._caution or (write.doubted and write.action is Action.TAKE):
            return self._sorted_out(connection, staged)
        with translated(write.action.value, write.table):
            return self._write(connection, staged)

    def take_care(self, writes: Collection[TableWrite], table: TableName | None) -> None:
        """Write a table that refused rows so that they are found; what was refused at the end names none.

        Where another table of the batch had refused some before, all are written so, this once: each further try would
        find one more. Where they are too many to be staged alone they are not.
        """
        careful = {write.table for write in writes if table in (None, write.table)}
        all_are = self._refused and len(writes) <= MOST_AT_ONCE
        others = {write.table for write in writes} - careful if all_are else ()
        self._caution = dict.fromkeys(others, 1) | self._caution | dict.fromkeys(careful, _CAUTION)
        self._refused = True
        if table is None:
            self._immediate |= careful

    def committed(self) -> None:
        """One more batch is through."""
        self._refused = False
        self._caution = {table: left - 1 for table, left in self._caution.items() if left > 1}
        self._immediate &= self._caution.keys()

    def _sorted_out(self, connection: psycopg.Connection, staged: Staged) -> dict[int, Failure]:
        write = staged.write
        with translated(write.action.value, write.table):
            connection.execute("SAVEPOINT sorted")
            try:
                found = self._found(connection, staged, self._most(write))
            except TooManyRefused as error:
                connection.execute("ROLLBACK TO SAVEPOINT sorted")
                found = self._all_found(connection, staged, error)
            connection.execute("RELEASE SAVEPOINT sorted")
        if found and write.table in self._caution:
            self._caution[write.table] = _CAUTION
        return _told_apart(connection, staged, found)

    def _all_found(self, connection: psycopg.Connection, staged: Staged, error: TooManyRefused) -> list[Refusal]:
        """Every row that is refused, where some may only stand in one another's way. Raises TableFault for a flood."""
        why = self._sampled(connection, staged)
        if not any(each.kind == UNIQUE for each in why):
            kind = TOO_DEPENDENT if error.dependent else "table.flood"
            raise _flood(staged.write, error.most, why, kind) from error
        # what the sample took out of the staging table is there again
        connection.execute("ROLLBACK TO SAVEPOINT sorted")
        return self._found(connection, staged, staged.write.rows)

    def _sampled(self, connection: psycopg.Connection, staged: Staged) -> Collection[Failure]:
        """Why rows are refused, of some that are chosen by chance; the others are staged no more.

        Raises as a write does.
        """
        write = staged.write
        kept = sql.Literal(_SAMPLE / max(_SAMPLE, write.rows))
        connection.execute(sql.SQL("DELETE FROM {} WHERE random() > {}").format(staged.staging, kept))
        found = find(connection, staged, write.rows, immediate=write.table in self._immediate)
        return _told_apart(connection, staged, found).values()

    def _found(self, connection: psycopg.Connection, staged: Staged, most: int) -> list[Refusal]:
        write = staged.write
        immediate = write.table in self._immediate
        if self._may_be_plain(write):
            connection.execute("SAVEPOINT plain")
            try:
                found = find(connection, staged, most, immediate=immediate, plain=True)
            except RowThere:
                self._undo_plain(connection, write)
            else:
                connection.execute("RELEASE SAVEPOINT plain")
                return found
        return find(connection, staged, most, immediate=immediate)

    def _most(self, write: TableWrite) -> int:
        """How many of its rows may be refused."""
        return max(_LEAST_FLOOD, int(write.rows * self._flood_percent / 100))

    def _write(self, connection: psycopg.Connection, staged: Staged) -> Mapping[int, Failure]:
        """Write the rows; returns the places of those that are refused by the nulls in them."""
        write = staged.write
        if write.action is Action.DELETE:
            connection.execute(delete(staged))
        elif write.partial and write.doubted:
            return self._judged(connection, staged)
        elif write.action is Action.UPDATE:
            _update(connection, staged)
        elif write.action is Action.INSERT:
            connection.execute(insert(staged))
        elif write.action is Action.REMOVE:
            _remove(connection, staged)
        elif write.action is Action.TAKE:
            _respell(connection, staged)
            _take(connection, staged)
        elif write.action is Action.REPLACE:
            _replace(connection, staged)
        elif not (self._may_be_plain(write) and self._inserted(connection, staged)):
            _respell(connection, staged)
            connection.execute(upsert(staged))
        return {}

    def _judged(self, connection: psycopg.Connection, staged: Staged) -> Mapping[int, Failure]:
        """Write the rows whose nulls are none that stand for values; returns the places of the others."""
        write = staged.write
        if write.action is Action.UPDATE:
            rows, met, unmet = connection.execute(update_telling(staged)).fetchall()[0]
            if rows > met:
                raise DataFault(_many_bases(write.table, rows - met), write.table)
            found = judged(connection, staged, unmet or ())
        elif write.action is Action.REPLACE:
            _replace(connection, staged)
            found = refused(connection, staged)
        else:
            _respell(connection, staged)
            written = connection.execute(upsert(staged)).rowcount
            found = refused(connection, staged) if written < write.rows else {}
        return found

    def require_few(self, write: TableWrite, found: Mapping[int, Failure]) -> None:
        """Raises TableFault when more of a write's rows are refused in the end than single records are."""
        if len(found) > self._most(write):
            dependent = sum(1 for why in found.values() if why.kind in DEPENDENT)
            kind = TOO_DEPENDENT if 2 * dependent >= len(found) else "table.flood"
            raise _flood(write, self._most(write), found.values(), kind)

    def _inserted(self, connection: psycopg.Connection, staged: Staged) -> bool:
        """Try a plain INSERT, which costs half of an upsert; False when a row was there already."""
        try:
            # in one journey: with many tables the journeys count
            connection.execute(_TRIED.format(insert(staged)))
        # an exclusion constraint may be looked at in front of the key
        except (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation):
            self._undo_plain(connection, staged.write)
            return False
        return True

    def _may_be_plain(self, write: TableWrite) -> bool:
        """Whether its rows are likely to be new ones."""
        if write.action is not Action.UPSERT or not write.fresh:
            return False
        resting = self._rest.get(write.table, 0)
        if resting:
            self._rest[write.table] = resting - 1
        return not resting

    def _undo_plain(self, connection: psycopg.Connection, write: TableWrite) -> None:
        connection.execute("ROLLBACK TO SAVEPOINT plain; RELEASE SAVEPOINT plain")
        self._rest[write.table] = _PLAIN_REST


def _told_apart(connection: psycopg.Connection, staged: Staged, found: Sequence[Refusal]) -> dict[int, Failure]:
    """Why rows are refused, by place: an update with doubtful nulls may have met a row that refutes these, or none."""
    told = {refusal.place: refusal.failure for refusal in found}
    if staged.write.doubted and staged.write.action is Action.UPDATE:
        missing = [place for place, why in told.items() if why.kind == "record.missing_base"]
        told |= judged(connection, staged, missing)
    elif staged.write.doubted and staged.write.partial:
        told = {**refused(connection, staged), **told}
    return told


def _update(connection: psycopg.Connection, staged: Staged) -> None:
    write = staged.write
    rows, found = _counts(connection, update(staged))
    if found < write.rows:
        raise DataFault(_missing_base(write.table, write.rows - found), write.table)
    if rows > found:
        raise DataFault(_many_bases(write.table, rows - found), write.table)


def _respell(connection: psycopg.Connection, staged: Staged) -> None:
    if staged.write.respells:
        connection.execute(respell(staged))


def _take(connection: psycopg.Connection, staged: Staged) -> None:
    write = staged.write
    rows, found = _counts(connection, take(staged))
    if found < write.rows:
        raise DataFault(_not_kept(write.table, write.rows - found), write.table)
    if rows > found:
        raise DataFault(_keys_not_kept(write), write.table)


def _remove(connection: psycopg.Connection, staged: Staged) -> None:
    write = staged.write
    found, _ = _counts(connection, remove(staged))
    if found < write.rows:
        detail = f"{write.rows - found} updates or deletes found no row of {write.table} that is equal to theirs"
        raise DataFault(failed(KINDS["record.missing_base"], "postgres", "remove", detail), write.table)


def _replace(connection: psycopg.Connection, staged: Staged) -> None:
    """Delete the rows of the staged identities and insert the staged ones, where no index would tell them apart."""
    connection.execute(delete(staged))
    inserted, pairs, found = _counts(connection, insert_checked(staged))
    if not inserted == pairs == found:
        raise DataFault(_keys_not_kept(staged.write), staged.write.table)


def _counts(connection: psycopg.Connection, query: sql.Composed) -> tuple[int, ...]:
    """The one row of numbers that a statement answers."""
    return tuple(connection.execute(query).fetchall()[0])


def _flood(write: TableWrite, most: int, why: Collection[Failure], kind: str) -> TableFault:
    detail = f"more than {most} of {write.rows} rows are refused by table {write.table}"
    if why:
        detail += f"; of {len(why)} that were looked at {filled_by(why)}"
    return TableFault(failed(KINDS[kind], "postgres", write.action.value, detail), write.table)


def _missing_base(table: TableName, rows: int) -> Failure:
    detail = f"{rows} updates without unchanged TOASTed columns met no row in {table}"
    return failed(KINDS["record.missing_base"], "postgres", "update", detail)


def _not_kept(table: TableName, rows: int) -> Failure:
    detail = f"{rows} rows of {table} have a new key and lack columns, and nothing was kept of their old rows"
    return failed(KINDS["record.moved"], "postgres", "take", detail)


def _many_bases(table: TableName, surplus: int) -> Failure:
    detail = f"{surplus} rows of {table} have the key of another, and an update without all columns is for one row"
    return failed(KINDS["record.many_bases"], "postgres", "update", detail)


def _keys_not_kept(write: TableWrite) -> Failure:
    detail = f"keys that differ at the source are one key in {write.table}, or it does not keep them as they are"
    return failed(KINDS["record.key_merged"], "postgres", write.action.value, detail)
