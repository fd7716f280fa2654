"""Publishing copies of letters: topics, confirmations, and what is too large, on a real broker."""

import json
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from structlog.testing import capture_logs

from consumer.core.failure import Refused, Transient
from consumer.core.records import Header
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.ports.letters import LetterTopic, Outgoing, Posted
from consumer.stack.options import Endpoints

from .feed import create_topic, fresh_name
from .worker import eventually

HOUR = 3600.0
WAIT = 30.0


def settings(bootstrap: str, request_timeout: float = WAIT, client: dict[str, str] | None = None) -> KafkaSettings:
    """What a letterbox needs of the settings."""
    return KafkaSettings(
        bootstrap_servers=bootstrap, group="g", topics=(), request_timeout=request_timeout, client=client or {}
    )


@pytest.fixture
def box(at: Endpoints) -> Iterator[KafkaLetterbox]:
    """A letterbox on the shared broker."""
    opened = KafkaLetterbox(settings(at.kafka))
    yield opened
    opened.close()


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address at which nobody answers: the port is bound and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def config_of(at: Endpoints, topic: str) -> dict[str, str]:
    """A topic's settings at the broker."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    answer = admin.describe_configs([resource])[resource].result(WAIT)
    return {name: entry.value for name, entry in answer.items()}


def partitions_of(at: Endpoints, topic: str) -> int:
    """How many partitions a topic has."""
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    return len(admin.list_topics(timeout=WAIT).topics[topic].partitions)


def letter(number: int, topic: str, value: bytes | None = b"v", headers: Sequence[Header] = ()) -> Outgoing:
    """A copy with a key of its own."""
    return Outgoing(id=number, attempt=2, topic=topic, key=b"k%d" % number, value=value, headers=tuple(headers))


def settled(box: KafkaLetterbox, letters: Sequence[Outgoing]) -> dict[int, Posted]:
    """Post everything, wait, and say what became of each."""
    assert box.post(letters) == len(letters)
    assert box.flush(WAIT) == 0
    found = box.posted()
    assert sorted(each.id for each in found) == sorted(each.id for each in letters)
    assert box.posted() == []
    return {each.id: each for each in found}


def read(at: Endpoints, where: Posted) -> Message:
    """The record that lies where a confirmation says."""
    assert where.partition is not None
    assert where.offset is not None
    consumer = Consumer({"bootstrap.servers": at.kafka, "group.id": "reads", "fetch.message.max.bytes": 4 << 20})
    try:
        consumer.assign([TopicPartition(where.topic, where.partition, where.offset)])
        [message] = consumer.consume(1, WAIT)
    finally:
        consumer.close()
    assert message.error() is None
    assert message.offset() == where.offset
    return message


def test_missing_topics_are_made_with_their_retention(at: Endpoints, box: KafkaLetterbox) -> None:
    """Also when one of them is there already, and again without an effect."""
    first, second = fresh_name("made"), fresh_name("made")
    wanted = [LetterTopic(name=name, partitions=3, retention=2.5 * HOUR) for name in (first, second)]
    box.ensure(wanted[:1])
    with capture_logs() as logs:
        box.ensure(wanted)
        box.ensure(wanted)
        box.ensure([])

    assert [line["topic"] for line in logs] == [second]
    for name in (first, second):
        made = config_of(at, name)
        assert (made["retention.ms"], made["cleanup.policy"]) == ("9000000", "delete")
        assert partitions_of(at, name) == 3


def test_workers_that_start_together_make_a_topic_once(at: Endpoints) -> None:
    """Whoever comes second finds it made."""
    wanted = [LetterTopic(name=fresh_name("raced"), partitions=1, retention=HOUR) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: KafkaLetterbox(settings(at.kafka)).ensure(wanted), range(4)))

    assert {partitions_of(at, topic.name) for topic in wanted} == {1}


def test_topics_that_lose_letters_are_named_and_left_as_they_are(at: Endpoints, box: KafkaLetterbox) -> None:
    """Someone made them so; the log says what to change."""
    brief, compacted, unlimited = fresh_name("brief"), fresh_name("compacted"), fresh_name("unlimited")
    create_topic(at.kafka, brief, 1, {"retention.ms": "60000"})
    create_topic(at.kafka, compacted, 1, {"cleanup.policy": "compact"})
    create_topic(at.kafka, unlimited, 1, {"retention.ms": "-1"})
    with capture_logs() as logs:
        box.ensure([LetterTopic(name=name, partitions=1, retention=HOUR) for name in (brief, compacted, unlimited)])

    assert [(line["log_level"], line["topic"]) for line in logs] == [("warning", brief), ("warning", compacted)]
    assert "retention.ms" in logs[0]["remedy"]
    assert "cleanup.policy" in logs[1]["remedy"]
    assert config_of(at, brief)["retention.ms"] == "60000"


@pytest.mark.provokes("kafka.letters")
def test_a_topic_that_the_broker_refuses_to_make_says_so(at: Endpoints, box: KafkaLetterbox) -> None:
    """With the kind that names what to grant or to make; the others are made."""
    name, other = fresh_name("refused"), fresh_name("made")
    wanted = ((name, 0), (other, 1))
    refused = box.ensure([LetterTopic(name=each, partitions=count, retention=HOUR) for each, count in wanted])

    assert list(refused) == [name]
    assert (refused[name].kind, refused[name].code) == ("kafka.letters", "INVALID_PARTITIONS")
    assert name in refused[name].detail
    assert partitions_of(at, other) == 1


def test_copies_arrive_byte_for_byte_where_the_confirmation_says(at: Endpoints, box: KafkaLetterbox) -> None:
    """Doubled names, missing and empty values, bytes that are no text; tombstones and records without key."""
    topic = fresh_name("copies")
    box.ensure([LetterTopic(name=topic, partitions=3, retention=HOUR)])
    headers: list[Header] = [("a", b"\xff\x00"), ("b", None), ("a", b""), ("a", b"\xff\x00"), ("ü", "ü".encode())]
    letters = [
        letter(1, topic, bytes(range(256)), headers),
        letter(2, topic, None, headers[:1]),
        Outgoing(id=3, attempt=5, topic=topic, key=None, value=b""),
    ]
    found = settled(box, letters)

    for sent in letters:
        posted = found[sent.id]
        assert (posted.attempt, posted.topic, posted.failure, posted.too_large) == (sent.attempt, topic, None, False)
        message = read(at, posted)
        assert (message.key(), message.value()) == (sent.key, sent.value)
        assert tuple(message.headers() or ()) == sent.headers


def test_a_name_that_is_no_unicode_does_not_end_the_process(at: Endpoints, box: KafkaLetterbox) -> None:
    """The client's native code would."""
    topic = fresh_name("names")
    create_topic(at.kafka, topic, 1)
    posted = settled(box, [letter(1, topic, b"v", [("a\ud800", b"1"), ("a", b"2")])])[1]

    assert read(at, posted).headers() == [("a?", b"1"), ("a", b"2")]


