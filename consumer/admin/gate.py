"""Who asks: by a token, by a provider's word, by the console's cookie, or, where nobody has to say so, anybody here."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import NoReturn

from fastapi import Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from consumer.admin.problems import Denied, Expired, Unknown, Wrong
from consumer.admin.tokens import WebTokens, is_web_token
from consumer.core.roles import ROLES, Person, Role
from consumer.settings.admin import Token

COOKIE = "headrace_session"
HERE = Person(name="anybody on this machine", role=Role.ADMIN)
"""Who asks where nobody has to say who they are."""

_LONGEST = 500
_TOLD = 24
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a cookie says: whose it is (empty: nobody's), and the word that each form has to repeat.

    `role`: what the provider's word gave them when they logged in; empty for a token's holder, whose role the settings
    say. `token`: tells a holder's token from one that gets its name later, and nothing of it.
    """

    name: str
    csrf: str
    role: str = ""
    token: str = ""


class Gate:
    """Knows the tokens, and the provider's if there is one. Without either, everybody is let in."""

    def __init__(
        self,
        tokens: Mapping[str, Token],
        key: str,
        lifetime: float,
        web: WebTokens | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tokens = tokens
        self._web = web
        self._signer = URLSafeTimedSerializer(
            key, salt="headrace console", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._lifetime = lifetime
        self._now = now

    @property
    def is_open(self) -> bool:
        """Whether nobody has to say who they are."""
        return not self._tokens and self._web is None

    @property
    def has_tokens(self) -> bool:
        """Whether there are tokens to log in with."""
        return bool(self._tokens)

    @property
    def lifetime(self) -> int:
        """Seconds that a session lasts."""
        return int(self._lifetime)

    def asks(self, request: Request) -> Person:
        """Who asks; the provider may have to be asked for its keys.

        Raises Unknown, Roleless, HeadraceError, and Denied for what another site's page asks for in a person's name.
        """
        given = request.headers.get("authorization", "")
        if given:
            return self._bearer(given.removeprefix("Bearer "))
        if request.method not in _SAFE:
            _check_site(request)
        if self.is_open:
            return HERE
        session = self.session(request)
        if session is None:
            _nobody()
        return self._visitor(session)

    def holder(self, text: str) -> Person:
        """Whose token it is. Raises Unknown."""
        digest = hashlib.sha256(text[:_LONGEST].encode(errors="replace")).hexdigest()
        # all are compared, whatever matches
        found = [name for name, token in self._tokens.items() if hmac.compare_digest(token.sha256, digest)]
        if not found:
            _nobody()
        return self._named(found[0])

    def session(self, request: Request) -> Session | None:
        """What the cookie says, if it is one of ours and not too old."""
        try:
            said = self._signer.loads(request.cookies.get(COOKIE, ""), max_age=self.lifetime)
        except BadSignature:
            return None
        return Session(**said)

    def begin(self, person: Person | None, *, visits: bool = False) -> tuple[Session, str]:
        """A new session, and the cookie's value. `visits`: they were named by the provider."""
        role = person.role.words if person and visits else ""
        name = person.name if person else ""
        token = self._tokens.get(name) if name and not visits else None
        session = Session(name=name, csrf=secrets.token_urlsafe(24), role=role, token=_told(token) if token else "")
        return session, str(self._signer.dumps(asdict(session)))

    def check_form(self, request: Request, word: str) -> None:
        """Raises Wrong unless the form is of this session."""
        session = self.session(request)
        if session is None or not hmac.compare_digest(session.csrf.encode(), word.encode(errors="replace")):
            raise Wrong("the form is not of this session; load the page again")

    def _bearer(self, text: str) -> Person:
        return self._web.bearer(text) if self._web is not None and is_web_token(text) else self.holder(text)

    def _visitor(self, session: Session) -> Person:
        if not session.role:
            token = self._tokens.get(session.name)
            if token is not None and not hmac.compare_digest(_told(token), session.token):
                _nobody()
            return self._named(session.name)
        if self._web is None:
            _nobody()
        return Person(name=session.name, role=ROLES[session.role])

    def _named(self, name: str) -> Person:
        """Raises Unknown when it has no token, Expired where the time of that is over."""
        token = self._tokens.get(name)
        if token is None:
            _nobody()
        if token.expires is not None and self._now() >= token.expires:
            raise Expired(f"the time of this token is over since {token.expires:%Y-%m-%d %H:%M} UTC")
        return Person(name=name, role=token.rank)


def _told(token: Token) -> str:
    return hashlib.sha256(f"session of {token.sha256}".encode()).hexdigest()[:_TOLD]


def _nobody() -> NoReturn:
    raise Unknown("nobody that is known here asks")


def _check_site(request: Request) -> None:
    """What a browser sends from a page of another site is not what the person wants."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    foreign = origin is not None and origin.partition("://")[2] != host
    if foreign or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Denied(Person(name="a page of another site", role=Role.VIEWER), Role.ADMIN)
