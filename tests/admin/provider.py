"""A small OpenID Connect provider that is one: discovery, keys, codes with PKCE, tokens signed by real RSA keys."""

import hashlib
import json
import secrets
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET, AUDIENCE = "headrace", "client-secret", "headrace-api"


class Issuer:
    """Says whatever its claims are of whoever comes; `broken`: answers nothing but 500, `keyless`: 502 for its keys."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
        self.published = [self.key]
        self.claims: dict[str, Any] = {"sub": "4711", "preferred_username": "ada", "groups": ["shop-operators"]}
        self.called: str | None = None
        self.broken = self.keyless = False
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def token(self, *, audience: str = AUDIENCE, key: RSAKey | None = None, **claims: Any) -> str:
        """One of now, signed; claims that are None are left out."""
        now = int(time.time())
        every = {"iss": self.url, "aud": audience, "iat": now, "exp": now + 300, **self.claims, **claims}
        key = key or self.key
        header = {"alg": "RS256", "kid": str(key.kid)}
        return jwt.encode(header, {name: value for name, value in every.items() if value is not None}, key)

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})
        self.published = [self.key]

    def _answer(self, path: str, query: dict[str, str], form: dict[str, str], login: str) -> tuple[int, Any, str]:
        self.asked.append(path)
        if self.broken:
            return 500, {}, ""
        if path == "/.well-known/openid-configuration":
            ways = {"authorization": "authorize", "token": "token", "end_session": "leave"}
            found = {f"{name}_endpoint": f"{self.url}/{way}" for name, way in ways.items()}
            return 200, {"issuer": self.called or self.url, "jwks_uri": f"{self.url}/keys", **found}, ""
        if path == "/keys" and self.keyless:
            return 502, {}, ""
        if path == "/keys":
            return 200, {"keys": [key.as_dict(private=False) for key in self.published]}, ""
        if path == "/authorize":
            code = secrets.token_urlsafe(16)
            self._codes[code] = query
            return 303, {}, f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
        if path == "/token":
            return self._redeemed(form, login)
        return 404, {}, ""

    def _redeemed(self, form: dict[str, str], login: str) -> tuple[int, Any, str]:
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        known = login == f"{CLIENT}:{SECRET}"
        if asked is None or not known or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}, ""
        if asked["redirect_uri"] != form.get("redirect_uri") or asked["code_challenge_method"] != "S256":
            return 400, {"error": "invalid_grant"}, ""
        nonce = self.claims.get("nonce", asked["nonce"])
        return 200, {"id_token": self.token(audience=CLIENT, nonce=nonce), "token_type": "Bearer"}, ""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say({})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                self._say({name: values[0] for name, values in parse_qs(body).items()})

            def _say(self, form: dict[str, str]) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                login = urlsafe_b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                status, said, where = issuer._answer(parts.path, query, form, login)
                body = json.dumps(said).encode()
                self.send_response(status)
                if where:
                    self.send_header("Location", where)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Handler


@contextmanager
def issuing() -> Iterator[Issuer]:
    """One that runs."""
    made = Issuer()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join(10)
