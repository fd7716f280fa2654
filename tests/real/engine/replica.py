"""A replica of the registry that is behind it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


class Replica(ThreadingHTTPServer):
    """Answers as the registry does, but for one id that it does not know until `behind` is cleared."""

    daemon_threads = True

    def __init__(self, registry: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.registry = registry
        self.behind: int | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    server: Replica

    def do_GET(self) -> None:
        if self.path == f"/schemas/ids/{self.server.behind}":
            return self._answer(404, b'{"error_code": 40403}')
        answer = httpx.get(self.server.registry + self.path, timeout=10, verify=False)
        return self._answer(answer.status_code, answer.content)

    def log_message(self, *_: object) -> None:
        """Nothing is said."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def replica_of(registry: str) -> Iterator[Replica]:
    """One that runs on a thread."""
    with Replica(registry) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)
