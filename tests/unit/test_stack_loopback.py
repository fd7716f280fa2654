"""Requests to the stack's own servers never leave the machine."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from consumer.stack import loopback


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answers."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """A server on loopback."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_for_the_network_is_not_asked(
    address: str, monkeypatch: pytest.MonkeyPatch, name: str, proxy: str
) -> None:
    """Also where nothing excepts loopback from it, and where it is of a kind that needs another package."""
    for each in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, proxy)
    assert loopback.request("GET", address, 10).status_code == 200
