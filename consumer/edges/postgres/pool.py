"""Sessions for the short questions beside the batch: few, shared by all threads, checked before they are given out.

Nothing that is written here waits for the disk. Bindings are needed by batches that commit later, and with them all
that came before; what a crash of the server takes of the rest is claimed, confirmed or marked again.
"""

import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from consumer.core.failure import Failure, HeadraceError, Persistent, Refused, Transient, failed
from consumer.core.kinds import KINDS
from consumer.edges import descriptors
from consumer.edges.postgres.migrate import ensure
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.translate import translated
from consumer.ports.refusals import ConnectionLost
from consumer.ports.target import Breaker, PoolStatus

T = TypeVar("T")

# The pool tells who waits for a session nothing of why there is none, so they look so often, in seconds.
_LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """Most sessions; seconds after which one that nobody used is closed, and any that is as old as `lifetime`."""

    size: int = 4
    idle: float = 300.0
    lifetime: float = 3600.0


class TargetPool:
    """Opens its first session when first asked, and closes all when closed. For any thread."""

    def __init__(self, settings: SessionSettings, breaker: Breaker, limits: PoolLimits | None = None) -> None:
        limits = limits or PoolLimits()
        self._settings = replace(settings, synchronous_commit="off")
        self._breaker = breaker
        self._size = limits.size
        # who waits for the others is told apart from who waits for the server
        self._free = threading.Semaphore(limits.size)
        self._counting = threading.Lock()
        self._used = self._waiting = self._asked = 0
        self._waited = 0.0
        # how many sessions could not be opened, and why the last one could not
        self._failures = 0
        self._why: HeadraceError | None = None
        self._pool: ConnectionPool[psycopg.Connection] = ConnectionPool(
            connection_class=_opened_by(self._open),
            min_size=0,
            max_size=limits.size,
            open=False,
            check=check,
            timeout=_LOOK_EVERY,
            max_idle=limits.idle,
            max_lifetime=limits.lifetime,
            # whoever asks again makes the next attempt, so that the breaker decides how often
            reconnect_timeout=0.0,
            num_workers=1,
        )

    def ask(self, question: Callable[[psycopg.Connection], T]) -> T:
        """The answer, on a session that nobody else uses meanwhile.

        Waits at most target.connect_timeout for one. Raises Transient for a lost session, which is no other's loss,
        when there is none, and while the target is away; Persistent (credentials) or Refused (pooler, newer schema).
        """
        return self._breaker.ask(lambda: self._answer(question))

    def status(self) -> PoolStatus:
        """How it is used."""
        with self._counting:
            return PoolStatus(
                limit=self._size,
                open=self._pool.get_stats()["pool_size"],
                used=self._used,
                waiting=self._waiting,
                asked=self._asked,
                waited=self._waited,
            )

    def close(self) -> None:
        """End all sessions; those in use when their question is answered."""
        self._pool.close()

    def _answer(self, question: Callable[[psycopg.Connection], T]) -> T:
        try:
            with self._session() as session:
                return question(session)
        except ConnectionLost as error:
            raise Transient(error.failure) from error

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        until = time.monotonic() + self._settings.connect_timeout
        with self._waits():
            free = self._free.acquire(timeout=self._settings.connect_timeout)
        if not free:
            raise Transient(_exhausted(self._size, self._settings.connect_timeout))
        try:
            with self._waits(), translated("connect"):
                self._pool.open()
                session = self._given(until)
            self._use(1)
            try:
                yield session
            finally:
                self._use(-1)
                self._pool.putconn(session)
        finally:
            self._free.release()

    @contextmanager
    def _waits(self) -> Iterator[None]:
        began = time.monotonic()
        with self._counting:
            self._waiting += 1
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= 1
                self._waited += time.monotonic() - began

    def _use(self, more: int) -> None:
        with self._counting:
            self._used += more
            self._asked += more > 0

    def _given(self, until: float) -> psycopg.Connection:
        """A session of the pool. Raises why there is none, or PoolTimeout."""
        before = self._failures
        while True:
            try:
                return self._pool.getconn()
            except PoolTimeout:
                if self._why is not None and self._failures > before:
                    raise _anew(self._why) from self._why
                if time.monotonic() > until:
                    raise

    def _open(self) -> psycopg.Connection:
        """On a thread of the pool."""
        try:
            if descriptors.scarce():
                raise Transient(_crowded())
            return self._opened()
        except HeadraceError as error:
            self._why = error
            self._failures += 1
            raise

    def _opened(self) -> psycopg.Connection:
        with ExitStack() as opening:
            session = opening.enter_context(closing(connect(self._settings)))
            # it may be the first that the process opens
            ensure(session, self._settings.change_lock_timeout)
            opening.pop_all()
        return session


def check(session: psycopg.Connection) -> None:
    """Raise if the session has ended, without a journey for one that has not: its server sends nothing unasked."""
    waiting = select.poll()
    waiting.register(session.fileno(), select.POLLIN)
    if waiting.poll(0):
        ConnectionPool.check_connection(session)


def _opened_by(opened: Callable[[], psycopg.Connection]) -> type[psycopg.Connection]:
    """What the pool takes for the class of its sessions; it asks it for nothing but new ones."""

    class Session(psycopg.Connection[Any]):
        @classmethod
        def connect(cls, *_: Any, **__: Any) -> Any:
            return opened()

    return Session


def _anew(error: HeadraceError) -> HeadraceError:
    """The same for another thread."""
    kind = next(kind for kind in (Refused, Persistent, Transient) if isinstance(error, kind))
    return kind(error.failure)


def _crowded() -> Failure:
    detail = f"{descriptors.held()} files and sockets are open, of {descriptors.limit()} that the process may have"
    remedy = "Raise the limit of open files (ulimit -n, LimitNOFILE), or look for what opens so many."
    return failed(KINDS["target.pool"], "postgres", "connect", detail, remedy=remedy)


def _exhausted(size: int, seconds: float) -> Failure:
    detail = f"none of the {size} sessions for short questions was free within {seconds:g} s"
    return failed(KINDS["target.pool"], "postgres", "connect", detail)
