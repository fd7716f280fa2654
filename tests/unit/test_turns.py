"""Whose turn it is among letters that came back, and what a try that failed teaches."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Standing, State
from consumer.core.pausing import Paused, Subject
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.turns import Blame, Known, Room, Turns, learned, turns

AT = TopicPartition("shop.public.orders", 0)
OTHER = TopicPartition("shop.public.orders", 1)
CHECK = failed(KINDS["record.check"], "postgres", "upsert", "refused")
UNIQUE = failed(KINDS["record.unique"], "postgres", "upsert", "there is one already")
WIDE = Room(letters=100, bytes=1000)


def letter(offset: int, row: int | None = 1, at: TopicPartition = AT, **other: Any) -> Standing:
    """One letter that is sent again; its id is its offset."""
    known = None if row is None else ("public.orders", row, 0)
    state = State(other.pop("state", "replaying"))
    return Standing(id=offset, ref=RecordRef(at, offset), state=state, attempt=2, due=0.0, row=known, **other)


def words(now: Turns) -> dict[str, list[int]]:
    """Offsets by what becomes of the letters."""
    found = {"tried": now.tried, "failed": now.failed, "held": now.held}
    return {what: [one.ref.offset for one in letters] for what, letters in found.items() if letters}


def test_what_leaves_nothing_of_what_was_before_goes_first_and_ends_that() -> None:
    """The newest such one; what is behind it comes with it, if it waits."""
    letters = [letter(1, state="dead"), letter(2), letter(3, state="held"), letter(4), letter(5, state="held")]
    now = turns(letters, {2, 4}, Known(whole={2, 4}), WIDE)
    assert words(now) == {"tried": [4, 5]}
    assert [one.ref.offset for one in now.superseded] == [1, 2, 3]


@pytest.mark.parametrize(
    ("front", "came", "expected", "ended", "bare"),
    [
        pytest.param("retrying", {3}, {"held": [3]}, [], set(), id="what would pass it waits"),
        pytest.param("retrying", {2}, {"held": [2]}, [], set(), id="it passes nothing that may be applied yet"),
        pytest.param("dead", {2}, {"tried": [2]}, [1], {2}, id="it passes what is dead and keeps nothing of it"),
        pytest.param("dead", {2, 3}, {"tried": [2, 3]}, [1], {2}, id="and what is behind it comes with it"),
    ],
)
def test_a_delete_that_keeps_something_for_its_rows_next_key_is_passed_by_nothing(
    front: str, came: set[int], expected: dict[str, list[int]], ended: list[int], bare: set[int]
) -> None:
    """Whatever is whole."""
    letters = [letter(1, state=front), letter(2, state="replaying" if 2 in came else "held", keeps=True), letter(3)]
    now = turns(letters, came, Known(whole={2, 3}), WIDE)
    assert words(now) == expected
    assert [one.ref.offset for one in now.superseded] == ended
    assert now.bare() == bare
    assert 3 not in {one.id for one in now.passing}


@pytest.mark.parametrize(
    ("came", "known", "expected", "ended"),
    [
        pytest.param({2}, {2}, {"failed": [2]}, [], id="behind a dead one"),
        pytest.param({2, 3}, {2}, {"failed": [2], "held": [3]}, [], id="others behind it wait"),
        pytest.param({2, 3}, {2, 3}, {"tried": [3]}, [1, 2], id="unless one of them leaves nothing of it either"),
        pytest.param({1, 2}, {1, 2}, {"tried": [1], "failed": [2]}, [], id="behind one that may be applied"),
        pytest.param({2}, {3}, {"held": [2]}, [], id="what leaves something waits, whatever is known of it"),
    ],
)
def test_what_need_not_wait_and_fails_is_not_held(
    came: set[int], known: set[int], expected: dict[str, list[int]], ended: list[int]
) -> None:
    """Nobody would try it again before the one in front of it is closed; nor does it end anything."""
    letters = [letter(1, state="replaying" if 1 in came else "dead"), letter(2), letter(3)]
    now = turns(letters, came, Known(whole=known, failures={letters[1].ref: CHECK}), WIDE)
    assert (words(now), [one.ref.offset for one in now.superseded]) == (expected, ended)


@pytest.mark.parametrize("state", ["retrying", "dead"])
@pytest.mark.parametrize("failures", [{}, {RecordRef(OTHER, 2): CHECK}], ids=["it fits", "it fails"])
def test_nothing_passes_what_a_person_has_paused(state: str, failures: dict[RecordRef, Failure]) -> None:
    """It is left alone: neither tried nor ended, so what is behind it waits."""
    note = Paused(of=Subject(topic=AT.topic), actor="me", reason="an index", since=datetime(2026, 1, 1, tzinfo=UTC))
    letters = [letter(1, state=state, paused=note), letter(2, at=OTHER)]
    now = turns(letters, {2}, Known(whole={2}, failures=failures), WIDE)
    assert (words(now), now.superseded) == ({"held": [2]}, [])


@pytest.mark.parametrize(
    ("letters", "came", "expected"),
    [
        pytest.param([letter(1, 1), letter(2, 2)], {1, 2}, {"tried": [1, 2]}, id="different rows"),
        pytest.param([letter(2), letter(1)], {1, 2}, {"tried": [1, 2]}, id="of a row in the order of its records"),
        pytest.param([letter(1, state="dead"), letter(2)], {2}, {"held": [2]}, id="behind one that did not come"),
        pytest.param([letter(1), letter(2, state="held")], {1}, {"tried": [1, 2]}, id="with what waits for it"),
        pytest.param(
            [letter(1), letter(2, state="dead"), letter(3, state="held"), letter(4)],
            {1, 4},
            {"tried": [1], "held": [4]},
            id="not past one that is not there",
        ),
        pytest.param([letter(1, pointer=True), letter(2, state="held")], {1}, {"tried": [1]}, id="a pointer alone"),
        pytest.param([letter(1), letter(2, state="held", pointer=True)], {1}, {"tried": [1]}, id="a pointer waits"),
        pytest.param([letter(1, state="held"), letter(2)], {2}, {"held": [2]}, id="behind one that waits"),
        pytest.param([letter(1, None), letter(2, None)], {1, 2}, {"tried": [1, 2]}, id="of no known row"),
        pytest.param([letter(1), letter(7, at=OTHER)], {1, 7}, {"tried": [1], "held": [7]}, id="of two partitions"),
        pytest.param(
            [replace(letter(9), id=1), replace(letter(5), id=3), letter(2, at=OTHER)],
            {1, 2, 3},
            {"tried": [5, 9], "held": [2]},
            id="without a circle",
        ),
        pytest.param([letter(9), letter(2, at=OTHER)], {9, 2}, {"tried": [2], "held": [9]}, id="by their failures"),
    ],
)  # fmt: skip
def test_each_row_goes_from_its_oldest_letter_on(
    letters: Sequence[Standing], came: set[int], expected: dict[str, list[int]]
) -> None:
    """As far as its letters have come back, or wait for those that have."""
    assert words(turns(letters, came, Known(), WIDE)) == expected


def test_what_waits_is_bounded() -> None:
    """In number and bytes; it comes by itself then."""
    letters = [letter(1), *(letter(offset, state="held", size=10) for offset in range(2, 9))]
    assert words(turns(letters, {1}, Known(), Room(letters=4, bytes=1000))) == {"tried": [1, 2, 3, 4]}
    assert words(turns(letters, {1}, Known(), Room(letters=100, bytes=25))) == {"tried": [1, 2, 3]}


def test_a_letter_that_failed_holds_those_behind_it() -> None:
    """And no other row's."""
    letters = [letter(1), letter(2), letter(3, state="held"), letter(4, 2)]
    known = Known(failures={letters[0].ref: CHECK})
    assert words(turns(letters, {1, 2, 4}, known, WIDE)) == {"tried": [4], "failed": [1], "held": [2]}


