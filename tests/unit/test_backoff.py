"""Delays between attempts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.backoff import Backoff

chances = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10_000), chances, st.floats(0.001, 10), st.floats(10, 1000))
def test_a_delay_is_within_half_and_all_of_its_step(attempt: int, chance: float, first: float, most: float) -> None:
    """Never zero, never above the bound, however many attempts there were."""
    delay = Backoff(first=first, most=most).delay(attempt, chance)

    assert first / 2 <= delay <= most


@pytest.mark.parametrize(
    ("attempt", "chance", "delay"),
    [(1, 0.0, 0.05), (2, 0.0, 0.1), (3, 0.0, 0.2), (1, 0.5, 0.075), (8, 0.0, 6.4), (9, 0.0, 7.5), (1000, 0.0, 7.5)],
)
def test_the_step_doubles_up_to_the_most(attempt: int, chance: float, delay: float) -> None:
    """A tenth of a second at first, fifteen at most, half of it when chance is zero."""
    assert Backoff().delay(attempt, chance) == pytest.approx(delay)
