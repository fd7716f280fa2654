"""The two contenders: each is started on a dataset's topics, watched from outside, and ended."""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from consumer.bench import engine
from consumer.bench.failures import broken
from consumer.bench.rig import Rig
from consumer.stack.connectors import connector_status, delete_connector, jdbc_sink_config, register
from consumer.stack.logs import tail
from consumer.stack.options import CONNECT
from consumer.stack.process import Command, Process, Spawner

HEADRACE = "headrace"
# with as many events, beside its own run on many tables
ONE_TABLE = "headrace-one-table"
_STOP_SECONDS = 40.0
# an installation has its bytecode, and a start takes several times as long without
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A contender at work in a consumer group of its own.

    `check` raises when it has failed; `details` is what it says of its own work.
    """

    group: str
    pid: int
    started: float
    check: Callable[[], None]
    details: Callable[[], dict[str, Any]] = field(default=dict)


def new_group() -> str:
    """A consumer group that has never run."""
    return f"bench-{uuid.uuid4().hex[:8]}"


@contextmanager
def headrace(
    rig: Rig, topics: Sequence[str], group: str = "", variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Running]:
    """`headrace run` with one worker, a new group unless one is named, and its defaults but for what HEADRACE_
    variables say: those of the environment, and these.

    The kernel ends it with this process, however that ends: a survivor would write into the next run's tables.
    """
    group = group or new_group()
    command = worker(rig, write_settings(rig, group, topics), variables)
    with rig.target() as connection, closing(Spawner()) as spawner:
        started = time.monotonic()
        process = spawner.spawn(HEADRACE, command, rig.scratch / f"{group}.log")
        try:
            yield Running(
                group=group,
                pid=process.pid,
                started=started,
                check=lambda: check(process, connection, group),
                details=lambda: _ledger(connection, group),
            )
        finally:
            process.stop()


def worker(rig: Rig, settings: Path, variables: Mapping[str, str]) -> Command:
    """`headrace run` with these settings, and with what the variables say beside those of the environment."""
    return Command(
        argv=(sys.executable, "-m", "consumer", "run", "--config", str(settings.absolute())),
        directory=rig.scratch.absolute(),
        environment={
            **{name: value for name, value in os.environ.items() if name != _NO_BYTECODE},
            **variables,
            "PYTHONPATH": _path(),
            "HEADRACE_TARGET__DSN": rig.endpoints.target_dsn,
        },
        stop_seconds=_STOP_SECONDS,
    )


def write_settings(rig: Rig, group: str, topics: Sequence[str]) -> Path:
    """The file that workers of a group have in common."""
    file = rig.scratch / f"{group}.toml"
    file.write_text(_settings(rig, group, topics), encoding="utf-8")
    return file


def _path() -> str:
    """Where Python looks first: at the sources whose version the result gets, whatever the working directory."""
    return os.pathsep.join(filter(None, (str(engine.ROOT), os.environ.get("PYTHONPATH"))))


def _settings(rig: Rig, group: str, topics: Sequence[str]) -> str:
    listed = ", ".join(f'"{topic}"' for topic in topics)
    kafka = f'[kafka]\nbootstrap_servers = "{rig.endpoints.kafka}"\ngroup = "{group}"\ntopics = [{listed}]\n'
    # the address with the password comes from the environment
    rest = f'[registry]\nurl = "{rig.endpoints.registry_url}"\n[target]\ndsn = "from the environment"\n'
    return kafka + rest


def check(process: Process, connection: psycopg.Connection, group: str) -> None:
    """Raises Persistent when the worker has ended, or a partition of its group is stopped."""
    if process.code is not None:
        detail = f"headrace ended with code {process.code}; the end of its log:\n{tail(process.log, 15)}\n"
        raise broken("headrace", "worker_died", detail, f"Read {process.log}.")
    try:
        row = connection.execute(
            "SELECT stopped FROM headrace.positions WHERE group_name = %s AND stopped IS NOT NULL LIMIT 1", [group]
        ).fetchone()
    except psycopg.errors.UndefinedTable:
        # the first worker makes the schema
        return
    if row is not None:
        raise broken("headrace", "partition_stopped", f"headrace stopped a partition: {row[0]}", f"Read {process.log}.")


def _ledger(connection: psycopg.Connection, group: str) -> dict[str, Any]:
    """Where the apply thread's time went, from the ledger, and how many letters have no copy yet."""
    row = connection.execute(
        "SELECT count(*), sum(records), extract(epoch FROM max(finished_at) - min(started_at))::float8,"
        " (SELECT jsonb_object_agg(name, round(total, 2)) FROM"
        "  (SELECT key AS name, sum(value::numeric) AS total FROM headrace.batches, jsonb_each_text(durations)"
        "   WHERE group_name = %(group)s AND state = 'applied' GROUP BY key) AS steps),"
        " (SELECT count(*) FROM headrace.letters WHERE group_name = %(group)s AND published_attempt < attempt)"
        " FROM headrace.batches WHERE group_name = %(group)s AND state = 'applied'",
        {"group": group},
    ).fetchone()
    if row is None or not row[0]:
        return {}
    told = {"batches": row[0], "records": int(row[1]), "ledger_seconds": round(row[2], 2), "steps": row[3]}
    return told | ({"unpublished": row[4]} if row[4] else {})


@contextmanager
def sink(rig: Rig, topics: Sequence[str], tuning: Mapping[str, str]) -> Iterator[Running]:
    """The Debezium JDBC sink connector with one task and a new name, hence a new group."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    connect = rig.endpoints.connect_url
    started = time.monotonic()
    try:
        register(connect, name, sink_config(rig, topics, tuning))
        group = f"connect-{name}"
        yield Running(group=group, pid=rig.pids[CONNECT], started=started, check=lambda: _check_sink(connect, name))
    finally:
        delete_connector(connect, name)


def sink_config(rig: Rig, topics: Sequence[str], tuning: Mapping[str, str]) -> dict[str, str]:
    """The connector's configuration: upsert with deletes into existing tables; the tuning on top."""
    rest = dict(tuning)
    config = jdbc_sink_config(rig.endpoints.target_dsn, topics)
    if rest.pop(REWRITE, "false") == "true":
        config["connection.url"] += f"?{REWRITE}=true"
    return config | rest


REWRITE = "reWriteBatchedInserts"


def _check_sink(connect: str, name: str) -> None:
    status = connector_status(connect, name)
    if status is None or status.failed:
        trace = status.trace if status else "it is gone"
        raise broken("sink", "task_failed", f"the sink connector failed: {trace[:2000]}", "Read the log of connect.")
