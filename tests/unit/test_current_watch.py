"""What `--until-current` asks first, and what it makes of servers that do not answer."""

from collections.abc import Mapping, Sequence

import pytest

from consumer.composition.process import Inspection
from consumer.core.failure import HeadraceError, Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
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


def test_who_may_not_log_in_is_told_before_kafka_is_waited_for() -> None:
    """And who has no target for the moment looks again."""
    kafka = Silent()
    wrong = Persistent(failed(KINDS["target.login"], "postgres", "connect", "no such password"))
    with pytest.raises(Persistent):
        CurrentWatch(Inspection(overview=Overview(wrong), offsets=kafka)).settled()
    away = Transient(failed(KINDS["target.connection"], "postgres", "connect", "no answer"))
    assert not CurrentWatch(Inspection(overview=Overview(away), offsets=kafka)).settled()
    assert kafka.asked == 0
