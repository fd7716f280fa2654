"""Where copies of letters are published: the retry topics and the dead-letter topic.

Publishing follows what the database already knows, so nothing is lost when it fails: what was not confirmed is
published again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letter_topics import misfits
from consumer.core.records import Header
from consumer.edges.kafka.admin import Admin
from consumer.edges.kafka.config import KafkaSettings, asking, common_config, configuring
from consumer.ports.letters import LetterTopic, Outgoing, Posted

log = structlog.get_logger("headrace.letters")

_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.RECORD_LIST_TOO_LARGE)
_FOR_NOW = (
    KafkaError.NOT_CONTROLLER,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.THROTTLING_QUOTA_EXCEEDED,
)
# beyond what the settings let a letter hold; what a topic takes is for the broker to say
_LARGEST = 65 << 20
# the client's default
_MOST_AT_ONCE = 1_000_000
# what the client says of a letter that nobody answered for
_UNANSWERED = "_MSG_TIMED_OUT"
_LARGEST_KEY = "max.message.bytes"
_MOMENT = 0.1
_GRANT = "Grant describing the topic's settings, or compare its retention.ms and cleanup.policy by hand."


class KafkaLetterbox:
    """Implements `consumer.ports.letters.Letterbox`."""

    def __init__(self, settings: KafkaSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._admin = Admin(settings)
        self._producer: Producer | None = None
        self._posted: list[Posted] = []
        self._at_once = _MOST_AT_ONCE

    def ensure(self, topics: Sequence[LetterTopic]) -> Mapping[str, Failure]:
        # three questions with one answer's time, as whoever waits here turns no loop meanwhile
        until = self._clock() + self._settings.request_timeout
        with self._admin.asking("list topics") as admin:
            there = admin.list_topics(timeout=self._left(until)).topics
        refused = self._make([topic for topic in topics if topic.name not in there], until)
        usable = [topic for topic in topics if topic.name not in refused]
        found = self._described(usable, until)
        for topic in usable:
            _check(topic, found.get(topic.name, {}))
        limits = [int(config[_LARGEST_KEY]) for config in found.values() if _LARGEST_KEY in config]
        # The broker refuses a request's batch as a whole: small letters must not make one too large together.
        self._at_once = max(1, min([_MOST_AT_ONCE, *limits]))
        return refused

    def post(self, letters: Sequence[Outgoing]) -> int:
        taken = 0
        for letter in letters:
            try:
                self._send(letter)
            except BufferError:
                break
            taken += 1
        if self._producer is not None:
            self._producer.poll(0)
        return taken

    def posted(self) -> list[Posted]:
        if self._producer is not None:
            self._producer.poll(0)
        if any(slip.failure is not None and slip.failure.code == _UNANSWERED for slip in self._posted):
            # a client that has lost the cluster may not find it again: see `Admin`
            self._give_up()
        done, self._posted = self._posted, []
        return done

    def flush(self, timeout: float) -> int:
        return self._producer.flush(timeout) if self._producer is not None else 0

    def close(self) -> None:
        self._admin.close()
        self._give_up()

    def _give_up(self) -> None:
        if self._producer is not None:
            # what is given up is told to its callbacks, which `flush` serves
            self._producer.purge()
            self._producer.flush(1)
            self._producer = None

    def _send(self, letter: Outgoing) -> None:
        slip = Posted(id=letter.id, attempt=letter.attempt, topic=letter.topic)
        try:
            self._opened().produce(
                letter.topic,
                value=letter.value,
                key=letter.key,
                headers=_sendable(letter.headers),
                on_delivery=partial(self._settle, slip),
            )
        except KafkaException as error:
            self._posted.append(_refused(slip, error.args[0]))
            if error.args[0].code() == KafkaError._FATAL:
                # such a client takes nothing any more, a new one may
                self._give_up()

    def _settle(self, slip: Posted, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._posted.append(_refused(slip, error))
        else:
            self._posted.append(replace(slip, partition=message.partition(), offset=message.offset()))

    def _opened(self) -> Producer:
        if self._producer is None:
            with configuring():
                self._producer = Producer(_producer_config(self._settings, self._at_once))
        return self._producer

    def _left(self, until: float) -> float:
        """Seconds until then; a moment at least, as the client takes none for no limit."""
        return max(_MOMENT, until - self._clock())

    def _make(self, missing: Sequence[LetterTopic], until: float) -> dict[str, Failure]:
        """Returns why topics are not made."""
        if not missing:
            return {}
        with self._admin.asking("create topics") as admin:
            answers = admin.create_topics([_new(topic) for topic in missing], request_timeout=self._left(until))
        told = {name: _await_creation(name, answer, self._left(until)) for name, answer in answers.items()}
        return {name: failure for name, failure in told.items() if failure is not None}

    def _described(self, topics: Sequence[LetterTopic], until: float) -> dict[str, Mapping[str, str]]:
        if not topics:
            return {}
        asked = [ConfigResource(ConfigResource.Type.TOPIC, topic.name) for topic in topics]
        with self._admin.asking("describe configs") as admin:
            answers = admin.describe_configs(asked, request_timeout=self._left(until))
        return {
            resource.name: _await_settings(resource.name, answer, self._left(until))
            for resource, answer in answers.items()
        }


def _producer_config(settings: KafkaSettings, at_once: int) -> dict[str, Any]:
    return {
        **common_config(settings),
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "message.timeout.ms": int(settings.request_timeout * 1000),
        "message.max.bytes": _LARGEST,
        "batch.size": at_once,
        # room for the largest one, which would else never be taken
        "queue.buffering.max.kbytes": (_LARGEST >> 10) + 1024,
        "queue.buffering.max.messages": 10_000,
        # a topic that the broker makes by itself would have its retention
        "allow.auto.create.topics": False,
    }


def _sendable(headers: Sequence[Header]) -> list[tuple[str, str | bytes | None]]:
    # half a surrogate pair in a name ends the process in the client's native code
    return [(name.encode(errors="replace").decode(), value) for name, value in headers]


def _new(topic: LetterTopic) -> NewTopic:
    config = {"cleanup.policy": "delete", "retention.ms": str(int(topic.retention * 1000))}
    return NewTopic(topic.name, topic.partitions, config=config)


def _await_creation(name: str, answer: Future[None], wait: float) -> Failure | None:
    with asking("create topics"):
        try:
            answer.result(wait)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                # another worker was first
                return None
            if not _is_verdict(error.args[0]):
                raise
            return _not_made(name, error.args[0])
    log.info("letter topic made", topic=name)
    return None


def _await_settings(name: str, answer: Future[Any], wait: float) -> Mapping[str, str]:
    """A topic's settings; none where the broker does not tell them, or does not know the topic yet."""
    with asking("describe configs"):
        try:
            return {key: entry.value for key, entry in answer.result(wait).items() if entry.value is not None}
        except KafkaException as error:
            if not _is_verdict(error.args[0]):
                raise
            # for a moment after it was made, a topic may not be known
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                log.info("letter topic not checked", topic=name, code=error.args[0].name(), remedy=_GRANT)
            return {}


def _is_verdict(error: KafkaError) -> bool:
    """Whether the broker said no, other than for the moment; the client's own codes begin with an underscore."""
    return not error.name().startswith("_") and error.code() not in _FOR_NOW


def _check(topic: LetterTopic, config: Mapping[str, str]) -> None:
    for found in misfits(topic.retention, config):
        more = {} if found.hours is None else {"hours": found.hours}
        log.warning(found.what, topic=topic.name, **more, remedy=found.remedy)


def _not_made(name: str, cause: KafkaError) -> Failure:
    detail = f"topic {name} is not there and can't be made: {cause.str()}"
    return failed(KINDS["kafka.letters"], "kafka", "create topics", detail, code=cause.name())


def _refused(slip: Posted, error: KafkaError) -> Posted:
    detail = f"a letter was not taken by topic {slip.topic}: {error.str()}"
    failure = failed(KINDS["kafka.letters"], "kafka", "publish letter", detail, code=error.name())
    return replace(slip, failure=failure, too_large=error.code() in _TOO_LARGE)
