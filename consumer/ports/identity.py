"""The provider that says who people are (OpenID Connect)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where it is asked. `end_session`: where people leave it, if there is such a place."""

    authorization: str
    token: str
    jwks: str
    end_session: str | None = None


class Provider(Protocol):
    """Used by many threads. Raises Transient while it is away, Persistent when it refuses us or is not what was set."""

    def endpoints(self) -> Endpoints:
        """As it describes itself."""
        ...

    def keys(self, *, anew: bool = False) -> Mapping[str, Any]:
        """Its keys (a JWKS), some minutes old at most; `anew`: asked again, unless that was done just now."""
        ...

    def redeem(self, code: str, verifier: str, back: str) -> str:
        """The id token for a code that it gave somebody for us."""
        ...
