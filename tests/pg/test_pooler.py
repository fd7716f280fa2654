"""A transaction pooler in front of the target is noticed by what it says in the handshake."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.core.failure import Refused
from consumer.edges.postgres.session import SessionSettings, connect

# BackendKeyData: type, length, process id, secret
_KEY, _LENGTH, _PID = b"K", 12, 999_999


def relayed(client: socket.socket, server: socket.socket) -> None:
    """Pass bytes both ways until one side is gone, with a process id in the handshake that is the pooler's own."""

    def up() -> None:
        with suppress(OSError):
            while chunk := client.recv(1 << 16):
                server.sendall(chunk)
        server.close()

    threading.Thread(target=up, daemon=True).start()
    with suppress(OSError):
        while chunk := server.recv(1 << 16):
            place = chunk.find(_KEY + struct.pack(">i", _LENGTH))
            if place >= 0:
                chunk = chunk[: place + 5] + struct.pack(">i", _PID) + chunk[place + 9 :]
            client.sendall(chunk)


@pytest.fixture
def pooled(server: str) -> Iterator[str]:
    """The server's connection string, through the pooler."""
    where = conninfo_to_dict(server)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            client, _ = listening.accept()
            with client, socket.create_connection((str(where["host"]), int(str(where["port"])))) as behind:
                relayed(client, behind)

        threading.Thread(target=accept, daemon=True).start()
        # else the handshake is asked for twice
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        yield make_conninfo(server, port=listening.getsockname()[1], **plain)


@pytest.mark.provokes("target.pooler")
def test_a_transaction_pooler_is_refused(pooled: str) -> None:
    """Staging tables would be another session's at the next statement."""
    with pytest.raises(Refused) as caught:
        connect(SessionSettings(dsn=pooled, worker="pooled"))

    assert caught.value.failure.kind == "target.pooler"
    assert "session mode" in caught.value.failure.remedy
