"""Jobs that people give, look at and decide about: many letters sent again, or given up.

Workers take the steps. What a person decides is one transaction that locks the job's row, as each step does, so that
nothing more is sent once it has come back. Each of them is a row of `audit`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, namedtuple_row
from psycopg.types.json import Jsonb

from consumer.core.decision import Undecidable
from consumer.core.jobs import ACTIVE, WAITING_FOR_A_PERSON, JobKind, JobState
from consumer.core.steering import Steer, offered
from consumer.edges.postgres import audit
from consumer.edges.postgres.session import transaction
from consumer.ports.desk import Note
from dlq.preview import GOES, THESE, Fate, Rules, judged, known
from dlq.selection import Selection

MOST_JOBS = 20
"""Most jobs of a group that have not come to their end."""
MOST_ITEMS = 1_000_000
"""Most letters of a job."""
PAGE = 1_000
"""Items of a report that are read at a time."""
_SECONDS = 60

# a letter is in one job at most, so whoever makes one waits for the others
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('headrace.jobs.' || %s, 0))"
_OPEN = "SELECT count(*) FROM headrace.jobs WHERE group_name = %s AND state NOT IN ('cancelled', 'done')"
_CREATE = """
INSERT INTO headrace.jobs (
    group_name, kind, selection, items, rate, canary, canary_left, stop_ratio, created_by, reason
)
VALUES (%(group)s, %(kind)s, %(selection)s, %(items)s, %(rate)s, %(canary)s, %(canary)s, %(stop_ratio)s, %(actor)s,
    %(reason)s)
RETURNING id
"""
_FILL = sql.SQL("""
WITH {judged}, filled AS (
    INSERT INTO headrace.job_items (job_id, number, letter_id, topic, partition, "offset", along)
    SELECT %(job)s, row_number() OVER (ORDER BY along, topic, partition, "offset"), id, topic, partition, "offset",
        along
    FROM (SELECT *, fate = %(along)s AS along FROM judged WHERE fate = ANY (%(goes)s)) j LIMIT %(most)s
    RETURNING letter_id, along
)
SELECT count(*) AS letters, count(*) FILTER (WHERE along) AS along, {these} AS these FROM filled
""")
_ALONG = "UPDATE headrace.jobs SET along = %s WHERE id = %s"
_LOCK = "SELECT state FROM headrace.jobs WHERE group_name = %s AND id = %s FOR UPDATE"
_DECIDE = """
UPDATE headrace.jobs SET state = %(state)s, why = %(why)s,
    ended_at = CASE WHEN %(state)s = 'cancelled' THEN clock_timestamp() END,
    -- it goes on with a canary, and what failed before is forgiven
    canary_left = CASE WHEN %(state)s = 'canary' THEN canary ELSE canary_left END,
    judged_since = CASE WHEN %(state)s = 'canary' THEN clock_timestamp() ELSE judged_since END
WHERE id = %(job)s
"""
_CANCEL = """
UPDATE headrace.job_items SET state = 'cancelled', ended_at = clock_timestamp()
WHERE job_id = %s AND state IN ('waiting', 'unread')
"""
_READ = sql.SQL("""
SELECT id, kind, selection, items, along, rate, canary, stop_ratio, state, why, created_by, reason, created_at,
    started_at, ended_at,
    (SELECT jsonb_object_agg(c.state, c.items) FROM (
        SELECT i.state, count(*) AS items FROM headrace.job_items i WHERE i.job_id = j.id GROUP BY i.state
    ) c) AS counts,
    (SELECT count(*) FROM headrace.job_items i
     WHERE i.job_id = j.id AND i.state IN ('applied', 'superseded', 'dead', 'discarded')
       AND i.ended_at > clock_timestamp() - make_interval(secs => {seconds}))
    + (SELECT count(*) FROM headrace.job_items i
       WHERE i.job_id = j.id AND i.state IN ('met', 'unmet', 'unreadable')
         AND i.ended_at > clock_timestamp() - make_interval(secs => {seconds})) AS lately
