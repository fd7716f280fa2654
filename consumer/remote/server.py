"""Where the API is, and by which token it is asked. The token is never a word of the command line."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from consumer.core.addresses import is_safe
from consumer.core.failure import Refused, failed
from consumer.core.kinds import KINDS
from consumer.edges.logins import sendable

TOKEN = "HEADRACE_TOKEN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """`url`: its base, without `/api/v1`. `ca_file`: whom its certificate has to be of, if not the system's."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: Path | None = None


def server(url: str, token_file: Path | None, ca_file: Path | None, environment: Mapping[str, str]) -> Server:
    """From what was said. Raises Refused for what can't work, or would show the token to others."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise _refused("--server is the base of the API, as https://headrace.example", "Name it so.")
    token = sendable(_token(token_file, environment), str(token_file or TOKEN))
    if token and not is_safe(url):
        raise _refused(
            "the token would be sent unencrypted to another machine",
            "Name an https:// address, or a tunnel's end on this machine.",
        )
    if ca_file is not None:
        _check_authorities(ca_file)
    return Server(url=url.rstrip("/"), token=token, ca_file=ca_file)


def _token(file: Path | None, environment: Mapping[str, str]) -> str:
    if file is None:
        return environment.get(TOKEN, "").strip()
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        detail = f"the file of the token can't be read ({type(error).__name__})"
        raise _refused(detail, f"Name a readable text file, or set {TOKEN}.") from error


def _check_authorities(file: Path) -> None:
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        detail = f"the file of authorities can't be used ({type(error).__name__})"
        raise _refused(detail, "Name a file of certificates in PEM.") from error


def _refused(detail: str, remedy: str) -> Refused:
    return Refused(failed(KINDS["worker.settings"], "settings", "load", detail, remedy=remedy))
