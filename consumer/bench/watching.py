"""Who watches a worker that is measured: a reader of its metrics and a receiver of its traces, both real."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from consumer.bench.repeating import Repeating
from consumer.stack import loopback

_TIMEOUT = 5.0
# as Prometheus asks
_ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4"}


class Scraper(Repeating):
    """Reads a worker's metrics every few seconds while it is open, as soon as there are any."""

    def __init__(self, port: int, every: float) -> None:
        super().__init__(every)
        self._address = f"http://127.0.0.1:{port}/metrics"
        self.scrapes = 0
        self.size = 0

    def turn(self) -> None:
        """Read them, if it listens yet, or still."""
        with suppress(httpx.HTTPError):
            answer = loopback.request("GET", self._address, _TIMEOUT, headers=_ACCEPT).raise_for_status()
            self.size = len(answer.content)
            self.scrapes += 1


class Receiver:
    """Takes spans by OTLP over HTTP while it is open; what came is read afterwards, since that costs."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        kept = self._bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                kept.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def spans(self) -> int:
        """How many came."""
        requests = map(ExportTraceServiceRequest.FromString, self._bodies)
        return sum(
            len(scope.spans) for request in requests for each in request.resource_spans for scope in each.scope_spans
        )
