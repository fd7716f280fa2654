"""What no shared broker does on demand: forbidden topics, a client that can't go on."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from consumer.core.failure import Persistent, Transient
from consumer.edges.kafka import admin, letterbox
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.ports.letters import LetterTopic, Outgoing

SETTINGS = KafkaSettings(bootstrap_servers="b:1", group="g", topics=())
TOPICS = [LetterTopic(name=name, partitions=1, retention=60) for name in ("there", "missing")]


def answered(value: object = None, error: KafkaError | None = None) -> Future[Any]:
    """An answer of the broker."""
    answer: Future[Any] = Future()
    if error is None:
        answer.set_result(value)
    else:
        answer.set_exception(KafkaException(error))
    return answer


class Admin:
    """A broker that has one topic; `creation` and `settings` are what it answers."""

    creation: KafkaError | None = None
    settings: KafkaError | None = None

    def __init__(self, _: object) -> None:
        pass

    def list_topics(self, timeout: float) -> object:
        return SimpleNamespace(topics={"there": None})

    def create_topics(self, topics: Sequence[Any], request_timeout: float) -> dict[str, Future[Any]]:
        return {topic.topic: answered(error=self.creation) for topic in topics}

    def describe_configs(self, resources: Sequence[Any], request_timeout: float) -> dict[Any, Future[Any]]:
        config = {"retention.ms": SimpleNamespace(value="1")}
        return {resource: answered(config, self.settings) for resource in resources}


class Client:
    """A producer that can't go on after its first letter; the next one can."""

    made = 0
    config: Mapping[str, object]

    def __init__(self, config: Mapping[str, object]) -> None:
        Client.made += 1
        Client.config = config
        self._waiting: list[Callable[[KafkaError | None, Any], None]] = []
        self._sound = Client.made > 1

    def produce(self, *_: object, on_delivery: Callable[[KafkaError | None, Any], None], **__: object) -> None:
        if self._waiting and not self._sound:
            raise KafkaException(KafkaError(KafkaError._FATAL, "sequence", fatal=True))
        self._waiting.append(on_delivery)

    def purge(self) -> None:
        self._settle(KafkaError(KafkaError._PURGE_QUEUE))

    def flush(self, timeout: float) -> int:
        self._settle(None)
        return 0

    def poll(self, timeout: float) -> int:
        return 0

    def _settle(self, error: KafkaError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell(error, SimpleNamespace(partition=lambda: 0, offset=lambda: 5))


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> KafkaLetterbox:
    """A letterbox whose clients are these."""
    monkeypatch.setattr(admin, "AdminClient", Admin)
    monkeypatch.setattr(letterbox, "Producer", Client)
    monkeypatch.setattr(Client, "made", 0)
    return KafkaLetterbox(SETTINGS)


def test_a_topic_that_may_not_be_made_is_named(box: KafkaLetterbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time may heal it; the remedy says what to make or to grant."""
    monkeypatch.setattr(Admin, "creation", KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with capture_logs() as logs:
        failure = box.ensure(TOPICS)["missing"]

    # the others are looked at all the same
    assert [line["topic"] for line in logs] == ["there"]
    assert (failure.kind, failure.code) == ("kafka.letters", "TOPIC_AUTHORIZATION_FAILED")
    assert "topic missing is not there" in failure.detail
    assert "grant creating" in failure.remedy


@pytest.mark.parametrize(
    ("error", "raised", "kind"),
    [
        (KafkaError(KafkaError.NOT_CONTROLLER), Transient, "kafka.away"),
        (KafkaError(KafkaError._TIMED_OUT), Transient, "kafka.away"),
        (KafkaError(KafkaError._AUTHENTICATION), Persistent, "kafka.refused"),
    ],
)
def test_a_cluster_that_does_not_answer_is_no_refusal(
    error: KafkaError, raised: type[Exception], kind: str, box: KafkaLetterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment, in time, or to these credentials: as for every other question."""
    for question in ("creation", "settings"):
        monkeypatch.setattr(Admin, "creation", None)
        monkeypatch.setattr(Admin, question, error)
        with pytest.raises(raised, match=kind):
            box.ensure(TOPICS)


def test_three_questions_have_the_time_of_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the topics turns no loop meanwhile, however slow each answer is."""
    now, given = [0.0], list[float]()

    def slow(question: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*of: Any, **limit: float) -> Any:
            (seconds,) = limit.values()
            given.append(seconds)
            now[0] += 0.6 * SETTINGS.request_timeout
            return question(*of, **limit)

        return asked

    for name in ("list_topics", "create_topics", "describe_configs"):
        monkeypatch.setattr(Admin, name, slow(getattr(Admin, name)))
    monkeypatch.setattr(admin, "AdminClient", Admin)
    with capture_logs():
        KafkaLetterbox(SETTINGS, lambda: now[0]).ensure(TOPICS)

    whole = SETTINGS.request_timeout
    assert given == pytest.approx([whole, 0.4 * whole, 0.1])


def test_a_topic_that_may_not_be_looked_at_is_used_all_the_same(
    box: KafkaLetterbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says which were not checked; otherwise it says what is wrong with them."""
    with capture_logs() as logs:
        box.ensure(TOPICS[:1])
    assert ["shorter" in line["event"] for line in logs] == [True]
    monkeypatch.setattr(Admin, "settings", KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with capture_logs() as logs:
        box.ensure(TOPICS[:1])

    assert [(line["topic"], line["event"]) for line in logs] == [("there", "letter topic not checked")]
    assert "Grant" in logs[0]["remedy"]


def test_a_topic_that_was_just_made_may_not_be_known_yet(box: KafkaLetterbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to say about it: it has what it was made with."""
    monkeypatch.setattr(Admin, "settings", KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    with capture_logs() as logs:
        box.ensure(TOPICS)

    assert [(line["topic"], line["event"]) for line in logs] == [("missing", "letter topic made")]


def test_a_copy_is_confirmed_by_all_replicas_once_and_in_time(box: KafkaLetterbox) -> None:
    """One broker alone confirms anything, so here it is what the client is told."""
    box.post([Outgoing(id=1, attempt=1, topic="there", key=None, value=None)])
    wanted = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": 30_000}

    assert {name: Client.config[name] for name in wanted} == wanted


def test_a_client_that_cannot_go_on_is_replaced(box: KafkaLetterbox) -> None:
    """What it had comes back as failures, to be published again by the next one."""
    letters = [Outgoing(id=number, attempt=1, topic="there", key=None, value=None) for number in range(4)]
    assert box.post(letters) == 4
    box.flush(1)
    found = {posted.id: posted for posted in box.posted()}

    assert Client.made == 2
    assert {number: posted.failure.code for number, posted in found.items() if posted.failure} == {
        0: "_PURGE_QUEUE",
        1: "_FATAL",
    }
    assert [(found[number].partition, found[number].offset) for number in (2, 3)] == [(0, 5), (0, 5)]


def test_a_client_that_nobody_answers_is_replaced(box: KafkaLetterbox) -> None:
    """It may have lost the cluster for good; the next one asks anew."""
    letter = Outgoing(id=1, attempt=1, topic="there", key=None, value=None)
    box.post([letter])
    box._producer._settle(KafkaError(KafkaError._MSG_TIMED_OUT))
    (posted,) = box.posted()

    assert posted.failure is not None
    assert posted.failure.code == "_MSG_TIMED_OUT"
    box.post([letter])
    assert Client.made == 2
