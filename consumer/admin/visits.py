"""Logging in at a provider: the authorization code flow with PKCE, state and nonce.

What a login that was begun has to know when it comes back stands in a signed cookie of its own, and is used once.
"""

import hashlib
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from itsdangerous import BadSignature, URLSafeTimedSerializer

from consumer.admin.problems import Wrong
from consumer.admin.tokens import WebTokens
from consumer.core.roles import Person
from consumer.ports.identity import Provider
from consumer.settings.admin import Oidc

COOKIE = "headrace_login"
PATH = "/login/oidc"
BACK = "/login/oidc/back"
LASTS = 600
"""Seconds that a person has to log in there."""
# logins that were used up and could still be shown again
_USED = 10_000
_AGAIN = "this login was not begun here, is over, or was used already; log in again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A login that was begun. `next`: where to go on."""

    state: str
    nonce: str
    verifier: str
    next: str


class Visits:
    """Begins logins and ends them."""

    def __init__(self, settings: Oidc, provider: Provider, key: str, url: str) -> None:
        self._settings = settings
        self._provider = provider
        self._tokens = WebTokens(settings, provider)
        self._signer = URLSafeTimedSerializer(
            key, salt="headrace login", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._url = url.rstrip("/")
        self._used: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def title(self) -> str:
        """What people call the provider."""
        return self._settings.title

    def begin(self, path: str) -> tuple[str, str]:
        """Where to send somebody, and what their cookie has to be. Raises HeadraceError."""
        visit = Visit(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            next=path,
        )
        challenge = urlsafe_b64encode(hashlib.sha256(visit.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._url + BACK,
            "scope": " ".join(self._settings.scopes),
            "state": visit.state,
            "nonce": visit.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = self._provider.endpoints().authorization
        return f"{where}{'&' if '?' in where else '?'}{urlencode(query)}", str(self._signer.dumps(asdict(visit)))

    def end(self, cookie: str, state: str, code: str) -> tuple[Person, str]:
        """Who has come back, and where to go on. Raises Wrong, Unknown, Roleless, HeadraceError."""
        visit = self._begun(cookie)
        if not secrets.compare_digest(visit.state.encode(), state.encode(errors="replace")) or not self._first(state):
            raise Wrong(_AGAIN)
        token = self._provider.redeem(code, visit.verifier, self._url + BACK)
        return self._tokens.visitor(token, visit.nonce), visit.next

    def leaving(self) -> str | None:
        """Where people leave the provider too. Raises HeadraceError."""
        where = self._provider.endpoints().end_session
        if where is None:
            return None
        query = {"client_id": self._settings.client_id, "post_logout_redirect_uri": f"{self._url}/login"}
        return f"{where}{'&' if '?' in where else '?'}{urlencode(query)}"

    def _begun(self, cookie: str) -> Visit:
        try:
            return Visit(**self._signer.loads(cookie, max_age=LASTS))
        except BadSignature as error:
            raise Wrong(_AGAIN) from error

    def _first(self, state: str) -> bool:
        """Whether it comes for the first time."""
        now = time.monotonic()
        with self._lock:
            while self._used and (len(self._used) >= _USED or next(iter(self._used.values())) < now - LASTS):
                self._used.popitem(last=False)
            fresh = state not in self._used
            self._used[state] = now
        return fresh
