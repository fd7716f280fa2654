"""Partitions about which somebody has decided."""

import pytest

from consumer.core.failure import Failure
from consumer.core.policy import TablePolicy
from consumer.core.records import TopicPartition
from consumer.handover import Handover, Stopped
from consumer.holdings import Holdings
from consumer.ports.target import Taken
from tests.unit.patient import patient

AT, NOT_OURS = TopicPartition("t", 0), TopicPartition("t", 1)


class Asked:
    """A target in which both partitions are to be taken anew; nothing else is asked of it."""

    def asked(self) -> list[TopicPartition]:
        return [AT, NOT_OURS]

    def stop(self, at: TopicPartition, epoch: int, failure: Failure) -> None:
        """Written down."""


class Scene:
    """A worker that holds one partition."""

    def __init__(self) -> None:
        target = Asked()
        self.handover = Handover(max_bytes=1, max_batches=1)
        self.holdings = Holdings(target, target, self.handover, patient(target), TablePolicy())  # type: ignore[arg-type]
        self.holdings.begin([Taken(at=AT, epoch=1, next_offset=0)])

    def stop(self) -> None:
        """It does not go on."""
        failure = Failure(component="c", operation="o", kind="table.truncate", detail="d", remedy="r")
        self.holdings.stop(Stopped(AT, failure))

    def drop(self) -> None:
        """A batch found that its position was moved by somebody else."""
        self.holdings.drop([AT])


@pytest.mark.parametrize("happens", ["nothing", "stop", "drop"])
def test_a_decision_is_heeded_by_who_holds_the_partition(happens: str) -> None:
    """Whether it goes on, was stopped, or was just fenced by that decision; not once the group has given it away."""
    scene = Scene()
    getattr(scene, happens, lambda: None)()
    assert scene.holdings.asked() == [AT]
    scene.handover.release([AT], 0)
    assert scene.holdings.asked() == []


def test_who_holds_nothing_heeds_nothing() -> None:
    """After a lost session everything is taken anew in any case."""
    scene = Scene()
    scene.drop()
    scene.holdings.forget()
    assert scene.holdings.asked() == []
