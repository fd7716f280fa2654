"""Rows whose unique values all move by one in an adverse order: each is in the way of the one in front of it."""

import pytest

from tests.pg.test_swaps import CONSTRAINTS, Swaps, swaps

__all__ = ["swaps"]
LABELS = "".join(chr(0x4E00 + number) for number in range(10_000))
ROWS = 150
BATCH = 20_000


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize(
    ("rows", "unsaid"),
    [(ROWS, ()), (ROWS, range(ROWS)), (ROWS, range(0, ROWS, 2)), (3 * ROWS, range(0, 3 * ROWS, 2)), (ROWS, range(9))],
    ids=["said", "left out", "mixed", "many of both", "a few left out"],
)
def test_more_rows_shift_than_may_be_refused(swaps: Swaps, constraint: str, rows: int, unsaid: range) -> None:
    """They are written together, and need no letters."""
    swap = swaps(LABELS[:rows], f"text NOT NULL {constraint}")
    swap.change("u", {number: LABELS[number + 1] for number in range(rows)}, *unsaid)
    swap.through(BATCH)
    assert swap.labels() == LABELS[1 : rows + 1]
    assert swap.states() == []


def test_a_row_that_is_refused_for_another_reason_is_the_only_letter(swaps: Swaps) -> None:
    """It does not keep the others from moving on."""
    swap = swaps(LABELS[: ROWS + 20], more=", CHECK (label <> 'bad')")
    swap.change("u", {number: LABELS[number + 1] for number in range(ROWS - 1)})
    swap.change("u", {ROWS - 1: LABELS[ROWS + 20]})
    swap.change("u", {ROWS + 9: "bad"})
    swap.through(BATCH)
    assert swap.labels() == LABELS[1:ROWS] + LABELS[ROWS + 20] + LABELS[ROWS : ROWS + 20]
    assert swap.states() == ["dead"]


def test_new_rows_take_values_that_become_free(swaps: Swaps) -> None:
    """In the same batch."""
    swap = swaps(LABELS[:ROWS])
    swap.change("u", {number: LABELS[number + 1] for number in range(ROWS)})
    swap.change("c", {ROWS: LABELS[0]})
    swap.through(BATCH)
    assert swap.labels() == LABELS[1 : ROWS + 1] + LABELS[0]
    assert swap.states() == []


def test_few_rows_shift_among_many(swaps: Swaps) -> None:
    """Tried one after the other as often as it helps would take minutes."""
    many, few = 8000, 390
    swap = swaps(LABELS[:many])
    swap.change("u", {number: LABELS[number] for number in range(few + 1, many)})
    swap.change("u", {few: LABELS[many]})
    swap.change("u", {number: LABELS[number + 1] for number in range(few)})
    swap.through(BATCH)
    assert swap.labels() == LABELS[1 : few + 1] + LABELS[many] + LABELS[few + 1 : many]
    assert swap.states() == []


def test_a_shift_that_reaches_beyond_its_batch_stops_the_table(swaps: Swaps) -> None:
    """Nothing of it can be written in front of the rest; with a larger batch it goes on."""
    swap = swaps(LABELS[: 2 * ROWS])
    swap.change("u", {number: LABELS[number + 1] for number in range(2 * ROWS)})
    swap.at.run(ROWS)
    assert [why.kind for why in swap.at.stopped.values()] == ["table.reference"]
    assert swap.labels() == LABELS[: 2 * ROWS]
    swap.at.start()
    swap.through(BATCH)
    assert swap.labels() == LABELS[1 : 2 * ROWS + 1]
