"""Sessions of people's questions, kept for the next one: to open one takes longer than most questions do.

A session is lent to one question at a time. One that was left in a transaction, has ended, or was opened a while ago is
closed instead, so that nobody meets another's transaction, a server that is gone, or a login that holds no more.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.pq import TransactionStatus

from consumer.edges.postgres.migrate import require
from consumer.edges.postgres.pool import check
from consumer.edges.postgres.session import SessionSettings, connect

LIFETIME = 60.0
"""Seconds after which a session is not lent any more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    session: psycopg.Connection
    settings: SessionSettings
    opened: float


class IdleSessions:
    """At most so many, lent and idle together; for any thread. Its owner closes it."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: deque[_Kept] = deque()
        self._lent = 0
        self._closed = False

    @contextmanager
    def lent(self, settings: SessionSettings) -> Iterator[psycopg.Connection]:
        """A session that is set up so, on a control schema of this version. Raises what opening one raises."""
        kept = self._taken(settings) or self._opened(settings)
        try:
            yield kept.session
        finally:
            self._back(kept)

    def close(self) -> None:
        """Close those that are idle, and the others when they come back."""
        with self._lock:
            self._closed = True
            gone = list(self._idle)
            self._idle.clear()
        _close(gone)

    def _taken(self, settings: SessionSettings) -> _Kept | None:
        with self._lock:
            self._lent += 1
            gone = [each for each in self._idle if self._is_old(each)]
            fits = [each for each in self._idle if each.settings == settings and not self._is_old(each)]
            # the one that was used last; what does not fit makes room
            found = fits[-1] if fits else None
            left = [each for each in self._idle if each not in gone and each is not found]
            room = max(0, self._most - self._lent)
            gone += left[: len(left) - room] if len(left) > room else []
            self._idle = deque(each for each in left if each not in gone)
        _close(gone)
        if found is not None and not _lives(found.session):
            _close([found])
            return None
        return found

    def _opened(self, settings: SessionSettings) -> _Kept:
        with ExitStack() as failing:
            failing.callback(self._not_lent)
            session = failing.enter_context(closing(connect(settings)))
            require(session)
            failing.pop_all()
        return _Kept(session, settings, self._clock())

    def _not_lent(self) -> None:
        with self._lock:
            self._lent -= 1

    def _back(self, kept: _Kept) -> None:
        rests = kept.session.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            self._lent -= 1
            keeps = rests and not self._closed and not self._is_old(kept)
            if keeps:
                self._idle.append(kept)
        if not keeps:
            _close([kept])

    def _is_old(self, kept: _Kept) -> bool:
        return self._clock() - kept.opened > LIFETIME


def _lives(session: psycopg.Connection) -> bool:
    try:
        check(session)
    except psycopg.Error:
        return False
    return not session.closed


def _close(gone: list[_Kept]) -> None:
    for each in gone:
        each.session.close()
