"""What need not be kept any longer, deleted a part at a time."""

from collections.abc import Callable

import psycopg

from consumer.core.failure import Failure, HeadraceError
from consumer.edges.postgres import changes, jobs, ledger, letters, moved, tallies, unapplied, workflows
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import ConnectionLost
from consumer.ports.target import Pruned, Retention

# deleted at a time, so that it ends within its timeout and the batches behind it do not wait
_BATCHES = 50_000
_LETTERS = 2_000
_MOVED = 2_000
_PASSED = 2_000
_ITEMS = 10_000
_CHANGES = 2_000
_KEYS = 10_000


def prune(connection: psycopg.Connection, group: str, keep: Retention) -> Pruned:
    """Delete a bounded part of it; whatever fails of one kind keeps no other. Raises ConnectionLost."""
    closed = keep.closed_letters
    kinds: dict[str, Callable[[], bool]] = {
        "ledger": lambda: ledger.prune(connection, group, keep.ledger, _BATCHES) == _BATCHES,
        "letters": lambda: letters.prune(connection, group, closed, _LETTERS),
        "what was passed": lambda: unapplied.prune(connection, group, closed, _PASSED) == _PASSED,
        "tallies": lambda: _summed_up(connection, group, closed),
        "kept columns": lambda: moved.prune(connection, keep.moved, _MOVED) == _MOVED,
        "jobs": lambda: jobs.prune(connection, group, closed, _ITEMS) == _ITEMS,
        "schema changes": lambda: changes.prune(connection, group, keep.changes, _CHANGES) == _CHANGES,
        "workflows": lambda: workflows.prune(connection, group, keep.workflows, _KEYS) == _KEYS,
    }
    more = False
    failures: list[Failure] = []
    for kind, delete in kinds.items():
        try:
            with translated(f"prune {kind}"):
                more |= delete()
        except ConnectionLost:
            raise
        except HeadraceError as error:
            failures.append(error.failure)
    return Pruned(more=more, failures=tuple(failures))


def _summed_up(connection: psycopg.Connection, group: str, hours: float) -> bool:
    tallies.sum_up(connection, group, hours)
    return False
