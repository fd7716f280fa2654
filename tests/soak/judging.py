"""What must hold when all faults are over: the same as after each fault test, and that each intervention was kept."""

import re
import time
from collections import Counter
from collections.abc import Callable

import httpx

from consumer.stack.waiting import wait_until
from tests.faults.log import log_ends
from tests.faults.oracle import reached
from tests.real.engine.witness import differences

from .ground import Ground

_OPEN = """
SELECT count(*) FILTER (WHERE state = 'dead' AND kind = 'record.decode'), count(*) FROM headrace.letters
WHERE group_name = %s AND state IN ('retrying', 'held', 'dead', 'replaying')
"""
_SESSIONS = """
SELECT application_name, state FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'headrace %%'
"""
_KEPT = "SELECT act, sum(times) FROM headrace.healing WHERE worker LIKE %s GROUP BY 1"
_ACT = re.compile(r'^headrace_healing_total\{act="([^"]+)"\} (\S+)$', re.MULTILINE)
_RECOVERY = 120.0


class Wrong(AssertionError):
    """What does not hold."""


def recovered(ground: Ground) -> float:
    """Wait until all is applied and every letter that can be is; returns after how many seconds that was."""
    kafka, group = ground.stack.endpoints.kafka, ground.job.group
    began = time.monotonic()
    waited(
        lambda: reached(ground.target, group, log_ends(kafka, ground.job.topics)),
        f"all is applied: {ground.target.stopped(group)}",
    )
    dead = len(ground.damaged)
    waited(lambda: ground.target.ask(_OPEN, ground.job.group) == [(dead, dead)], f"{dead} letters are open, and dead")
    return time.monotonic() - began


def waited(condition: Callable[[], bool], what: str) -> None:
    """Raises Wrong when it does not hold in time."""
    if not wait_until(condition, _RECOVERY):
        raise Wrong(f"not within {_RECOVERY:.0f} s: {what}")


def kept_interventions(ground: Ground) -> Counter[str]:
    """What the worker that stays has put right by itself, all of it in the record. Raises Wrong."""
    (served, *_) = ground.stays.lines("metrics are served")

    def told() -> Counter[str]:
        text = httpx.get(f"http://127.0.0.1:{served['port']}/metrics", timeout=10).text
        return Counter({act: int(float(count)) for act, count in _ACT.findall(text) if float(count)})

    waited(lambda: _recorded(ground, "stays-%") == told(), "each act of the worker that stays is in headrace.healing")
    return told()


def recorded(ground: Ground) -> Counter[str]:
    """What all of them have put right, by the record."""
    return _recorded(ground, "%")


def _recorded(ground: Ground, worker: str) -> Counter[str]:
    return Counter({str(act): int(str(times)) for act, times in ground.target.ask(_KEPT, worker)})


def verify(ground: Ground) -> None:
    """Everything else, once the processes have ended. Raises Wrong."""
    target, group = ground.target, ground.job.group
    for feed in (ground.once, ground.churn):
        if found := differences(target.rows(f"public.{feed.table}"), feed.rows()):
            raise Wrong(f"{feed.table} is not equal: {found}")
    if target.stopped(group):
        raise Wrong(f"partitions are stopped: {target.stopped(group)}")
    if found := [*target.bad_ranges(group), *target.ledger_overlaps(group)]:
        raise Wrong(f"positions do not follow one another: {found[:5]}")
    twice = {key: times for key, times in target.writes().items() if times != 1}
    if twice:
        raise Wrong(f"rows that were written more than once: {dict(list(twice.items())[:5])}")
    waited(lambda: target.ask(_SESSIONS) == [], "no session is left")
