"""How the registry is spoken to over HTTP: who asks, and whom its certificate has to be of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3

from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.edges.logins import basic
from consumer.edges.tls import tls_fault

AVRO = "AVRO"
_REDIRECTS = 3
# kept open between requests; as many as the binder asks at a time
_CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who asks: by user and password, or by a token; nobody with none of them. `ca_file`: in PEM."""

    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: Path | None = None


class Unanswered(Exception):
    """An answer with another status than 200, and what it says."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(str(status))
        self.status = status
        self.body = body


class RegistryHttp:
    """Asks; for any thread. A login that stands in the base's URL is used where no other is given."""

    def __init__(self, url: str, login: Login, *, timeout: float) -> None:
        parts = urlsplit(url.rstrip("/"))
        host = parts.netloc.rpartition("@")[2]
        self.url = urlunsplit((parts.scheme, host, parts.path, "", ""))
        if not login.user and not login.token and parts.username:
            login = Login(user=unquote(parts.username), password=unquote(parts.password or ""), ca_file=login.ca_file)
        self._headers = _headers(login)
        self._origin = (parts.scheme, host)
        # repeats are the caller's, with its backoff; only redirects are followed here
        retries = urllib3.Retry(
            total=_REDIRECTS, connect=0, read=0, redirect=_REDIRECTS, status=0, other=0,
            remove_headers_on_redirect=["Authorization"],
        )  # fmt: skip
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            retries=retries,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(login.ca_file) if login.ca_file else None,
        )

    def get(self, url: str) -> bytes:
        """What is at an address. Raises Transient when there is no answer, Unanswered for another one."""
        try:
            # the login is for the server that it was given for
            parts = urlsplit(url)
            headers = self._headers if (parts.scheme, parts.netloc) == self._origin else None
            answer = self._pool.request("GET", url, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Transient(_away(error)) from error
        if answer.status != HTTPStatus.OK:
            raise Unanswered(answer.status, answer.data)
        return answer.data

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def language(answer: Mapping[str, Any]) -> str:
    """That of the schema in an answer, which has none, null or an empty one for Avro."""
    return str(answer.get("schemaType") or AVRO)


def _headers(login: Login) -> dict[str, str]:
    if login.token:
        return {"Authorization": f"Bearer {login.token}"}
    return basic(login.user, login.password) if login.user else {}


def _away(error: urllib3.exceptions.HTTPError) -> Failure:
    if (fault := tls_fault(error)) is not None:
        return failed(KINDS["registry.tls"], "registry", "get schema", f"no secure connection: {fault}")
    # what tries again has the last reason
    detail = f"the registry did not answer ({type(getattr(error, 'reason', None) or error).__name__})"
    return failed(KINDS["registry.away"], "registry", "get schema", detail)
