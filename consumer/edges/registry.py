"""The schema registry's Confluent API: schemas by id, immutable, so each is asked for once."""

import json
from http import HTTPStatus

import urllib3

from consumer.core.classify import of_status
from consumer.core.failure import Failure, HeadraceError, Persistent, Transient, failed
from consumer.core.kinds import KINDS, FailureKind, Scope
from consumer.ports.target import Breaker

_REDIRECTS = 3
# kept open between requests; as many as the binder asks at a time
_CONNECTIONS = 8


class HttpRegistry:
    """Implements `consumer.ports.decoding.Registry`."""

    def __init__(self, url: str, breaker: Breaker, *, timeout: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._breaker = breaker
        # repeats are the caller's, with its backoff; only redirects are followed here
        retries = urllib3.Retry(total=_REDIRECTS, connect=0, read=0, redirect=_REDIRECTS, status=0, other=0)
        limit = urllib3.Timeout(connect=timeout, read=timeout)
        self._pool = urllib3.PoolManager(maxsize=_CONNECTIONS, timeout=limit, retries=retries)

    @property
    def name(self) -> str:
        """The registry's base address."""
        return self._url

    def schema(self, schema_id: int) -> str:
        return self._breaker.ask(lambda: self._asked(schema_id))

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _asked(self, schema_id: int) -> str:
        body = self._get(f"/schemas/ids/{schema_id}", schema_id)
        try:
            answer = json.loads(body)
            text = answer["schema"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise Transient(
                _failure(KINDS["registry.away"], f"the answer for schema id {schema_id} has no schema")
            ) from error
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            detail = f"expected an Avro schema, found {kind} behind schema id {schema_id}"
            raise Persistent(_failure(KINDS["record.format"], detail))
        return str(text)

    def _get(self, path: str, schema_id: int) -> bytes:
        try:
            answer = self._pool.request("GET", self._url + path)
        except urllib3.exceptions.HTTPError as error:
            raise Transient(
                _failure(KINDS["registry.away"], f"the registry did not answer ({type(error).__name__})")
            ) from error
        if answer.status != HTTPStatus.OK:
            raise _answered(answer.status, schema_id)
        return answer.data


def _answered(status: int, schema_id: int) -> HeadraceError:
    kind = of_status(status)
    if kind.scope is Scope.RECORD:
        return Persistent(_failure(kind, f"the registry knows no schema id {schema_id}", str(status)))
    return Transient(_failure(kind, f"the registry answered {status}", str(status)))


def _failure(kind: FailureKind, detail: str, code: str = "") -> Failure:
    return failed(kind, "registry", "get schema", detail, code=code)
