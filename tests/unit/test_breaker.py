"""A server that is away is asked one question at a time, and nobody waits for its answer."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.breaking import AWAY, BreakerLimits, BreakerState
from consumer.core.failure import Failure, HeadraceError, Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.edges.breaker import CircuitBreaker

RESET = 2.0


@dataclass
class Asked:
    """A breaker in front of a server, at a time that the test sets."""

    now: float = 0.0
    questions: int = 0
    breaker: CircuitBreaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker("target", BreakerLimits(failures=3, reset=RESET), lambda: self.now)

    @property
    def state(self) -> BreakerState:
        """As it is now."""
        return self.breaker.status().state

    def ask(self, failure: str = "") -> None:
        """A question that ends so."""
        self.breaker.ask(lambda: self._end(failure))

    def fail(self, kind: str = "target.connection", times: int = 1) -> None:
        """Questions that fail."""
        for _ in range(times):
            with pytest.raises(HeadraceError):
                self.ask(kind)

    def _end(self, kind: str) -> None:
        self.questions += 1
        if kind:
            raise Persistent(why(kind))


def why(kind: str = "target.connection", detail: str = "it is") -> Failure:
    """A failure of a kind."""
    return failed(KINDS[kind], "test", "ask", detail)


@pytest.fixture
def asked() -> Asked:
    """A breaker that is closed."""
    return Asked()


@pytest.fixture
def away(asked: Asked) -> Asked:
    """A breaker that is open."""
    asked.fail(times=3)
    return asked


def test_it_opens_after_failures_in_a_row(asked: Asked) -> None:
    """An answer between them begins the count anew."""
    asked.fail(times=2)
    asked.ask()
    asked.fail(times=2)
    assert asked.state is BreakerState.CLOSED
    asked.fail()

    assert asked.state is BreakerState.OPEN


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {name for name in AWAY if name.startswith("target.")}))
def test_only_what_says_that_the_server_is_away_counts(asked: Asked, kind: str) -> None:
    """Faults of records and tables, locks and timeouts, and other servers do not."""
    asked.fail(kind, times=5)

    assert asked.state is BreakerState.CLOSED


@pytest.mark.parametrize(("kind", "state"), [("record.value", "closed"), ("target.locked", "half-open")])
def test_a_refused_record_is_an_answer_and_a_lock_is_none(away: Asked, kind: str, state: str) -> None:
    """What says nothing of the server leaves the look at it to the next question."""
    away.now = RESET
    away.fail(kind)

    assert away.state == state
    away.ask()
    assert away.state is BreakerState.CLOSED


def test_while_it_is_open_nothing_is_asked(away: Asked) -> None:
    """Who asks gets the last failure, as one that time heals."""
    away.now = RESET - 0.1
    with pytest.raises(Transient) as caught:
        away.ask()

    assert away.questions == 3
    assert caught.value.failure == why()


def test_one_question_at_a_time_looks_whether_it_is_back(away: Asked) -> None:
    """The others neither wait for a slow look nor go along with it."""
    away.now = RESET
    looking, done = threading.Event(), threading.Event()

    def slow() -> None:
        looking.set()
        assert done.wait(10)

    look = threading.Thread(target=away.breaker.ask, args=(slow,))
    look.start()
    assert looking.wait(10)
    with pytest.raises(Transient):
        away.ask()
    assert (away.questions, away.state) == (3, BreakerState.HALF_OPEN)
    done.set()
    look.join(10)
    away.ask()

    assert (away.questions, away.state) == (4, BreakerState.CLOSED)


def test_a_look_in_vain_puts_the_next_one_off(away: Asked) -> None:
    """One question each time that the reset is over."""
    for turn in range(1, 4):
        away.now = turn * RESET
        away.fail()
        away.fail()
        assert away.questions == 3 + turn

    assert away.state is BreakerState.OPEN


def test_a_look_that_ends_in_any_way_lets_the_next_one_in(away: Asked) -> None:
    """Also by an error that should not be."""
    away.now = RESET

    def defect() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        away.breaker.ask(defect)
    away.ask()

    assert away.state is BreakerState.CLOSED


def test_a_session_that_lives_is_the_best_look(away: Asked) -> None:
    """What was answered without the breaker closes it at once."""
    away.breaker.answered()

    assert away.state is BreakerState.CLOSED


def test_a_failure_counts_once_whoever_tells_of_it(asked: Asked) -> None:
    """It passes several hands."""
    failure = why()
    for _ in range(5):
        asked.breaker.failed(failure)

    assert asked.breaker.status().failures == 1


def test_the_log_tells_once_that_it_is_away_and_once_that_it_is_back(asked: Asked) -> None:
    """With the reason and a remedy, and how long; now and then that it still is."""
    with structlog.testing.capture_logs() as lines:
        asked.fail(times=3)
        for asked.now in range(2, 130, 2):
            asked.fail()
        asked.now = 130.0
        asked.ask()

    assert [line["event"] for line in lines] == [
        "server is away",
        "server is still away",
        "server is still away",
        "server is back",
    ]
    assert lines[0].items() >= {"server": "target", "kind": "target.connection", "reason": "it is"}.items()
    assert lines[0]["remedy"] == KINDS["target.connection"].remedy
    assert lines[-1]["away_seconds"] == 130.0


def test_its_status_says_what_is_wrong(away: Asked) -> None:
    """For those who show it."""
    status = away.breaker.status()

    assert (status.name, status.state, status.failures, status.last) == ("target", BreakerState.OPEN, 3, why())


MOVES: list[Callable[[Asked], Any]] = [
    Asked.fail,
    lambda asked: asked.breaker.failed(why(detail=str(asked.now))),
    lambda asked: asked.breaker.answered(),
    lambda asked: asked.fail("record.value"),
    lambda asked: asked.fail("target.locked"),
]


@given(st.lists(st.tuples(st.sampled_from(MOVES), st.floats(0, 2 * RESET)), max_size=40))
def test_it_always_comes_back(moves: list[tuple[Callable[[Asked], Any], float]]) -> None:
    """Whatever happened, an answer that is let through after the reset closes it."""
    asked = Asked()
    for move, later in moves:
        asked.now += later
        move(asked)
    asked.now += RESET
    asked.ask()

    assert asked.state is BreakerState.CLOSED


def test_a_person_has_the_next_question_let_through(away: Asked) -> None:
    """Whenever it would have been; where all are let through there is nothing to do."""
    assert away.breaker.ask_soon()
    away.ask()
    assert (away.questions, away.state) == (4, BreakerState.CLOSED)
    assert not away.breaker.ask_soon()


def test_it_says_when_the_next_question_would_look(away: Asked) -> None:
    """Not before its time, not beside another look, and not where nothing is wrong."""
    assert not away.breaker.due()
    away.now = RESET
    assert away.breaker.due()
    assert away.breaker.ask(away.breaker.due) is False
    assert away.state is BreakerState.CLOSED
    assert not away.breaker.due()
