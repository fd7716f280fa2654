"""Connectors of the stack's Connect worker: put them there, see that they run, take them away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from consumer.stack import loopback
from consumer.stack.failures import persistent, transient
from consumer.stack.waiting import wait_until

_REQUEST_SECONDS = 30.0
_RUNNING_SECONDS = 60.0
_DEBEZIUM = "io.debezium.connector.postgresql.PostgresConnector"
_JDBC_SINK = "io.debezium.connector.jdbc.JdbcSinkConnector"
_RUNNING = "RUNNING"
_FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorStatus:
    """What Connect says of a connector; `trace` is the first failure's text, empty when there is none."""

    state: str
    tasks: tuple[str, ...]
    trace: str

    @property
    def running(self) -> bool:
        """True when the connector and at least one task run, and none does anything else."""
        return self.state == _RUNNING and bool(self.tasks) and set(self.tasks) == {_RUNNING}

    @property
    def failed(self) -> bool:
        """True when the connector or a task has failed."""
        return _FAILED in (self.state, *self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What a Debezium connector captures: tables as `schema.table`, published under `<topic_prefix>.<table>`."""

    topic_prefix: str
    tables: tuple[str, ...]
    database: str = ""
    snapshot_mode: str = "initial"
    extra: Mapping[str, str] | None = None


def jdbc_sink_config(target_dsn: str, topics: Sequence[str]) -> dict[str, str]:
    """Debezium's JDBC sink: upserts and deletes by the records' keys, from the start, into tables that are there.

    Everything else is as it is by default.
    """
    address = conninfo_to_dict(target_dsn)
    return {
        "connector.class": _JDBC_SINK,
        "tasks.max": "1",
        "topics": ",".join(topics),
        "connection.url": f"jdbc:postgresql://{address['host']}:{address['port']}/{address['dbname']}",
        "connection.username": str(address["user"]),
        "connection.password": str(address["password"]),
        "insert.mode": "upsert",
        "delete.enabled": "true",
        "primary.key.mode": "record_key",
        "schema.evolution": "none",
        "collection.name.format": "${source.schema}.${source.table}",
        "consumer.override.auto.offset.reset": "earliest",
    }


def register_debezium(connect_url: str, source_dsn: str, name: str, capture: Capture) -> ConnectorStatus:
    """Puts a Debezium PostgreSQL connector and returns when it runs; raises with Connect's trace when it fails."""
    return register(connect_url, name, debezium_config(source_dsn, name, capture))


def debezium_config(source_dsn: str, name: str, capture: Capture) -> dict[str, str]:
    """The connector's configuration: pgoutput, a publication of just these tables, Avro-safe names, low latency."""
    address = conninfo_to_dict(source_dsn)
    own = _database_name(name)
    config = {
        "connector.class": _DEBEZIUM,
        "tasks.max": "1",
        "database.hostname": str(address["host"]),
        "database.port": str(address["port"]),
        "database.user": str(address["user"]),
        "database.password": str(address["password"]),
        "database.dbname": capture.database or str(address["dbname"]),
        "topic.prefix": capture.topic_prefix,
        "table.include.list": ",".join(capture.tables),
        "plugin.name": "pgoutput",
        "slot.name": own,
        "publication.name": own,
        "publication.autocreate.mode": "filtered",
        "snapshot.mode": capture.snapshot_mode,
        "schema.name.adjustment.mode": "avro",
        "poll.interval.ms": "50",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "1",
    }
    return config | dict(capture.extra or {})


def _database_name(name: str) -> str:
    """The name of a connector's slot and publication."""
    return "headrace_" + "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def register(connect_url: str, name: str, config: Mapping[str, str]) -> ConnectorStatus:
    """Puts any connector (an existing one gets the new settings) and returns when it and its tasks run."""
    earlier = connector_status(connect_url, name)
    if earlier is not None and earlier.failed:
        # Else its old failure would be taken for the new settings'. Source offsets stay.
        delete_connector(connect_url, name)
    _call("PUT", f"{connect_url}/connectors/{name}/config", dict(config))
    status = ConnectorStatus(state="UNASSIGNED", tasks=(), trace="")

    def settled() -> bool:
        nonlocal status
        status = connector_status(connect_url, name) or status
        return status.running or status.failed

    if not wait_until(settled, _RUNNING_SECONDS, interval=0.1):
        detail = f"connector {name} is {status.state} with tasks {list(status.tasks)} after {_RUNNING_SECONDS:.0f} s"
        raise transient("register", "connector_late", detail, "Read the log of connect.")
    if status.failed:
        detail = f"connector {name} failed:\n{status.trace}\n"
        raise persistent("register", "connector_failed", detail, "Correct its settings and register it again.")
    return status


def connector_status(connect_url: str, name: str) -> ConnectorStatus | None:
    """The connector's state, or None when Connect does not know it (yet)."""
    answer = _call("GET", f"{connect_url}/connectors/{name}/status", None, absent_is_none=True)
    if answer is None:
        return None
    tasks: list[dict[str, Any]] = answer["tasks"]
    traces = [str(each.get("trace", "")) for each in (answer["connector"], *tasks)]
    return ConnectorStatus(
        state=answer["connector"]["state"],
        tasks=tuple(each["state"] for each in tasks),
        trace=next(filter(None, traces), ""),
    )


def delete_connector(connect_url: str, name: str) -> None:
    """Takes a connector away and returns when it is gone; one that is not there is no failure. Topics and slot stay."""
    _call("DELETE", f"{connect_url}/connectors/{name}", None, absent_is_none=True)
    if not wait_until(lambda: connector_status(connect_url, name) is None, _REQUEST_SECONDS):
        detail = f"connector {name} is still there after {_REQUEST_SECONDS:.0f} s"
        raise transient("delete", "connector_late", detail, "Read the log of connect.")


def remove_debezium(connect_url: str, source_dsn: str, name: str) -> None:
    """Takes a Debezium connector away with its slot and its publication; its topics stay."""
    delete_connector(connect_url, name)
    own = _database_name(name)
    with psycopg.connect(source_dsn, autocommit=True) as connection:

        def released() -> bool:
            query = "SELECT active FROM pg_replication_slots WHERE slot_name = %s"
            row = connection.execute(query, [own]).fetchone()
            return row is None or not row[0]

        if not wait_until(released, _REQUEST_SECONDS):
            detail = f"slot {own} is still in use after {_REQUEST_SECONDS:.0f} s"
            raise transient("delete", "slot_in_use", detail, "Read the log of connect.")
        query = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
        connection.execute(query, [own])
        connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(own)))


