"""A pooler in front of the target, or an old server, is noticed by what it says in the handshake."""

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.core.failure import Refused
from consumer.edges.postgres.session import SessionSettings, connect

# BackendKeyData: type, length, process id, secret
_KEY, _LENGTH, _PID = b"K", 12, 999_999
_VERSION = re.compile(rb"(server_version\0)(\d+\.\d+[^\0]*)(?=\0)")


def of_a_pooler(said: bytes) -> bytes:
    """With a process id in the handshake that is the pooler's own."""
    place = said.find(_KEY + struct.pack(">i", _LENGTH))
    return said if place < 0 else said[: place + 5] + struct.pack(">i", _PID) + said[place + 9 :]


def of_an_old_server(said: bytes) -> bytes:
    """With another version in the handshake."""
    return _VERSION.sub(lambda found: found[1] + b"14.4".ljust(len(found[2]), b"\0"), said)


def relayed(client: socket.socket, server: socket.socket, changed: Callable[[bytes], bytes]) -> None:
    """Pass bytes both ways until one side is gone, with a change of what the server says."""

    def up() -> None:
        with suppress(OSError):
            while chunk := client.recv(1 << 16):
                server.sendall(chunk)
        server.close()

    threading.Thread(target=up, daemon=True).start()
    with suppress(OSError):
        while chunk := server.recv(1 << 16):
            client.sendall(changed(chunk))


@pytest.fixture
def pooled(server: str) -> Iterator[str]:
    """The server's connection string, through a pooler."""
    with between(server, of_a_pooler) as dsn:
        yield dsn


@pytest.fixture
def aged(server: str) -> Iterator[str]:
    """The server's connection string, through what makes it older."""
    with between(server, of_an_old_server) as dsn:
        yield dsn


@contextmanager
def between(server: str, changed: Callable[[bytes], bytes]) -> Iterator[str]:
    """The connection string of a relay."""
    where = conninfo_to_dict(server)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            client, _ = listening.accept()
            with client, socket.create_connection((str(where["host"]), int(str(where["port"])))) as behind:
                relayed(client, behind, changed)

        threading.Thread(target=accept, daemon=True).start()
        # else the handshake is asked for twice
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        yield make_conninfo(server, port=listening.getsockname()[1], **plain)


@pytest.mark.provokes("target.pooler")
def test_a_pooler_is_refused(pooled: str) -> None:
    """Staging tables would be another session's at the next statement."""
    with pytest.raises(Refused) as caught:
        connect(SessionSettings(dsn=pooled, worker="pooled"))

    assert caught.value.failure.kind == "target.pooler"
    assert "the server itself" in caught.value.failure.remedy


@pytest.mark.provokes("target.version")
def test_an_old_server_is_refused(aged: str) -> None:
    """Its catalog lacks what is asked of it for every table, which would be said of each of them."""
    with pytest.raises(Refused) as caught:
        connect(SessionSettings(dsn=aged, worker="aged"))

    assert caught.value.failure.kind == "target.version"
    assert caught.value.failure.detail.endswith("14.4")
