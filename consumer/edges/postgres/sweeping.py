"""Rows that only the target has, deleted: those of which it was found at a common position, if nobody wrote them since.

They go in the transaction that writes how far it is, so that a crash leaves neither half.
"""

import psycopg

from consumer.core.workflow import Outcome, Task, Turn
from consumer.edges.postgres.differing import PostgresKeys
from consumer.edges.postgres.reconcile import PostgresComparison
from consumer.ports.reconcile import NotComparable

AT_ONCE = 500
"""Most rows of a transaction."""
# of a turn: a row may be slow to delete, where whoever refers to it is searched without an index
_SECONDS = 5.0


def swept(comparison: PostgresComparison, connection: psycopg.Connection, task: Task) -> Turn:
    """Delete the next ones that the step of the subject's `found_by` found. Raises HeadraceError."""
    found_by = int(task.subject["found_by"])
    keys = PostgresKeys(connection, task.workflow, task.step)
    rows = keys.extra(found_by, AT_ONCE)
    done = {"deleted": 0, "written_since": 0, **task.progress}
    if not rows:
        return Turn(progress=done, outcome=Outcome.DONE)
    try:
        deleted, looked = comparison.sweep(connection, str(task.subject["table"]), rows, _SECONDS)
    except NotComparable as why:
        return Turn(progress=done, outcome=Outcome.STOPS, why=str(why))
    keys.sweep(found_by, looked)
    done["deleted"] += deleted
    done["written_since"] += len(looked) - deleted
    return Turn(progress=done)
