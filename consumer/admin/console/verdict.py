"""Is everything fine, and what needs a person? Rules without I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.core.failure import Failure
from consumer.core.jobs import JobState
from consumer.core.lag import Going, Lag
from consumer.core.letters import OPEN, State
from consumer.inspection.lagging import Seen
from consumer.ports.control import Worker
from consumer.ports.desk import SchemaChange
from dlq.groups import Group
from dlq.jobs import Job

_WRONG = (Going.UNREAD, Going.STOPPED)
_SAID = {
    Going.UNREAD: "has no worker",
    Going.STOPPED: "is stopped",
    Going.PAUSED: "is paused",
    Going.UNKNOWN: "is not known to the end of its log",
}
_CLOSED = "closed"
_CONDITIONS = {"failed": "has failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that waits for a person. `level`: `bad`, or `warn` for what can wait."""

    level: str
    what: str
    remedy: str
    path: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the group. `problem`: why it was not looked at."""

    seen: Seen | None
    problem: Failure | None
    groups: Sequence[Group]
    workers: Sequence[Worker]
    changes: Sequence[SchemaChange]
    jobs: Sequence[Job]


def needs(known: Known) -> list[Need]:
    """What needs a person, the worst first."""
    found = [*_flow(known.seen), *_changes(known.changes), *_letters(known.groups), *_workers(known.workers)]
    found += _connectors(known.seen)
    found += [
        Need(level="warn", what=f"Job {job.id} has stopped", detail=job.why,
             remedy="Look at its report, then resume or cancel it.", path=f"/replays/{job.id}")
        for job in known.jobs if job.state == JobState.STOPPED
    ]  # fmt: skip
    blind = [known.problem, *((known.seen.logs, known.seen.connect) if known.seen else ())]
    found += [
        Need(level="warn", what="Not everything is known", detail=why.detail, remedy=why.remedy, path="/pipeline")
        for why in blind if why is not None
    ]  # fmt: skip
    return sorted(found, key=lambda need: need.level != "bad")


def sentence(known: Known, found: Sequence[Need]) -> str:
    """The first line."""
    bad = sum(need.level == "bad" for need in found)
    if bad:
        return "One thing needs you." if bad == 1 else f"{bad} things need you."
    if found:
        return "It flows, and something can be looked at when there is time."
    if known.seen is None:
        return "Nothing was looked at yet."
    if not known.seen.lags:
        return "Nothing has been read yet."
    if known.seen.records:
        return "Everything flows."
    open_ones = sum(group.states.get(state, 0) for group in known.groups for state in OPEN)
    if open_ones:
        letters = (
            "One letter comes back by itself" if open_ones == 1 else f"{open_ones:,} letters come back by themselves"
        )
        return f"{letters}; all else is applied."
    return "Everything is applied."


def _flow(seen: Seen | None) -> list[Need]:
    if seen is None:
        return []
    by_reason: dict[tuple[Going, str, str], list[Lag]] = {}
    for lag in seen.lags:
        if lag.going in _SAID:
            by_reason.setdefault((lag.going, lag.why, lag.remedy), []).append(lag)
    found = []
    for (going, why, remedy), lags in by_reason.items():
        names = list(dict.fromkeys(", ".join(lag.tables) or lag.at.topic for lag in lags))
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        level = "bad" if going in _WRONG else "warn"
        what = f"{names[0]}{more} {_SAID[going]}"
        found.append(Need(level=level, what=what, detail=why, remedy=remedy, path="/pipeline"))
    return found


def _connectors(seen: Seen | None) -> list[Need]:
    return [
        Need(level="bad" if one.condition == "failed" else "warn",
             what=f"Connector {one.name} {_CONDITIONS.get(one.condition, f'is {one.condition}')}",
             detail="; ".join(one.failures), remedy=one.remedy, path="/pipeline#connectors")
        for one in (seen.connectors if seen else ()) if one.why
    ]  # fmt: skip


def _letters(groups: Sequence[Group]) -> list[Need]:
    dead = [group for group in groups if group.states.get(State.DEAD)]
    if not dead:
        return []
    number = sum(group.states[State.DEAD] for group in dead)
    letters = "One record waits" if number == 1 else f"{number} records wait"
    ways = "" if len(dead) == 1 else f", which failed in {len(dead)} ways"
    return [
        Need(level="bad", what=f"{letters} as dead letters{ways}",
             detail=f"The last: {dead[0].kind} in {dead[0].topic}",
             remedy=dead[0].remedy, path="/letters?state=dead")
    ]  # fmt: skip


def _workers(workers: Sequence[Worker]) -> list[Need]:
    found = [
        Need(level="warn", what=f"Worker {worker.name} reports no more", remedy="Look at its log; others take its "
             "partitions.", path="/pipeline#workers")
        for worker in workers if worker.gone
    ]  # fmt: skip
    for worker in workers:
        if worker.gone:
            continue
        for breaker in worker.breakers:
            if breaker["state"] != _CLOSED:
                what = f"The {breaker['name']} is not asked by {worker.name}"
                detail = breaker["detail"] or ""
                remedy = "Once it is back, it is asked again by itself; or reset the breaker."
                found.append(Need(level="bad", what=what, detail=detail, remedy=remedy, path="/pipeline#workers"))
        if held := worker.held_back:
            what = f"{worker.name} holds {', '.join(held['priorities'])} tables back"
            remedy = "They go on by themselves, and have turns meanwhile."
            found.append(Need(level="warn", what=what, detail=held["why"], remedy=remedy, path="/pipeline#workers"))
    return found


def _changes(changes: Sequence[SchemaChange]) -> list[Need]:
    tables = list(dict.fromkeys(change.table for change in changes if change.state in ("planned", "refused")))
    return [
        Need(level="bad", what=f"Table {table} waits for a change of its columns", remedy="Look at the plan, and agree "
             "to it.", path="/tables#plans")
        for table in tables
    ]  # fmt: skip
