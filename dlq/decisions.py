"""What people decide about letters, written down in the transaction that does it; and which payloads they looked at."""

from collections.abc import Sequence

import psycopg
from psycopg.types.json import Jsonb

from consumer.ports.desk import Note

_AUDIT = """
INSERT INTO headrace.audit (group_name, actor, action, reason, letters, details) VALUES (%s, %s, %s, %s, %s, %s)
"""


def note(
    connection: psycopg.Connection,
    group: str,
    said: Note,
    action: str,
    letters: Sequence[int],
    details: dict[str, object] | None = None,
) -> None:
    """Write down an action on letters, who did it and why. Raises psycopg.Error."""
    values = (group, said.actor, action, said.reason, list(letters), Jsonb(details or {}))
    connection.execute(_AUDIT, values)
