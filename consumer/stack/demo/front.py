"""A door in front of librdkafka's mock broker that adds the two answers it lacks.

The mock names no controller, so an AdminClient waits for one in vain, and it does not describe configurations. Requests
pass through; metadata and coordinators lead back to this door, the one broker becomes the controller, and a topic's
configuration is answered here: nothing is compacted. The forms are those that the librdkafka of this very process
speaks; whatever is not known here passes unchanged.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from consumer.stack.ports import LOOPBACK

_METADATA, _FIND_COORDINATOR, _API_VERSIONS, _DESCRIBE_CONFIGS = 3, 10, 18, 32
_FLEXIBLE_METADATA = 9
_DESCRIBED = "cleanup.policy", "delete"


class Front:
    """Listens on a loopback port of its own until it is closed."""

    def __init__(self, broker: tuple[str, int]) -> None:
        self._broker = broker
        self._listening = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._accept, name="demo-front", daemon=True).start()

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"{LOOPBACK}:{self.port}"

    def close(self) -> None:
        """Takes no more conversations; those that are open end with their clients."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
                broker = socket.create_connection(self._broker)
            except OSError:
                return
            _Conversation(client, broker, self.port).begin()


class _Conversation:
    """One client's connection and its own connection to the broker."""

    def __init__(self, client: socket.socket, broker: socket.socket, port: int) -> None:
        self._client = client
        self._broker = broker
        self._port = port
        self._asked: dict[int, tuple[int, int]] = {}
        self._sending = threading.Lock()

    def begin(self) -> None:
        """Both directions, each in a thread of its own."""
        ways = ((self._client, self._request), (self._broker, self._response))
        for source, each in ways:
            threading.Thread(target=self._pump, args=(source, each), name="demo-front", daemon=True).start()

    def _pump(self, source: socket.socket, each: Callable[[bytes], None]) -> None:
        with contextlib.suppress(OSError):
            while (frame := _frame(source)) is not None:
                each(frame)
        for end in (self._client, self._broker):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()

    def _request(self, frame: bytes) -> None:
        api, version, correlation = struct.unpack_from(">hhi", frame)
        if api == _DESCRIBE_CONFIGS:
            self._answer(frame[4:8] + _configurations(frame))
            return
        self._asked[correlation] = (api, version)
        self._broker.sendall(struct.pack(">i", len(frame)) + frame)

    def _response(self, frame: bytes) -> None:
        api, version = self._asked.pop(struct.unpack_from(">i", frame)[0], (-1, -1))
        if api == _METADATA and version >= _FLEXIBLE_METADATA:
            frame = _metadata(frame, self._port)
        elif api == _FIND_COORDINATOR:
            frame = _coordinator(frame, version, self._port)
        elif api == _API_VERSIONS and version == 0:
            frame = _api_versions(frame)
        self._answer(frame)

    def _answer(self, frame: bytes) -> None:
        with self._sending:
            self._client.sendall(struct.pack(">i", len(frame)) + frame)


def _frame(source: socket.socket) -> bytes | None:
    head = _exactly(source, 4)
    return None if head is None else _exactly(source, struct.unpack(">i", head)[0])


def _exactly(source: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        piece = source.recv(size - len(parts))
        if not piece:
            return None
        parts += piece
    return bytes(parts)


def _metadata(frame: bytes, port: int) -> bytes:
    """One broker at this door, which is the controller. Lengths in this form are one byte: all names here are short."""
    # correlation id, no tags, throttle time, one broker: its node id and host
    node_at = 4 + 1 + 4 + 1
    host_end = node_at + 4 + 1 + (frame[node_at + 4] - 1)
    port_end = host_end + 4
    rack_end = port_end + 1 + max(0, frame[port_end] - 1) + 1
    cluster_end = rack_end + 1 + max(0, frame[rack_end] - 1)
    controller = frame[node_at : node_at + 4]
    return (
        frame[:host_end] + struct.pack(">i", port) + frame[port_end:cluster_end] + controller + frame[cluster_end + 4 :]
    )


def _coordinator(frame: bytes, version: int, port: int) -> bytes:
    """The port is the last field of all forms before version 3."""
    return frame[:-4] + struct.pack(">i", port) if version < 3 else frame


def _api_versions(frame: bytes) -> bytes:
    """One more entry: configurations are described, in forms 0 and 1."""
    (count,) = struct.unpack_from(">i", frame, 6)
    return frame[:6] + struct.pack(">i", count + 1) + frame[10:] + struct.pack(">hhh", _DESCRIBE_CONFIGS, 1, 1)


def _configurations(frame: bytes) -> bytes:
    """The answer in form 1, one result for each topic asked about."""
    # api, version, correlation id, client id
    (client_length,) = struct.unpack_from(">h", frame, 8)
    at = 10 + max(0, client_length)
    (count,) = struct.unpack_from(">i", frame, at)
    results, at = [], at + 4
    for _ in range(count):
        kind, length = struct.unpack_from(">bh", frame, at)
        topic = frame[at + 3 : at + 3 + length]
        at = _after_names(frame, at + 3 + length)
        results.append(_result(kind, topic))
    return struct.pack(">ii", 0, count) + b"".join(results)


def _after_names(frame: bytes, at: int) -> int:
    """Where a list of names, or its absence, ends."""
    (count,) = struct.unpack_from(">i", frame, at)
    at += 4
    for _ in range(max(0, count)):
        at += 2 + struct.unpack_from(">h", frame, at)[0]
    return at


def _result(kind: int, topic: bytes) -> bytes:
    """No error, no message, and one entry: not read-only, a default, not sensitive, no synonyms."""
    name, value = (struct.pack(">h", len(text)) + text.encode() for text in _DESCRIBED)
    entry = name + value + struct.pack(">bbbi", 0, 5, 0, 0)
    return struct.pack(">hhbh", 0, -1, kind, len(topic)) + topic + struct.pack(">i", 1) + entry
