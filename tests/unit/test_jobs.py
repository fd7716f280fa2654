"""When how many letters of a job go, and when it ends."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.jobs import AT_ONCE, UNDER_WAY, JobState, Progress, Step, allowed, burst, next_step

PLANNED, CANARY, RUNNING = JobState.PLANNED, JobState.CANARY, JobState.RUNNING
STOPPED, DONE = JobState.STOPPED, JobState.DONE
JOB = Progress(state=RUNNING, rate=50.0, idle=1.0, waiting=True, under_way=0, stop_ratio=0.1)
FIRST = replace(JOB, state=PLANNED, canary_left=10)


@pytest.mark.parametrize(
    ("job", "state", "send"),
    [
        (FIRST, CANARY, 10),
        (replace(FIRST, rate=5.0), CANARY, 5),
        (replace(FIRST, canary_left=0), RUNNING, 50),
        # the rest of the canary goes while its first ones are under way
        (replace(FIRST, state=CANARY, canary_left=3, under_way=7), CANARY, 3),
        (replace(FIRST, state=CANARY, canary_left=0, under_way=1), CANARY, 0),
        (replace(FIRST, state=CANARY, canary_left=0, ended=10, failed=1), RUNNING, 50),
        (replace(FIRST, state=CANARY, canary_left=0, ended=10, failed=2), STOPPED, 0),
        # a canary of which nothing was sent says nothing
        (replace(FIRST, state=CANARY, canary_left=0), RUNNING, 50),
        (replace(FIRST, state=CANARY, canary_left=4, waiting=False, under_way=6), CANARY, 0),
        (replace(FIRST, state=CANARY, canary_left=4, waiting=False, ended=6, failed=6), DONE, 0),
        (JOB, RUNNING, 50),
        (replace(JOB, idle=0.0), RUNNING, 0),
        (replace(JOB, idle=0.1), RUNNING, 5),
        (replace(JOB, rate=1000.0), RUNNING, AT_ONCE),
        (replace(JOB, under_way=UNDER_WAY - 3), RUNNING, 3),
        (replace(JOB, under_way=UNDER_WAY), RUNNING, 0),
        # a few say nothing yet
        (replace(JOB, ended=19, failed=19), RUNNING, 50),
        (replace(JOB, ended=20, failed=2), RUNNING, 50),
        (replace(JOB, ended=20, failed=3), STOPPED, 0),
        (replace(JOB, ended=100, failed=100, stop_ratio=1.0), RUNNING, 50),
        (replace(JOB, ended=20, failed=1, stop_ratio=0.0), STOPPED, 0),
        # there is nothing left to be stopped
        (replace(JOB, waiting=False, under_way=4, ended=20, failed=20), RUNNING, 0),
        (replace(JOB, waiting=False), DONE, 0),
    ],
)
def test_the_next_step(job: Progress, state: JobState, send: int) -> None:
    """The canary first; then at the rate, until too many fail or nothing is left."""
    step = next_step(job)
    assert (step.state, step.send, bool(step.why)) == (state, send, state is STOPPED)


def test_why_it_stops_is_said() -> None:
    """In numbers."""
    step = next_step(replace(JOB, ended=100, failed=25))
    assert step == Step(state=STOPPED, why="25 of the last 100 letters failed again, more than 10%")


@pytest.mark.parametrize(("rate", "idle", "number"), [(0.1, 9.0, 0), (0.1, 10.0, 1), (0.1, 1e6, 1), (3.0, 1e6, 3)])
def test_who_rested_may_not_make_up_for_it(rate: float, idle: float, number: int) -> None:
    """A second's letters at most, and one in any case."""
    assert allowed(rate, idle) == number


@given(st.floats(0.01, 5000), st.lists(st.floats(0, 3), max_size=50))
def test_the_rate_is_kept(rate: float, pauses: list[float]) -> None:
    """Over any time, whatever the pauses between steps are: as the job's row keeps the books."""
    now, paid, sent = 0.0, 0.0, 0
    for pause in pauses:
        now += pause
        number = allowed(rate, now - paid)
        paid = max(paid, now - burst(rate)) + number / rate
        sent += number
    assert sent <= rate * now + 1
