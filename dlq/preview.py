"""What a job would do with the letters of a selection, looked at without touching one.

Whatever is said here may change until a letter's turn comes, and is looked at again then; the engine decides by itself
about what it applies. So a letter that was wrongly taken for eligible fails again, and does no harm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from consumer.core.failure_kind import Scope
from consumer.core.jobs import JobKind
from consumer.core.kinds import KINDS
from consumer.edges.postgres.open_letters import FOLLOWING, OPEN_STATES, QUEUED
from dlq.actions import FOREIGN
from dlq.selection import Selection, letters_meant, parameters

# of so many letters each one's row is read
_FEW = 1_000
SAMPLES = 10
"""Most letters that are shown of each fate."""
ROWS = 5
"""Most of them whose rows are worth a look: each is planned and written for that, and undone."""


class Fate(StrEnum):
    """What would become of a letter. The first two are sent, or given up, and the third with those that are given up:
    it was not selected, and waits for one of them.
    """

    ELIGIBLE = "eligible"
    SEARCHED = "searched"
    ALONG = "along"
    FOREIGN = "foreign"
    STALE = "stale"
    BLOCKED = "blocked"
    STOPPED = "stopped"
    OVER_CAP = "over_cap"
    HELD = "held"
    UNDER_WAY = "under_way"
    IN_JOB = "in_job"
    CLOSED = "closed"


GOES = (Fate.ELIGIBLE, Fate.SEARCHED, Fate.ALONG)
"""Those that become items of the job."""

_WHY = {
    Fate.ELIGIBLE: "",
    Fate.SEARCHED: "its row is not known; what was passed behind it is searched for later changes of the row first",
    Fate.ALONG: "it waits for one of these, and is given up with it",
    Fate.FOREIGN: "another consumer's, of a record that this group has not read: add its topic to kafka.topics, or "
    "wait for its position, or put it right there and discard the letter",
    Fate.STALE: "its record, or what stands behind it, can't be read any more; ask the source for the row again",
    Fate.BLOCKED: "an older change of its row waits and is not among these: letter {by}",
    Fate.STOPPED: "partitions of its topic are stopped or paused; put its table right, or resume it, first",
    Fate.OVER_CAP: "it was sent {replays} times already (letters.max_replays)",
    Fate.HELD: "it comes by itself with the letter that it waits for",
    Fate.UNDER_WAY: "it is {state} and comes by itself",
    Fate.IN_JOB: "a job that is not through has it, or what waits for it, already",
    Fate.CLOSED: "it is {state} already",
}

_REPLAYED = sql.SQL("""
    WHEN l.state = 'held' THEN 'held'
    WHEN l.state IN ('retrying', 'replaying') THEN 'under_way'
    WHEN l.replays >= %(max_replays)s THEN 'over_cap'
    WHEN {foreign} THEN 'foreign'
    WHEN NOT %(stale)s AND (
        coalesce(l.origin_log = 'gone', false)
            AND NOT EXISTS (SELECT FROM headrace.letter_bytes b WHERE b.letter_id = l.id)
        OR l.search_doubt IS NOT NULL
        OR l.digest_a IS NULL AND (
            l.origin_log = 'gone' OR l.kind = 'record.unplaced' OR (l.topic, l.partition) NOT IN (
                SELECT p.topic, p.partition FROM headrace.positions p WHERE p.group_name = %(group)s
            )
        )
    ) THEN 'stale'
    WHEN l.topic IN (
        SELECT p.topic FROM headrace.positions p
        WHERE p.group_name = %(group)s AND p.stopped ->> 'kind' = ANY (%(table_kinds)s)
    ) OR (l.topic, l.partition) IN (
        SELECT p.topic, p.partition FROM headrace.positions p, headrace.pauses_of(p.group_name, p.topic, p.partition)
        WHERE p.group_name = %(group)s
    ) THEN 'stopped'
    WHEN l.digest_a IS NULL THEN 'searched'