def test_a_topic_that_is_made_again_takes_letters(at: Endpoints, box: KafkaLetterbox) -> None:
    """The client's memory of the deleted one is no hindrance."""
    topic = fresh_name("again")
    wanted = [LetterTopic(name=topic, partitions=1, retention=HOUR)]
    box.ensure(wanted)
    settled(box, [letter(number, topic) for number in range(5)])
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    admin.delete_topics([topic])[topic].result(WAIT)
    eventually(lambda: topic not in admin.list_topics(timeout=WAIT).topics, "the topic is gone")
    box.ensure(wanted)

    assert settled(box, [letter(9, topic)])[9].offset == 0


def test_a_letter_that_the_topic_does_not_take_passes_as_a_pointer(at: Endpoints, box: KafkaLetterbox) -> None:
    """It says so by itself; small letters around it, which would be too large together, pass."""
    topic = fresh_name("small")
    create_topic(at.kafka, topic, 1, {"max.message.bytes": "20000"})
    box.ensure([LetterTopic(name=topic, partitions=1, retention=HOUR)])
    letters = [letter(number, topic, bytes(30_000 if number == 20 else 50 + 60 * number)) for number in range(200)]
    found = settled(box, letters)

    assert [each.id for each in found.values() if each.too_large] == [20]
    assert [each.id for each in found.values() if each.failure] == [20]
    refusal = found[20].failure
    assert refusal is not None
    assert (refusal.kind, refusal.code) == ("kafka.letters", "MSG_SIZE_TOO_LARGE")
    pointer = settled(box, [letter(20, topic, None, [("where", b"there")])])[20]
    assert pointer.failure is None
    assert read(at, pointer).headers() == [("where", b"there")]


