"""Updates with doubtful nulls that met no row which takes them: what stands against each, asked of the table."""

from collections.abc import Sequence

import psycopg

from consumer.core.failure import Failure, blaming, failed
from consumer.core.kinds import KINDS
from consumer.core.writes import TableWrite
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.statements import bases
from consumer.edges.postgres.translate import translated


def judged(connection: psycopg.Connection, staged: Staged, places: Sequence[int]) -> dict[int, Failure]:
    """Why staged rows were not applied, by place. Raises as a write does."""
    if not places:
        return {}
    write = staged.write
    with translated("look for rows", write.table):
        found = connection.execute(bases(staged, places)).fetchall()
    names = sorted(write.doubted)
    return {
        place: _failure(write, rows, [name for name, refutes in zip(names, refuted, strict=True) if refutes])
        for place, rows, *refuted in found
    }


def _failure(write: TableWrite, rows: int, refuted: Sequence[str]) -> Failure:
    if not rows:
        detail = f"an update without unchanged TOASTed columns met no row in {write.table}"
        return failed(KINDS["record.missing_base"], "postgres", "update", detail)
    if rows > 1:
        detail = f"an update without all columns is for one row, and met several in {write.table}"
        return failed(KINDS["record.many_bases"], "postgres", "update", detail)
    # others may have changed the row since
    refuted = refuted or sorted(write.doubted)
    detail = f"{', '.join(refuted)}: expected a value or a placeholder, found null for a row that has a value there"
    return blaming(failed(KINDS["record.nulled"], "postgres", "update", detail), f"after.{refuted[0]}")
