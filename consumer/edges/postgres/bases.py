"""Rows with doubtful nulls that met no row which takes them: what stands against each, asked of the table."""

from collections.abc import Sequence, Set

import psycopg

from consumer.core.failure import Failure, blaming, failed
from consumer.core.kinds import KINDS
from consumer.core.writes import Action, TableWrite
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.statements import bases, withheld
from consumer.edges.postgres.translate import translated


def refused(connection: psycopg.Connection, staged: Staged) -> dict[int, Failure]:
    """Why staged rows with all columns were not written, by place. Raises as a write does."""
    with translated("look for rows", staged.write.table):
        places = [place for (place,) in connection.execute(withheld(staged))]
    return judged(connection, staged, places)


def judged(connection: psycopg.Connection, staged: Staged, places: Sequence[int]) -> dict[int, Failure]:
    """Why staged rows were not applied, by place. Raises as a write does."""
    if not places:
        return {}
    write = staged.write
    with translated("look for rows", write.table):
        found = connection.execute(bases(staged, places)).fetchall()
    names = sorted(write.doubted)
    return {
        place: _failure(
            write,
            rows,
            nulls={name for name, null in zip(names, flags[::2], strict=True) if null},
            refuted=[name for name, there in zip(names, flags[1::2], strict=True) if there],
        )
        for place, rows, *flags in found
    }


def _failure(write: TableWrite, rows: int, nulls: Set[str], refuted: Sequence[str]) -> Failure:
    """`nulls`: the columns in which it has doubtful ones; `refuted`: those of them in which its row has a value."""
    if not rows:
        detail = f"an update without unchanged TOASTed columns met no row in {write.table}"
        return failed(KINDS["record.missing_base"], "postgres", "update", detail)
    # a whole row takes the place of them all
    if rows > 1 and write.action is Action.UPDATE:
        detail = f"an update without all columns is for one row, and met several in {write.table}"
        return failed(KINDS["record.many_bases"], "postgres", "update", detail)
    if not refuted and nulls & write.never_null:
        name = min(nulls & write.never_null)
        detail = f"after.{name}: expected not_null = true, found null for a row that has no value there either"
        return blaming(failed(KINDS["record.checks"], "postgres", "update", detail), f"after.{name}")
    # others may have changed the row since
    names = refuted or sorted(nulls or write.doubted)
    detail = f"{', '.join(names)}: expected a value or a placeholder, found null for a row that has a value there"
    return blaming(failed(KINDS["record.nulled"], "postgres", "update", detail), f"after.{names[0]}")
