"""The schema registry: schemas by id, immutable, so each is asked for once.

By the Confluent API, or by Apicurio's own where ids are of its kinds.
"""

import json
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from uuid import UUID

from consumer.core.classify import of_status
from consumer.core.failure import Failure, HeadraceError, Persistent, Transient, failed
from consumer.core.failure_kind import FailureKind
from consumer.core.kinds import KINDS
from consumer.core.schema_ref import SchemaRef, Space
from consumer.edges.registry_http import AVRO, Login, RegistryHttp, Unanswered, language
from consumer.ports.decoding import Found
from consumer.ports.target import Breaker

# ids of a GUID: that of the default context, if it has one
_DEFAULT_CONTEXT = "."
# what Apicurio's own API says of an id that it does not know
_NOT_THERE = {"ArtifactNotFoundException", "ContentNotFoundException", "VersionNotFoundException"}
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
        if (found := language(answer)) != AVRO:
            raise Persistent(
                _failure(KINDS["record.format"], f"expected an Avro schema, found {found} behind {_said(ref)}")
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
            raise _answered(error, ref) from error


def _by_guid(ref: SchemaRef) -> str:
    return f"/schemas/guids/{UUID(int=ref.number)}"


def _said(ref: SchemaRef) -> str:
    return f"{ref.space.value} {UUID(int=ref.number) if ref.space is Space.GUIDS else ref.number}"


def _odd(ref: SchemaRef) -> Transient:
    return Transient(_failure(KINDS["registry.away"], f"the answer for {_said(ref)} has no schema"))


def _answered(error: Unanswered, ref: SchemaRef) -> HeadraceError:
    code = str(error.status)
    if error.status != HTTPStatus.NOT_FOUND:
        return Transient(_failure(of_status(error.status), f"the registry answered {code}", code))
    if _is_unknown(error.body, ref.space):
        return Persistent(_failure(KINDS["record.schema_unknown"], f"the registry knows no {_said(ref)}", code))
    detail = f"{code} was answered for {_said(ref)}, and not as a registry does that does not know it"
    return Transient(_failure(of_status(error.status), detail, code, _PATH))


def _is_unknown(body: bytes, space: Space) -> bool:
    """Whether a 404 says that there is no such id: it may be of what stands in front, or of a path that is none."""
    try:
        said = json.loads(body)
    except ValueError:
        return False
    if not isinstance(said, dict):
        return False
    code, name = said.get("error_code"), said.get("name")
    if space is Space.GUIDS:
        # registries that have no GUIDs have no such path; who writes one to their topics is not waited for
        return code is not None
    # 404 alone, or 0, is the code of a path; Apicurio's own API has it for ids too, and tells them apart by name
    coded = isinstance(code, int) and code // 100 == HTTPStatus.NOT_FOUND
    return coded or (isinstance(name, str) and name in _NOT_THERE)


def _failure(kind: FailureKind, detail: str, code: str = "", remedy: str = "") -> Failure:
    return failed(kind, "registry", "get schema", detail, code=code, remedy=remedy)


_NO_API = "Set registry.apicurio_url to the base of Apicurio's own API, and replay the letters."
_PATH = (
    "Look at the host and the path of registry.url (for Apicurio's own ids: registry.apicurio_url), and at what stands "
    "in front of the registry; Headrace goes on by itself once it answers."
)
