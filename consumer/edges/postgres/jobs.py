"""Jobs of letters, each step of one in one transaction.

Whoever takes a step has locked the job's row, so its rate is one for all workers and a person who pauses or cancels
it knows that nothing more is sent. Then letters are locked, by what acts on them, then items: a transaction that ends
letters locks in the same order.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.jobs import ACTIVE, MOST_UNDER_WAY, WINDOW, JobKind, JobState, Progress, Step, burst
from consumer.core.letters import OPEN, State
from consumer.edges.postgres import audit
from consumer.edges.postgres.open_letters import QUEUED
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.takings import JOBS, Claim
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from consumer.ports.jobs import Stepped


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Letters of a job whose turn it is, by id, and why something is done with them."""

    job: int
    letters: Sequence[int]
    reason: str


# acts on a group's letters, within the transaction that is open; returns those, also such as went along
Act = Callable[[psycopg.Connection, str, Portion], Sequence[int]]

_DUE = sql.SQL("""
SELECT id, taken FROM headrace.jobs WHERE group_name = %s AND kind = ANY (%s) AND state IN ({active})
ORDER BY stepped_at LIMIT 1 FOR UPDATE SKIP LOCKED
""").format(active=sql.SQL(", ").join(sorted(ACTIVE)))
_CLAIM = sql.SQL("""
SELECT id, kind, state, rate, canary_left, stop_ratio, created_by, reason, judged_since,
    extract(epoch FROM clock_timestamp() - paid_until)::float8 AS idle
FROM headrace.jobs WHERE id = %s AND state IN ({active}) FOR UPDATE SKIP LOCKED
""").format(active=sql.SQL(", ").join(sorted(ACTIVE)))
_PROGRESS = """
SELECT
    EXISTS (SELECT FROM headrace.job_items WHERE job_id = %(job)s AND state = 'waiting') AS waiting,
    (SELECT count(*) FROM (
        SELECT FROM headrace.job_items WHERE job_id = %(job)s AND state = 'sent' LIMIT %(under_way)s
    ) s) AS under_way,
    count(*) AS ended, count(*) FILTER (WHERE state = 'dead') AS failed
FROM (
    SELECT state FROM headrace.job_items
    WHERE job_id = %(job)s AND state IN ('applied', 'superseded', 'dead', 'discarded') AND ended_at > %(since)s
    ORDER BY ended_at DESC LIMIT %(window)s
) last
"""
# a letter has at most one item that is waiting or sent
_GOES = """coalesce((
    SELECT a.job_id = %(job)s FROM headrace.job_items a WHERE a.letter_id = l.id AND a.state IN ('waiting', 'sent')
), false)"""
_NEXT = f"""
WITH items AS MATERIALIZED (
    SELECT number, letter_id, along FROM headrace.job_items
    WHERE job_id = %(job)s AND state = 'waiting' ORDER BY number LIMIT %(most)s
), rows AS (
    SELECT DISTINCT l.group_name, l.table_name, l.digest_a, l.digest_b
    FROM items i JOIN headrace.letters l ON l.id = i.letter_id WHERE %(in_order)s AND l.digest_a IS NOT NULL
), {QUEUED.format(goes=_GOES)}
SELECT i.number, i.letter_id, i.along, l.state, l.replays, b.by AS behind
FROM items i
LEFT JOIN headrace.letters l ON l.id = i.letter_id
LEFT JOIN (SELECT q.id, q.by FROM queued q WHERE q.id IN (SELECT letter_id FROM items)) b ON b.id = i.letter_id
ORDER BY i.number
"""
_STATES = "SELECT id, state, replays, imported IS NOT NULL AS imported FROM headrace.letters WHERE id = ANY (%s)"
_MARK = """
UPDATE headrace.job_items i SET state = w.state, why = w.why,
    sent_at = CASE WHEN w.state <> 'skipped' THEN clock_timestamp() END,
    ended_at = CASE WHEN w.state <> 'sent' THEN clock_timestamp() END
FROM unnest(%(numbers)s::int[], %(states)s::text[], %(whys)s::text[]) AS w(number, state, why)
WHERE i.job_id = %(job)s AND i.number = w.number
"""
# what goes along comes to its end with what it waits for, so that nobody who cancels the job is told that it stayed
_TAKE_ALONG = """
UPDATE headrace.job_items SET state = 'discarded', why = %(why)s, sent_at = clock_timestamp(),
    ended_at = clock_timestamp()
WHERE job_id = %(job)s AND letter_id = ANY (%(letters)s) AND state = 'waiting'
"""
_MOVE = """
UPDATE headrace.jobs SET state = %(state)s, why = %(why)s, canary_left = greatest(0, canary_left - %(acted)s),
    paid_until = greatest(paid_until, clock_timestamp() - make_interval(secs => %(burst)s))
        + make_interval(secs => %(acted)s / rate),
    taken = 0, stepped_at = clock_timestamp(), started_at = coalesce(started_at, clock_timestamp()),
    ended_at = CASE WHEN %(state)s = 'done' THEN clock_timestamp() END
WHERE id = %(job)s
"""
_PRUNE = """
WITH old AS (
    SELECT id FROM headrace.jobs
    WHERE group_name = %(group)s AND state IN ('done', 'cancelled')
      AND ended_at < now() - make_interval(secs => %(secs)s)
), items AS (
    DELETE FROM headrace.job_items WHERE (job_id, number) IN (
        SELECT i.job_id, i.number FROM headrace.job_items i JOIN old ON old.id = i.job_id LIMIT %(most)s
    ) RETURNING job_id
), jobs AS (
    DELETE FROM headrace.jobs j USING old WHERE j.id = old.id
      AND NOT EXISTS (SELECT FROM headrace.job_items i WHERE i.job_id = j.id)
)
SELECT count(*) FROM items
"""


