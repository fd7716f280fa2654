"""Letters searched by what their records hold: a job over a bounded selection. Which letters it has found is a
selection itself (`found_by`).

What a person compares with stands in the job's conditions, and in nothing that is shown.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from consumer.core.decision import Undecidable
from consumer.core.failure import HeadraceError, Transient
from consumer.core.framing import Datum
from consumer.core.jobs import SEARCH
from consumer.edges.postgres import audit
from consumer.edges.postgres.session import transaction
from consumer.ports.desk import Note
from dlq.filter import MOST, Comparison, Condition, matches
from dlq.jobs import shown, with_room
from dlq.payload import GONE, Sources, held_by, read_part
from dlq.reading import Reading
from dlq.selection import Selection, letters_meant, parameters

MOST_LETTERS = 100_000
"""Most letters of a search."""
LARGEST_SEARCHED = 8 << 20
"""Most bytes that are decoded, since a worker does it: as values they take many times as much memory."""

_CREATE = """
INSERT INTO headrace.jobs (
    group_name, kind, selection, conditions, items, rate, canary, canary_left, stop_ratio, created_by, reason
)
VALUES (%(group)s, %(kind)s, %(selection)s, %(conditions)s, %(items)s, 1, 0, 0, 1, %(actor)s, %(reason)s)
RETURNING id
"""
_FILL = sql.SQL("""
INSERT INTO headrace.job_items (job_id, number, letter_id, topic, partition, "offset", state)
SELECT %(job)s, row_number() OVER (ORDER BY failed_at DESC, id DESC), id, topic, partition, "offset", 'unread'
FROM (
    SELECT * FROM headrace.letters l WHERE {meant} ORDER BY l.failed_at DESC, l.id DESC LIMIT %(most)s
) AS newest
""")
_COUNTED = "UPDATE headrace.jobs SET items = %s WHERE id = %s"
_NOT_KEPT = "the letter is not kept any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched for: letters of a selection, at most so many, the last that failed first. All has to be so."""

    selection: Selection
    conditions: tuple[Condition, ...]
    said: Note
    most: int = 10_000


class _Nothing(Exception):
    """No letter is meant."""


def create(connection: psycopg.Connection, group: str, wanted: Wanted) -> int | None:
    """Make the job; returns its id, None when no letter is meant.

    Raises Undecidable when more is asked for than a search may do, or there are too many jobs; HeadraceError.
    """
    if not wanted.said.reason.strip():
        raise Undecidable("records are looked at for a reason")
    if not 1 <= len(wanted.conditions) <= MOST:
        raise Undecidable(f"a search has 1 to {MOST} conditions")
    if not 1 <= wanted.most <= MOST_LETTERS:
        raise Undecidable(f"a search has 1 to {MOST_LETTERS} letters")
    # what it compares with may be a row's value
    asked = {**shown(wanted.selection), "where": [f"{one.field} {one.comparison}" for one in wanted.conditions]}
    row = {
        "group": group,
        "kind": SEARCH,
        "selection": Jsonb(asked),
        "conditions": Jsonb([_stored(one) for one in wanted.conditions]),
        "items": wanted.most,
        "actor": wanted.said.actor,
        "reason": wanted.said.reason,
    }
    with suppress(_Nothing), transaction(connection, "create search"):
        with_room(connection, group)
        ((job,),) = connection.execute(_CREATE, row).fetchall()
        values = {**parameters(group, wanted.selection), "job": job, "most": wanted.most}
        filled = connection.execute(_FILL.format(meant=letters_meant(wanted.selection)), values).rowcount
        if not filled:
            raise _Nothing
        connection.execute(_COUNTED, (filled, job))
        audit.write(connection, group, "search payloads", {"job": job, "letters": filled, **asked}, wanted.said)
        return int(job)
    return None


def judged(
    connection: psycopg.Connection, group: str, stored: Sequence[Mapping[str, str]], letter: int, sources: Sources
) -> tuple[str, str]:
    """Whether the conditions are so of a letter's record: `met`, `unmet`, or `unreadable` and why.

    What is masked is not compared. Raises Transient when its schema or topic can't be asked, psycopg.Error.
    """
    conditions = [Condition(one["field"], Comparison(one["comparison"]), one["value"]) for one in stored]
    held = held_by(connection, group, letter, sources.fetch)
    if held is None or held.record is None:
        return "unreadable", _NOT_KEPT if held is None else GONE
    framed, framing = sources.frames.record(held.record)
    headers = held.record.headers
    parts: dict[str, Mapping[str, Any] | None] = {"key": None, "value": None}
    for name, raw in (("key", framed.key), ("value", framed.value)):
        if raw is None or not any((one.field.split(".")[0] == "key") == (name == "key") for one in conditions):
            continue
        if len(raw) > LARGEST_SEARCHED:
            return "unreadable", f"its {name}: it has {len(raw)} bytes, too many to be searched"
        try:
            datum = Datum(part=name, raw=raw, headers=lambda: headers, framing=framing)
            _, reading = read_part(connection, sources.registry, datum)
        except HeadraceError as error:
            if isinstance(error, Transient):
                raise
            reading = Reading(problem=f"its schema can't be had: {error.failure.kind}")
        if reading.problem or reading.values is None:
            return "unreadable", f"its {name}: {reading.problem}"
        parts[name] = sources.mask.visible(reading.values, held.table)
    return ("met" if matches(conditions, parts["key"], parts["value"]) else "unmet"), ""


def _stored(one: Condition) -> dict[str, str]:
    return {"field": one.field, "comparison": one.comparison.value, "value": one.value}
