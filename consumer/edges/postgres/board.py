"""Implements `consumer.ports.presence.Board`, on a session of its own, since whoever listens has to keep it."""

import os
import socket
from contextlib import ExitStack, closing
from dataclasses import asdict

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from consumer.core.breaking import BreakerStatus
from consumer.core.flags import Flag, off_by
from consumer.edges.postgres import commands, flags
from consumer.edges.postgres.migrate import ensure
from consumer.edges.postgres.notify import CHANNEL
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.translate import translated
from consumer.ports.presence import InHand, Report, Told
from consumer.ports.target import Breaker

# what is as it was is not written again, which is much where a worker has thousands of partitions
_REPORT = """
INSERT INTO headrace.workers AS w (
    group_name, name, host, pid, version, state, every,
    partitions, batch, queue_batches, queue_bytes, rss_bytes, breakers, metrics_port, flags_off, held_back
) VALUES (
    %(group)s, %(name)s, %(host)s, %(pid)s, %(version)s, %(state)s, %(every)s,
    %(partitions)s, %(batch)s, %(queue_batches)s, %(queue_bytes)s, %(rss_bytes)s, %(breakers)s, %(metrics_port)s,
    %(flags_off)s, %(held_back)s
)
ON CONFLICT (group_name, name) DO UPDATE SET
    state = excluded.state, seen_at = excluded.seen_at, every = excluded.every,
    partitions = CASE WHEN w.partitions = excluded.partitions THEN w.partitions ELSE excluded.partitions END,
    batch = excluded.batch, queue_batches = excluded.queue_batches, queue_bytes = excluded.queue_bytes,
    rss_bytes = excluded.rss_bytes, breakers = excluded.breakers, metrics_port = excluded.metrics_port,
    flags_off = excluded.flags_off, held_back = excluded.held_back
"""
_WANTED = "SELECT EXISTS (SELECT FROM headrace.positions WHERE group_name = %s AND owner = %s AND again_at IS NOT NULL)"
_TAKE_ANEW = "UPDATE headrace.positions SET again_at = clock_timestamp() WHERE group_name = %s AND owner = %s"
_GONE = "DELETE FROM headrace.workers WHERE group_name = %s AND seen_at < clock_timestamp() - make_interval(secs => %s)"
_OLD = (
    "DELETE FROM headrace.commands WHERE group_name = %s AND asked_at < clock_timestamp() - make_interval(secs => %s)"
)
_LEAVE = "DELETE FROM headrace.workers WHERE group_name = %s AND name = %s"


class PostgresBoard:
    """The session is opened when it is needed, and anew after it was lost; the breaker says how often that is tried."""

    def __init__(self, settings: SessionSettings, group: str, version: str, breaker: Breaker) -> None:
        self._settings = settings
        self._group = group
        self._version = version
        self._breaker = breaker
        self._connection: psycopg.Connection | None = None

    def heard(self, timeout: float) -> bool:
        session = self._session()
        with translated("listen"):
            return any(said.payload == self._group for said in session.notifies(timeout=timeout, stop_after=1))

    def report(self, report: Report) -> None:
        values = {
            "group": self._group,
            "name": self._settings.worker,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": self._version,
            "state": report.state,
            "every": report.every,
            "partitions": Jsonb([list(at) for at in sorted(report.partitions)]),
            "batch": report.batch and Jsonb(_shown(report.batch)),
            "queue_batches": report.queue_batches,
            "queue_bytes": report.queue_bytes,
            "rss_bytes": report.rss_bytes,
            "breakers": Jsonb([_breaker(status) for status in report.breakers]),
            "metrics_port": report.metrics_port,
            "flags_off": sorted(report.flags_off),
            "held_back": report.held_back and Jsonb(asdict(report.held_back)),
        }
        with translated("report"):
            self._session().execute(_REPORT, values)

    def wanted(self) -> bool:
        with translated("look for decisions"):
            row = self._session().execute(_WANTED, self._me).fetchone()
        return bool(row and row[0])

    def commands(self) -> list[Told]:
        return commands.take(self._session(), *self._me)

    def flags_off(self) -> frozenset[Flag]:
        return off_by(flags.everything(self._session(), self._group))

    def answer(self, command: int, outcome: str) -> None:
        commands.done(self._session(), command, outcome)

    def reloaded(self, ago: float, outcome: str) -> None:
        commands.note_signal(self._session(), self._me, ago, outcome)

    def take_anew(self) -> int:
        with translated("ask for partitions"):
            return self._session().execute(_TAKE_ANEW, self._me).rowcount

    def prune(self, hours: float) -> None:
        with translated("prune"):
            self._session().execute(_GONE, (self._group, hours * 3600))
            self._session().execute(_OLD, (self._group, hours * 3600))

    def leave(self) -> None:
        with translated("leave"):
            self._session().execute(_LEAVE, self._me)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _me(self) -> tuple[str, str]:
        return self._group, self._settings.worker

    def _session(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._breaker.ask(self._opened)
        return self._connection

    def _opened(self) -> psycopg.Connection:
        with ExitStack() as opening:
            session = opening.enter_context(closing(connect(self._settings)))
            ensure(session, self._settings.change_lock_timeout)
            with translated("listen"):
                session.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
            opening.pop_all()
        return session


def _breaker(status: BreakerStatus) -> dict[str, object]:
    return {
        "name": status.name,
        "state": status.state.value,
        "since": status.since.isoformat(),
        "failures": status.failures,
        "kind": status.last and status.last.kind,
        "detail": status.last and status.last.detail,
    }


def _shown(batch: InHand) -> dict[str, float]:
    return {"partitions": batch.partitions, "records": batch.records, "seconds": round(batch.seconds, 3)}