def prune(connection: psycopg.Connection, group: str, keep_hours: float, most: int) -> int:
    """Delete jobs that ended longer ago, at most so many items of theirs; returns how many items."""
    ((items,),) = connection.execute(_PRUNE, {"group": group, "secs": keep_hours * 3600, "most": most}).fetchall()
    return int(items)


def due(group: str, kinds: Collection[str]) -> Claim:
    """Claims the job of these kinds whose turn it is."""

    def claim(connection: psycopg.Connection) -> tuple[int, int] | None:
        return connection.execute(_DUE, (group, list(kinds))).fetchone()

    return claim


class PostgresJobs:
    """Implements `consumer.ports.jobs.Jobs`. `acts`: what is done with letters, by the kind of job."""

    def __init__(self, pool: TargetPool, group: str, acts: Mapping[JobKind, Act]) -> None:
        self._pool = pool
        self._group = group
        self._acts = acts

    def step(self, decide: Callable[[Progress], Step]) -> Stepped | None:
        return self._pool.ask(lambda connection: self._stepped(connection, decide))

    def _stepped(self, connection: psycopg.Connection, decide: Callable[[Progress], Step]) -> Stepped | None:
        number = JOBS.begun(connection, due(self._group, [*JobKind]))
        if number is None:
            return None
        with JOBS.taking(connection, number), transaction(connection, "take a job's step"):
            return self._taken(connection, number, decide)

    def _taken(self, connection: psycopg.Connection, number: int, decide: Callable[[Progress], Step]) -> Stepped | None:
        with connection.cursor(row_factory=namedtuple_row) as cursor:
            job: Any = cursor.execute(_CLAIM, (number,)).fetchone()
            if job is None:
                JOBS.give_up(connection, number)
                return None
            step = decide(_progress(cursor, job))
            acted, skipped = self._sent(cursor, job, step.send) if step.send else (0, 0)
            moved = {"job": job.id, "state": step.state, "why": step.why, "acted": acted, "burst": burst(job.rate)}
            cursor.execute(_MOVE, moved)
        return Stepped(
            job=job.id, kind=JobKind(job.kind), before=JobState(job.state), step=step, acted=acted, skipped=skipped
        )

    def _sent(self, cursor: psycopg.Cursor[Any], job: Any, most: int) -> tuple[int, int]:
        """Act on the next letters; returns how many, and how many were passed over."""
        kind = JobKind(job.kind)
        wanted = {"job": job.id, "most": most, "in_order": kind is JobKind.REPLAY}
        rows = cursor.execute(_NEXT.encode(), wanted).fetchall()
        fit = [row.letter_id for row in rows if row.state is not None and row.behind is None and not row.along]
        with translated("act on letters"):
            portion = Portion(job=job.id, letters=fit, reason=job.reason)
            acted = frozenset(self._acts[kind](cursor.connection, self._group, portion))
        others = [row.letter_id for row in rows if row.letter_id not in acted]
        left = {row.id: row for row in cursor.execute(_STATES, (others,))}
        marks = [_mark(kind, row, left.get(row.letter_id), acted=row.letter_id in acted) for row in rows]
        columns = {
            "numbers": [row.number for row in rows],
            "states": [state for state, _ in marks],
            "whys": [why for _, why in marks],
        }
        cursor.execute(_MARK, {"job": job.id, **columns})
        along = {"job": job.id, "letters": list(acted.difference(fit)), "why": _ALONG}
        went = cursor.execute(_TAKE_ALONG, along).rowcount
        if acted:
            # items go with their job
            said = Note(job.created_by, job.reason)
            audit.write(
                cursor.connection,
                self._group,
                f"{kind} letters",
                {"job": job.id},
                said,
                audit.About(letters=sorted(acted)),
            )
        skipped = sum(state == "skipped" for state, _ in marks)
        return len(marks) - skipped + went, skipped


_ALONG = "with the letter that it waited for"
_LEFT_ALONG = "the letter that it waited for was not given up"
_OVERTAKEN = "letters that nobody has agreed to give up wait for it by now; look again"


def _progress(cursor: psycopg.Cursor[Any], job: Any) -> Progress:
    bounds = {"job": job.id, "under_way": MOST_UNDER_WAY, "window": WINDOW, "since": job.judged_since}
    now: Any = cursor.execute(_PROGRESS, bounds).fetchone()
    return Progress(
        state=JobState(job.state),
        rate=job.rate,
        idle=job.idle,
        waiting=now.waiting,
        under_way=now.under_way,
        ended=now.ended,
        failed=now.failed,
        canary_left=job.canary_left,
        stop_ratio=job.stop_ratio,
    )


def _mark(kind: JobKind, row: Any, left: Any, *, acted: bool) -> tuple[str, str]:
    """What becomes of an item, and why."""
    if acted and kind is JobKind.REPLAY:
        return "sent", ""
    if acted:
        return "discarded", _ALONG if row.along else ""
    if row.behind is not None:
        return "skipped", f"an older change of its row waits, letter {row.behind}"
    if left is None:
        return "skipped", "the letter is not kept any more"
    if kind is JobKind.DISCARD and left.state == State.DISCARDED:
        return "discarded", _ALONG
    if kind is JobKind.DISCARD and left.state in OPEN:
        return "skipped", _LEFT_ALONG if row.along else _OVERTAKEN
    if left.state == State.DEAD and left.imported and left.replays == 0:
        return "skipped", "another consumer's, of a record that this group has not read"
    if left.state == State.DEAD:
        return "skipped", f"it was sent {left.replays} times already"
    return "skipped", f"it is {left.state} by now"
