"""Records read again at their origin: all of them, or the news that the log does not have them."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from consumer.core.records import OffsetRange, RecordRef, TopicPartition
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.origins import KafkaOrigins
from tests.light.broker import Broker

AT = TopicPartition("origin", 0)


@pytest.fixture(scope="module")
def origins() -> Iterator[KafkaOrigins]:
    """Of a log with the offsets 2 to 5."""
    broker = Broker()
    broker.create("origin", [b"0", b"1", b"2", b"3", b"4", b"5"])
    broker.delete_before("origin", 2)
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group="g", topics=(), request_timeout=5)
    with closing(KafkaOrigins(settings)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("start", "end", "most", "values", "to"),
    [(2, 6, 10, b"2345", 6), (3, 5, 10, b"34", 5), (2, 6, 3, b"234", 5), (5, 6, 1, b"5", 6)],
)
def test_records_are_read_up_to_an_offset_or_a_number(
    origins: KafkaOrigins, start: int, end: int, most: int, values: bytes, to: int
) -> None:
    """The slice ends where reading goes on."""
    piece = origins.read(OffsetRange(AT, start, end), most)

    assert piece is not None
    assert b"".join(value or b"" for value in piece.values) == values
    assert (piece.start, piece.end, list(piece.offsets)) == (start, to, list(range(start, start + len(values))))


@pytest.mark.parametrize(("start", "end"), [(1, 6), (4, 7), (6, 7), (9, 12)])
def test_a_range_that_the_log_does_not_have_whole_is_not_read(origins: KafkaOrigins, start: int, end: int) -> None:
    """Its start is gone, or the log ends in front of its end."""
    assert origins.read(OffsetRange(AT, start, end), 10) is None


def test_one_record(origins: KafkaOrigins) -> None:
    """Or none, when it is gone or not there yet."""
    found = origins.fetch(RecordRef(AT, 3))

    assert found is not None
    assert (found.value, found.ref.offset) == (b"3", 3)
    assert [origins.fetch(RecordRef(AT, offset)) for offset in (0, 6)] == [None, None]
