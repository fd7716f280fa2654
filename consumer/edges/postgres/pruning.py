"""What need not be kept any longer, deleted a part at a time."""

import psycopg

from consumer.edges.postgres import changes, jobs, ledger, letters, moved, tallies, workflows
from consumer.edges.postgres.translate import translated
from consumer.ports.target import Retention

# deleted at a time, so that it ends within its timeout and the batches behind it do not wait; letters have bytes
_BATCHES = 50_000
_LETTERS = 2_000
_MOVED = 2_000
_ITEMS = 10_000
_CHANGES = 2_000
_KEYS = 10_000


def prune(connection: psycopg.Connection, group: str, keep: Retention) -> bool:
    """Delete a bounded part of it; returns whether there may be more."""
    with translated("prune ledger"):
        batches = ledger.prune(connection, group, keep.ledger, _BATCHES)
    with translated("prune letters"):
        closed = letters.prune(connection, group, keep.closed_letters, _LETTERS)
        tallies.sum_up(connection, group, keep.closed_letters)
    with translated("prune kept columns"):
        kept = moved.prune(connection, keep.moved, _MOVED)
    with translated("prune jobs"):
        items = jobs.prune(connection, group, keep.closed_letters, _ITEMS)
    with translated("prune schema changes"):
        changed = changes.prune(connection, group, keep.changes, _CHANGES)
    with translated("prune workflows"):
        keys = workflows.prune(connection, group, keep.workflows, _KEYS)
    full = (
        (batches, _BATCHES),
        (closed, _LETTERS),
        (kept, _MOVED),
        (items, _ITEMS),
        (changed, _CHANGES),
        (keys, _KEYS),
    )
    return any(count == most for count, most in full)
