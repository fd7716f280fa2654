"""Dead letters of other consumers: whose they are and which record they were, by their headers as those write them."""

import struct
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.core.foreign import Foreign
from consumer.core.letters import Record
from consumer.core.records import Header, RecordRef, TopicPartition
from dlq.foreign import FAMILIES, PREFIXES, UNKNOWN, recognised
from dlq.headers import encode
from tests.unit.test_headers import HEAD

PLACE = RecordRef(TopicPartition("dead", 0), 7)
ORIGIN = RecordRef(TopicPartition("shop.public.orders", 2), 41)
CANARY = "sesame"
DEBEZIUM = ("__debezium.context.connectorName", b"postgresql")


def said(*headers: Header) -> Foreign:
    """What a record with these headers says."""
    return recognised(Record(ref=PLACE, key=b"k", value=b"v", headers=headers))


def text(prefix: str, **words: str) -> list[Header]:
    """Headers of texts."""
    return [(prefix + name.replace("_", "."), value.encode()) for name, value in words.items()]


def connect(topic: str = "shop.public.orders", partition: int = 2, offset: int = 41) -> list[Header]:
    """Those of DeadLetterQueueReporter, all of them."""
    return text(
        "__connect.errors.",
        topic=topic,
        partition=str(partition),
        offset=str(offset),
        connector_name="shop-sink",
        task_id="0",
        stage="VALUE_CONVERTER",
        class_name="io.apicurio.registry.utils.converter.AvroConverter",
        exception_class_name="org.apache.kafka.connect.errors.DataException",
        exception_message=f"Failed to deserialize {CANARY}",
        exception_stacktrace=f"org.apache.kafka.connect.errors.DataException: {CANARY}\n\tat a.B.c(B.java:1)",
    )


@dataclass(frozen=True)
class SpringNames:
    """DeadLetterPublishingRecoverer's names, and those of dead-letter topics of retry topics."""

    original: str = "kafka_dlt-original-"
    exception: str = "kafka_dlt-"


