"""Registry and Kafka Connect over https: certificates that fit, and each way in which one does not; and logins."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from consumer.composition.edge_settings import authorities, registry_login
from consumer.core.failure import Failure, HeadraceError, Refused
from consumer.core.schema_ref import SchemaRef, Space
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.connect import ConnectSettings, HttpConnect
from consumer.edges.registry import HttpRegistry
from consumer.edges.registry_http import Login
from consumer.settings.loading import Settings
from tests.security.authority import Authority, Credential

REF = SchemaRef(Space.IDS, 1)


@dataclass
class Server:
    """Where it is, and who has asked."""

    port: int
    asked: list[str | None]


@contextmanager
def serving(papers: Credential | None) -> Iterator[Server]:
    """A server that shows these papers, or speaks no TLS, and answers whatever it is asked."""
    asked: list[str | None] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization"))
            body = json.dumps({"schema": '"string"'} if "schemas" in self.path else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        if papers is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(papers.certificate, papers.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        # a client that turns away is no error of the server's
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Server(port=server.server_port, asked=asked)
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who is trusted."""
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


def registry(url: str, ca_file: Path | None, login: Login | None = None) -> Failure | None:
    """Why a schema is not had; None when it is."""
    who = login or Login(ca_file=ca_file)
    with closing(HttpRegistry(url, CircuitBreaker("registry"), timeout=30, login=who)) as edge:
        return failing(lambda: edge.find(REF))


def connect(url: str, ca_file: Path | None) -> Failure | None:
    """Why connectors are not had."""
    how = ConnectSettings(url=url, ca_file=ca_file, timeout=30)
    with closing(HttpConnect(how, CircuitBreaker("connect"))) as edge:
        return failing(edge.all)


def failing(ask: Callable[[], object]) -> Failure | None:
    """Why it is not answered."""
    try:
        ask()
    except HeadraceError as error:
        return error.failure
    return None


EDGES = {"registry": registry, "connect": connect}


@pytest.mark.parametrize("edge", EDGES)
def test_the_certificate_of_a_trusted_authority_is_taken(ours: Authority, edge: str) -> None:
    """By the file that a setting names."""
    with serving(ours.sign("server")) as server:
        assert EDGES[edge](f"https://127.0.0.1:{server.port}", ours.certificates) is None


@pytest.mark.provokes("registry.tls", "connect.tls")
@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("another authority", "unable to get local issuer certificate"),
        ("the system's authorities", "unable to get local issuer certificate"),
        ("another name", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("ended", "certificate has expired"),
        ("no TLS", "wrong version number"),
    ],
)
def test_what_does_not_fit_is_named(ours: Authority, tmp_path: Path, edge: str, what: str, said: str) -> None:
    """By the TLS library's words, with its own kind, which time may heal."""
    papers = {
        "another name": lambda: ours.sign("elsewhere", hosts=("other.example",)),
        "ended": lambda: ours.sign("ended", ended=True),
        "no TLS": lambda: None,
    }.get(what, lambda: ours.sign("server"))()
    trusted: dict[str, Path | None] = {
        "another authority": Authority(tmp_path, "others").certificates,
        "the system's authorities": None,
    }
    with serving(papers) as server:
        failure = EDGES[edge](f"https://127.0.0.1:{server.port}", trusted.get(what, ours.certificates))
    assert failure is not None
    assert failure.kind == f"{edge}.tls"
    assert failure.detail.startswith("no secure connection: ")
    assert said in failure.detail
    assert f"{edge}.ca_file" in failure.remedy


BASIC = "Basic " + base64.b64encode(b"alice:a b@c").decode()
LATIN = "Basic " + base64.b64encode("alice:é".encode("latin-1")).decode()
UTF8 = "Basic " + base64.b64encode("alice:é€".encode()).decode()
RAW = "Basic " + base64.b64encode(b"alice:\xff").decode()


@pytest.mark.parametrize(
    ("login", "address", "wanted"),
    [
        (Login(), "", None),
        (Login(user="alice", password="a b@c"), "", BASIC),
        (Login(user="alice", password="é"), "", LATIN),
        # what Latin-1 has not
        (Login(user="alice", password="é€"), "", UTF8),
        # bytes of an environment that are no text
        (Login(user="alice", password="\udcff"), "", RAW),
        (Login(token="t"), "", "Bearer t"),
        (Login(), "alice:a%20b%40c@", BASIC),
        # what is set counts more than the address
        (Login(token="t"), "alice:other@", "Bearer t"),
    ],
)
def test_the_registry_is_told_who_asks(login: Login, address: str, wanted: str | None) -> None:
    """By settings, or by the address; and the name by which schemas are kept has no login in it."""
    with serving(None) as server:
        url = f"http://{address}127.0.0.1:{server.port}"
        assert registry(url, None, login) is None
        assert server.asked == [wanted]
        with closing(HttpRegistry(url, CircuitBreaker("registry"))) as edge:
            assert edge.name(REF) == f"http://127.0.0.1:{server.port}"
    assert "a b@c" not in repr(login)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_is_none_is_refused_at_the_start(tmp_path: Path, content: str | None) -> None:
    """With the setting's name."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Refused, match=r"registry\.ca_file can't be used"):
        authorities(file, "registry.ca_file")


@pytest.mark.parametrize("way", ["token", "token_file"])
@pytest.mark.parametrize("token", ["abc…", "abc\ndef"])
def test_a_token_that_no_header_can_hold_is_refused_at_the_start(tmp_path: Path, way: str, token: str) -> None:
    """With the setting's name, and not the token."""
    file = tmp_path / "token"
    file.write_text(token.replace("\n", "\t"), encoding="utf-8")
    said = {"token": token} if way == "token" else {"token_file": file}
    settings = Settings(
        kafka={"bootstrap_servers": "k", "topics": ["t"]},
        registry={"url": "http://127.0.0.1:1", **said},
        target={"dsn": "dbname=x"},
    )
    with pytest.raises(Refused, match=r"registry\.token") as refused:
        registry_login(settings)
    assert token not in str(refused.value)
