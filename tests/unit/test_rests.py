"""For how long the apply thread leaves alone what took much of its time."""

import pytest

from consumer.applying.rests import Rests
from tests.unit.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """That of the rests."""
    return Clock(100.0)


def test_what_took_long_rests_three_times_as_long(clock: Clock) -> None:
    """Others have three quarters of the time."""
    rests: Rests[str, str] = Rests(clock)
    rests.begin(["a", "b"], "slow", 2.0)
    clock.now += 5.0
    assert rests.now() == {"a": ("slow", 1.0), "b": ("slow", 1.0)}
    clock.now += 1.0
    assert rests.now() == {}


def test_rests_run_side_by_side(clock: Clock) -> None:
    """Each by itself takes a quarter of the time."""
    rests: Rests[str, str] = Rests(clock)
    rests.begin(["a"], "slow", 10.0)
    rests.begin(["b"], "locked", 1.0)
    assert rests.now() == {"a": ("slow", 30.0), "b": ("locked", 3.0)}


def test_rests_that_count_together_lie_behind_one_another(clock: Clock) -> None:
    """All of them take a quarter of the time; one that is over makes none longer."""
    rests: Rests[str, str] = Rests(clock, together=True)
    rests.begin(["a"], "slow", 10.0)
    clock.now += 20.0
    rests.begin(["b"], "slow", 1.0)
    assert rests.now() == {"a": ("slow", 10.0), "b": ("slow", 13.0)}
    clock.now += 20.0
    rests.begin(["a"], "slow", 1.0)
    assert rests.now() == {"a": ("slow", 3.0)}


def test_what_is_not_known_to_be_anybodys_lengthens_the_next_rest(clock: Clock) -> None:
    """A search may take several tries."""
    rests: Rests[str, str] = Rests(clock, together=True)
    rests.begin([], "slow", 2.0)
    assert rests.now() == {}
    rests.begin(["a"], "slow", 1.0)
    assert rests.now() == {"a": ("slow", 9.0)}


def test_a_rest_may_have_a_least(clock: Clock) -> None:
    """What was quick to fail, and takes its time to be well again."""
    rests: Rests[str, str] = Rests(clock)
    rests.begin(["a"], "locked", 1.0, least=60.0)
    rests.begin(["b"], "locked", 30.0, least=60.0)
    assert rests.now() == {"a": ("locked", 60.0), "b": ("locked", 90.0)}
