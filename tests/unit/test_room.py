"""What the apply thread tells the target about the letters that a batch may make."""

import pytest

from tests.unit.test_draining import AT, OTHER, Scene


@pytest.mark.parametrize(
    ("end", "room"),
    [
        pytest.param(110, 99, id="fewer than a hundred are no flood"),
        pytest.param(10_000, 500, id="five percent of the last records, those of the batch among them"),
    ],
)
def test_a_batch_may_make_letters_until_they_are_a_flood(end: int, room: int) -> None:
    """Each partition as many as its own last records allow; a hundred were applied before."""
    scene = Scene()
    scene.offer(AT, 100, end)
    scene.offer(OTHER, 0, 10)
    for _ in range(2):
        scene.applier.turn(0)

    assert scene.target.rooms[-2:] == [{AT: room}, {OTHER: 99}]
