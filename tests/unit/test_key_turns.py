"""Which partitions wait when a key's schema has another id, where, and for what."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from consumer.applying.key_turns import KeyTurns
from consumer.core.frames import Frames
from consumer.core.key_turns import Ids, KeyRun, key_id, late
from consumer.core.plan import Plan
from consumer.core.records import Slice, TopicPartition
from consumer.core.runs import runs
from consumer.ports.target import Stored, Taken

P0, P1, P2 = (TopicPartition("shop.orders", number) for number in range(3))
ALONE = TopicPartition("shop.customers", 0)
TABLE = "public.orders"


def run(at: TopicPartition, offset: int, schema_id: int, table: str = TABLE) -> KeyRun:
    return KeyRun(at, offset, table, schema_id)


def had(*ids: int) -> Ids:
    return {TABLE: frozenset(ids)}


@pytest.mark.parametrize(
    ("met", "seen", "expected"),
    [
        pytest.param([run(P0, 5, 1), run(P1, 7, 1)], {}, {}, id="the first id of all"),
        pytest.param([run(P0, 5, 1)], {P0: had(1), P1: had(1)}, {}, id="as before"),
        pytest.param([run(P0, 5, 1)], {P1: had(1)}, {}, id="as others have"),
        pytest.param([run(P0, 5, 2)], {P0: had(1)}, {P0: 5}, id="another one than before"),
        pytest.param([run(P0, 5, 1)], {P0: had(2)}, {P0: 5}, id="another one of a new registry"),
        pytest.param([run(P0, 5, 2)], {P1: had(1)}, {P0: 5}, id="the first there, and others have had an older one"),
        pytest.param([run(P0, 5, 1)], {P1: had(2)}, {}, id="the first there, and others have a newer one"),
        pytest.param([run(P0, 5, 1), run(P0, 9, 2)], {}, {P0: 9}, id="two in one batch"),
        pytest.param([run(P0, 5, 1), run(P1, 7, 2)], {}, {P1: 7}, id="two in partitions of one batch"),
        pytest.param([run(P0, 5, 2)], {P0: had(1, 2), P1: had(1)}, {}, id="one that it has had"),
        pytest.param([run(P0, 5, 2)], {P0: {"public.items": frozenset({1})}}, {}, id="another table's"),
        pytest.param([run(P0, 5, 2)], {ALONE: had(1)}, {}, id="another topic's"),
        pytest.param([run(P0, 5, 2), run(P0, 9, 3)], {P0: had(1)}, {P0: 5}, id="the first of two new ones"),
    ],
)
def test_what_has_a_new_id_waits_where_older_ones_are_known(
    met: Sequence[KeyRun], seen: Mapping[TopicPartition, Ids], expected: Mapping[TopicPartition, int]
) -> None:
    assert late(met, seen) == expected


def test_the_id_is_that_of_the_keys_bytes() -> None:
    """An id from headers chooses no partition; a key without one has none."""
    keys = [b"\0\0\0\1\2 some key"]
    piece = Slice(at=P0, epoch=1, start=0, end=1, offsets=[0], keys=keys, values=[b"\0\0\0\0\3 some value"])
    assert [key_id(one) for one in runs(piece)] == [258]
    assert [key_id(one) for one in runs(replace(piece, framing=Frames()))] == [None]
    for other in (None, b"", b"\0\0\1", b"\1\0\0\1\2 no frame"):
        assert [key_id(one) for one in runs(replace(piece, keys=[other]))] == [None]


class Group:
    """Its positions, with what they had and wait for, and its topics' ends."""

    def __init__(self, seen: Mapping[TopicPartition, Ids]) -> None:
        self.waits: dict[TopicPartition, Mapping[str, int]] = {}
        self.unled: frozenset[TopicPartition] = frozenset()
        self._seen = seen

    def stored(self) -> list[Stored]:
        return [
            Stored(at=at, next_offset=5, epoch=1, wait_for=self.waits.get(at), key_ids=self._seen.get(at, {}))
            for at in (P0, P1, P2, ALONE)
        ]

    def matching(self) -> frozenset[TopicPartition]:
        return frozenset({P0, P1, P2, ALONE})

    def known_ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: 9 for at in partitions if at not in self.unled}

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        return frozenset(at for at in self.unled if at.topic in topics)


def planned(*met: KeyRun) -> Plan:
    return Plan(slices=(), stages=(), key_runs=met)


def test_all_others_of_the_topic_are_waited_for_once_at_a_place() -> None:
    turns = KeyTurns(group := Group({P0: had(1), P1: had(1)}), group)
    turns.learn([Taken(at=P0, epoch=1, next_offset=5, key_ids=had(1))])
    plan = planned(run(P0, 5, 2))
    places = turns.late(plan)
    assert places == {P0: 5}
    assert turns.waits(places) == {P0: {P1: 9, P2: 9}}
    assert turns.late(plan) == {}
    assert turns.late(planned(run(P0, 6, 2))) == {P0: 6}


def test_who_meets_it_last_goes_first() -> None:
    """What the others wait for is what is in front of it, and that is applied by then."""
    turns = KeyTurns(group := Group({P0: had(1), P1: had(1), P2: had(1)}), group)
    group.waits = {P0: {"1": 9, "2": 9}, P1: {"2": 9}}
    assert turns.waits({P2: 5}) == {}


def test_what_was_applied_is_known_and_noted_whole() -> None:
    turns = KeyTurns(group := Group({P0: had(1), P1: had(1)}), group)
    turns.learn([Taken(at=P0, epoch=1, next_offset=5, key_ids=had(1))])
    plan = turns.noted(planned(run(P0, 5, 2)))
    assert plan.key_ids == {P0: had(1, 2)}
    turns.passed(plan)
    assert turns.late(planned(run(P0, 5, 2))) == {}
    same = planned(run(P0, 7, 2))
    assert turns.noted(same) is same


def test_a_topic_of_one_partition_has_one_order() -> None:
    turns = KeyTurns(group := Group({ALONE: had(1)}), group)
    turns.learn([Taken(at=ALONE, epoch=1, next_offset=5, key_ids=had(1))])
    assert turns.late(planned(run(ALONE, 5, 2))) == {}


def test_nothing_is_known_of_what_has_no_leader() -> None:
    turns = KeyTurns(group := Group({P0: had(1), P1: had(1)}), group)
    group.unled = frozenset({P1})
    assert turns.unknown({P0: 5, ALONE: 5}) == [P0]
