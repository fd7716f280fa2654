"""A TCP proxy in front of PostgreSQL that reads its wire protocol, and holds a session at a named statement.

The worker behind it is the unmodified program. A hold stops the session either before the server gets the
statement or after the server has answered it; the test then decides what becomes of both sides.
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType

from psycopg.conninfo import conninfo_to_dict, make_conninfo

COPY_DATA = "<copy data>"
COPY_DONE = "<copy done>"
# the COMMIT of a transaction that has moved positions. Workers commit others too, and at any time
BATCH_COMMIT = "COMMIT <of a batch>"
MOVE = "SET next_offset = w.next_offset"
_CHUNK = 1 << 16


class Side(Enum):
    """Where a statement is held: on its way to the server, or on the answer's way back."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True)
class Hold:
    """A statement at which one session stops. `skip` earlier ones pass."""

    pattern: str
    side: Side
    skip: int = 0
    worker: str = ""
    text: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    _decided: threading.Event = field(default_factory=threading.Event)
    _deliver: bool = False
    _session: "Session | None" = None

    def matches(self, text: str, application: str) -> bool:
        """Whether this statement of this session is the one; counts down what is skipped."""
        if self.reached.is_set() or self.worker not in application or not re.search(self.pattern, text):
            return False
        self.skip -= 1
        return self.skip < 0

    def stop(self, session: "Session", text: str) -> bool:
        """Called by the session: wait for the test's decision; True to pass on what is held."""
        self._session, self.text = session, text
        self.reached.set()
        self._decided.wait()
        return self._deliver

    def wait(self, seconds: float = 120.0) -> None:
        """Return when a session is held here."""
        assert self.reached.wait(seconds), f"nothing came {self.side.value} {self.pattern!r} in {seconds:.0f} s"

    def deliver(self) -> None:
        """Pass on what is held; the session goes on if both sides still live."""
        self._deliver = True
        self._decided.set()

    def discard(self) -> None:
        """Throw away what is held and cut the session on both sides."""
        if self._session is not None:
            self._session.cut()
        self._decided.set()

    def cut_client(self) -> None:
        """Cut the session towards the worker only; the server still waits for what is held, or has done it."""
        assert self._session is not None
        self._session.cut_client()


@contextmanager
def cutting(hold: Hold) -> Iterator[None]:
    """Meanwhile the session that comes to a hold is cut there."""
    thread = threading.Thread(target=lambda: (hold.wait(), hold.discard()), daemon=True)
    thread.start()
    yield
    thread.join(60)


class Session:
    """One connection through the proxy: two pumps that cut the stream into messages."""

    def __init__(self, proxy: "Proxy", client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._application = ""
        self._prepared: dict[bytes, str] = {}
        self._moved = False
        self._after: tuple[Hold, str] | None = None
        self._threads = [threading.Thread(target=pump, daemon=True) for pump in (self._forth, self._back)]

    def start(self) -> None:
        """Begin to pump."""
        for thread in self._threads:
            thread.start()

    def cut(self) -> None:
        """Close both sides."""
        self.cut_client()
        _close(self._server)

    def cut_client(self) -> None:
        """Close the worker's side."""
        _close(self._client)

    def _forth(self) -> None:
        with suppress(OSError):
            self._server.sendall(self._startup())
            for kind, message in _messages(self._client):
                if not self._passes(self._statement(kind, message)):
                    break
                self._server.sendall(message)
        self.cut()

    def _back(self) -> None:
        with suppress(OSError):
            for kind, message in _messages(self._server):
                if kind == b"Z" and self._after is not None:
                    (hold, text), self._after = self._after, None
                    if not hold.stop(self, text):
                        break
                self._client.sendall(message)
        # the answers may end first while a held statement is still to be decided on
        self.cut_client()
        _close(self._server)

    def _startup(self) -> bytes:
        head = _exactly(self._client, 4)
        body = _exactly(self._client, int.from_bytes(head) - 4)
        words = body[4:].split(b"\0")
        pairs = dict(zip(words[::2], words[1::2], strict=False))
        self._application = pairs.get(b"application_name", b"").decode()
        return head + body

    def _statement(self, kind: bytes, message: bytes) -> str:
        """What a message asks for: a query's text, COPY's steps, or nothing of interest."""
        body = message[5:]
        if kind == b"Q":
            return self._known(body[:-1].decode())
        if kind == b"P":
            name, query = body.split(b"\0")[:2]
            self._prepared[name] = query.decode()
        if kind == b"B":
            return self._known(self._prepared.get(body.split(b"\0")[1], ""))
        return {b"d": COPY_DATA, b"c": COPY_DONE}.get(kind, "")

    def _known(self, query: str) -> str:
        """The query; a COMMIT says whether it is that of a batch."""
        of_batch = self._moved and query == "COMMIT"
        self._moved = (self._moved or MOVE in query) and not query.endswith(("BEGIN", "COMMIT", "ROLLBACK"))
        return BATCH_COMMIT if of_batch else query

    def _passes(self, text: str) -> bool:
        hold = self._proxy.match(text, self._application) if text else None
        if hold is None:
            return True
        if hold.side is Side.BEFORE:
            return hold.stop(self, text)
        self._after = (hold, text)
        return True


class Proxy:
    """Listens on loopback and leads to the server of `dsn`; a context manager."""

    def __init__(self, dsn: str) -> None:
        address = conninfo_to_dict(dsn)
        self._to = (str(address["host"]), int(address["port"] or 5432))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.dsn = make_conninfo(
            dsn, host="127.0.0.1", port=self._listener.getsockname()[1], sslmode="disable", gssencmode="disable"
        )
        self._lock = threading.Lock()
        self._holds: list[Hold] = []
        self._sessions: list[Session] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _close(self._listener)
        for hold in self._holds:
            hold.discard()
        self.cut_all()

    def before(self, pattern: str, skip: int = 0, worker: str = "") -> Hold:
        """Hold the next statement that matches, in front of the server."""
        return self._add(Hold(pattern, Side.BEFORE, skip, worker))

    def after(self, pattern: str, skip: int = 0, worker: str = "") -> Hold:
        """Hold the answer to the next statement that matches."""
        return self._add(Hold(pattern, Side.AFTER, skip, worker))

    def cut_all(self) -> None:
        """Cut every session on both sides."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.cut()

    def match(self, text: str, application: str) -> Hold | None:
        """The hold that this statement runs into."""
        with self._lock:
            return next((hold for hold in self._holds if hold.matches(text, application)), None)

    def _add(self, hold: Hold) -> Hold:
        with self._lock:
            self._holds.append(hold)
        return hold

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._to)
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    # else each small message waits for an acknowledgement
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                session = Session(self, client, server)
                with self._lock:
                    self._sessions.append(session)
                session.start()


def _messages(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Whole messages with their type, until the stream ends."""
    buffer = b""
    while chunk := source.recv(_CHUNK):
        buffer += chunk
        while len(buffer) >= 5 and len(buffer) > (size := int.from_bytes(buffer[1:5])):
            yield buffer[:1], buffer[: size + 1]
            buffer = buffer[size + 1 :]


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = source.recv(size - len(data))
        if not chunk:
            raise ConnectionError
        data += chunk
    return data


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
