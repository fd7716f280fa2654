"""Workflows begun: by people, and by the rule that has tables compared again and again."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.decision import Undecidable
from consumer.core.flags import Flag
from consumer.core.plans import RECONCILE, Known, planned
from consumer.edges.postgres import audit, flags
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note

MOST = 10
"""Most workflows of a group that have not come to their end."""
BY_RULE = Note("reconcile.every_hours", "the last comparison is so long ago")
"""Who begins what no person has, and why."""

_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('headrace.workflows.' || %s, 0))"
_OPEN = "SELECT count(*) FROM headrace.workflows WHERE group_name = %s AND state NOT IN ('cancelled', 'done')"
_TOPICS = "SELECT table_name, topic FROM headrace.target_tables WHERE group_name = %s ORDER BY 1"
_PARTITIONS = """
SELECT topic, array_agg(partition ORDER BY partition) FROM headrace.positions WHERE group_name = %s GROUP BY 1
"""
_BATCH = """
SELECT ranges, outcomes ? 'returned' FROM headrace.batches
WHERE group_name = %s AND id = %s::bigint AND state = 'applied'
"""
_CREATE = """
INSERT INTO headrace.workflows (group_name, kind, subject, created_by, reason) VALUES (%s, %s, %s, %s, %s) RETURNING id
"""
_STEP = "INSERT INTO headrace.workflow_steps (workflow_id, number, act, subject) VALUES (%s, %s, %s, %s)"
# one that is open is waited for, whoever began it
_LATELY = """
SELECT EXISTS (
    SELECT FROM headrace.workflows WHERE group_name = %(group)s AND kind = 'reconcile' AND (
        state NOT IN ('cancelled', 'done') OR created_at > clock_timestamp() - make_interval(secs => %(seconds)s)
    )
) OR NOT EXISTS (SELECT FROM headrace.target_tables WHERE group_name = %(group)s)
"""


def known(session: psycopg.Connection, group: str, subject: Mapping[str, Any]) -> Known:
    """What the group has, as far as it matters to what is to be done. Raises Undecidable for a batch of copies."""
    with translated("read what the group has"):
        tables: dict[str, str] = dict(session.execute(_TOPICS, (group,)).fetchall())
        partitions: dict[str, list[int]] = dict(session.execute(_PARTITIONS, (group,)).fetchall())
        batch = session.execute(_BATCH, (group, _number(subject.get("batch")))).fetchone()
    if batch is not None and batch[1]:
        raise Undecidable(f"batch {subject['batch']} has brought letters further, whose records lie elsewhere")
    ranges = None if batch is None else [(str(topic), int(p), int(f), int(e)) for topic, p, f, e, *_ in batch[0]]
    return Known(tables=tables, partitions=partitions, batch=ranges)


def begin(session: psycopg.Connection, group: str, kind: str, subject: Mapping[str, Any], note: Note) -> int:
    """Have something done; returns the workflow's number. Raises Undecidable."""
    with transaction(session, "start workflow"):
        return _begun(session, group, kind, subject, note)


def compare_again(session: psycopg.Connection, group: str, hours: float) -> int | None:
    """Have all tables compared, if that was begun by nobody for so long; returns the workflow's number.

    Of several processes that ask at once one begins it.
    """
    with transaction(session, "begin by rule"):
        session.execute(_ALONE, (group,))
        if session.execute(_LATELY, {"group": group, "seconds": hours * 3600}).fetchone() == (True,):
            return None
        try:
            return _begun(session, group, RECONCILE, {"tables": []}, BY_RULE)
        except Undecidable:
            # switched off, or too many are open: later
            return None


def _begun(session: psycopg.Connection, group: str, kind: str, subject: Mapping[str, Any], note: Note) -> int:
    """Within the transaction that is open, one after the other in a group."""
    session.execute(_ALONE, (group,))
    steps = planned(kind, subject, known(session, group, subject))
    if any(step.act == RECONCILE for step in steps):
        flags.require_on(session, group, Flag.RECONCILIATION)
    ((open_ones,),) = session.execute(_OPEN, (group,)).fetchall()
    if open_ones >= MOST:
        raise Undecidable(f"{open_ones} workflows have not come to their end; cancel some first")
    made = (group, kind, Jsonb(dict(subject)), note.actor, note.reason)
    ((number,),) = session.execute(_CREATE, made).fetchall()
    rows = [(number, place, each.act, Jsonb(dict(each.subject))) for place, each in enumerate(steps, 1)]
    session.cursor().executemany(_STEP, rows)
    audit.write(session, group, f"start {kind}", {"workflow": number, **subject}, note)
    return int(number)


def _number(given: object) -> int | None:
    """A number that a batch may have."""
    return given if isinstance(given, int) and 0 < given < 1 << 63 else None