""").format(foreign=sql.SQL(FOREIGN.format(l="l")))
_IN_JOB = sql.SQL("SELECT i.letter_id FROM headrace.job_items i WHERE i.state IN ('waiting', 'sent')")
_GOES = "l.id IN (SELECT f.id FROM meant f WHERE f.fate = 'eligible')"
# Letters may have come by the thousand since the server last counted them, so that it takes them for few: what is asked
# for here costs the same for each letter whatever it believes. So the letters of a row are read once and put into their
# order, in which one that does not go is in front of all behind it, and what waits stands behind what it waits for.
_MEANT = sql.SQL("""
meant AS MATERIALIZED (
    SELECT l.id, l.group_name, l.topic, l.partition, l."offset", l.table_name, l.digest_a, l.digest_b, CASE
        WHEN l.state NOT IN ({open}) THEN 'closed'
        WHEN l.id IN ({in_job}) THEN 'in_job'
        {replayed}
        ELSE 'eligible'
    END AS fate
    FROM headrace.letters l WHERE {meant}
), every AS (
    SELECT DISTINCT group_name, table_name, digest_a, digest_b FROM meant
    WHERE fate = 'eligible' AND digest_a IS NOT NULL
)
""")
_SENT = sql.SQL("""
rows AS (SELECT * FROM every), {queued}, judged AS (
    SELECT id, topic, partition, "offset", fate, NULL::bigint AS by FROM meant
    WHERE NOT (fate = 'eligible' AND digest_a IS NOT NULL)
    UNION ALL
    SELECT id, topic, partition, "offset", CASE WHEN by IS NULL THEN 'eligible' ELSE 'blocked' END, by
    FROM queued WHERE goes
)
""").format(queued=sql.SQL(QUEUED.format(goes=_GOES)))
# Of many letters only those rows are read of which something waits: for that, all that waits is read once. What another
# job has can't go along: none of its row goes.
_GIVEN_UP = sql.SQL("""
waiting AS MATERIALIZED (
    SELECT l.group_name, l.table_name, l.digest_a, l.digest_b FROM headrace.letters l
    WHERE l.group_name = %(group)s AND l.state = 'held' AND l.first_failed_at > '-infinity'
      AND (SELECT count(*) FROM meant) > %(few)s
), rows AS (
    SELECT * FROM every WHERE (SELECT count(*) FROM meant) <= %(few)s
    UNION ALL
    (SELECT * FROM every INTERSECT SELECT * FROM waiting)
), {following}, taken AS MATERIALIZED (
    SELECT id, topic, partition, "offset", goes, follows,
        bool_or(follows AND id IN ({in_job})) OVER (PARTITION BY table_name, digest_a, digest_b) AS busy
    FROM following
), judged AS (
    SELECT id, topic, partition, "offset", NULL::bigint AS by,
        CASE WHEN id IN (SELECT t.id FROM taken t WHERE t.goes AND t.busy) THEN 'in_job' ELSE fate END AS fate
    FROM meant
    UNION ALL
    SELECT id, topic, partition, "offset", NULL, 'along' FROM taken WHERE follows AND NOT busy
)
""").format(following=sql.SQL(FOLLOWING.format(goes=_GOES)), in_job=_IN_JOB)
THESE = "sum(hashint8extended({id}, 0)::numeric)"
"""A number that says which letters some are: in whatever order they come, others have another one."""
_COUNT = sql.SQL("""
WITH {judged}
SELECT fate, count(*) AS letters, (array_agg(id ORDER BY id))[1:%(samples)s] AS ids,
    (array_agg(by ORDER BY id))[1:%(samples)s] AS bys,
    {these} AS these
FROM judged GROUP BY fate
""")
_SHOW = """
SELECT id, topic, partition, "offset", table_name, kind, state, replays FROM headrace.letters WHERE id = ANY (%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """By which letters are judged. `stale`: also those go that are taken for stale."""

    kind: JobKind = JobKind.REPLAY
    max_replays: int = 10
    stale: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One letter of a fate, and why it has it."""

    id: int
    topic: str
    partition: int
    offset: int
    table: str | None
    kind: str
    state: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How many letters have which fate, with samples of each. `goes` is what has to be confirmed.

    `these`: which letters go, as `THESE` says it.
    """

    counts: Mapping[Fate, int]
    samples: Mapping[Fate, tuple[Sample, ...]]
    these: str = ""

    @property
    def goes(self) -> int:
        """How many letters the job would have: those that are selected and go, and those that go along."""
        return sum(self.counts.get(fate, 0) for fate in GOES)

    @property
    def along(self) -> int:
        """How many of them are not of the selection, and wait for those that are given up."""
        return self.counts.get(Fate.ALONG, 0)

    @property
    def first(self) -> tuple[int, ...]:
        """Letters that go, as they are shown: those whose rows may be looked at."""
        return tuple(sample.id for fate in GOES for sample in self.samples.get(fate, ()))[:ROWS]

    @property
    def meant(self) -> int:
        """How many letters the selection has."""
        return sum(self.counts.values()) - self.along


def preview(connection: psycopg.Connection, group: str, selection: Selection, rules: Rules) -> Preview:
    """Look at what a job would do. Raises psycopg.Error."""
    query = _COUNT.format(judged=judged(selection, rules), these=sql.SQL(THESE.format(id="id")))
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        rows: list[Any] = cursor.execute(query, {**known(group, selection, rules), "samples": SAMPLES}).fetchall()
        wanted = [number for row in rows for number in row.ids]
        found: list[Any] = cursor.execute(_SHOW, (wanted,)).fetchall()
        letters = {row.id: row for row in found}
    return Preview(
        counts={fate: row.letters for fate in Fate for row in rows if row.fate == fate},
        samples={
            Fate(row.fate): tuple(
                _sample(Fate(row.fate), letters[number], by)
                for number, by in zip(row.ids, row.bys, strict=True)
                if number in letters
            )
            for row in rows
        },
        these=str(sum((row.these for row in rows if row.fate in GOES), Decimal())),
    )


def judged(selection: Selection, rules: Rules) -> sql.Composable:
    """Common table expressions; `judged` has each letter's origin and fate. They need `known`."""
    sent = rules.kind is JobKind.REPLAY
    meant = _MEANT.format(
        open=sql.SQL(OPEN_STATES),
        in_job=_IN_JOB,
        replayed=_REPLAYED if sent else sql.SQL(""),
        meant=letters_meant(selection),
    )
    return sql.SQL(", ").join((meant, _SENT if sent else _GIVEN_UP))


def known(group: str, selection: Selection, rules: Rules) -> dict[str, object]:
    """What the names in `judged` stand for."""
    return {
        **parameters(group, selection),
        "max_replays": rules.max_replays,
        "stale": rules.stale,
        "few": _FEW,
        "table_kinds": [kind.name for kind in KINDS.values() if kind.scope is Scope.TABLE],
    }


def _sample(fate: Fate, letter: Any, by: int | None) -> Sample:
    return Sample(
        id=letter.id,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        table=letter.table_name,
        kind=letter.kind,
        state=letter.state,
        why=_WHY[fate].format(by=by, replays=letter.replays, state=letter.state),
    )
