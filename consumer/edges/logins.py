"""Who asks a server over HTTP, as its headers have it: by a token, or by user and password."""

from base64 import b64encode

from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS


def sendable(token: str, name: str) -> str:
    """The token, if a header can hold it. Raises Refused, with the name of what gave it and not with the token."""
    if all(sign <= "ÿ" and sign.isprintable() for sign in token):
        return token
    detail = f"{name} is no token: it has a character that no HTTP header can hold"
    remedy = f"Give {name} the whole token as it was made; one that is copied from where it is cut short ends in …"
    raise Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy))


def basic(user: str, password: str) -> dict[str, str]:
    """The header of both: in Latin-1, which servers take it for, or in UTF-8 where that lacks a character."""
    said = f"{user}:{password}"
    try:
        coded = said.encode("latin-1")
    except UnicodeEncodeError:
        # what an environment has that is no text, is passed on as it is
        coded = said.encode(errors="surrogateescape")
    return {"Authorization": f"Basic {b64encode(coded).decode()}"}
