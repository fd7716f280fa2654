"""What people do and decide, written down: who, what and why."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note

_WRITE = """
INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason, details)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""


def write(
    connection: psycopg.Connection,
    group: str,
    action: str,
    details: Mapping[str, Any],
    note: Note,
    where: tuple[str | None, int | None] = (None, None),
) -> None:
    """Write down an action, in the transaction that is open if there is one; `where`: the topic or partition that it is
    about. Raises HeadraceError.
    """
    values = (group, note.actor, action, *where, note.reason, Jsonb(details))
    with translated("write audit"):
        connection.execute(_WRITE, values)
