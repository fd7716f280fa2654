"""The session of a person's command."""

from contextlib import ExitStack, closing
from dataclasses import replace

import psycopg

from consumer.edges.postgres.idle import IdleSessions
from consumer.edges.postgres.migrate import require
from consumer.edges.postgres.session import SessionSettings, connect


class PersonSession:
    """One session, opened by the first question, on a control schema of this version; it migrates nothing.

    `idle`: whence it is lent, where many ask.
    """

    def __init__(self, settings: SessionSettings, group: str, idle: IdleSessions | None = None) -> None:
        # people may look at a standby
        self._settings = replace(settings, writes=False)
        self._group = group
        self._idle = idle
        self._opened = ExitStack()
        self._connection: psycopg.Connection | None = None

    def close(self) -> None:
        """End the session, or give it back."""
        self._opened.close()

    def _session(self) -> psycopg.Connection:
        if self._connection is None:
            if self._idle is not None:
                self._connection = self._opened.enter_context(self._idle.lent(self._settings))
            else:
                self._connection = self._opened.enter_context(closing(connect(self._settings)))
                require(self._connection)
        return self._connection
