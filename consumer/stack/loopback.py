"""Requests to the stack's own servers, which speak plain HTTP on loopback."""

from collections.abc import Mapping

import httpx


def request(
    method: str, url: str, seconds: float, body: object = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """The answer, `body` sent as JSON; no proxy of the environment is asked. Raises httpx.TransportError."""
    # no certificates are needed, and to load them costs more than all the rest
    return httpx.request(method, url, json=body, headers=headers, timeout=seconds, verify=False, trust_env=False)
