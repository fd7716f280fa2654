"""Who asks: by a token, by the console's cookie, or, where nobody has to say so, anybody on this machine."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from fastapi import Request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from consumer.admin.problems import Denied, Unknown, Wrong
from consumer.admin_sections import Token
from consumer.core.roles import Person, Role

COOKIE = "headrace_session"
HERE = Person(name="anybody on this machine", role=Role.ADMIN)
"""Who asks where nobody has to say who they are."""

_LONGEST = 500
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a cookie says: whose it is (empty: nobody's), and the word that each form has to repeat."""

    name: str
    csrf: str


class Gate:
    """Knows the tokens. Without any, everybody is let in."""

    def __init__(
        self,
        tokens: Mapping[str, Token],
        key: str,
        lifetime: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tokens = tokens
        self._signer = URLSafeTimedSerializer(
            key, salt="headrace console", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._lifetime = lifetime
        self._now = now

    @property
    def is_open(self) -> bool:
        """Whether nobody has to say who they are."""
        return not self._tokens

    @property
    def lifetime(self) -> int:
        """Seconds that a session lasts."""
        return int(self._lifetime)

    def asks(self, request: Request) -> Person:
        """Who asks. Raises Unknown, and Denied for what another site's page asks for in a person's name."""
        given = request.headers.get("authorization", "")
        if given:
            return self.holder(given.removeprefix("Bearer "))
        if request.method not in _SAFE:
            _check_site(request)
        if self.is_open:
            return HERE
        session = self.session(request)
        if session is None:
            _nobody()
        return self._named(session.name)

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
        return Session(name=said["name"], csrf=said["csrf"])

    def begin(self, person: Person | None) -> tuple[Session, str]:
        """A new session, and the cookie's value."""
        session = Session(name=person.name if person else "", csrf=secrets.token_urlsafe(24))
        return session, str(self._signer.dumps({"name": session.name, "csrf": session.csrf}))

    def check_form(self, request: Request, word: str) -> None:
        """Raises Wrong unless the form is of this session."""
        session = self.session(request)
        if session is None or not hmac.compare_digest(session.csrf.encode(), word.encode(errors="replace")):
            raise Wrong("the form is not of this session; load the page again")

    def _named(self, name: str) -> Person:
        """Raises Unknown when it has no token, or one whose time is over."""
        token = self._tokens.get(name)
        if token is None or (token.expires is not None and self._now() >= token.expires):
            _nobody()
        return Person(name=name, role=token.rank)


def _nobody() -> NoReturn:
    raise Unknown("nobody that is known here asks")


def _check_site(request: Request) -> None:
    """What a browser sends from a page of another site is not what the person wants."""
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    foreign = origin is not None and origin.partition("://")[2] != host
    if foreign or request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Denied(Person(name="a page of another site", role=Role.VIEWER), Role.ADMIN)
