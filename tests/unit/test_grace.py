"""How long a schema id is waited for, and what a flood of unknown ones may cost."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.grace import Grace

SECONDS = 30.0


def test_an_id_has_its_time_since_it_was_first_met() -> None:
    """Then it is waited for no more."""
    grace = Grace(SECONDS)

    assert [grace.left("t", 1, now) for now in (100.0, 110.0, 129.0, 130.0, 131.0)] == [30.0, 20.0, 1.0, 0.0, 0.0]


def test_topics_have_their_own_time() -> None:
    """What was waited for in vain in one says nothing of another."""
    grace = Grace(SECONDS)
    assert [grace.left("t", 1, 0.0), grace.left("t", 1, 31.0)] == [30.0, 0.0]

    assert grace.left("t", 2, 32.0) == 0.0
    assert grace.left("u", 2, 32.0) == 30.0


def test_a_topic_has_a_grace_again_after_its_rest() -> None:
    """A registry may be behind later, too."""
    grace = Grace(SECONDS)
    assert [grace.left("t", 1, 0.0), grace.left("t", 1, 30.0)] == [30.0, 0.0]
    assert grace.left("t", 2, 329.0) == 0.0

    assert grace.left("t", 2, 331.0) == 30.0


def test_an_id_that_became_known_is_forgotten() -> None:
    """When the registry loses it later, it is waited for anew."""
    grace = Grace(SECONDS)
    grace.left("t", 1, 0.0)
    grace.left("t", 2, 100.0)

    assert grace.left("t", 1, 100.0) == 30.0


def test_no_grace_is_none() -> None:
    """Every unknown id is a letter at once."""
    assert Grace(0.0).left("t", 1, 5.0) == 0.0


@given(st.lists(st.floats(0.1, 20), min_size=200, max_size=400))
def test_a_flood_of_unknown_ids_costs_a_small_part_of_the_time(pauses: list[float]) -> None:
    """Each id of one partition stands behind the one before, and nobody ever knows any of them."""
    grace, now, waited = Grace(SECONDS), 0.0, 0.0
    for number, pause in enumerate(pauses):
        now += pause
        while left := grace.left("t", number, now):
            step = min(left, 3.0)
            now, waited = now + step, waited + step

    assert waited <= SECONDS + now / 10
