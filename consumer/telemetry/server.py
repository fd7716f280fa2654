"""A small HTTP server for scrapers and probes: few are served at once, and who is slow is cut off."""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import structlog

log = structlog.get_logger("headrace.telemetry")

# seconds that a request and its answer may take
_PATIENCE = 5.0
# requests at a time
_AT_ONCE = 8
# ports that are looked at, from the one that is set on
_PORTS = 100
# seconds between looks whether the server is to end
_LOOK = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an answer may depend on: the query and headers, by lower-case names."""

    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str]


Page = Callable[[Asked], Answer]


def text(said: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """A short answer for people."""
    return Answer(body=f"{said}\n".encode(), status=status, headers={"Content-Type": "text/plain; charset=utf-8"})


class PageServer:
    """Serves pages by path from `open` to `close`. `port`: where it listens, None while it does not."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self.pages = dict(pages)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port: int | None = None

    def open(self, host: str, port: int) -> None:
        """Listen on that port, or the next free one; on any for 0. Where none can be had that is said, and no more."""
        server = self._bound(host, port)
        if server is None:
            log.warning(
                "metrics are not served",
                reason=f"no port from {port} on can be listened on at {host}",
                remedy="Set telemetry.host to an address of this machine, and telemetry.port to a port that is free.",
            )
            return
        self._server, self.port = server, server.server_address[1]
        self._thread = threading.Thread(target=server.serve_forever, args=(_LOOK,), name="telemetry", daemon=True)
        self._thread.start()
        log.info("metrics are served", host=host, port=self.port)

    def close(self) -> None:
        """Listen no more; what is being answered is not waited for."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(_PATIENCE)
        self._server, self.port = None, None

    def _bound(self, host: str, port: int) -> "_Server | None":
        for each in range(port, min(port + _PORTS, 65_536)) if port else (0,):
            try:
                return _Server(host, each, self.pages)
            except OSError:
                continue
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.pages = pages
        self._free = threading.Semaphore(_AT_ONCE)
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # the class' own asks the name service for this machine's name
        socket_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # whoever sends a byte now and then would keep the thread for ever
        limit = threading.Timer(2 * _PATIENCE, _cut, (request,))
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away is none of ours, and a traceback could quote what it sent."""
        log.debug("a request ended early")


def _cut(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def socket_bind(server: _Server) -> None:
    """Bind without asking anybody for names."""
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.socket.bind(server.server_address)
    server.server_address = server.socket.getsockname()
    server.server_name, server.server_port = str(server.server_address[0]), int(server.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    # of a read, and of a write
    timeout = _PATIENCE
    server: _Server
    server_version = "headrace"
    sys_version = ""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        page = self.server.pages.get(parts.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if page is None:
            answer = text("not found", HTTPStatus.NOT_FOUND)
        else:
            answer = page(Asked(query=parts.query, headers=headers))
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a scrape is no event."""
