"""Records read again at their origin: one answer that a topic is not there is no proof that it is gone."""

from collections.abc import Sequence

import pytest

from consumer.applying.rereading import Rereading
from consumer.core.failure import Transient
from consumer.core.letters import Record
from consumer.core.records import OffsetRange, RecordRef, Slice, TopicPartition

REF = RecordRef(TopicPartition("t", 0), 4)
RECORD = Record(ref=REF, key=b"k", value=b"v", headers=())


class Cluster:
    """One topic with one record; `ids` is what it answers of topics."""

    def __init__(self) -> None:
        self.ids: dict[str, str | None] = {"t": "first"}
        self.now = 0.0

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str | None]:
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}

    def fetch(self, ref: RecordRef) -> Record:
        return RECORD

    def read(self, wanted: OffsetRange, most: int) -> Slice:
        return Slice(at=wanted.at, epoch=0, start=wanted.start, end=wanted.end)

    def rereading(self, believed: float) -> Rereading:
        return Rereading(self, self, believed, lambda: self.now)


def test_a_topic_that_is_not_there_for_a_moment_is_not_gone() -> None:
    """A broker that has just started knows of none."""
    cluster = Cluster()
    again = cluster.rereading(5.0)
    cluster.ids = {}
    with pytest.raises(Transient) as caught:
        again.fetch(REF, "first")
    assert caught.value.failure.kind == "kafka.no_topic"
    cluster.now, cluster.ids = 60.0, {"t": "first"}
    assert again.fetch(REF, "first") == RECORD
    cluster.ids = {}
    with pytest.raises(Transient):
        again.read(OffsetRange(REF.at, 4, 5), 1, "first")


def test_one_that_is_not_there_still_is_gone() -> None:
    """And so are its records; who asks for somebody who waits is told at once."""
    cluster = Cluster()
    again = cluster.rereading(5.0)
    cluster.ids = {}
    assert cluster.rereading(0.0).fetch(REF, "first") is None
    for cluster.now in (0.0, 4.9):
        with pytest.raises(Transient):
            again.fetch(REF, "first")
    cluster.now = 5.0
    assert again.fetch(REF, "first") is None


def test_one_that_was_made_anew_has_other_records() -> None:
    """At the same offsets."""
    cluster = Cluster()
    cluster.ids = {"t": "second"}
    assert cluster.rereading(5.0).fetch(REF, "first") is None
    assert cluster.rereading(5.0).fetch(REF, None) == RECORD


def test_one_whose_id_nobody_tells_is_there() -> None:
    """Old brokers tell none; it is taken for the one that it was."""
    cluster = Cluster()
    cluster.ids = {"t": None}
    assert cluster.rereading(0.0).fetch(REF, "first") == RECORD
    assert cluster.rereading(0.0).fetch(REF, None) == RECORD
