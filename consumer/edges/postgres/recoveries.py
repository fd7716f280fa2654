"""Implements `consumer.ports.recovering.Recoveries`, on a session of a person's command."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from consumer.core.decision import Undecidable
from consumer.core.plans import Planned, planned
from consumer.core.reconcile import DIFFERENCES
from consumer.core.steering import Steer, offered
from consumer.core.wording import HIDDEN
from consumer.core.workflow import ACTIVE, WAITING_FOR_A_PERSON, State
from consumer.edges.postgres import audit, starting
from consumer.edges.postgres.idle import IdleSessions
from consumer.edges.postgres.person import PersonSession
from consumer.edges.postgres.session import SessionSettings, transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from consumer.ports.recovering import (
    BatchRow,
    DifferingKey,
    Hides,
    Step,
    Workflow,
    WorkflowSummary,
    told_progress,
)

_TABLES = "SELECT table_name FROM headrace.target_tables WHERE group_name = %s ORDER BY 1"
_READ = """
SELECT id, kind, subject, state, why, created_by, reason, created_at, started_at, ended_at
FROM headrace.workflows WHERE group_name = %s AND id = %s
"""
# differences are those of each table's last comparison
_LISTED = """
SELECT w.id, w.kind, w.subject - 'tables' AS subject, w.state, w.why, w.created_by, w.reason, w.created_at,
    w.started_at, w.ended_at, s.only AS table, s.steps, s.done, s.rows, (
        SELECT count(*) FROM (
            SELECT DISTINCT ON (subject ->> 'table') number FROM headrace.workflow_steps
            WHERE workflow_id = w.id AND act = 'reconcile' ORDER BY subject ->> 'table', number DESC
        ) l JOIN headrace.differing_keys k ON k.workflow_id = w.id AND k.step = l.number
        WHERE k.verdict = ANY (%(differences)s)
    ) AS differences
FROM (
    SELECT * FROM headrace.workflows
    WHERE group_name = %(group)s AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    ORDER BY id DESC LIMIT %(most)s
) w
CROSS JOIN LATERAL (
    SELECT count(*) AS steps, count(*) FILTER (WHERE state = 'done') AS done,
        coalesce(sum((progress ->> 'rows')::bigint), 0)::bigint AS rows,
        CASE WHEN count(*) = 1 THEN min(subject ->> 'table') END AS only
    FROM headrace.workflow_steps WHERE workflow_id = w.id
) s
ORDER BY w.id DESC
"""
_STEPS = """
SELECT s.number, s.act, s.subject, s.state, s.progress, s.started_at, s.ended_at, (
    SELECT coalesce(jsonb_object_agg(k.verdict, k.keys), '{}') FROM (
        SELECT verdict, count(*) AS keys FROM headrace.differing_keys
        WHERE workflow_id = s.workflow_id AND step = s.number GROUP BY 1
    ) k
) AS counts
FROM headrace.workflow_steps s WHERE s.workflow_id = %s ORDER BY s.number
"""
_LOCK = "SELECT state FROM headrace.workflows WHERE group_name = %s AND id = %s FOR UPDATE"
_DECIDE = """
UPDATE headrace.workflows SET state = %(state)s, why = %(why)s, due_at = clock_timestamp(),
    ended_at = CASE WHEN %(state)s = 'cancelled' THEN clock_timestamp() END
WHERE id = %(workflow)s
"""
_KEYS = """
SELECT k.step, s.subject ->> 'table' AS table, k.key, k.verdict, k.columns, k.found_at,
    s.progress -> 'key' AS names