def test_a_letter_beyond_the_clients_own_limit_is_too_large(at: Endpoints, box: KafkaLetterbox) -> None:
    """No broker is asked; one below it goes as far as its topic allows, beyond the client's usual megabyte."""
    topic = fresh_name("large")
    create_topic(at.kafka, topic, 1, {"max.message.bytes": str(8 << 20)})
    found = settled(box, [letter(1, topic, bytes(66 << 20)), letter(2, topic, bytes(3 << 20))])

    assert (found[1].too_large, found[2].too_large) == (True, False)
    assert read(at, found[2]).value() == bytes(3 << 20)


def test_a_full_queue_takes_no_more_and_goes_on_later(at: Endpoints, box: KafkaLetterbox) -> None:
    """What was not taken is posted again; nothing comes twice."""
    topic = fresh_name("full")
    create_topic(at.kafka, topic, 1, {"max.message.bytes": str(32 << 20)})
    letters = [letter(number, topic, bytes(25 << 20)) for number in range(4)]
    taken = box.post(letters)

    assert 0 < taken < 4
    assert box.flush(WAIT) == 0
    assert box.post(letters[taken:]) > 0
    assert box.flush(WAIT) == 0
    assert [each.id for each in box.posted() if each.failure is None][:taken] == list(range(taken))


def test_a_topic_that_is_gone_is_a_failure_and_is_not_made(at: Endpoints) -> None:
    """The broker would make it with its own retention."""
    topic = fresh_name("gone")
    box = KafkaLetterbox(settings(at.kafka, 1.0))
    posted = settled(box, [letter(1, topic)])[1]
    box.close()

    assert posted.failure is not None
    assert posted.failure.kind == "kafka.letters"
    assert not posted.too_large
    assert topic not in AdminClient({"bootstrap.servers": at.kafka}).list_topics(timeout=WAIT).topics


@pytest.mark.provokes("kafka.away")
def test_a_broker_that_is_away_is_a_failure_in_time(nowhere: str) -> None:
    """Posting waits for nobody, and every copy comes back within the timeout."""
    box = KafkaLetterbox(settings(nowhere, 4.0))
    with pytest.raises(Transient) as caught:
        box.ensure([LetterTopic(name="t", partitions=1, retention=HOUR)])
    assert caught.value.failure.kind == "kafka.away"
    started = time.monotonic()
    assert box.post([letter(number, "t") for number in range(3)]) == 3
    assert time.monotonic() - started < 2
    assert box.flush(0.1) == 3
    assert box.posted() == []
    assert box.flush(WAIT) == 0
    found = box.posted()
    box.close()

    assert time.monotonic() - started < 15
    assert [each.id for each in found] == [0, 1, 2]
    assert {each.failure.kind for each in found if each.failure} == {"kafka.letters"}
    assert not any(each.too_large for each in found)


def test_what_is_given_up_at_the_end_comes_back_as_a_failure(nowhere: str) -> None:
    """Closing waits for no broker, and a closed letterbox may be used again."""
    box = KafkaLetterbox(settings(nowhere))
    box.post([letter(1, "t")])
    started = time.monotonic()
    box.close()
    box.close()

    assert time.monotonic() - started < WAIT / 3
    [posted] = box.posted()
    assert posted.failure is not None
    assert box.flush(0) == 0
    assert box.post([letter(2, "t")]) == 1
    box.close()


def test_settings_that_the_client_does_not_take_are_refused(nowhere: str) -> None:
    """As for every other client."""
    box = KafkaLetterbox(settings(nowhere, client={"security.protocol": "odd"}))
    with pytest.raises(Refused):
        box.post([letter(1, "t")])


def test_no_bytes_of_a_letter_are_in_its_text(at: Endpoints, box: KafkaLetterbox) -> None:
    """Neither in what is printed of it nor in why it was not taken."""
    topic = fresh_name("private")
    create_topic(at.kafka, topic, 1, {"max.message.bytes": "1000"})
    secret = letter(1, topic, b"sesame" * 1000, [("h", b"sesame")])
    with capture_logs() as logs:
        found: Any = settled(box, [secret])[1]

    assert "sesame" not in repr(secret) + repr(found) + json.dumps(logs, default=repr)
