"""Which letters are tried with one that a unique value keeps out."""

from collections.abc import Sequence

from consumer.applying.swaps import swapped
from consumer.core.letters import Standing
from consumer.core.turns import Blame, Room, Turns
from tests.unit.test_turns import CHECK, OTHER, UNIQUE, letter

ROOM = Room(letters=100, bytes=1000)


class Target:
    """Refuses letters, by offset, whenever they are tried."""

    def __init__(self, *refused: int) -> None:
        self._refused = refused
        self.tries: list[list[int]] = []

    def attempt(self, now: Turns) -> Blame | None:
        self.tries.append(sorted(one.ref.offset for one in now.tried))
        bad = {one.ref: CHECK for one in now.tried if one.ref.offset in self._refused}
        return Blame(bad) if bad else None


def tries(letters: Sequence[Standing], target: Target, room: Room = ROOM) -> tuple[bool, list[list[int]]]:
    """Whether the first of the letters was applied with others, and what was tried."""
    return swapped(letters[0], letters, room, target.attempt), target.tries


def test_others_come_along_with_what_waits_for_them() -> None:
    """What the source has in the end is free of conflicts."""
    letters = [letter(1, row=1), letter(2, row=2), letter(3, row=1, state="held")]
    assert tries(letters, Target()) == (True, [[1, 2, 3]])


def test_a_row_that_is_refused_all_the_same_stays_behind() -> None:
    """With all of its letters."""
    letters = [letter(1, row=1), letter(2, row=2), letter(3, row=3), letter(4, row=3, state="held")]
    assert tries(letters, Target(4)) == (True, [[1, 2, 3, 4], [1, 2]])


def test_the_oldest_of_each_row_are_tried_where_all_of_them_fail() -> None:
    """What is behind it may be at fault."""
    letters = [letter(1, row=1), letter(2, row=2), letter(3, row=1, state="held")]
    assert tries(letters, Target(3)) == (True, [[1, 2, 3], [1, 2]])


def test_without_others_nothing_is_tried() -> None:
    """It has failed by itself already; dead ones and those that are searched for are left alone."""
    others = [letter(2, row=2, state="dead"), letter(3, row=3, searching=True), letter(4, row=4, pointer=True)]
    assert tries([letter(1, row=1), *others], Target()) == (False, [])


def test_a_letter_that_is_refused_with_others_too_has_failed() -> None:
    """Nothing is tried once more without it."""
    letters = [letter(1, row=1), letter(2, row=2)]
    assert tries(letters, Target(1)) == (False, [[1, 2], [1, 2]])


def test_no_more_are_tried_than_there_is_room_for_and_first_what_is_near() -> None:
    """In number and in bytes; other partitions have offsets of their own."""
    letters = [letter(50, row=50, size=10), letter(51, row=51, at=OTHER, size=10)]
    letters += [letter(number, row=number, size=10) for number in range(40, 50)]
    assert tries(letters, Target(), Room(letters=3, bytes=1000)) == (True, [[48, 49, 50]])
    assert tries(letters, Target(), Room(letters=100, bytes=25)) == (True, [[49, 50]])
    assert tries(letters, Target(), Room(letters=100, bytes=5)) == (False, [])


def test_a_target_that_looks_closer_is_asked_once_more() -> None:
    """It says which ones are refused then, if any."""
    answers = [Blame({}, named=False, closer=True), None]
    letters = [letter(1, row=1), letter(2, row=2)]
    assert swapped(letters[0], letters, ROOM, lambda now: answers.pop(0))
    whole = Blame({one.ref: UNIQUE for one in letters}, named=False, closer=True)
    assert not swapped(letters[0], letters, ROOM, lambda now: whole)
