"""How far a group is from the ends noted, and what it does not wait for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from consumer.applying.current import Standing, standing
from consumer.core import waiting
from consumer.core.flags import Flag
from consumer.core.letters import State
from consumer.core.records import TopicPartition
from consumer.ports.target import Stored, Underway

A, B, C = (TopicPartition("t", number) for number in range(3))
OTHER = TopicPartition("other", 0)
STOP = {"kind": "k", "detail": "it is bad", "remedy": "Mend it."}


class Positions:
    """A target that knows positions, and letters that are not at rest."""

    def __init__(self, *stored: Stored, letters: Sequence[Underway] = (), off: Collection[Flag] = ()) -> None:
        self._stored, self._letters, self._off = list(stored), list(letters), off

    def stored(self) -> list[Stored]:
        """All of them."""
        return self._stored

    def open_letters(self) -> int:
        """Those, and one more that is at rest."""
        return sum(one.letters for one in self._letters) + 1

    def underway(self, ends: Mapping[TopicPartition, int]) -> list[Underway]:
        return self._letters

    def off(self) -> Collection[Flag]:
        return self._off


def at(
    place: TopicPartition, offset: int, stop: dict[str, str] | None = None, wait_for: dict[str, int] | None = None
) -> Stored:
    """A stored position."""
    return Stored(at=place, next_offset=offset, epoch=1, stopped=stop, wait_for=wait_for)


def stand(*stored: Stored) -> Standing:
    """Where these positions stand before ten records in each of the three partitions."""
    return standing(dict.fromkeys((A, B, C), 10), Positions(*stored))


@pytest.mark.parametrize(
    ("stored", "left", "held"),
    [
        pytest.param([at(A, 10), at(B, 12), at(C, 10)], {}, set(), id="everything is applied"),
        pytest.param([at(A, 10), at(B, 4), at(C, 10)], {B: 6}, set(), id="one is behind"),
        pytest.param([at(A, 10), at(B, 10)], {C: 10}, set(), id="one was not taken yet"),
        pytest.param([at(A, 10), at(B, 4, STOP), at(C, 10)], {B: 6}, {B}, id="one is stopped"),
        pytest.param([at(A, 10, STOP), at(B, 10), at(C, 10)], {}, set(), id="one is stopped behind the end"),
        pytest.param(
            [at(A, 4), at(B, 10), at(C, 0, None, {"0": 9, "1": 9})],
            {A: 6, C: 10},
            set(),
            id="one waits for another that goes on",
        ),
        pytest.param(
            [at(A, 4, STOP), at(B, 10), at(C, 0, None, {"0": 9, "1": 9})],
            {A: 6, C: 10},
            {A, C},
            id="one waits for a stopped one",
        ),
        pytest.param(
            [at(A, 9, STOP), at(B, 10), at(C, 0, None, {"0": 9, "1": 9})],
            {A: 1, C: 10},
            {A},
            id="the stopped one is behind what is waited for",
        ),
        pytest.param(
            [at(A, 4, STOP), at(B, 0, None, {"0": 9}), at(C, 0, None, {"1": 9})],
            {A: 6, B: 10, C: 10},
            {A, B, C},
            id="one waits for one that waits",
        ),
        pytest.param(
            [at(A, 0, None, {"7": 9}), at(B, 10), at(C, 10)], {A: 10}, set(), id="nothing is known of the older one"
        ),
        pytest.param(
            [at(OTHER, 4, STOP), at(A, 0, None, {"0": 9}), at(B, 10), at(C, 10)],
            {A: 10},
            set(),
            id="another topic is stopped",
        ),
    ],
)
def test_what_is_left_and_what_does_not_go_on(
    stored: list[Stored], left: dict[TopicPartition, int], held: set[TopicPartition]
) -> None:
    """It is settled when everything that is left belongs to partitions that do not go on by themselves."""
    found = stand(*stored)

    assert found.left == left
    assert set(found.held) == held
    assert found.settled == (set(left) <= held)
    assert found.current == (not left)


def test_the_reasons_are_sentences_with_a_remedy() -> None:
    """A stopped partition says its own; one that waits names what it waits for."""
    found = stand(at(A, 4, STOP), at(B, 10), at(C, 0, None, {"0": 9, "1": 9}))

    assert found.held[A] == "it is bad. Mend it."
    assert found.held[C] == (
        "its rows depend on what stands in other partitions, and these have not reached topic t, partition 0, offset 9 "
        f"yet. {waiting.REMEDY}"
    )


def letters(state: State, kind: str = "record.reference", *, unpublished: bool = False) -> Underway:
    """Three of the first partition."""
    return Underway(at=A, kind=kind, state=state, unpublished=unpublished, letters=3)


DONE = [at(A, 10), at(B, 10), at(C, 10)]
STOPPED = [at(A, 10, STOP), *DONE[1:]]
RETRYING, REPLAYING, DEAD = letters(State.RETRYING), letters(State.REPLAYING), letters(State.DEAD, unpublished=True)


@pytest.mark.parametrize(
    ("stored", "one", "off", "settled", "reason"),
    [
        pytest.param(DONE, RETRYING, (), False, None, id="tried again"),
        pytest.param(DONE, REPLAYING, (), False, None, id="sent again"),
        pytest.param(DONE, replace(RETRYING, often=True), (), True, "wait for other rows", id="often, for other rows"),
        pytest.param(DONE, replace(letters(State.RETRYING, "record.check"), often=True), (), False, None, id="often"),
        pytest.param(DONE, letters(State.RETRYING, "registry.away"), (), False, None, id="the registry is away"),
        pytest.param(DONE, DEAD, (), False, None, id="dead and not published"),
        pytest.param(STOPPED, DEAD, (), False, None, id="dead, of a stopped partition"),
        pytest.param(STOPPED, RETRYING, (), True, "it is bad. Mend it.", id="of a stopped partition"),
        pytest.param(DONE, letters(State.RETRYING, "table.missing"), (), True, "their table (table.missing)", id="of a "
                     "table that is refused"),
        pytest.param(DONE, letters(State.RETRYING, "table.busy"), (), False, None, id="of a table that is locked"),
        pytest.param(DONE, letters(State.RETRYING, "table.reference"), (), False, None, id="of a table that waits for "
                     "another"),
        pytest.param(STOPPED, letters(State.RETRYING, "table.busy"), (), True, "Mend it.", id="of one that is stopped"),
        pytest.param(DONE, RETRYING, {Flag.RETRY_LANE}, True, "headrace flags set retry-lane on", id="not wanted back"),
        pytest.param(DONE, DEAD, {Flag.RETRY_LANE}, False, None, id="dead, and none is wanted back"),
        pytest.param(DONE, DEAD, {Flag.DEAD_LETTERS}, True, "dead-letter-publishing on", id="not to be published"),
    ],
)  # fmt: skip
def test_letters_that_are_not_at_rest_are_waited_for(
    stored: list[Stored], one: Underway, off: Collection[Flag], settled: bool, reason: str | None
) -> None:
    """Unless what they wait for does not go on by itself; then the reason is said."""
    found = standing(dict.fromkeys((A, B, C), 10), Positions(*stored, letters=[one], off=off))

    assert (found.settled, found.current, found.letters) == (settled, False, 4)
    assert (list(found.underway), [each for each, _ in found.waiting]) == (([], [one]) if settled else ([one], []))
    assert reason is None or reason in found.waiting[0][1]


def left_in_other(*stored: Stored, letters: Sequence[Underway] = ()) -> Standing:
    """Where these positions stand before ten records in a partition, and ten in a topic that is gone."""
    return standing({A: 10, OTHER: 10}, Positions(*stored, letters=letters), {OTHER.topic})


def test_what_is_left_in_a_topic_that_is_gone_is_not_waited_for() -> None:
    """It is told of, with what to do; what is stopped says its own reason, and what is done is not told of."""
    found = left_in_other(at(A, 10), at(OTHER, 4))
    assert (found.left, found.settled, found.current) == ({OTHER: 6}, True, False)
    assert found.held[OTHER].startswith("topic other was deleted before they were read. Take it out of kafka.topics")

    assert left_in_other(at(A, 10), at(OTHER, 4, STOP)).held == {OTHER: "it is bad. Mend it."}
    assert left_in_other(at(A, 10), at(OTHER, 10)).current
    assert not left_in_other(at(A, 9), at(OTHER, 4)).settled


def test_a_topic_that_is_gone_holds_nothing_else() -> None:
    """Who waits for it goes on without, and its letters come back by topics of their own."""
    waits = left_in_other(at(A, 4, None, {"other:0": 9}), at(OTHER, 4))
    assert (set(waits.held), waits.settled) == ({OTHER}, False)

    letter = Underway(at=OTHER, kind="record.reference", state=State.RETRYING, unpublished=False, letters=1)
    found = left_in_other(at(A, 10), at(OTHER, 4), letters=[letter])
    assert (list(found.underway), list(found.waiting), found.settled) == ([letter], [], False)


def test_letters_at_rest_are_not_waited_for() -> None:
    """Dead ones that are published, and held ones."""
    found = standing(dict.fromkeys((A, B, C), 10), Positions(*DONE))
    assert (found.settled, found.current, found.letters) == (True, True, 1)
