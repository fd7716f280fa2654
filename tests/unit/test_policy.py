"""What becomes of a record that failed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.backoff import Backoff
from consumer.core.failure_kind import ErrorType, FailureKind
from consumer.core.kinds import DEPENDENT, KINDS
from consumer.core.letters import State
from consumer.core.policy import JITTER, Budget, Decision, Policy, TablePolicy
from consumer.core.record_kinds import RECORD_KINDS

HOUR = 3600.0
POLICY = Policy(
    budgets={
        ErrorType.TRANSIENT: Budget(attempts=8, waited=24 * HOUR),
        ErrorType.UNKNOWN: Budget(attempts=3, waited=HOUR),
    },
    dependent=Budget(attempts=1000, waited=24 * HOUR),
    tiers=(5.0, 30.0, 120.0, 600.0),
)
chances = st.floats(0, 1, exclude_max=True)
kinds = st.sampled_from(RECORD_KINDS)
budgets = st.builds(Budget, attempts=st.integers(0, 50), waited=st.floats(0, 1e6))
policies = st.builds(
    Policy,
    budgets=st.dictionaries(st.sampled_from(ErrorType), budgets),
    dependent=st.none() | budgets,
    tiers=st.lists(st.floats(0.1, 86_400), min_size=1, max_size=16, unique=True).map(lambda them: tuple(sorted(them))),
)


@pytest.mark.parametrize(
    ("kind", "attempt", "delay"),
    [
        ("record.timeout", 1, 5),
        ("record.timeout", 2, 30),
        ("record.timeout", 3, 120),
        ("record.timeout", 4, 600),
        ("record.timeout", 8, 600),
        ("record.timeout", 9, None),
        ("record.trigger", 1, 5),
        ("record.trigger", 3, 120),
        ("record.trigger", 4, None),
        ("record.decode", 1, None),
        ("record.value", 1, None),
    ],
)
def test_a_budget_is_attempts(kind: str, attempt: int, delay: float | None) -> None:
    """After the first one; a persistent failure has no budget."""
    dead = Decision(state=State.DEAD)
    expected = dead if delay is None else Decision(state=State.RETRYING, delay=delay)

    assert POLICY.decide(KINDS[kind], attempt, 0.0) == expected


@pytest.mark.parametrize(
    ("waited", "excused", "last"),
    [
        # the delays of 5, 30, 120 and 600 s, and 600 s more for each further try
        (0.0, 0, 0),
        (5.0, 0, 1),
        (6.0, 0, 2),
        (755.0, 0, 4),
        (756.0, 0, 5),
        (1355.0, 0, 5),
        (24 * HOUR, 0, 147),
        (5.0, 100, 101),
        (756.0, 7, 12),
    ],
)
def test_a_budget_is_delays_between_tries_that_count(waited: float, excused: int, last: int) -> None:
    """However long a letter was held, or its table away: the clock is not asked."""
    policy = replace(POLICY, budgets={ErrorType.TRANSIENT: Budget(attempts=1000, waited=waited)})
    kind = KINDS["record.timeout"]

    tried = [policy.again(kind, excused + attempt, 0.0, excused=excused).state for attempt in range(1, 160)]

    assert tried.count(State.RETRYING) == max(last - excused, 0)
    assert tried == sorted(tried, key=lambda state: state is State.DEAD)


@given(policies, kinds, st.integers(1, 100), chances)
def test_a_delay_is_its_tiers_and_at_most_a_tenth_more(
    policy: Policy, kind: FailureKind, attempt: int, chance: float
) -> None:
    """A dead letter has none."""
    decision = policy.decide(kind, attempt, chance)
    tier = policy.tiers[policy.tier(attempt) - 1]

    if decision.state is State.DEAD:
        assert decision.delay == 0
    else:
        assert decision.state is State.RETRYING
        assert tier <= decision.delay <= tier * (1 + JITTER)


@given(policies, kinds, chances)
def test_every_record_comes_to_an_end(policy: Policy, kind: FailureKind, chance: float) -> None:
    """Retries are bounded, and what was given up once is never taken up again later."""
    states = [policy.decide(kind, attempt, chance).state for attempt in range(1, 60)]

    assert states[-1] is State.DEAD
    assert states == sorted(states, key=lambda state: state is State.DEAD)


@given(policies, st.integers(1, 100), chances)
def test_what_is_persistent_is_dead_at_once(policy: Policy, attempt: int, chance: float) -> None:
    """Even with a budget."""
    assert policy.decide(KINDS["record.decode"], attempt, chance).state is State.DEAD


def test_what_a_table_or_another_server_causes_is_no_attempt_of_records() -> None:
    """A letter that came back waits for them as long as it takes, in the topic of its attempt."""
    refused = POLICY.again(KINDS["table.privilege"], 50, 0.0)
    assert refused == Decision(state=State.RETRYING, delay=600, excused=True)

    others = ("kafka.away", "kafka.tls", "kafka.forbidden", "kafka.unknown")
    for kind in ("registry.away", "registry.status", "registry.refused", "registry.tls", *others):
        assert POLICY.again(KINDS[kind], 50, 0.0) == refused
    assert POLICY.again(KINDS["kafka.no_topic"], 50, 0.0).state is State.DEAD
    assert POLICY.again(KINDS["record.timeout"], 9, 0.0).state is State.DEAD
    assert POLICY.again(KINDS["record.timeout"], 9, 0.0, excused=1) == Decision(state=State.RETRYING, delay=600)


DEPENDENTS = [KINDS[name] for name in sorted(DEPENDENT)]


@pytest.mark.parametrize("kind", DEPENDENTS, ids=lambda kind: kind.name)
def test_what_waits_for_other_rows_has_a_budget_of_its_own(kind: FailureKind) -> None:
    """A day of delays, in which the table may come that they are in; without one it has that of its type."""
    tried = [POLICY.decide(kind, attempt, 0.0).state for attempt in range(1, 160)]

    assert tried == [State.RETRYING] * 147 + [State.DEAD] * 12
    assert replace(POLICY, dependent=None).decide(kind, 9, 0.0).state is State.DEAD


@pytest.mark.parametrize("kind", DEPENDENTS, ids=lambda kind: kind.name)
def test_what_has_waited_for_other_rows_for_hours_does_not_die_of_one_slow_try(kind: FailureKind) -> None:
    """The next one like it counts as ever; what time does not heal ends it at once."""
    slow, later = KINDS["record.timeout"], Decision(state=State.RETRYING, delay=600)

    assert POLICY.again(slow, 50, 0.0, before=kind.name) == later
    assert POLICY.again(KINDS["kafka.no_topic"], 50, 0.0, before=kind.name) == later
    assert POLICY.again(slow, 51, 0.0, before=slow.name).state is State.DEAD
    assert POLICY.again(KINDS["record.value"], 50, 0.0, before=kind.name).state is State.DEAD


TABLES = TablePolicy(backoff=Backoff(first=10.0, most=60.0), unknown_attempts=2)


@pytest.mark.parametrize(
    ("kind", "stops", "seconds"),
    [
        ("table.missing", 1, 10),
        ("table.privilege", 2, 20),
        ("table.shape", 4, 60),
        ("table.held", 1000, 60),
        ("kafka.letters", 1, 10),
        ("table.unknown", 1, 10),
        ("table.unknown", 2, 20),
        ("table.unknown", 3, None),
        ("table.truncate", 1, None),
        ("table.flood", 1, None),
        ("table.paused", 1, None),
        ("log.out_of_range", 1, None),
        ("log.recreated", 1, None),
        ("record.value", 1, None),
    ],
)
def test_a_partition_that_stopped_goes_on_by_itself_where_others_may_have_healed_it(
    kind: str, stops: int, seconds: float | None
) -> None:
    """Twice as late each time up to the most, spread to half of it; the unknown only so often."""
    latest = None if seconds is None else pytest.approx(seconds, rel=1e-6)

    assert TABLES.again(KINDS[kind], stops, 1.0 - 1e-9) == latest
    assert TABLES.again(KINDS[kind], stops, 0.0) == (None if seconds is None else seconds / 2)
