"""librdkafka's mock broker with the hand on it that confluent-kafka does not give: topics, deletions, errors on demand.

It is the broker in the client library of this very process, so a fault that is ordered here reaches the client as an
answer over a socket.
"""

import ctypes
import logging
import socket
import struct
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import confluent_kafka
from confluent_kafka import Producer

# numbers of the protocol
PRODUCE, LIST_OFFSETS, OFFSET_COMMIT, HEARTBEAT = 0, 2, 8, 12
_PRODUCER = 0
_TEXT = 512
_GZIP = 1


class Broker:
    """One mock broker; it ends with the process, since a client may still talk to it."""

    def __init__(self) -> None:
        self._library = library = _loaded()
        said = ctypes.create_string_buffer(_TEXT)
        handle = library.rd_kafka_new(_PRODUCER, library.rd_kafka_conf_new(), said, _TEXT)
        assert handle, said.value
        self._cluster = library.rd_kafka_mock_cluster_new(handle, 1)
        self.bootstrap = library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        # it names none by itself, and an AdminClient waits for one
        library.rd_kafka_mock_set_controller_id(self._cluster, 1)
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    def delay(self, milliseconds: int) -> None:
        """Answer so much later from now on."""
        assert self._library.rd_kafka_mock_broker_set_rtt(self._cluster, 1, milliseconds) == 0

    def vanish(self) -> None:
        """Take no connection any more, and drop those that there are."""
        assert self._library.rd_kafka_mock_broker_set_down(self._cluster, 1) == 0

    def create(
        self, topic: str, values: Sequence[bytes] = (), partitions: int = 1, keys: Sequence[bytes | None] = ()
    ) -> None:
        """A topic with these records in its last partition."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, 1) == 0
        self.append(topic, values, partitions - 1, keys)

    def append(
        self, topic: str, values: Sequence[bytes], partition: int = 0, keys: Sequence[bytes | None] = ()
    ) -> None:
        """More records of a partition."""
        producer = Producer({"bootstrap.servers": self.bootstrap}, logger=logging.getLogger("tests.light.quiet"))
        for value, key in zip_longest(values, keys):
            producer.produce(topic, value, key, partition=partition)
        assert producer.flush(10) == 0

    def append_damaged(self, topic: str) -> None:
        """One record whose batch says that it is compressed with gzip, and is not."""
        payload = b"no gzip at all"
        body = struct.pack(">hiqqqhii", _GZIP, 0, 0, 0, -1, -1, -1, 1) + payload
        batch = struct.pack(">iBI", -1, 2, 0) + body
        batch = struct.pack(">qi", 0, len(batch)) + batch
        name = topic.encode()
        request = struct.pack(">hhihhhiih", PRODUCE, 3, 1, -1, -1, 1, 5000, 1, len(name)) + name
        request += struct.pack(">iii", 1, 0, len(batch)) + batch
        host, port = self.bootstrap.split(",")[0].rsplit(":", 1)
        with socket.create_connection((host, int(port)), 10) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            assert connection.recv(4), "the broker answers when it has the batch"

    def delete_before(self, topic: str, offset: int, partition: int = 0) -> None:
        """Move the log's start, as retention does."""
        name = topic.encode()
        assert self._library.rd_kafka_mock_partition_delete_records(self._cluster, name, partition, offset) == 0

    def take_leader(self, topic: str, partition: int = 0) -> None:
        """Leave a partition without a leader."""
        assert self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, -1) == 0

    def give_leader(self, topic: str, partition: int = 0) -> None:
        """Have a partition led again, by the one broker."""
        assert self._library.rd_kafka_mock_partition_set_leader(self._cluster, topic.encode(), partition, 1) == 0

    def forbid(self, topic: str, code: int) -> None:
        """Whoever asks for the topic's metadata is told this error."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), code)

    def answer(self, request: int, *codes: int) -> None:
        """The next requests of this number are answered with these errors, one after the other."""
        errors = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(self._cluster, request, len(codes), errors)


def _loaded() -> ctypes.CDLL:
    (path,) = (Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*")
    library = ctypes.CDLL(str(path))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, answer, arguments in (
        ("conf_new", pointer, []),
        ("new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("mock_cluster_new", pointer, [pointer, number]),
        ("mock_cluster_bootstraps", text, [pointer]),
        ("mock_set_controller_id", None, [pointer, ctypes.c_int32]),
        ("mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
        ("mock_broker_set_rtt", number, [pointer, ctypes.c_int32, number]),
        ("mock_broker_set_down", number, [pointer, ctypes.c_int32]),
        ("mock_topic_create", number, [pointer, text, number, number]),
        ("mock_topic_set_error", None, [pointer, text, number]),
        ("mock_partition_delete_records", number, [pointer, text, ctypes.c_int32, ctypes.c_int64]),
        ("mock_partition_set_leader", number, [pointer, text, ctypes.c_int32, ctypes.c_int32]),
        ("mock_push_request_errors_array", None, [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)]),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = answer, arguments
    return library
