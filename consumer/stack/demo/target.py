"""A session with the target that outlives an absence of the server, and the account of those absences."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import psycopg

_CONNECT_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """When the target did not answer any more, did again, and had the next batch; seconds since 1970."""

    since: float
    until: float | None = None
    applied: float | None = None

    @property
    def over(self) -> bool:
        """True when something was applied since."""
        return self.applied is not None


class Target:
    """Asks the target; what it does not answer is an absence until it answers again."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session: psycopg.Connection | None = None
        self.absences: list[Absence] = []

    def close(self) -> None:
        """Ends the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def session(self) -> psycopg.Connection:
        """A session that was open a moment ago. Raises psycopg.OperationalError."""
        if self._session is None or self._session.closed:
            self._session = psycopg.connect(self._dsn, autocommit=True, connect_timeout=_CONNECT_SECONDS)
        return self._session

    def missed(self) -> None:
        """It did not answer."""
        with suppress(psycopg.Error):
            self.close()
        if not self._away:
            self.absences.append(Absence(since=time.time()))

    def answered(self) -> None:
        """It did."""
        if self._away:
            self.absences[-1] = replace(self.absences[-1], until=time.time())

    def applied(self, at: float) -> None:
        """A batch was committed at this time."""
        last = self.absences[-1] if self.absences else None
        if last and last.until and not last.applied and at > last.since:
            self.absences[-1] = replace(last, applied=at)

    @property
    def _away(self) -> bool:
        return bool(self.absences) and self.absences[-1].until is None


def longest(absences: Sequence[Absence]) -> float:
    """The longest absence in seconds; 0 without any that is over."""
    return max((each.until - each.since for each in absences if each.until), default=0.0)