def connectors(connect_url: str) -> tuple[str, ...]:
    """The names of all connectors."""
    answer: Any = _call("GET", f"{connect_url}/connectors", None)
    return tuple(answer or ())


def _call(method: str, url: str, body: Mapping[str, str] | None, absent_is_none: bool = False) -> Any:
    """One request; a rebalance (409) is waited for, because Connect refuses every change during one."""
    answer: httpx.Response | None = None

    def taken() -> bool:
        nonlocal answer
        answer = _request(method, url, body)
        return answer.status_code not in (httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE)

    done = wait_until(taken, _REQUEST_SECONDS, interval=0.1)
    assert answer is not None
    if absent_is_none and answer.status_code == httpx.codes.NOT_FOUND:
        return None
    if done and answer.is_success:
        return answer.json() if answer.content else None
    detail = f"{method} {url} answered {answer.status_code}: {answer.text}"
    raise persistent("connect", "connect_refused", detail, "Correct the connector's settings.")


def _request(method: str, url: str, body: Mapping[str, str] | None) -> httpx.Response:
    try:
        return loopback.request(method, url, _REQUEST_SECONDS, body)
    except httpx.TransportError as cause:
        detail = f"{method} {url} failed: {cause}"
        raise transient("connect", "connect_unreachable", detail, "See that the part connect runs.") from cause
