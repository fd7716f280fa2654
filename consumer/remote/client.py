"""The API's client: questions with their answers as values, and what it says instead as failures.

A problem document with a kind of ours is that failure again; one that says that there is no such thing is None.
"""

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import urllib3
from pydantic import TypeAdapter, ValidationError

from consumer.core.decision import Undecidable
from consumer.core.failure import Failure, HeadraceError, Persistent, Transient, failed
from consumer.core.failure_kind import FailureKind
from consumer.core.kinds import KINDS
from consumer.remote.server import Server

T = TypeVar("T")
Query = Mapping[str, object]

LARGEST = 64 << 20
"""Most bytes of an answer, and of a line of one."""
_PREFIX = "/api/v1"
# seconds: to be connected, and between two pieces of an answer
_CONNECT, _READ = 10.0, 60.0
_PIECE = 65_536


class Client:
    """Asks one server; raises HeadraceError, and Undecidable for what it refuses: as things stand, or by policy."""

    def __init__(self, server: Server) -> None:
        self._server = server
        headers = {"Accept": "application/json", "User-Agent": "headrace"}
        if server.token:
            headers["Authorization"] = f"Bearer {server.token}"
        # nobody is followed elsewhere with our token, and what changes something is asked for once
        self._pool = urllib3.PoolManager(
            headers=headers,
            timeout=urllib3.Timeout(connect=_CONNECT, read=_READ),
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(server.ca_file) if server.ca_file else None,
        )

    def find(self, kind: type[T], path: str, query: Query | None = None) -> T | None:
        """What there is at a path; None when there is no such thing."""
        return self._told(kind, self._asked("GET", path, query=query))

    def get(self, kind: type[T], path: str, query: Query | None = None) -> T:
        """What is always there."""
        return _there(self.find(kind, path, query))

    def change(self, kind: type[T], path: str, body: Query) -> T | None:
        """Have something done, and what came of it; None when there is no such thing."""
        return self._told(kind, self._asked("POST", path, body=body))

    def do(self, kind: type[T], path: str, body: Query) -> T:
        """The same of what is always there."""
        return _there(self.change(kind, path, body))

    @contextmanager
    def lines(self, path: str, *, query: Query | None = None, body: Query | None = None) -> Iterator[Iterator[bytes]]:
        """An answer line by line, as it comes; posted with a body."""
        response = self._sent("GET" if body is None else "POST", path, query=query, body=body, preload_content=False)
        try:
            if response.status != HTTPStatus.OK:
                self._check(response.status, _bounded(response))
                raise _unfit("it has nothing there")
            yield _lines(response)
        finally:
            response.close()

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _asked(self, method: str, path: str, *, query: Query | None = None, body: Query | None = None) -> bytes | None:
        response = self._sent(method, path, query=query, body=body, preload_content=False)
        try:
            data = _bounded(response)
        finally:
            response.release_conn()
        return data if self._check(response.status, data) else None

    def _sent(self, method: str, path: str, *, query: Query | None, body: Query | None, **how: Any) -> Any:
        url = self._server.url + _PREFIX + path + _query(query or {})
        data = None if body is None else json.dumps(body, default=_plain).encode()
        headers = dict(self._pool.headers) | ({"Content-Type": "application/json"} if data is not None else {})
        try:
            return self._pool.request(method, url, body=data, headers=headers, **how)
        except urllib3.exceptions.SSLError as error:
            raise Persistent(
                _failure(KINDS["server.unfit"], "its certificate is not one that is trusted here")
            ) from error
        except urllib3.exceptions.HTTPError as error:
            raise _away(error) from error

    def _told(self, kind: type[T], data: bytes | None) -> T | None:
        if data is None:
            return None
        try:
            told: T = _adapter(cast(Hashable, kind)).validate_json(data)
        except ValidationError as error:
            # its words hold values
            raise _unfit(f"its answer has {error.error_count()} differences from what is expected") from None
        return told

    def _check(self, status: int, data: bytes) -> bool:
        """Whether it is what was asked for; False when there is no such thing."""
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return True
        said = _problem(data)
        if said.get("kind") == "request.absent":
            return False
        raise _refusal(status, said)


def _refusal(status: int, said: Mapping[str, str]) -> Exception:
    """What it says instead of an answer."""
    detail, name, remedy = said.get("detail", f"it answered {status}"), said.get("kind", ""), said.get("remedy", "")
    code = str(status)
    if status == HTTPStatus.CONFLICT and name == "request.refused":
        return Undecidable(detail)
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.LOCKED) or name == "request.costly":
        return Undecidable(f"{detail}. {remedy}" if remedy else detail)
    if name in KINDS:
        # a server behind it
        failure = failed(KINDS[name], "server", "ask", detail, remedy=remedy, code=code)
        return Transient(failure) if status == HTTPStatus.SERVICE_UNAVAILABLE else Persistent(failure)
    if status == HTTPStatus.UNAUTHORIZED:
        return Persistent(failed(KINDS["server.refused"], "server", "ask", detail, code=code, remedy=_UNKNOWN))
    if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT):
        return Transient(failed(KINDS["server.away"], "server", "ask", detail, remedy=remedy, code=code))
    return Persistent(failed(KINDS["server.unfit"], "server", "ask", detail, remedy=remedy, code=code))


_UNKNOWN = (
    "Set HEADRACE_TOKEN, or --token-file, to a token that the server knows and that is not over (headrace admin token "
    "makes one)."
)


def _problem(data: bytes) -> dict[str, str]:
    """A problem document's words; none of anything else."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: value for name, value in said.items() if isinstance(value, str)}


def _bounded(response: Any) -> bytes:
    try:
        data: bytes = response.read(LARGEST + 1)
    except urllib3.exceptions.HTTPError as error:
        raise _away(error) from error
    if len(data) > LARGEST:
        raise _unfit(f"its answer has more than {LARGEST} bytes")
    return data


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    try:
        for piece in response.stream(_PIECE):
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            if len(rest) > LARGEST:
                raise _unfit(f"a line of its answer has more than {LARGEST} bytes")
    except urllib3.exceptions.HTTPError as error:
        raise _away(error) from error
    if rest:
        yield rest


def _query(query: Query) -> str:
    """What is not given is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        pairs += [(name, _plain(each)) for each in values if each is not None and each != ""]
    return "?" + urlencode(pairs) if pairs else ""


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _there(found: T | None) -> T:
    if found is None:
        raise _unfit("it has nothing there")
    return found


def _away(error: Exception) -> HeadraceError:
    return Transient(_failure(KINDS["server.away"], f"it did not answer ({type(error).__name__})"))


def _unfit(detail: str) -> HeadraceError:
    return Persistent(_failure(KINDS["server.unfit"], detail))


def _failure(kind: FailureKind, detail: str) -> Failure:
    return failed(kind, "server", "ask", detail)
