"""What people do and decide, written down: who, what and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note

_WRITE = """
INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason, details, letters)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class About:
    """What an action is about: a topic or a partition of it, letters by id."""

    topic: str | None = None
    partition: int | None = None
    letters: Sequence[int] = ()


NOTHING = About()
"""Neither."""


def write(
    connection: psycopg.Connection,
    group: str,
    action: str,
    details: Mapping[str, Any],
    note: Note,
    about: About = NOTHING,
) -> None:
    """Write down an action, in the transaction that is open if there is one. Raises HeadraceError."""
    letters = list(about.letters) or None
    values = (group, note.actor, action, about.topic, about.partition, note.reason, Jsonb(details), letters)
    with translated("write audit"):
        connection.execute(_WRITE, values)
