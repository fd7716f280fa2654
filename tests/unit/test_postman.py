"""What is told of copies that were sent."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.background.postman import Postman
from consumer.core.failure import Failure, failed
from consumer.core.failure_kind import ErrorType
from consumer.core.kinds import KINDS
from consumer.core.lane import Lane
from consumer.core.letterhead import Codec, Letterhead
from consumer.core.letters import State
from consumer.core.records import RecordRef, TopicPartition
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
    lane = Lane(group="g", retry="{group}.retry.{n}", dead="{group}.dlq")
    postman = Postman(post, post, Codec(encode=encode, decode=decode), lane, ())
    told: list[Fact] = []
    postman.tell = told.append
    postman.wake()
    postman.turn(0)
    (published,) = [fact for fact in told if isinstance(fact, Published)]
    assert [failure.detail for failure in published.failures] == failures
    assert {failure.kind for failure in published.failures} <= {"kafka.letters"}
