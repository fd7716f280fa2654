"""An OpenID Connect provider over HTTP: its description, its keys, codes redeemed. Nothing of it is logged."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from consumer.core.addresses import is_safe
from consumer.core.failure import Failure, Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.edges.logins import basic
from consumer.ports.identity import Endpoints

# seconds for which its description and its keys are believed, and between two questions for new keys
_DESCRIBED, _KEYS, _APART = 3600.0, 600.0, 30.0
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """Which provider, and who we are there. Times in seconds."""

    issuer: str
    client_id: str = ""
    secret: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout: float = 10.0


class HttpProvider:
    """Implements `consumer.ports.identity.Provider`. `now`: seconds of a clock that only goes forward."""

    def __init__(self, settings: ProviderSettings, now: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._now = now
        self._lock = threading.Lock()
        self._endpoints: Endpoints | None = None
        # none have come yet
        self._keys: Mapping[str, Any] | None = None
        self._described = self._asked_keys = float("-inf")
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=settings.timeout, read=settings.timeout),
            # who could send us elsewhere could say who people are
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(settings.ca_file) if settings.ca_file else None,
        )

    def endpoints(self) -> Endpoints:
        with self._lock:
            return self._known()

    def keys(self, *, anew: bool = False) -> Mapping[str, Any]:
        with self._lock:
            pause = _APART if anew or self._keys is None else _KEYS
            if self._now() - self._asked_keys > pause:
                # also when it fails: nobody makes us ask it time and again
                self._asked_keys = self._now()
                self._keys = _json(self._answer("GET", self._known().jwks, "get keys"), "get keys")
            if self._keys is None:
                raise Transient(_away("get keys", f"the provider gave no keys; it is asked every {_APART:.0f} s"))
            return self._keys

    def redeem(self, code: str, verifier: str, back: str) -> str:
        sent = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": back}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        settings = self._settings
        if settings.secret:
            headers |= basic(settings.client_id, settings.secret)
        else:
            sent["client_id"] = settings.client_id
        body = self._answer("POST", self.endpoints().token, "redeem code", body=urlencode(sent), headers=headers)
        token = _json(body, "redeem code").get("id_token")
        if not isinstance(token, str):
            raise Persistent(_unfit("redeem code", "its answer has no id token; is openid among the scopes?"))
        return token

    def _known(self) -> Endpoints:
        """Where what is, by its description; by the one before for a while where it is away."""
        if self._endpoints is None or self._now() - self._described > _DESCRIBED:
            try:
                self._endpoints = self._describe()
                self._described = self._now()
            except Transient:
                if self._endpoints is None:
                    raise
                self._described = self._now() - _DESCRIBED + _APART
        return self._endpoints

    def _describe(self) -> Endpoints:
        issuer = self._settings.issuer
        where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        said = _json(self._answer("GET", where, "describe"), "describe")
        if said.get("issuer") != issuer:
            raise Persistent(_unfit("describe", "it calls itself another issuer than admin.oidc.issuer"))
        return Endpoints(
            authorization=_safe(said, "authorization_endpoint"),
            token=_safe(said, "token_endpoint"),
            jwks=_safe(said, "jwks_uri"),
            end_session=_safe(said, "end_session_endpoint") if said.get("end_session_endpoint") else None,
        )

    def _answer(self, method: str, url: str, operation: str, **how: Any) -> bytes:
        try:
            response = self._pool.request(method, url, preload_content=False, **how)
            try:
                data = response.read(_LARGEST + 1)
            finally:
                response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise Transient(_away(operation, f"the provider did not answer ({type(error).__name__})")) from error
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Transient(_away(operation, f"the provider answered {response.status}", str(response.status)))
        if response.status != HTTPStatus.OK:
            detail = f"the provider answered {response.status}"
            raise Persistent(_unfit(operation, detail, str(response.status)))
        if len(data) > _LARGEST:
            raise Persistent(_unfit(operation, f"its answer has more than {_LARGEST} bytes"))
        return data


def _safe(said: Mapping[str, Any], name: str) -> str:
    url = said.get(name)
    if not isinstance(url, str) or not is_safe(url):
        raise Persistent(_unfit("describe", f"its {name} is missing, or is not https"))
    return url


def _json(body: bytes, operation: str) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        # the body may hold tokens
        raise Persistent(_unfit(operation, "its answer is no JSON object"))
    return said


def _away(operation: str, detail: str, code: str = "") -> Failure:
    return failed(KINDS["oidc.away"], "oidc", operation, detail, code=code)


def _unfit(operation: str, detail: str, code: str = "") -> Failure:
    return failed(KINDS["oidc.refused"], "oidc", operation, detail, code=code)