def tried(*letters: Standing) -> Turns:
    """These are tried together."""
    return Turns(tried=letters, failed=(), held=())


def refused(*offsets: int, why: Failure = CHECK) -> dict[RecordRef, Failure]:
    """Letters that are refused."""
    return {RecordRef(AT, offset): why for offset in offsets}


ONE, TWO, CHAIN = tried(letter(1)), tried(letter(1, 1), letter(2, 2)), tried(letter(1), letter(2), letter(3, 2))


@pytest.mark.parametrize(
    ("now", "blame", "divisible", "goes_on", "failures", "apart"),
    [
        pytest.param(TWO, Blame(refused(2)), True, True, {2}, False, id="the one that is named fails"),
        pytest.param(CHAIN, Blame(refused(2)), True, True, set(), True, id="of several of a row the oldest is tried"),
        pytest.param(CHAIN, Blame(refused(3)), True, True, {3}, False, id="another row has nothing to do with it"),
        pytest.param(ONE, Blame(refused(1), named=False), True, True, {1}, False, id="one that is alone is at fault"),
        pytest.param(TWO, Blame(refused(1, 2), named=False), True, False, set(), False, id="else parts are tried"),
        pytest.param(CHAIN, Blame(refused(1, 2, 3), named=False), False, True, set(), True, id="or the oldest alone"),
        pytest.param(TWO, Blame(refused(2, why=UNIQUE)), True, False, set(), False, id="others may be at fault"),
        pytest.param(ONE, Blame(refused(1, why=UNIQUE)), False, True, {1}, False, id="there is no other"),
        pytest.param(CHAIN, Blame(refused(1, 2, 3), whole=True), True, True, {1, 2, 3}, False, id="the table is"),
    ],
)  # fmt: skip
def test_a_failed_try_teaches(
    now: Turns, blame: Blame, divisible: bool, goes_on: bool, failures: set[int], apart: bool
) -> None:
    """Who fails, or how the letters are to be tried instead."""
    known = Known()
    assert learned(known, now, blame, divisible=divisible) == goes_on
    assert {ref.offset for ref in known.failures} == failures
    assert known.apart == ({("public.orders", 1, 0)} if apart else set())
