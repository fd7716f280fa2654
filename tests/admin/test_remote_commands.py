"""`--server`: commands against a real `headrace admin serve`, with a token from the environment or a file; and what a
server that is away, strange or strict makes of them.
"""

import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.decision import Undecidable
from consumer.core.failure import HeadraceError, Persistent, Refused, Transient
from consumer.core.roles import Role
from consumer.ports.desk import Note
from consumer.remote.client import Client
from consumer.remote.letters import RemoteLetters
from consumer.remote.server import Server, server
from consumer.stack.waiting import wait_until
from tests.admin.conftest import Clients, secret
from tests.admin.scene import Shop
from tests.admin.test_serving import settings_of

WHY = ("--reason", "ticket 1")


@dataclass(frozen=True)
class Health:
    """What is asked for."""

    state: str


def certified(folder: Path) -> Path:
    """A certificate of this machine, which is its own authority, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "headrace test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return folder / "cert.pem"


@contextmanager
def process(shop: Shop, tmp_path: Path, **more: str) -> Iterator[str]:
    """`headrace admin serve` for a shop's group; its address, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    tokens = {
        role.words: {"sha256": hashlib.sha256(secret(role).encode()).hexdigest(), "role": role.words} for role in Role
    }
    settings = settings_of(shop, ADMIN__PORT=str(port), ADMIN__TOKENS=json.dumps(tokens), **more)
    command = [sys.executable, "-m", "consumer", "admin", "serve"]
    running = subprocess.Popen(command, env={**os.environ, **settings}, cwd=tmp_path, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert running.poll() is None
        try:
            return httpx.get(f"{address}/readyz", timeout=30, verify=False).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        assert wait_until(answers, 60)
        yield address
    finally:
        running.terminate()
        running.wait(20)


def said(result: Result, code: int = 0) -> Any:
    """What a command wrote as JSON."""
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_commands_do_the_same_at_a_server(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings of their own; the audit names whose token it is; a token may also stand in a file."""
    letters = [shop.bad(2), shop.bad(3)]
    batch, change = shop.failed_batch(), shop.plan()
    shop.worker()
    monkeypatch.chdir(tmp_path)
    # which is away, but its answers were kept
    registry = f"http://127.0.0.1:1/{shop.group}"
    keep = "INSERT INTO headrace.schemas (registry, id, schema) VALUES (%s, %s, %s)"
    for number, schema in ((1, shop.line.keys.text), (2, shop.line.values.text)):
        shop.session.execute(keep, (registry, number, schema))
    with process(shop, tmp_path, REGISTRY__URL=registry) as address:
        monkeypatch.setenv("HEADRACE_SERVER", address)
        monkeypatch.setenv("HEADRACE_TOKEN", secret(Role.OPERATOR))

        def run(*words: object) -> Result:
            return CliRunner().invoke(app, [*map(str, words)])

        (group,) = said(run("dlq", "groups", "--output", "json"))
        assert group["states"] == {"dead": 2}
        assert [row["id"] for row in said(run("dlq", "ls", "--output", "json"))] == letters[::-1]
        assert "kcat -C -b BROKERS" in run("dlq", "show", letters[0]).stdout
        assert said(run("dlq", "edit", letters[0], "--set", "status=paid", *WHY, "--output", "json"))[0]["changed"]
        assert said(run("dlq", "replay", letters[0], *WHY, "--yes", "--output", "json"))[0]["state"] == "replaying"
        exported = run("dlq", "export", "--state", "dead")
        assert [json.loads(line)["id"] for line in exported.stdout.splitlines()] == letters[1:]
        start = ("replay", "start", "--id", letters[1], "--yes", "--expect", 1, *WHY, "--output", "json")
        (job,) = said(run(*start))
        assert said(run("replay", "cancel", job["job"], *WHY, "--output", "json"))[0]["state"] == "cancelled"
        assert [json.loads(run("replay", "report", job["job"]).stdout)["letter"]] == letters[1:]
        (sought,) = said(run("dlq", "search", "--where", "op = c", "--limit", 1, *WHY, "--output", "json"))
        assert said(run("replay", "cancel", sought["job"], *WHY, "--output", "json"))[0]["counts"] == {"cancelled": 1}
        assert run("dlq", "ls", "--job", sought["job"]).exit_code == 3
        imported = run("dlq", "import", "--topic", "sink-dlq", *WHY)
        assert (imported.exit_code, "imports.topics" in imported.stderr) == (4, True)
        shop.stop()
        assert said(run("batches", "show", batch, "--output", "json"))[0]["kind"] == "table.approval"
        assert said(run("batches", "retry", batch, *WHY, "--output", "json"))[0]["topic"] == shop.line.at.topic
        assert said(run("positions", "ls", "--output", "json"))[0]["topic"] == shop.line.at.topic
        assert said(run("schema", "plan", "--output", "json"))[0]["id"] == change
        assert said(run("schema", "apply", change, "--yes", *WHY, "--output", "json"))[0]["id"] == change
        table = f"{shop.schema}.orders"
        assert said(run("tables", "pause", table, *WHY, "--output", "json"))
        assert said(run("tables", "ls", "--output", "json"))[0]["condition"] == "paused"
        assert said(run("tables", "resume", table, *WHY, "--output", "json"))
        assert said(run("workers", "ls", "--output", "json"))[0]["name"] == "worker-1"
        assert said(run("breakers", "ls", "--output", "json"))[0]["state"] == "closed"
        assert run("connectors", "ls").exit_code == 3
        # Kafka is away, and what is stored is told all the same
        (behind,) = said(run("lag", "--output", "json"), 5)
        assert (behind["topic"], behind["records"], behind["position"] > 0) == (shop.line.at.topic, None, True)
        assert run("positions", "set", shop.line.at.topic, 0, "--to", "latest", "--yes", *WHY).exit_code == 1
        assert run("dlq", "ask-source", *WHY, "--yes").exit_code == 4
        assert run("batches", "show", 99_999_999).exit_code == 3

        monkeypatch.setenv("HEADRACE_TOKEN", secret(Role.VIEWER))
        denied = run("dlq", "discard", letters[1], *WHY, "--yes")
        assert (denied.exit_code, "refused: " in denied.stderr, "viewer" in denied.stderr) == (4, True, True)
        (tmp_path / "token").write_text(f"{secret(Role.OPERATOR)}\n")
        (tmp_path / "admin").write_text(f"{secret(Role.ADMIN)}\n")
        as_admin = ("--token-file", tmp_path / "admin")
        assert run("flags", "set", "console-writes", "off", *WHY, *as_admin).exit_code == 0
        locked = run("dlq", "discard", letters[1], *WHY, "--yes", "--token-file", tmp_path / "token")
        assert (locked.exit_code, "switched off" in locked.stderr) == (4, True)
        assert run("flags", "set", "console-writes", "on", *WHY, *as_admin).exit_code == 0
        assert run("dlq", "discard", letters[1], *WHY, "--yes", "--token-file", tmp_path / "token").exit_code == 0
        monkeypatch.delenv("HEADRACE_TOKEN")
        refused = run("dlq", "ls")
        assert (refused.exit_code, "HEADRACE_TOKEN" in refused.stderr) == (1, True)
    actors = {actor for actor, action, _ in shop.audit()}
    assert actors == {Role.OPERATOR.words, Role.ADMIN.words}
    assert shop.state(letters[1]) == "discarded"


@pytest.mark.provokes("server.refused")
def test_who_is_not_known_or_may_not_is_told_what_to_do(clients: Clients, shop: Shop) -> None:
    """401 is a failure, 403 a refusal; each has its remedy."""
    address = str(clients().base_url)
    for token, error, words in (
        ("guessed", Persistent, ("known", "HEADRACE_TOKEN", "server.refused")),
        (secret(Role.VIEWER), Undecidable, ("viewer", "role")),
    ):
        client = Client(Server(url=address, token=token))
        with pytest.raises(error) as caught:
            client.do(dict[str, Any], "/letters/discard", {"letters": [1], "reason": "r"})
        assert [word for word in words if word not in str(caught.value)] == []
        client.close()


class Strange:
    """A server that answers whatever it is told to."""

    def __init__(self) -> None:
        self.status, self.body, self.headers, self.seen = 200, b"{}", dict[str, str](), list[str]()
        self.sent: list[dict[str, object]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.seen.append(self.headers.get("Authorization", ""))
                self.send_response(outer.status)
                for name, value in {"Content-Length": str(len(outer.body)), **outer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def do_POST(self) -> None:
                outer.sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def strange() -> Iterator[Strange]:
    """One."""
    made = Strange()
    yield made
    made.server.shutdown()
    made.server.server_close()


def problem(kind: str) -> bytes:
    """A problem document."""
    return json.dumps({"detail": "why", "kind": kind, "remedy": "what to do", "status": 0}).encode()


ANSWERS: list[tuple[str, int, bytes, type[Exception] | None, str]] = [
    ("what was asked for", 200, b'{"state": "ok"}', None, ""),
    ("nothing of that name", 404, problem("request.absent"), None, ""),
    ("no such path", 404, problem("request.http"), Persistent, "server.unfit"),
    ("another server's page", 404, b"<html>", Persistent, "server.unfit"),
    ("another server's answer", 200, b"<html>", Persistent, "server.unfit"),
    ("another version's answer", 200, b'{"other": 1}', Persistent, "server.unfit"),
    ("a mistake in what was sent", 422, problem("request.invalid"), Persistent, "server.unfit"),
    ("elsewhere", 307, b"", Persistent, "server.unfit"),
    ("not as things stand", 409, problem("request.refused"), Undecidable, ""),
    ("not for this role", 403, problem("request.denied"), Undecidable, ""),
    ("not while changes are off", 423, problem("request.locked"), Undecidable, ""),
    ("not so many", 422, problem("request.costly"), Undecidable, ""),
    ("its database is away", 503, problem("target.connection"), Transient, "target.connection"),
    ("Kafka refuses it", 502, problem("kafka.refused"), Persistent, "kafka.refused"),
    ("too many ask", 503, problem("request.busy"), Transient, "server.away"),
    ("a proxy in front of nothing", 502, b"<html>", Transient, "server.away"),
]


@pytest.mark.provokes("server.unfit")
@pytest.mark.parametrize(("_", "status", "body", "error", "kind"), ANSWERS, ids=[case[0] for case in ANSWERS])
def test_each_answer_is_what_it_says(
    strange: Strange, _: str, status: int, body: bytes, error: type[Exception] | None, kind: str
) -> None:
    """A failure of a server behind it keeps its kind; nobody is followed elsewhere with the token."""
    strange.status, strange.body = status, body
    if status == 307:
        strange.headers = {"Location": f"http://localhost:{strange.port}/"}
    client = Client(Server(url=f"http://127.0.0.1:{strange.port}", token="mine"))
    if error is None:
        found = client.find(Health, "/x")
        assert found == (Health("ok") if status == 200 else None)
    else:
        with pytest.raises(error) as caught:
            client.find(Health, "/x")
        if isinstance(caught.value, HeadraceError):
            assert (caught.value.failure.kind, bool(caught.value.failure.remedy)) == (kind, True)
    assert strange.seen == ["Bearer mine"]
    client.close()


@pytest.mark.provokes("server.away")
def test_a_server_that_is_away_is_told_so() -> None:
    """And what to look at."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = Client(Server(url=f"http://127.0.0.1:{port}"))
    with pytest.raises(Transient) as caught:
        client.find(Health, "/x")
    assert (caught.value.failure.kind, "--server" in caught.value.failure.remedy) == ("server.away", True)


def test_what_was_not_agreed_to_is_not_sent(strange: Strange) -> None:
    """A server of an earlier version takes no field that it does not know."""
    strange.body = b'{"changed": [1], "left": []}'
    client = Client(Server(url=f"http://127.0.0.1:{strange.port}"))
    for expect in (None, 1):
        assert RemoteLetters(client).discard([1], Note("me", "why"), expect=expect).changed == (1,)
    client.close()
    given = {"letters": [1], "reason": "why", "dry_run": False}
    assert strange.sent == [given, given | {"expect": 1}]


def test_an_answer_that_breaks_off_is_no_end(strange: Strange) -> None:
    """Of an export half of the letters would look like all of them."""
    strange.body, strange.headers = b'{"id": 1}\n', {"Content-Length": "1000"}
    client = Client(Server(url=f"http://127.0.0.1:{strange.port}"))
    with client.lines("/x") as lines, pytest.raises(Transient):
        list(lines)
    client.close()


@pytest.mark.parametrize(
    ("url", "token", "why"),
    [
        ("headrace.example", "", "base of the API"),
        ("ftp://headrace.example", "", "base of the API"),
        ("https://ada:secret@headrace.example", "", "base of the API"),
        ("https://headrace.example?x=1", "", "base of the API"),
        ("http://headrace.example", "mine", "unencrypted"),
        ("http://headrace.example", "", None),
        ("http://127.0.0.1:8470", "mine", None),
        ("https://headrace.example/ops/", "mine", None),
    ],
)
def test_a_token_is_sent_where_nobody_else_reads_it(url: str, token: str, why: str | None) -> None:
    """Over TLS, or to this machine."""
    environment = {"HEADRACE_TOKEN": token}
    if why is None:
        assert server(url, None, None, environment).token == token
    else:
        with pytest.raises(Refused, match=why):
            server(url, None, None, environment)


@pytest.mark.parametrize("token", ["hr_6mJ…", "hr\t6mJ", "hr_\udcff", "\ufeffhr_6mJ"])
def test_a_token_that_no_header_can_hold_is_a_mistake(token: str, tmp_path: Path) -> None:
    """Said at once, with where it is from: of the environment, of a file, of a command."""
    file = tmp_path / "token"
    file.write_bytes(token.encode(errors="surrogateescape"))
    with pytest.raises(Refused, match="HEADRACE_TOKEN") as refused:
        server("https://x.example", None, None, {"HEADRACE_TOKEN": token})
    assert "whole token" in refused.value.failure.remedy
    with pytest.raises(Refused, match="token"):
        server("https://x.example", file, None, {})
    environment = {"HEADRACE_SERVER": "http://127.0.0.1:1", "HEADRACE_TOKEN_FILE": str(file)}
    result = CliRunner().invoke(app, ["dlq", "groups"], env=environment)
    assert (result.exit_code, "token" in result.stderr, token in result.output) == (2, True, False)


def test_files_that_can_not_be_read_are_mistakes(tmp_path: Path) -> None:
    """Said at once, with what to name instead."""
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(Refused, match="token"):
        server("https://x.example", tmp_path / "none", None, {})
    for file in (tmp_path / "none", tmp_path / "no.pem"):
        with pytest.raises(Refused, match="authorities"):
            server("https://x.example", None, file, {})


def test_a_certificate_is_checked_by_the_authority_that_is_named(strange: Strange, tmp_path: Path) -> None:
    """Without it, the same server is not trusted, and hears no token."""
    authority = certified(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, tmp_path / "key.pem")
    strange.server.socket = context.wrap_socket(strange.server.socket, server_side=True)
    strange.body = b'{"state": "ok"}'
    address = f"https://127.0.0.1:{strange.port}"
    with pytest.raises(Persistent, match="certificate"):
        Client(Server(url=address, token="mine")).find(Health, "/x")
    assert strange.seen == []
    trusting = Client(server(address, None, authority, {"HEADRACE_TOKEN": "mine"}))
    assert trusting.find(Health, "/x") == Health("ok")
    trusting.close()