FROM headrace.jobs j WHERE group_name = %(group)s AND {which} ORDER BY id DESC LIMIT %(most)s
""")
_REPORT = """
SELECT i.number, i.letter_id AS letter, i.topic, i.partition, i."offset", i.state, i.why, i.along, i.sent_at, i.ended_at
FROM headrace.job_items i JOIN headrace.jobs j ON j.id = i.job_id
WHERE j.group_name = %(group)s AND i.job_id = %(job)s AND i.number > %(after)s
  AND (cardinality(%(states)s::text[]) = 0 OR i.state = ANY (%(states)s)) ORDER BY i.number LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person asks for. `expect`: how many letters the preview showed, also such as go along; `rate`: how many a
    second.

    `these`: which letters it showed; where it is empty, any that are as many will do.
    """

    selection: Selection
    rules: Rules
    expect: int
    said: Note
    these: str = ""
    rate: float = 50.0
    canary: int = 10
    stop_ratio: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is now. `counts`: its items by state; `lately`: how many of them ended within the last minute.

    `along`: how many of its `items` were not selected, and wait for letters that were.
    """

    id: int
    kind: str
    selection: dict[str, Any]
    items: int
    rate: float
    canary: int
    stop_ratio: float
    state: str
    why: str
    created_by: str
    reason: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    counts: dict[str, int]
    lately: int
    along: int = 0

    @property
    def left(self) -> int:
        """How many letters have not come to an end."""
        return sum(self.counts.get(state, 0) for state in ("waiting", "sent", "unread"))

    def pace(self, now: datetime) -> float:
        """Letters that came to an end, a second, of late."""
        since = (now - self.started_at).total_seconds() if self.started_at else 0.0
        return self.lately / max(1.0, min(_SECONDS, since))

    def seconds_left(self, now: datetime) -> float | None:
        """How long it takes at this pace; None where that can't be said."""
        pace = self.pace(now)
        return self.left / pace if pace and self.state in ACTIVE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What became of one letter of a job. `along`: it was not selected, and waits for one that was."""

    number: int
    letter: int
    topic: str
    partition: int
    offset: int
    state: str
    why: str
    sent_at: datetime | None
    ended_at: datetime | None
    along: bool = False


def create(connection: psycopg.Connection, group: str, order: Order) -> int:
    """Make a job of the letters that go, in the order of their records, those that go along last; returns its id.

    Raises Undecidable when these are not those that were shown, or not as many, or there are too many jobs, and
    HeadraceError.
    """
    _check_reason(order.said)
    with transaction(connection, "create job"):
        with_room(connection, group)
        if not 0 < order.expect <= MOST_ITEMS:
            raise Undecidable(f"a job has 1 to {MOST_ITEMS} letters, not {order.expect}; select others")
        row = {
            "group": group,
            "kind": order.rules.kind,
            "selection": Jsonb(shown(order.selection)),
            "items": order.expect,
            "rate": order.rate,
            # giving up can't fail
            "canary": 0 if order.rules.kind is JobKind.DISCARD else order.canary,
            "stop_ratio": order.stop_ratio,
            "actor": order.said.actor,
            "reason": order.said.reason,
        }
        ((job,),) = connection.execute(_CREATE, row).fetchall()
        along = _filled(connection, group, job, order)
        details = {"job": job, "kind": order.rules.kind, "letters": order.expect, "selection": shown(order.selection)}
        audit.write(connection, group, "create job", details | ({"along": along} if along else {}), order.said)
    return int(job)


def _filled(connection: psycopg.Connection, group: str, job: int, order: Order) -> int:
    """Give a job its letters; returns how many of them go along. Raises Undecidable where they are not as shown."""
    wanted = {"job": job, "goes": list(GOES), "along": Fate.ALONG, "most": MOST_ITEMS + 1}
    query = _FILL.format(judged=judged(order.selection, order.rules), these=sql.SQL(THESE.format(id="letter_id")))
    rows = connection.execute(query, {**known(group, order.selection, order.rules), **wanted}).fetchall()
    ((letters, along, these),) = rows
    if letters != order.expect:
        raise Undecidable(f"it would be {letters} letters now, not {order.expect}; look again")
    if order.these and order.these != str(these):
        raise Undecidable(f"other {letters} letters would go now than were shown; look again")
    if along:
        connection.execute(_ALONG, (along, job))
    return int(along)


def with_room(connection: psycopg.Connection, group: str) -> None:
    """Wait for whoever makes a job just now. Raises Undecidable where there are too many."""
    connection.execute(_ALONE, (group,))
    ((jobs,),) = connection.execute(_OPEN, (group,)).fetchall()
    if jobs >= MOST_JOBS:
        raise Undecidable(f"{jobs} jobs have not come to their end; cancel some first")


def decide(connection: psycopg.Connection, group: str, job: int, decision: Steer, said: Note) -> bool:
    """Have nothing more sent until it is resumed, or for good; or have it go on, its canary first.

    What was sent ends as it ends. False when there is no such job. Raises Undecidable for one of which that can't be
    said, HeadraceError.
    """
    _check_reason(said)
    to = _TO[decision]
    with transaction(connection, "decide about job"):
        row = connection.execute(_LOCK, (group, job)).fetchone()
        if row is None:
            return False
        if decision not in offered(active=row[0] in ACTIVE, waits=row[0] in WAITING_FOR_A_PERSON):
            raise Undecidable(f"job {job} is {row[0]}")
        why = "" if decision is Steer.RESUME else said.reason
        connection.execute(_DECIDE, {"job": job, "state": to, "why": why})
        cancelled = connection.execute(_CANCEL, (job,)).rowcount if decision is Steer.CANCEL else 0
        details = {"job": job, "from": row[0], "cancelled": cancelled}
        audit.write(connection, group, f"{decision} job", details, said)
    return True


_TO = {Steer.PAUSE: JobState.PAUSED, Steer.RESUME: JobState.CANARY, Steer.CANCEL: JobState.CANCELLED}


def jobs(connection: psycopg.Connection, group: str, most: int) -> list[Job]:
    """The jobs of a group, newest first. Raises psycopg.Error."""
    return _read(connection, sql.SQL("true"), {"group": group, "most": most})


def job(connection: psycopg.Connection, group: str, number: int) -> Job | None:
    """One job. Raises psycopg.Error."""
    found = _read(connection, sql.SQL("id = %(job)s"), {"group": group, "job": number, "most": 1})
    return found[0] if found else None


def report(
    connection: psycopg.Connection, group: str, number: int, states: Sequence[str] = (), after: int = 0
) -> Iterator[Item]:
    """What became of each letter of a job, or of those in some states, in its order, read page by page.

    Raises psycopg.Error.
    """
    while True:
        page = report_page(connection, group, number, states=states, after=after, most=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].number


def report_page(
    connection: psycopg.Connection, group: str, number: int, *, states: Sequence[str] = (), after: int = 0, most: int
) -> list[Item]:
    """Items of a job behind one of them. Raises psycopg.Error."""
    wanted = {"group": group, "job": number, "states": list(states), "after": after, "most": most}
    with connection.cursor(row_factory=class_row(Item)) as cursor:
        return cursor.execute(_REPORT, wanted).fetchall()


def shown(selection: Selection) -> dict[str, object]:
    """What of a selection is given, for people and JSON."""
    given = {name: value for name, value in asdict(selection).items() if value}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}


def _read(connection: psycopg.Connection, which: sql.SQL, values: dict[str, object]) -> list[Job]:
    query = _READ.format(which=which, seconds=sql.Literal(_SECONDS))
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(query, values).fetchall()
    return [Job(**{**row._asdict(), "counts": row.counts or {}}) for row in rows]


def _check_reason(said: Note) -> None:
    if not said.reason.strip():
        raise Undecidable("a decision about letters is made for a reason")
