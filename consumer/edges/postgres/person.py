"""The session of a person's command."""

from dataclasses import replace

import psycopg

from consumer.edges.postgres.migrate import require
from consumer.edges.postgres.session import SessionSettings, connect


class PersonSession:
    """One session, opened by the first question, on a control schema of this version; it migrates nothing."""

    def __init__(self, settings: SessionSettings, group: str) -> None:
        # people may look at a standby
        self._settings = replace(settings, writes=False)
        self._group = group
        self._connection: psycopg.Connection | None = None

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()

    def _session(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = connect(self._settings)
            require(self._connection)
        return self._connection
