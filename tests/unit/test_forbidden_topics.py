"""A topic of which the cluster tells us nothing holds up its own records, and nobody else's."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from consumer.applying.planning import Instead, planned
from consumer.binding.known import KnownBindings
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.ports.topics import Forbidden, Traits
from consumer.reading.handover import Later, Work
from tests.unit.bound import CHANGE, ORDERS, UNINDEXED
from tests.unit.known import AT, planner, slice_of
from tests.unit.world import World

SECRET = TopicPartition("shop.public.secret", 0)
WHY = failed(KINDS["kafka.forbidden"], "kafka", "describe configs", "Topic authorization failed.")
ONE = Traits(compacted=False, partitions=1)


@dataclass
class Guarded(World):
    """A world that keeps some topics from us, as a cluster does: whoever asks of one of them is told nothing."""

    secret: set[str] = field(default_factory=set)

    def traits(self, topics: Sequence[str]) -> dict[str, Traits]:
        """Those that exist. Raises Forbidden."""
        if hidden := self.secret.intersection(topics):
            raise Forbidden(WHY, hidden)
        return super().traits(topics)


def guarded(topics: set[str], secret: set[str]) -> Guarded:
    """A world with tables for topics, some of them secret."""
    world = Guarded({1: ORDERS.keys.text, 2: ORDERS.values.text}, lambda name: replace(UNINDEXED, name=name))
    world.topics = dict.fromkeys(topics, ONE)
    world.templates = {topic: f"public.{topic.rsplit('.', 1)[-1]}" for topic in topics}
    world.secret = secret
    return world


def test_only_its_partitions_wait() -> None:
    """They stand in front of its records, named, and are asked for again; what else the batch has is planned."""
    world, known = guarded({AT.topic, SECRET.topic}, {SECRET.topic}), KnownBindings()
    binder = world.binder(known)
    work = Work(slices=(slice_of([CHANGE], at=SECRET), slice_of([CHANGE], at=AT)))
    with pytest.raises(Instead) as instead:
        planned(work, planner(known), binder, lambda wanted: {})
    rest, later = instead.value.steps

    assert isinstance(rest, Work)
    assert planned(rest, planner(known), binder, lambda wanted: {}).counts.records == 1
    assert isinstance(later, Later)
    assert later.at == SECRET
    assert later.failure is not None
    assert later.failure.kind == "kafka.forbidden"
    assert f"topic {SECRET.topic}, partition 0, offset 100" in later.failure.detail


def test_it_is_bound_as_soon_as_it_may_be_known() -> None:
    """Somebody has granted what was wanting."""
    world, known = guarded({SECRET.topic}, {SECRET.topic}), KnownBindings()
    binder = world.binder(known)
    work = Work(slices=(slice_of([CHANGE], at=SECRET),))
    with pytest.raises(Instead):
        planned(work, planner(known), binder, lambda wanted: {})
    world.secret = set()

    assert planned(work, planner(known), binder, lambda wanted: {}).counts.records == 1


def test_one_that_is_hidden_later_hides_no_growth_of_others() -> None:
    """What is looked at now and then is looked at for all that it may be."""
    world, known = guarded({AT.topic, SECRET.topic}, set()), KnownBindings()
    binder = world.binder(known)
    for at in (AT, SECRET):
        planned(Work(slices=(slice_of([CHANGE], at=at),)), planner(known), binder, lambda wanted: {})
    world.secret = {SECRET.topic}
    world.topics[AT.topic] = replace(ONE, partitions=2)

    assert binder.look_again() == {AT.topic}
