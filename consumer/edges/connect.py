"""Kafka Connect's REST interface. Traces are cut to the exceptions' classes here: their words may quote rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3

from consumer.core.connectors import Connector, Task, classes
from consumer.core.failure import Failure, HeadraceError, Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.edges.logins import basic
from consumer.edges.tls import tls_fault
from consumer.ports.target import Breaker

# while Connect moves its connectors it takes no changes: how often, and how long between, a change is tried
_TRIES, _PAUSE = 5, 0.5
_POSTGRES, _KEY_COLUMNS = "io.debezium.connector.postgresql.PostgresConnector", "message.key.columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectSettings:
    """Where it is, and who asks. Times in seconds. `ca_file`: whom its certificate has to be of, in PEM."""

    url: str
    user: str = ""
    password: str = ""
    timeout: float = 10.0
    ca_file: Path | None = None


class HttpConnect:
    """Implements `consumer.ports.connectors.Connectors`."""

    def __init__(self, settings: ConnectSettings, breaker: Breaker) -> None:
        self._url = settings.url.rstrip("/")
        self._breaker = breaker
        login = basic(settings.user, settings.password) if settings.user else {}
        headers = login | {"Accept": "application/json"}
        # nobody is followed elsewhere with our password; a busy Connect is asked again
        busy = urllib3.Retry(
            total=_TRIES,
            connect=0,
            read=0,
            redirect=0,
            other=0,
            status=_TRIES,
            status_forcelist=[HTTPStatus.CONFLICT],
            allowed_methods=None,
            backoff_factor=_PAUSE,
            backoff_max=_PAUSE,
            raise_on_status=False,
        )
        limit = urllib3.Timeout(connect=settings.timeout, read=settings.timeout)
        self._pool = urllib3.PoolManager(
            timeout=limit,
            retries=busy,
            headers=headers,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(settings.ca_file) if settings.ca_file else None,
        )

    def all(self) -> Sequence[Connector]:
        return self._breaker.ask(self._all)

    def restart(self, name: str, task: int | None = None) -> bool:
        what = "restart?includeTasks=true&onlyFailed=true" if task is None else f"tasks/{task}/restart"
        path = f"/connectors/{quote(name, safe='')}/{what}"
        return self._breaker.ask(lambda: self._asked("POST", path, "restart connector")) is not None

    def close(self) -> None:
        self._pool.clear()

    def _all(self) -> list[Connector]:
        said = _json(self._asked("GET", "/connectors?expand=status&expand=info", "list connectors") or b"{}")
        return [
            self._connector(name, each.get("status", {}), each.get("info", {}).get("config", {}))
            for name, each in sorted(said.items())
        ]

    def _connector(self, name: str, status: dict[str, Any], config: dict[str, Any]) -> Connector:
        own = status.get("connector", {})
        tasks = (
            Task(id=int(task["id"]), state=str(task["state"]), failure=classes(task.get("trace") or ""))
            for task in status.get("tasks", ())
        )
        return Connector(
            name=name,
            kind=str(status.get("type", "unknown")),
            state=str(own.get("state", "UNASSIGNED")),
            failure=classes(own.get("trace") or ""),
            tasks=tuple(sorted(tasks, key=lambda task: task.id)),
            topics=self._topics(name),
            # of the settings nothing else is kept: they may have passwords
            key_columns=str(config.get(_KEY_COLUMNS, "")) if config.get("connector.class") == _POSTGRES else "",
        )

    def _topics(self, name: str) -> frozenset[str]:
        """Those that it used; Connect may be told not to keep them, and the connector may be gone by now."""
        try:
            said = self._asked("GET", f"/connectors/{quote(name, safe='')}/topics", "list connectors")
        except Persistent as error:
            if error.failure.code != str(HTTPStatus.FORBIDDEN.value):
                raise
            return frozenset()
        return frozenset(_json(said or b"{}").get(name, {}).get("topics", ()))

    def _asked(self, method: str, path: str, operation: str) -> bytes | None:
        """The answer, or None when there is nothing of that name."""
        try:
            answer = self._pool.request(method, self._url + path)
        except urllib3.exceptions.HTTPError as error:
            raise Transient(_unreached(error, operation)) from error
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise _answered(answer.status, operation)
        return answer.data


def _json(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except json.JSONDecodeError as error:
        raise Transient(_away("list connectors", "the answer of Kafka Connect is no JSON")) from error
    if not isinstance(said, dict):
        raise Transient(_away("list connectors", "the answer of Kafka Connect is no list of connectors"))
    return said


def _unreached(error: urllib3.exceptions.HTTPError, operation: str) -> Failure:
    if (fault := tls_fault(error)) is not None:
        return failed(KINDS["connect.tls"], "connect", operation, f"no secure connection: {fault}")
    return _away(operation, f"Kafka Connect did not answer ({type(error).__name__})")


def _answered(status: int, operation: str) -> HeadraceError:
    code, detail = str(status), f"Kafka Connect answered {status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Persistent(failed(KINDS["connect.refused"], "connect", operation, detail, code=code))
    return Transient(_away(operation, detail, code))


def _away(operation: str, detail: str, code: str = "") -> Failure:
    return failed(KINDS["connect.away"], "connect", operation, detail, code=code)
