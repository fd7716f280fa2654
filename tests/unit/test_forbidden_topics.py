"""A topic of which the cluster tells us nothing holds up its own records, and nobody else's."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from consumer.applying.planning import Instead, planned
from consumer.binding.binder import Binder
from consumer.binding.known import KnownBindings
from consumer.binding.topic_traits import TopicTraits
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.plan import Plan
from consumer.core.records import TopicPartition
from consumer.ports.topics import Forbidden, Traits
from consumer.reading.handover import Later, Work
from tests.unit.bound import CHANGE, ORDERS, UNINDEXED
from tests.unit.known import AT, planner, slice_of
from tests.unit.world import World

SECRET = TopicPartition("shop.public.secret", 0)
CLOSED = TopicPartition("shop.public.closed", 0)
WHY = failed(KINDS["kafka.forbidden"], "kafka", "describe configs", "Topic authorization failed.")
ONE = Traits(compacted=False, partitions=1)


@dataclass
class Guarded(World):
    """A world that keeps some topics from us, as a cluster does: whoever asks of one of them is told nothing.

    `closed`: it tells of these that they are there, and not how they are set, which is its second answer.
    """

    secret: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    asked: int = 0

    def traits(self, topics: Sequence[str]) -> dict[str, Traits]:
        """Those that exist. Raises Forbidden."""
        self.asked += 1
        for kept in (self.secret, self.closed):
            if hidden := kept.intersection(topics):
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


def through(work: Work, known: KnownBindings, binder: Binder) -> tuple[Plan, list[TopicPartition]]:
    """The plan of what is left of a batch in the end, and the partitions that wait instead."""
    waits: list[TopicPartition] = []
    while True:
        try:
            return planned(work, planner(known), binder, lambda wanted: {}), waits
        except Instead as instead:
            (work,) = [step for step in instead.steps if isinstance(step, Work)]
            waits += [step.at for step in instead.steps if isinstance(step, Later)]


def test_topics_that_are_hidden_from_different_questions_hold_up_nobody_else() -> None:
    """One is hidden from the first question, the other one, when that is left out, from the second."""
    world, known = guarded({AT.topic, SECRET.topic, CLOSED.topic}, {SECRET.topic}), KnownBindings()
    world.closed = {CLOSED.topic}
    slices = tuple(slice_of([CHANGE], at=at) for at in (SECRET, AT, CLOSED))
    plan, waits = through(Work(slices=slices), known, world.binder(known))

    assert plan.counts.records == 1
    assert sorted(waits) == [CLOSED, SECRET]


def test_the_cluster_is_not_asked_for_each_partition() -> None:
    """However many a hidden topic has."""
    world, known = guarded({AT.topic, SECRET.topic}, {SECRET.topic}), KnownBindings()
    hidden = [SECRET._replace(partition=number) for number in range(6)]
    slices = tuple(slice_of([CHANGE], at=at) for at in (*hidden, AT))
    plan, waits = through(Work(slices=slices), known, world.binder(known))

    assert plan.counts.records == 1
    assert sorted(waits) == hidden
    # with it, and without it
    assert world.asked == 2


def test_it_is_known_some_seconds_after_it_may_be() -> None:
    """Somebody has granted what was wanting; until then the cluster has its rest."""
    world = guarded({SECRET.topic}, {SECRET.topic})
    traits = TopicTraits(world, 3.0)
    assert traits.learn([SECRET.topic], 100.0) == {SECRET.topic: WHY}
    world.secret = set()

    assert traits.learn([SECRET.topic], 102.9) == {SECRET.topic: WHY}
    assert traits.learn([SECRET.topic], 103.0) == {}
    assert traits.only(SECRET.topic)


def test_one_that_is_hidden_later_hides_no_growth_of_others() -> None:
    """What is looked at now and then is looked at for all that it may be."""
    world, known = guarded({AT.topic, SECRET.topic}, set()), KnownBindings()
    binder = world.binder(known)
    for at in (AT, SECRET):
        planned(Work(slices=(slice_of([CHANGE], at=at),)), planner(known), binder, lambda wanted: {})
    world.secret = {SECRET.topic}
    world.topics[AT.topic] = replace(ONE, partitions=2)

    assert binder.look_again() == {AT.topic}
