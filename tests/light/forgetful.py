"""A bootstrap address behind which a broker is shutting down: it answers, and names no broker of the cluster.

Tried with librdkafka 2.16: whoever was told so asks nobody any more. Later, the address leads to a real broker.
"""

import socket
import struct
import threading
from contextlib import suppress

_METADATA, _API_VERSIONS = 3, 18
_UNSUPPORTED, _NO_LEADER = 35, 5
_TICK = 0.2


class Forgetful:
    """Listens on a port of its own until it is closed."""

    def __init__(self, topic: str) -> None:
        self._topic = topic.encode()
        self._behind: tuple[str, int] | None = None
        self.told = threading.Event()
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(_TICK)
        self.bootstrap = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def becomes(self, bootstrap: str) -> None:
        """From the next connection on it is this broker."""
        host, port = bootstrap.split(",")[0].rsplit(":", 1)
        self._behind = host, int(port)

    def close(self) -> None:
        """No connection any more."""
        self._over.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError, OSError):
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._behind is None:
                self._forget(connection)
            else:
                with socket.create_connection(self._behind, 10) as broker:
                    threading.Thread(target=_pass_on, args=(broker, connection), daemon=True).start()
                    _pass_on(connection, broker)

    def _forget(self, connection: socket.socket) -> None:
        while (size := connection.recv(4, socket.MSG_WAITALL)) and not self._over.is_set():
            request = connection.recv(struct.unpack(">i", size)[0], socket.MSG_WAITALL)
            key, version, number = struct.unpack_from(">hhi", request)
            body = self._metadata() if key == _METADATA else _versions(version)
            connection.sendall(struct.pack(">ii", len(body) + 4, number) + body)
            if key == _METADATA:
                self.told.set()

    def _metadata(self) -> bytes:
        """Version 1: no brokers, no controller, the topic without partitions."""
        topic = struct.pack(">hh", _NO_LEADER, len(self._topic)) + self._topic + struct.pack(">?i", False, 0)
        return struct.pack(">iii", 0, -1, 1) + topic


def _versions(asked: int) -> bytes:
    """Version 0, whatever was asked for: that, and Metadata up to version 1."""
    known = ((_METADATA, 0, 1), (_API_VERSIONS, 0, 0))
    entries = b"".join(struct.pack(">hhh", *entry) for entry in known)
    return struct.pack(">hi", _UNSUPPORTED if asked else 0, len(known)) + entries


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
