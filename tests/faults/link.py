"""A TCP way to a server that can be cut, slowed, stopped or closed, and that can lose requests of Kafka by name.

The clients behind it are unmodified, and so is the server. What runs into PostgreSQL's own protocol, statement by
statement, goes through `tests/real/engine/wire.py` instead.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType

PRODUCE, COMPARE = 0, 23
"""Kafka's requests: that records are written, and how far an epoch's records reach (OffsetForLeaderEpoch)."""
_CHUNK = 1 << 16
_LOOPBACK = "127.0.0.1"

Address = tuple[str, int]


class Link:
    """Listens on loopback and leads to the address that `to` answers; a context manager.

    `kafka`: what clients send is cut into Kafka's requests, so that some can be swallowed; `lost`: how many were.
    """

    def __init__(self, to: Callable[[], Address], *, kafka: bool = False) -> None:
        self._to = to
        self._pieces = _requests if kafka else _chunks
        self._swallowed: frozenset[int] = frozenset()
        self.lost = 0
        self._delay = 0.0
        self._closing = threading.Event()
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server((_LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._listen()

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.set()
        self._open.set()
        self.refuse()

    def cut(self) -> None:
        """End every connection on both sides; new ones are taken."""
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            _close(end)

    def refuse(self) -> None:
        """End every connection, and take no new one."""
        _close(self._listener)
        self.cut()

    def accept(self) -> None:
        """Take connections again, at the same port."""
        self._listener = socket.create_server((_LOOPBACK, self.port))
        self._listen()

    def stop(self) -> None:
        """Pass nothing on; connections stay, and new ones are taken."""
        self._open.clear()

    def go(self) -> None:
        """Pass on what waits, at full speed, and lose nothing any more."""
        self._delay, self._swallowed = 0.0, frozenset()
        self._open.set()

    def slow(self, seconds: float) -> None:
        """Hold each piece for so long."""
        self._delay = seconds

    def swallow(self, *requests: int) -> None:
        """Lose Kafka's requests of these kinds; their clients wait for answers that do not come."""
        self._swallowed = frozenset(requests)

    def _listen(self) -> None:
        threading.Thread(target=self._take, args=(self._listener,), daemon=True).start()

    def _take(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection(self._to())
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._ends += [client, server]
                for source, sink, pieces in ((client, server, self._pieces), (server, client, _chunks)):
                    threading.Thread(target=self._pump, args=(source, sink, pieces), daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, pieces: Callable[[socket.socket], Iterator[bytes]]
    ) -> None:
        with suppress(OSError):
            for piece in pieces(source):
                if self._delay:
                    self._closing.wait(self._delay)
                self._open.wait()
                if pieces is _requests and int.from_bytes(piece[4:6]) in self._swallowed:
                    self.lost += 1
                    continue
                sink.sendall(piece)
        _close(sink)
        _close(source)


def _chunks(source: socket.socket) -> Iterator[bytes]:
    while chunk := source.recv(_CHUNK):
        yield chunk


def _requests(source: socket.socket) -> Iterator[bytes]:
    """Kafka's requests: four bytes of length, then the kind's number in two."""
    with source.makefile("rb") as stream:
        while head := stream.read(4):
            yield head + stream.read(int.from_bytes(head))


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
