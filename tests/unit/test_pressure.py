"""What is not read under pressure: step by step, and back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.pressure import Pressure, PressureLimits, Signals, Strain, pressed
from consumer.core.priority import Priority

CRITICAL, NORMAL, BULK = Priority
LIMITS = PressureLimits(goal=0.3, step=0.5, calm=2.0, eased=30.0)
WELL = Signals()


def lasting(signals: Signals, seconds: float, before: Pressure | None = None, at: float = 0.0) -> Pressure:
    """The pressure after the signals were seen every tenth of a second."""
    found = before or Pressure()
    for tick in range(int(seconds * 10) + 1):
        found = pressed(found, signals, LIMITS, at + tick / 10)
    return found


@pytest.mark.parametrize(
    ("signals", "strain"),
    [
        (Signals(latency=0.31), Strain.LATENCY),
        (Signals(away=True), Strain.AWAY),
        (Signals(queue=0.9), Strain.QUEUE),
        (Signals(memory=0.9), Strain.MEMORY),
        (Signals(latency=9, away=True, queue=1, memory=1), Strain.MEMORY),
    ],
)
def test_bulk_tables_are_paused_at_once_whatever_the_cause(signals: Signals, strain: Strain) -> None:
    """The first sign is enough, and it is said what it was."""
    found = pressed(Pressure(), signals, LIMITS, 1.0)

    assert (found.level, found.strain, found.since) == (1, strain, 1.0)
    assert found.paused(list(Priority)) == {BULK}
    assert found.why


def test_normal_tables_follow_when_that_did_not_help() -> None:
    """After half a second; critical ones go on, however long it lasts."""
    slow = Signals(latency=1.0)

    assert lasting(slow, 0.4).paused(list(Priority)) == {BULK}
    assert lasting(slow, 0.5).paused(list(Priority)) == {BULK, NORMAL}
    assert lasting(slow, 600).paused(list(Priority)) == {BULK, NORMAL}


def test_for_want_of_memory_nothing_is_read_in_the_end() -> None:
    """The kernel would end critical tables as well; it is over when memory is at four fifths, one step at a time."""
    full = lasting(Signals(memory=0.95), 1.0)
    assert full.paused(list(Priority)) == {CRITICAL, NORMAL, BULK}
    assert full.paused([NORMAL]) == {NORMAL}

    assert lasting(Signals(memory=0.85), 29.9, full).level == 3
    assert lasting(Signals(memory=0.7), 2.0, full).level == 2
    assert lasting(Signals(memory=0.7), 6.1, full).level == 0


def test_memory_that_is_there_again_leaves_critical_tables_to_go_on() -> None:
    """Another pressure than want of memory never holds them."""
    full = lasting(Signals(memory=0.95), 1.0)
    assert pressed(full, Signals(memory=0.85, latency=5.0), LIMITS, 2.0).paused(list(Priority)) == {NORMAL, BULK}


@pytest.mark.parametrize("held", [[NORMAL], [BULK], [CRITICAL], [CRITICAL, NORMAL], [NORMAL, BULK]])
def test_the_highest_that_a_worker_holds_yields_to_nobody(held: list[Priority]) -> None:
    """Where there is nobody to yield to, pressure changes nothing."""
    paused = lasting(Signals(latency=9.0), 5).paused(held)
    assert paused == set(held[1:])


def test_it_is_over_after_a_while_of_calm_and_not_before() -> None:
    """Between the bound of pressure and that of calm little changes, so that nothing goes to and fro."""
    both = lasting(Signals(latency=1.0), 1.0)
    assert lasting(Signals(latency=0.25), 29.9, both, 1.0).level == 2
    assert lasting(WELL, 1.9, both, 1.0).level == 2
    assert lasting(WELL, 2.0, both, 1.0).level == 1
    assert lasting(WELL, 4.1, both, 1.0) == Pressure(moved=5.0)


@pytest.mark.parametrize("between", [Signals(memory=0.85), Signals(latency=0.25), Signals(queue=0.7)])
def test_pressure_that_has_eased_but_never_gets_calm_is_over_too(between: Signals) -> None:
    """Memory that was held once is seldom given back: step by step, each after a longer while."""
    full = lasting(Signals(memory=0.95), 1.0)
    levels = [lasting(between, seconds, full, 1.1).level for seconds in (29.9, 30.0, 60.1, 90.2)]
    assert levels == [3, 2, 1, 0]


def test_pressure_that_eased_for_a_moment_only_goes_on() -> None:
    """The longer while begins anew."""
    full = lasting(Signals(memory=0.95), 1.0)
    eased = lasting(Signals(memory=0.85), 20.0, full, 1.1)
    again = pressed(eased, Signals(memory=0.95), LIMITS, 21.2)
    assert lasting(Signals(memory=0.85), 29.9, again, 21.3).level == 3


def test_calm_that_is_interrupted_begins_anew() -> None:
    """One slow batch in between is enough."""
    bulk = pressed(Pressure(), Signals(latency=1.0), LIMITS, 0.0)
    calm = lasting(WELL, 1.5, bulk, 0.0)
    again = pressed(calm, Signals(latency=0.25), LIMITS, 1.6)
    assert lasting(WELL, 1.9, again, 1.7).level == 1


@given(st.lists(st.tuples(st.floats(0, 2), st.booleans(), st.floats(0, 1), st.floats(0, 1)), max_size=80))
def test_no_step_is_skipped_and_none_is_taken_in_haste(seen: list[tuple[float, bool, float, float]]) -> None:
    """Whatever is seen: one step at a time, up no sooner than `step`, down no sooner than `calm`."""
    found = Pressure()
    for tick, (latency, away, queue, memory) in enumerate(seen):
        signals = Signals(latency=latency, away=away, queue=queue, memory=memory)
        before, found = found, pressed(found, signals, LIMITS, tick / 10)
        if found.level > before.level:
            assert found.level == before.level + 1
            assert before.level == 0 or found.moved - before.moved >= LIMITS.step
        assert (found.strain is None) == (found.level == 0)
        assert pressed(replace(found), signals, LIMITS, tick / 10).level == found.level
