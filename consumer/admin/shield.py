"""What holds for every request and answer, whatever route it is of: sizes, hosts, and what browsers may do."""

from collections.abc import Collection, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consumer.admin.problems import Problem, document

LARGEST = 1 << 20
"""Most bytes of a request's body."""
_LONGEST = 16_384
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}


class Shield:
    """In front of the app. `hosts`: the names by which it may be asked, any where there are none."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        answer = _answer(send, static=scope["path"].startswith("/static/"))
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await document(refusal)(scope, receive, answer)
            return
        await self._app(scope, _bounded(receive), answer)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> Problem | None:
        # a name that another site has pointed at this machine would make its pages this site's
        if self._hosts and _name(headers.get(b"host", b"")) not in self._hosts:
            return _refused(421, "Misdirected Request", "it was asked by a name that is not this machine's own")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST:
            return _refused(413, "Content Too Large", f"a request has at most {LARGEST} bytes")
        if len(scope["query_string"]) > _LONGEST:
            return _refused(414, "URI Too Long", f"a query has at most {_LONGEST} characters")
        return None


def _answer(send: Send, *, static: bool) -> Send:
    kept = {**_HEADERS, b"cache-control": b"public, max-age=3600" if static else b"no-store"}

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*_without(message.get("headers", ()), kept), *kept.items()]
        await send(message)

    return guarded


def _without(headers: Iterable[tuple[bytes, bytes]], names: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in names]


def _bounded(receive: Receive) -> Receive:
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        # a body without a length, which goes on and on
        return {"type": "http.disconnect"} if seen > LARGEST else message

    return bounded


def _name(host: bytes) -> str:
    text = host.decode("latin-1").lower()
    return text[: text.find("]") + 1] if text.startswith("[") else text.partition(":")[0]


def _refused(status: int, title: str, detail: str) -> Problem:
    remedy = "Ask for less." if status != 421 else "Ask 127.0.0.1 or localhost, or set admin.tokens."
    return Problem(status=status, title=title, detail=detail, kind="request.invalid", remedy=remedy)
