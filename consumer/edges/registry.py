"""The schema registry: schemas by id, immutable, so each is asked for once.

By the Confluent API, or by Apicurio's own where ids are of its kinds.
"""

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

from consumer.core.classify import of_status
from consumer.core.failure import Failure, HeadraceError, Persistent, Transient, failed
from consumer.core.failure_kind import FailureKind, Scope
from consumer.core.kinds import KINDS
from consumer.core.schema_ref import SchemaRef, Space
from consumer.edges.registry_http import Login, RegistryHttp, Unanswered
from consumer.ports.decoding import Found
from consumer.ports.target import Breaker

# ids of a GUID: that of the default context, if it has one
_DEFAULT_CONTEXT = "."
# where Apicurio's own API has the schemas of its ids
_PATHS = {Space.GLOBAL_IDS: "/ids/globalIds", Space.CONTENT_IDS: "/ids/contentIds"}


class HttpRegistry:
    """Implements `consumer.ports.decoding.Registry`."""

    def __init__(
        self, url: str, breaker: Breaker, *, timeout: float = 10.0, apicurio_url: str | None = None,
        login: Login | None = None,
    ) -> None:  # fmt: skip
        """`apicurio_url`: base of Apicurio's own API, if there is one."""
        self._http = RegistryHttp(url, login or Login(), timeout=timeout)
        self._url = self._http.url
        self._apicurio_url = apicurio_url.rstrip("/") if apicurio_url else None
        self._breaker = breaker
        # what it was asked for last without giving it
        self._owed: SchemaRef | None = None

    def name(self, ref: SchemaRef) -> str:
        if ref.space is Space.IDS:
            return self._url
        if ref.space is Space.GUIDS:
            return self._url + _by_guid(ref)
        return f"{self._apicurio_url}{_PATHS[ref.space]}"

    def find(self, ref: SchemaRef) -> Found:
        try:
            return self._breaker.ask(lambda: self._found(ref))
        except Transient:
            self._owed = ref
            raise

    def look_again(self) -> bool:
        """Ask again for what it did not give, if it is away and may be asked by now; returns whether it was asked.

        Whoever wanted that may have found it elsewhere, and nobody else would see that the registry is back.
        """
        if self._owed is None or not self._breaker.due():
            return False
        with suppress(HeadraceError):
            self.find(self._owed)
        return True

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _found(self, ref: SchemaRef) -> Found:
        if ref.space is Space.IDS:
            return Found(ref.number, self._text(f"/schemas/ids/{ref.number}", ref))
        if ref.space is Space.GUIDS:
            text = self._text(_by_guid(ref), ref)
            return Found(self._id_of(ref), text)
        if self._apicurio_url is None:
            raise Persistent(_failure(KINDS["record.framing"], f"found an {_said(ref)} of Apicurio", remedy=_NO_API))
        answer = self._get(f"{self._apicurio_url}{_PATHS[ref.space]}/{ref.number}", ref)
        return Found(ref.number, answer.decode(errors="replace"))

    def _text(self, path: str, ref: SchemaRef) -> str:
        answer = self._json(path, ref)
        try:
            text = answer["schema"]
        except (KeyError, TypeError) as error:
            raise _odd(ref) from error
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise Persistent(
                _failure(KINDS["record.format"], f"expected an Avro schema, found {kind} behind {_said(ref)}")
            )
        return str(text)

    def _id_of(self, ref: SchemaRef) -> int:
        """The id of a schema that is known by its GUID."""
        answer = self._json(f"{_by_guid(ref)}/ids", ref)
        try:
            ids = {each["context"]: int(each["id"]) for each in answer}
        except (KeyError, TypeError, ValueError) as error:
            raise _odd(ref) from error
        if not ids:
            raise Persistent(_failure(KINDS["record.schema_unknown"], f"the registry knows no {_said(ref)}"))
        return ids.get(_DEFAULT_CONTEXT, min(ids.values()))

    def _json(self, path: str, ref: SchemaRef) -> Any:
        try:
            return json.loads(self._get(self._url + path, ref))
        except ValueError as error:
            raise _odd(ref) from error

    def _get(self, url: str, ref: SchemaRef) -> bytes:
        try:
            return self._http.get(url)
        except Unanswered as error:
            raise _answered(error.status, ref) from error


def _by_guid(ref: SchemaRef) -> str:
    return f"/schemas/guids/{UUID(int=ref.number)}"


def _said(ref: SchemaRef) -> str:
    return f"{ref.space.value} {UUID(int=ref.number) if ref.space is Space.GUIDS else ref.number}"


def _odd(ref: SchemaRef) -> Transient:
    return Transient(_failure(KINDS["registry.away"], f"the answer for {_said(ref)} has no schema"))


def _answered(status: int, ref: SchemaRef) -> HeadraceError:
    kind = of_status(status)
    if kind.scope is Scope.RECORD:
        return Persistent(_failure(kind, f"the registry knows no {_said(ref)}", str(status)))
    return Transient(_failure(kind, f"the registry answered {status}", str(status)))


def _failure(kind: FailureKind, detail: str, code: str = "", remedy: str = "") -> Failure:
    return failed(kind, "registry", "get schema", detail, code=code, remedy=remedy)


_NO_API = "Set registry.apicurio_url to the base of Apicurio's own API, and replay the letters."
