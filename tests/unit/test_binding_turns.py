"""Very many bindings to make over a slow way: others get their turn, and threads show that they live."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from consumer.applying.planning import planned
from consumer.binding.binder import Binder
from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.records import TopicPartition
from consumer.core.runs import Run
from consumer.core.target import TableName
from consumer.ports.topics import Traits
from consumer.reading.ahead import AT_ONCE, Ahead
from consumer.reading.handover import Work
from tests.unit.bound import CHANGE, ORDERS, UNINDEXED, wanted
from tests.unit.known import planner, slice_of
from tests.unit.world import World

TOPICS = [f"topic{number}" for number in range(100)]
SECONDS = 20.0


class Slow(World):
    """A target that names no table before it is let, once for each."""

    def __init__(self) -> None:
        super().__init__({1: ORDERS.keys.text, 2: ORDERS.values.text}, lambda name: replace(UNINDEXED, name=name))
        self.topics = dict.fromkeys(TOPICS, Traits(compacted=False, partitions=1))
        self.templates = {topic: f"public.{topic}" for topic in TOPICS}
        self.let, self.asked = threading.Semaphore(0), threading.Semaphore(0)

    def claim_table(self, name: TableName, topic: str) -> str:
        """The first one has it, in good time."""
        self.asked.release()
        assert self.let.acquire(timeout=SECONDS)
        return super().claim_table(name, topic)


@pytest.fixture
def slow() -> Iterator[Slow]:
    """Nobody waits for it any more at last."""
    slow = Slow()
    yield slow
    slow.let.release(1000)


def every_topic() -> dict[BindingKey, Run]:
    """One binding of each."""
    return dict(wanted([CHANGE], TopicPartition(topic, 0)) for topic in TOPICS)


@pytest.mark.parametrize(
    "act",
    [
        lambda binder: binder.spread({"another"}),
        lambda binder: binder.forget(TableName("public", "another")),
        lambda binder: binder.forget_topic("another"),
    ],
    ids=["spread", "forget", "forget a topic"],
)
def test_who_wants_something_of_the_binder_waits_for_one_binding(slow: Slow, act: Callable[[Binder], object]) -> None:
    """Not for all that another thread makes, which asks for the next one at once."""
    binder = slow.binder(KnownBindings())
    with ThreadPoolExecutor(2) as pool:
        making = pool.submit(binder.bind, every_topic())
        assert slow.asked.acquire(timeout=SECONDS)
        acting = pool.submit(act, binder)
        made = 0
        while not acting.done():
            slow.let.release()
            made += 1
            assert made < len(TOPICS), "it waits for all of them"
            assert slow.asked.acquire(timeout=SECONDS)
        slow.let.release(len(TOPICS))
        making.result(SECONDS)


def test_bindings_ahead_are_made_some_at_a_turn(slow: Slow) -> None:
    """Between turns the thread shows that it lives; at last all are there."""
    slow.let.release(len(TOPICS))
    known = KnownBindings()
    ahead = Ahead(slow.binder(known))
    for key, run in every_topic().items():
        ahead.want(key, run)
    turns = [0]
    while not ahead.settled(0):
        ahead.turn(0)
        turns.append(len(known.tables()))

    assert turns[-1] == len(TOPICS)
    assert max(later - sooner for sooner, later in pairwise(turns)) == AT_ONCE


def test_all_that_is_wanted_of_a_topic_is_made_in_one_turn(slow: Slow) -> None:
    """Its bindings are made in an order that tells strange keys from its own."""
    slow.let.release(len(TOPICS))
    known = KnownBindings()
    ahead = Ahead(slow.binder(known))
    asked = [wanted([record], TopicPartition("topic0", 0)) for record in (CHANGE, (CHANGE[0], None))]
    between = [item for item in every_topic().items() if item[0].topic != "topic0"]
    for key, run in (asked[0], *between, asked[1]):
        ahead.want(key, run)
    ahead.turn(0)

    assert [known.find(key) is not None for key, _ in asked] == [True, True]


def test_the_apply_thread_shows_that_it_lives_with_each_binding(slow: Slow) -> None:
    """A batch may need one for each of its topics."""
    slow.let.release(len(TOPICS))
    known = KnownBindings()
    work = Work(slices=tuple(slice_of([CHANGE], at=TopicPartition(topic, 0)) for topic in TOPICS))
    beats: list[int] = []
    planned(work, planner(known), slow.binder(known), lambda wanted: {}, lambda: beats.append(len(known.tables())))

    assert beats == list(range(len(TOPICS)))
