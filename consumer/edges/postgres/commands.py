"""What workers are told to do: a row for each of them, carried out once."""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg.rows import class_row

from consumer.edges.postgres import audit
from consumer.edges.postgres.notify import tell
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.control import Command
from consumer.ports.desk import Note
from consumer.ports.presence import Told

_GIVE = """
INSERT INTO headrace.commands (group_name, worker, action, subject, actor, reason)
SELECT %(group)s, w, %(action)s, %(subject)s, %(actor)s, %(reason)s FROM unnest(%(workers)s::text[]) AS w
RETURNING id
"""
_READ = """
SELECT id, worker, action, subject, actor, reason, asked_at, done_at, outcome
FROM headrace.commands WHERE group_name = %s AND id = ANY (%s) ORDER BY worker, id
"""
_TAKE = """
UPDATE headrace.commands SET taken_at = clock_timestamp()
WHERE group_name = %s AND worker = %s AND taken_at IS NULL RETURNING id, action, subject
"""
_DONE = "UPDATE headrace.commands SET done_at = clock_timestamp(), outcome = %s WHERE id = %s"
_SIGNALLED = """
INSERT INTO headrace.commands (group_name, worker, action, actor, reason, asked_at, taken_at, done_at, outcome)
SELECT %(group)s, %(worker)s, 'reload', 'signal', 'SIGHUP', at, at, at, %(outcome)s
FROM (SELECT clock_timestamp() - make_interval(secs => %(ago)s)) AS w(at)
"""


class Order(NamedTuple):
    """What is to be done, and to what."""

    action: str
    subject: str


def give(connection: psycopg.Connection, group: str, order: Order, workers: Sequence[str], note: Note) -> list[int]:
    """Have each of the workers carry it out; returns the commands' ids."""
    values = {"group": group, "workers": list(workers), **order._asdict(), "actor": note.actor, "reason": note.reason}
    with transaction(connection, "give command"):
        ids = [row[0] for row in connection.execute(_GIVE, values)]
        audit.write(connection, group, order.action, {"subject": order.subject, "workers": list(workers)}, note)
        tell(connection, group)
    return ids


def read(connection: psycopg.Connection, group: str, ids: Sequence[int]) -> list[Command]:
    """Commands by their ids."""
    with translated("read commands"), connection.cursor(row_factory=class_row(Command)) as cursor:
        return cursor.execute(_READ, (group, list(ids))).fetchall()


def take(connection: psycopg.Connection, group: str, worker: str) -> list[Told]:
    """What a worker has not taken yet; from then on it is taken, whatever becomes of it."""
    with translated("look for commands"), connection.cursor(row_factory=class_row(Told)) as cursor:
        return sorted(cursor.execute(_TAKE, (group, worker)), key=lambda told: told.id)


def note_signal(connection: psycopg.Connection, me: tuple[str, str], ago: float, outcome: str) -> None:
    """A worker (group and name) has read its settings again because of a signal."""
    group, worker = me
    with translated("keep what a signal did"):
        connection.execute(_SIGNALLED, {"group": group, "worker": worker, "ago": ago, "outcome": outcome})


def done(connection: psycopg.Connection, number: int, outcome: str) -> None:
    """What came of it."""
    with translated("answer command"):
        connection.execute(_DONE, (outcome, number))
