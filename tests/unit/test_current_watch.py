"""What `--until-current` asks first, and what it makes of servers that do not answer."""

from collections.abc import Mapping, Sequence

import pytest

from consumer.composition.process import Inspection
from consumer.core.failure import HeadraceError, Persistent, Transient, failed
from consumer.core.flags import Flag
from consumer.core.kinds import KINDS
from consumer.core.letters import State
from consumer.core.records import TopicPartition
from consumer.ports.target import Stored, Underway
from consumer.worker import CurrentWatch


class Overview:
    """A target that answers as it is told."""

    def __init__(self, error: HeadraceError) -> None:
        self.error = error

    def stored(self) -> list[object]:
        """Never."""
        raise self.error

    def open_letters(self) -> int:
        """None."""
        return 0


class Silent:
    """A Kafka that nobody is to wait for."""

    asked = 0

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """After a long time."""
        self.asked += 1
        return {}

    def matching(self) -> set[TopicPartition]:
        """After a long time."""
        self.asked += 1
        return set()


class Waiting:
    """A target whose positions are at their ends, and letters that are not at rest."""

    def __init__(self, *letters: Underway) -> None:
        self.letters = list(letters)

    def stored(self) -> list[Stored]:
        """None is needed."""
        return []

    def open_letters(self) -> int:
        """Those."""
        return len(self.letters)

    def underway(self, ends: Mapping[TopicPartition, int]) -> list[Underway]:
        """Those."""
        return self.letters

    def off(self) -> set[Flag]:
        """None."""
        return set()


class Cluster:
    """One topic with five records, as long as it is there."""

    def __init__(self) -> None:
        self.there = {"t"}

    def matching(self) -> set[TopicPartition]:
        """Its partition."""
        return {TopicPartition(topic, 0) for topic in self.there}

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Behind its last record."""
        return dict.fromkeys(partitions, 5)

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        """None is told."""
        return {topic: None for topic in topics if topic in self.there}


def one(state: State, *, unpublished: bool) -> Underway:
    """A letter."""
    return Underway(at=TopicPartition("t", 0), kind="record.reference", state=state, unpublished=unpublished, letters=1)


DEAD, RETRYING = one(State.DEAD, unpublished=True), one(State.RETRYING, unpublished=False)
HOUR = 3600


@pytest.mark.parametrize(
    ("looks", "settled", "code"),
    [
        pytest.param([(0, [])], True, 0, id="nothing is left"),
        pytest.param([(0, [RETRYING]), (HOUR, [RETRYING])], False, 5, id="a letter is tried again, however long"),
        pytest.param([(0, [RETRYING]), (HOUR, [])], True, 0, id="it has come to its end"),
        pytest.param([(0, [DEAD]), (59, [DEAD])], False, 5, id="a copy is not published yet"),
        pytest.param([(0, [DEAD]), (60, [DEAD])], True, 5, id="a copy is not published at all"),
        pytest.param([(0, [DEAD, DEAD]), (59, [DEAD]), (118, [DEAD])], False, 5, id="copies get fewer"),
        pytest.param([(0, [DEAD]), (50, [DEAD]), (59, [])], True, 0, id="it is published"),
        pytest.param([(0, [DEAD, RETRYING]), (HOUR, [DEAD])], False, 5, id="a letter was waited for until now"),
    ],
)
def test_letters_are_waited_for_as_long_as_they_may_come_to_an_end(
    looks: list[tuple[int, list[Underway]]], settled: bool, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copies that nobody can publish are told of, and not waited for for ever."""
    target, now = Waiting(), [0.0]
    watch = CurrentWatch(Inspection(overview=target, offsets=Silent()), lambda: now[0])
    found = False
    for moment, letters in looks:
        now[0], target.letters = moment + 0.0, letters
        found = watch.settled()
    assert (found, watch.exit_code()) == (settled, code)
    said = capsys.readouterr().err
    assert ("not published" in said) == (bool(looks[-1][1]) and RETRYING not in looks[-1][1])


def test_a_topic_that_is_deleted_meanwhile_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Once it was not there twice in a row: a broker that has just started may know of none yet."""
    cluster, now = Cluster(), [0.0]
    watch = CurrentWatch(Inspection(overview=Waiting(), offsets=cluster), lambda: now[0])
    watch.topics.EVERY = 0.0
    found = []
    for there in [{"t"}, set(), {"t"}, set(), set(), set()]:
        now[0] += 1.0
        found.append(watch.settled())
        cluster.there = there
        # its two questions
        watch.topics.turn(0)
        watch.topics.turn(0)
    assert found == [False] * 5 + [True]
    assert watch.exit_code() == 5
    assert "t-0: 5 records left: topic t was deleted before they were read. Take it out" in capsys.readouterr().err


def test_who_may_not_log_in_is_told_before_kafka_is_waited_for() -> None:
    """And who has no target for the moment looks again."""
    kafka = Silent()
    wrong = Persistent(failed(KINDS["target.login"], "postgres", "connect", "no such password"))
    with pytest.raises(Persistent):
        CurrentWatch(Inspection(overview=Overview(wrong), offsets=kafka)).settled()
    away = Transient(failed(KINDS["target.connection"], "postgres", "connect", "no answer"))
    assert not CurrentWatch(Inspection(overview=Overview(away), offsets=kafka)).settled()
    assert kafka.asked == 0
