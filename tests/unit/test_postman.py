"""What is told of copies that were sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumer.background.postman import Postman
from consumer.core.failure import Failure, failed
from consumer.core.failure_kind import ErrorType
from consumer.core.kinds import KINDS
from consumer.core.lane import Lane
from consumer.core.letterhead import Codec, Letterhead
from consumer.core.letters import State
from consumer.core.records import Header, RecordRef, TopicPartition
from consumer.ports.facts import Fact, Published
from consumer.ports.letters import LetterTopic, Outgoing, Posted, Unposted
from dlq.headers import decode, encode

REFUSED = failed(KINDS["kafka.letters"], "kafka", "publish letter", "the broker takes none")
LATE = "of before"


def unposted(number: int) -> Unposted:
    """A dead letter whose copy is to be published."""
    now = datetime.now(UTC)
    head = Letterhead(
        group="g", origin=RecordRef(TopicPartition("t", 0), number), attempt=1, kind="record.value",
        error_type=ErrorType.PERSISTENT, component="postgres", operation="upsert", detail="refused",
        first_failed=now, failed=now,
    )  # fmt: skip
    return Unposted(id=number, state=State.DEAD, head=head, key=None, value=b"v")


class Post:
    """The rows of letters, and a broker that answers for some copies, and for one of before."""

    def __init__(self, answers: Mapping[int, Failure | None]) -> None:
        self._answers = answers
        self._sent: list[Outgoing] = []

    def claim(self, most: int, seconds: float, but: Collection[State] = ()) -> list[Unposted]:
        """Three."""
        return [unposted(number) for number in range(3)]

    def confirm(self, posted: Sequence[Posted]) -> None:
        """Nothing is kept."""

    def republish(self) -> int:
        """Nothing is overdue."""
        return 0

    def ensure(self, topics: Sequence[LetterTopic]) -> dict[str, Failure]:
        """All are there."""
        return {}

    def post(self, letters: Sequence[Outgoing]) -> int:
        """All are queued."""
        self._sent += letters
        return len(letters)

    def posted(self) -> list[Posted]:
        """Those that it answers for."""
        sent, self._sent = self._sent, []
        earlier = [Posted(id=9, attempt=1, topic=LATE)]
        return earlier + [
            Posted(id=one.id, attempt=one.attempt, topic=one.topic, failure=self._answers[one.id])
            for one in sent
            if one.id in self._answers
        ]

    def flush(self, timeout: float) -> int:
        """It is not waited for."""
        return 0


class Narrow(Post):
    """A broker whose topics take copies of so many bytes at most."""

    def __init__(self, letters: Sequence[Unposted], most: int) -> None:
        super().__init__({})
        self._letters, self._most = letters, most
        self.taken: list[Outgoing] = []
        self.confirmed: Sequence[Posted] = ()

    def claim(self, most: int, seconds: float, but: Collection[State] = ()) -> list[Unposted]:
        """The letters."""
        return list(self._letters)

    def confirm(self, posted: Sequence[Posted]) -> None:
        """Kept."""
        self.confirmed = posted

    def posted(self) -> list[Posted]:
        """What fits is taken."""
        sent, self._sent = self._sent, []
        fitting = [copy for copy in sent if _size(copy) <= self._most]
        self.taken += fitting
        return [
            Posted(id=one.id, attempt=one.attempt, topic=one.topic)
            if one in fitting
            else Posted(id=one.id, attempt=one.attempt, topic=one.topic, failure=REFUSED, too_large=True)
            for one in sent
        ]


def _size(copy: Outgoing) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in copy.headers)
    return len(copy.key or b"") + len(copy.value or b"") + headers


def postman(post: Any) -> Postman:
    """One that has something to do."""
    lane = Lane(group="g", retry="{group}.retry.{n}", dead="{group}.dlq")
    made = Postman(post, post, Codec(encode=encode, decode=decode), lane, ())
    made.wake()
    return made


@pytest.mark.parametrize(
    ("answers", "failures"),
    [
        pytest.param({0: None, 1: None, 2: None}, [], id="all are taken"),
        pytest.param({0: None, 1: REFUSED, 2: None}, ["the broker takes none"], id="one is not"),
        pytest.param({0: None}, ["2 copies got no answer in their time"], id="of two nothing is heard"),
    ],
)
def test_copies_that_are_not_taken_or_heard_of_are_told_as_failures(
    answers: Mapping[int, Failure | None], failures: list[str]
) -> None:
    """Answers for earlier copies do not stand for theirs."""
    post: Any = Post(answers)
    told: list[Fact] = []
    worker = postman(post)
    worker.tell = told.append
    worker.turn(0)
    (published,) = [fact for fact in told if isinstance(fact, Published)]
    assert [failure.detail for failure in published.failures] == failures
    assert {failure.kind for failure in published.failures} <= {"kafka.letters"}


LARGE = b"x" * 5000


@pytest.mark.parametrize(
    ("key", "value", "headers", "sent"),
    [
        pytest.param(b"k", b"v", (("h", b"1"),), (b"k", b"v", True, False, False), id="nothing"),
        pytest.param(b"k", LARGE, (("h", b"1"),), (b"k", None, False, True, False), id="the value"),
        pytest.param(b"k", b"v", (("h", LARGE),), (b"k", None, False, True, False), id="the headers"),
        pytest.param(LARGE, b"v", (), (None, None, False, True, True), id="the key"),
        pytest.param(LARGE, None, (), (None, None, False, True, True), id="the key of a pointer"),
    ],
)
def test_of_what_is_too_large_for_its_topic_a_smaller_copy_is_sent(
    key: bytes, value: bytes | None, headers: tuple[Header, ...], sent: tuple[object, ...]
) -> None:
    """Whatever of the record is too large; the copy's headers say what is left out, and it is confirmed."""
    letter = replace(unposted(0), key=key, value=value, headers=headers)
    post: Any = Narrow([letter], 4000)
    postman(post).turn(0)
    (copy,) = post.taken
    head = decode(copy.headers)
    kept = any(name == "h" for name, _ in copy.headers)
    assert (copy.key, copy.value, kept, head.pointer, head.keyless) == sent
    assert [(one.id, one.failure) for one in post.confirmed] == [(0, None)]


def test_what_is_too_large_in_any_form_is_told_and_stays() -> None:
    """Its topic takes less than our own headers have."""
    post: Any = Narrow([replace(unposted(0), key=LARGE)], 100)
    worker = postman(post)
    with capture_logs() as lines:
        worker.turn(0)
    assert post.taken == []
    assert [one.failure for one in post.confirmed] == [REFUSED]
    assert [line["event"] for line in lines] == ["letters not published; they stay in the database"]