FROM headrace.differing_keys k
JOIN headrace.workflows w ON w.id = k.workflow_id AND w.group_name = %(group)s
JOIN headrace.workflow_steps s ON s.workflow_id = k.workflow_id AND s.number = k.step
WHERE k.workflow_id = %(workflow)s AND (cardinality(%(verdicts)s::text[]) = 0 OR k.verdict = ANY (%(verdicts)s))
ORDER BY k.step, k.key LIMIT %(most)s
"""
_TO = {Steer.PAUSE: State.PAUSED, Steer.RESUME: State.RUNNING, Steer.CANCEL: State.CANCELLED}
_ROWS = """
SELECT r.topic, r.partition, r.first_offset, r."offset", r.table_name AS table, r.key, r.effect, r.why
FROM headrace.undo_rows r JOIN headrace.workflows w ON w.id = r.workflow_id AND w.group_name = %(group)s
WHERE r.workflow_id = %(workflow)s
ORDER BY r.why = '', r.topic, r.partition, r."offset" LIMIT %(most)s
"""
# those that a column of the table had at the source, by the table and its column
_NAMES = """
SELECT table_name, target_name, array_agg(source_name) FROM headrace.source_columns
WHERE group_name = %s AND table_name = ANY (%s) AND target_name IS NOT NULL GROUP BY 1, 2
"""


class PostgresRecoveries(PersonSession):
    """Writes what is asked for; whoever takes workflows on does it. `hides`: columns whose values are never shown."""

    def __init__(
        self,
        settings: SessionSettings,
        group: str,
        hides: Hides = lambda table, column: False,
        idle: IdleSessions | None = None,
    ) -> None:
        super().__init__(settings, group, idle)
        self._hides = hides

    def tables(self) -> list[str]:
        with translated("list tables"):
            return [row[0] for row in self._session().execute(_TABLES, (self._group,))]

    def start(self, kind: str, subject: Mapping[str, Any], note: Note) -> int:
        _check_reason(note)
        return starting.begin(self._session(), self._group, kind, subject, note)

    def planned(self, kind: str, subject: Mapping[str, Any]) -> list[Planned]:
        return planned(kind, subject, starting.known(self._session(), self._group, subject))

    def workflows(self, most: int, kind: str | None = None) -> list[WorkflowSummary]:
        wanted = {"group": self._group, "kind": kind, "most": most, "differences": list(DIFFERENCES)}
        with translated("list workflows"), self._session().cursor(row_factory=namedtuple_row) as cursor:
            found: list[Any] = cursor.execute(_LISTED, wanted).fetchall()
        return [WorkflowSummary(**each._asdict()) for each in found]

    def workflow(self, number: int) -> Workflow | None:
        with translated("read workflow"), self._session().cursor(row_factory=namedtuple_row) as cursor:
            found: Any = cursor.execute(_READ, (self._group, number)).fetchone()
            if found is None:
                return None
            rows: list[Any] = cursor.execute(_STEPS, (number,)).fetchall()
        steps = [Step(**row._asdict() | {"progress": told_progress(row.progress)}) for row in rows]
        return Workflow(**found._asdict(), steps=steps)

    def decide(self, number: int, decision: Steer, note: Note) -> bool:
        _check_reason(note)
        session = self._session()
        with transaction(session, "decide about workflow"):
            row = session.execute(_LOCK, (self._group, number)).fetchone()
            if row is None:
                return False
            if decision not in offered(active=row[0] in ACTIVE, waits=row[0] in WAITING_FOR_A_PERSON):
                raise Undecidable(f"workflow {number} is {row[0]}")
            why = "" if decision is Steer.RESUME else note.reason
            session.execute(_DECIDE, {"workflow": number, "state": _TO[decision], "why": why})
            self._note(session, f"{decision} workflow", {"workflow": number, "from": row[0]}, note)
        return True

    def keys(self, number: int, note: Note, *, verdicts: Sequence[str] = (), most: int = 100) -> list[DifferingKey]:
        session = self._session()
        wanted = {"group": self._group, "workflow": number, "verdicts": list(verdicts), "most": most}
        with transaction(session, "read differing keys"):
            with session.cursor(row_factory=namedtuple_row) as cursor:
                rows: list[Any] = cursor.execute(_KEYS, wanted).fetchall()
            if rows:
                self._note(session, "look at differing keys", {"workflow": number, "keys": len(rows)}, note)
        return [self._shown(row) for row in rows]

    def rows(self, number: int, note: Note, most: int = 100) -> list[BatchRow]:
        session = self._session()
        wanted = {"group": self._group, "workflow": number, "most": most}
        with transaction(session, "read rows of a batch"):
            with session.cursor(row_factory=namedtuple_row) as cursor:
                found: list[Any] = cursor.execute(_ROWS, wanted).fetchall()
            if found:
                self._note(session, "look at rows of a batch", {"workflow": number, "rows": len(found)}, note)
            names = session.execute(_NAMES, (self._group, list({row.table for row in found}))).fetchall()
        sources = {(table, target): theirs for table, target, theirs in names}
        return [BatchRow(**{**row._asdict(), "key": self._key(row, sources)}) for row in found]

    def _key(self, row: Any, sources: Mapping[tuple[str, str], Sequence[str]]) -> dict[str, str]:
        """A row's key without what is hidden, by the table's name of the column or by one of the source's."""
        names = {name: (name, *sources.get((row.table, name), ())) for name in row.key}
        return {
            name: HIDDEN if any(self._hides(row.table, one) for one in names[name]) else value
            for name, value in row.key.items()
        }

    def _shown(self, row: Any) -> DifferingKey:
        given = row._asdict()
        names = given.pop("names") or []
        if len(names) != len(row.key):
            # whose values they are is not known
            names = [""] * len(row.key)
        key = [HIDDEN if self._hides(row.table, name) else value for name, value in zip(names, row.key, strict=True)]
        return DifferingKey(**{**given, "key": key})

    def _note(self, session: psycopg.Connection, action: str, details: Mapping[str, Any], note: Note) -> None:
        audit.write(session, self._group, action, details, note)


def _check_reason(note: Note) -> None:
    if not note.reason.strip():
        raise Undecidable("a workflow is decided about for a reason")