def spring(
    names: SpringNames = SpringNames(), topic: str = "shop.public.orders", partition: int = 2, offset: int = 41
) -> list[Header]:
    """A partition is an int of four bytes, offset and time are longs of eight, all big-endian; the rest is UTF-8."""
    original = names.original
    return [
        (f"{original}topic", topic.encode()),
        (f"{original}partition", struct.pack(">i", partition)),
        (f"{original}offset", struct.pack(">q", offset)),
        (f"{original}timestamp", struct.pack(">q", 1_764_380_000_123)),
        (f"{original}timestamp-type", b"CREATE_TIME"),
        ("kafka_dlt-original-consumer-group", b"billing"),
        (f"{names.exception}exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
        (f"{names.exception}exception-cause-fqcn", b"java.lang.IllegalStateException"),
        (f"{names.exception}exception-message", CANARY.encode()),
        (f"{names.exception}exception-stacktrace", f"java.lang.IllegalStateException: {CANARY}".encode()),
    ]


STREAMS = text(
    "__streams.errors.",
    exception="org.apache.kafka.streams.errors.StreamsException",
    stacktrace=CANARY,
    message=CANARY,
    topic="shop.public.orders",
    partition="2",
    offset="41",
)
SHARE = text(
    "__dlq.errors.",
    topic="shop.public.orders",
    partition="2",
    offset="41",
    group="billing-share",
    delivery_count="5",
    message=CANARY,
)
HEADRACE = [
    *text(
        "headrace.", group="other", topic="shop.public.orders", partition="2", offset="41", kind="record.check",
        operation="apply", detail=CANARY,
    ),
    *text("__connect.errors.", topic="shop.public.orders", partition="2", offset="41", connector_name="other"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "family", "operation", "code", "detail"),
    [
        (
            connect(), "connect", "VALUE_CONVERTER", "DataException",
            "Kafka Connect's connector shop-sink could not take it in the stage VALUE_CONVERTER "
            "(org.apache.kafka.connect.errors.DataException)",
        ),
        (
            spring(), "spring", "consume", "IllegalStateException",
            "the Spring Kafka group billing could not take it (java.lang.IllegalStateException)",
        ),
        (
            spring(SpringNames("kafka_original-", "kafka_")), "spring", "consume", "IllegalStateException",
            "the Spring Kafka group billing could not take it (java.lang.IllegalStateException)",
        ),
        (
            STREAMS, "streams", "consume", "StreamsException",
            "a Kafka Streams application could not take it (org.apache.kafka.streams.errors.StreamsException)",
        ),
        (SHARE, "share", "consume", "", "the share group billing-share could not take it"),
        (
            HEADRACE, "headrace", "apply", "record.check",
            "the Headrace group other could not take it in the stage apply (record.check)",
        ),
    ],
)  # fmt: skip
def test_each_family_is_known_by_its_headers(
    headers: list[Header], family: str, operation: str, code: str, detail: str
) -> None:
    """With the record's origin, who failed and with which class; never with the words of the exception."""
    found = said(DEBEZIUM, *headers)
    assert (found.family, found.origin) == (family, ORIGIN)
    failure = found.failure
    assert (failure.kind, failure.component, failure.operation, failure.code) == (
        "record.imported", family, operation, code
    )  # fmt: skip
    assert failure.detail == detail
    assert CANARY not in str(failure)


@pytest.mark.parametrize("pointer", [False, True])
def test_a_copy_that_only_points_to_its_record_is_known(pointer: bool) -> None:
    """Another group's keeps the record's key; nor is it another one once somebody else could not take it."""
    ours = encode(replace(HEAD, origin=ORIGIN, pointer=pointer), [DEBEZIUM])
    for found in (said(*ours), said(*ours, *spring(topic="dead", partition=0, offset=3))):
        assert (found.origin, found.pointer) == (ORIGIN, pointer)
    assert not said(*HEADRACE, ("headrace.pointer", None)).pointer


def test_spring_numbers_are_read_byte_for_byte() -> None:
    """Large ones too, and those whose bytes happen to be printable."""
    for partition, offset in ((0, 0), (255, 2**31), (2**31 - 1, 2**63 - 1), (0x2F2F2F2F, 0x2F2F2F2F2F2F2F2F)):
        origin = said(*spring(partition=partition, offset=offset)).origin
        assert origin == RecordRef(TopicPartition("shop.public.orders", partition), offset)


def test_what_became_a_dead_letter_again_has_its_first_origin_and_its_last_failure() -> None:
    """Each consumer adds its headers behind those that are there; Spring adds the same names once more."""
    again = spring(topic="shop.public.orders-dlt", partition=0, offset=3)
    assert said(*spring(), *again).origin == ORIGIN
    both = said(*spring(), *connect(topic="shop.public.orders-dlt", partition=0, offset=3))
    assert (both.family, both.origin, both.failure.component) == ("connect", ORIGIN, "connect")


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (DEBEZIUM,),
        (("kafka_correlationId", b"1"), ("__connect.errorsX", b"1"), ("headrace", b"1")),
    ],
)
def test_headers_of_nobody_leave_a_letter_of_nobody(headers: tuple[Header, ...]) -> None:
    """It is imported all the same."""
    found = said(*headers)
    assert (found.family, found.origin, found.failure.kind) == (UNKNOWN, None, "record.imported")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((f"__connect.errors.{name}", None) for name in ("topic", "partition", "offset")),
        *((f"__connect.errors.{name}", b"") for name in ("topic", "partition", "offset")),
        ("__connect.errors.topic", b".."),
        ("__connect.errors.topic", b"a/b"),
        ("__connect.errors.topic", "ü".encode()),
        ("__connect.errors.topic", b"a" * 250),
        ("__connect.errors.topic", b"a\0"),
        ("__connect.errors.partition", b"-1"),
        ("__connect.errors.partition", b"2147483648"),
        ("__connect.errors.partition", b"1 "),
        ("__connect.errors.partition", "٣".encode()),
        ("__connect.errors.offset", b"9223372036854775808"),
        ("__connect.errors.offset", b"1" * 5000),
        ("__connect.errors.offset", b"\xff" * 8),
    ],
)
def test_an_origin_that_can_not_be_is_none(name: str, value: bytes | None) -> None:
    """Whose it is stays known, and that its record is not is said."""
    headers = [(each, value if each == name else word) for each, word in connect()]
    found = said(*headers)
    assert (found.family, found.origin) == ("connect", None)
    assert found.failure.detail.endswith("its headers do not say which record it was")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("__connect.errors.exception.class.name", b"<script>alert(1)</script>"),
        ("__connect.errors.exception.class.name", b"a" * 100_000),
        ("__connect.errors.exception.class.name", b"no class, " + CANARY.encode()),
        ("__connect.errors.connector.name", "\x1b[2J\u202e".encode()),
        ("__connect.errors.connector.name", b"a" * 201),
        ("__connect.errors.stage", b"\xff\xfe"),
        ("__connect.errors.stage", b"42"),
    ],
)
def test_odd_words_are_left_out(name: str, value: bytes) -> None:
    """Of names only what looks like one is said."""
    found = said(*((each, value if each == name else word) for each, word in connect()))
    assert found.origin == ORIGIN
    assert value.decode(errors="replace") not in found.failure.detail
    assert len(found.failure.detail) < 500


known_names = [
    *(prefix + word for family in FAMILIES for prefix in family.prefixes for word in family.origin),
    *(prefix + word for family in FAMILIES for prefix in family.prefixes for word in family.classes),
]
values = st.none() | st.binary(max_size=20) | st.sampled_from([b"0", b"12", b"t", struct.pack(">q", 9)])
headers_of_any_kind = st.lists(st.tuples(st.sampled_from(known_names) | st.text(max_size=30), values), max_size=30)


@given(headers_of_any_kind)
@example([("kafka_dlt-original-offset", b"\x80" * 8)])
def test_whatever_the_headers_are_something_is_said(headers: list[Header]) -> None:
    """And an origin is one that a log can have."""
    found = said(*headers)
    assert found.family in {UNKNOWN, *(family.name for family in FAMILIES)}
    assert found.failure.detail.isascii()
    if found.origin is not None:
        (topic, partition), offset = found.origin
        assert 1 <= len(topic) <= 249
        assert 0 <= partition < 2**31
        assert 0 <= offset < 2**63


def test_headers_of_failures_are_told_from_others() -> None:
    """By prefix, since frameworks add names; Spring's other headers are the record's own."""
    every = [*connect(), *spring(), *spring(SpringNames("kafka_original-", "kafka_")), *STREAMS, *SHARE, *HEADRACE]
    assert all(name.startswith(PREFIXES) for name, _ in every)
    assert not any(name.startswith(PREFIXES) for name in ("kafka_correlationId", DEBEZIUM[0], "traceparent"))
