"""Costly questions that take too long again and again are not asked for a while."""

import pytest

from consumer.core.costly import CostLimits, Costs, asked, rest

LIMITS = CostLimits(slow=3, rest=10.0)


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        pytest.param("", 0.0, id="none yet"),
        pytest.param("ss", 0.0, id="two slow ones"),
        pytest.param("sss", 10.0, id="three in a row"),
        pytest.param("ssqss", 0.0, id="a quick one between them"),
        pytest.param("ssssq", 0.0, id="a quick one ends it"),
        pytest.param("ssss", 10.0, id="each one more begins another rest"),
    ],
)
def test_a_rest_begins_after_some_slow_ones_in_a_row(answers: str, left: float) -> None:
    """And is over by itself."""
    costs = Costs()
    for each in answers:
        costs = asked(costs, 100.0, LIMITS, slow=each == "s")

    assert rest(costs, 100.0) == left
    assert rest(costs, 110.0) == 0.0
