"""JSON web tokens of a provider: who they are of, and what that person may do. Everything about one has to fit.

Signed by a key of the provider's and by an algorithm of the list, which has none that needs a shared secret; of this
issuer, for this audience, not over, and valid already.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError, MissingKeyError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from consumer.admin.problems import Roleless, Unknown
from consumer.core.roles import ROLES, Person
from consumer.core.wording import clean
from consumer.ports.identity import Provider
from consumer.settings.admin import Oidc

LONGEST = 16_384
"""Most characters of a token."""
_NAME = 200


def is_web_token(text: str) -> bool:
    """Whether it looks like one, rather than like a token of the settings."""
    return text.count(".") == 2


class WebTokens:
    """Judges tokens of one provider."""

    def __init__(self, settings: Oidc, provider: Provider, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._provider = provider
        self._now = now

    def bearer(self, text: str) -> Person:
        """Who asks the API with it. Raises Unknown, Roleless, HeadraceError where the provider can't be asked."""
        return self._person(self._claims(text, self._settings.audience))

    def visitor(self, text: str, nonce: str) -> Person:
        """Who has come back from the provider with it, to the login of this nonce. Raises the same."""
        claims = self._claims(text, self._settings.client_id)
        if claims.get("nonce") != nonce or claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise Unknown("the token is of another login")
        return self._person(claims)

    def _claims(self, text: str, audience: str) -> Mapping[str, Any]:
        try:
            return self._checked(text[: LONGEST + 1], audience)
        # of another library's edge; which check it was is nobody's matter who asks
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Unknown("the token is not one that is taken here, or its time is over") from error

    def _checked(self, text: str, audience: str) -> Mapping[str, Any]:
        if not audience or len(text) > LONGEST:
            raise ValueError
        try:
            token = self._decoded(text, anew=False)
        except (InvalidKeyIdError, MissingKeyError):
            # its keys may have changed, or it had none yet
            token = self._decoded(text, anew=True)
        # tokens of other uses, such as for logging out, are signed by the same keys
        if str(token.header.get("typ", "JWT")).lower().removeprefix("application/") not in ("jwt", "at+jwt"):
            raise ValueError
        registry = JWTClaimsRegistry(
            now=lambda: int(self._now()),
            leeway=int(self._settings.leeway),
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        registry.validate(token.claims)
        return token.claims

    def _decoded(self, text: str, *, anew: bool) -> jwt.Token:
        keys = _signing(self._provider.keys(anew=anew))
        return jwt.decode(text, KeySet.import_key_set(keys), algorithms=list(self._settings.algorithms))

    def _person(self, claims: Mapping[str, Any]) -> Person:
        """Raises Roleless when nothing of it gives them a role."""
        said = claims.get(self._settings.name_claim)
        name = clean(said if isinstance(said, str) and said else str(claims["sub"]))[:_NAME]
        host = urlsplit(self._settings.issuer).hostname
        # so that nobody is taken for a token's holder, or for somebody of another provider
        name = f"{name} ({host})"
        ranks = [ROLES[role] for word, role in self._settings.roles.items() if word in self._words(claims)]
        if not ranks:
            raise Roleless(f"nothing that the provider says of {name} gives them a role here")
        return Person(name=name, role=max(ranks))

    def _words(self, claims: Mapping[str, Any]) -> Sequence[str]:
        """The role claim's; it may be inside others, and be one or many."""
        found: Any = claims
        for name in self._settings.role_claim.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        many = found if isinstance(found, list) else [found]
        return [word for word in many if isinstance(word, str)]


def _signing(keys: Mapping[str, Any]) -> Any:
    """Those for signatures, of kinds that need no shared secret; what else is among them says nothing here."""
    some = [
        key
        for key in keys.get("keys", ())
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"
    ]
    return {"keys": some}
