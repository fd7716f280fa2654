"""The scenarios of the table, each broken, looked at while it is, and healed."""

import json
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from consumer.stack.options import CONNECT, KAFKA, TARGET
from tests.real.engine.feed import Feed, envelope
from tests.real.engine.worker import eventually

from .scene import Scene
from .table import EXPECTED

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]
FETCH = 1


def _target_down(scene: Scene, mend: ExitStack) -> None:
    scene.trial.ground.stack.stop_part(TARGET)
    mend.callback(scene.trial.ground.stack.start_part, TARGET)
    scene.worker.said("server is away")
    assert scene.metric("headrace_breaker_state", 'server="target"', 'state="open"') == 1
    answer = scene.api("/positions")
    assert (answer.status_code, bool(answer.json()["remedy"])) == (503, True)
    scene.stays()


def _target_slow(scene: Scene, mend: ExitStack) -> None:
    scene.ways.target.slow(0.1)
    mend.callback(scene.ways.target.go)
    scene.goes_on()
    eventually(lambda: "batches resized" in scene.healed(), "batches get smaller", 90)
    eventually(lambda: scene.behind() > 0, "it is seen to be behind")
    scene.stays()


def _target_lies(scene: Scene, mend: ExitStack) -> None:
    _writes(scene, "on")
    mend.callback(_writes, scene, "off")
    read_only = 'kind="target.read_only"'
    eventually(lambda: scene.metric("headrace_failures_total", read_only) > 0, "it is counted")
    assert scene.api("/positions").status_code == 200
    # after the failures that it waits for, each behind a longer wait
    is_open = 'server="target"', 'state="open"'
    eventually(lambda: scene.metric("headrace_breaker_state", *is_open) == 1, "the breaker opens", 60)
    eventually(lambda: scene.behind() > 0, "it is seen to be behind", 60)
    scene.stays()


def _writes(scene: Scene, read_only: str) -> None:
    with psycopg.connect(scene.trial.ground.at.target_dsn, autocommit=True) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute(f"ALTER SYSTEM SET default_transaction_read_only = {read_only}".encode())
        session.execute("SELECT pg_reload_conf()")


def _broker_down(scene: Scene, mend: ExitStack) -> None:
    scene.trial.ground.stack.kill(KAFKA, signal.SIGKILL)
    mend.callback(scene.trial.ground.stack.start_part, KAFKA)
    assert scene.api("/positions").json()["items"]
    assert scene.api("/letters").status_code == 200
    eventually(lambda: scene.lag()["logs"] is not None, "the logs' ends are not known")
    assert scene.lag()["logs"]["remedy"]
    scene.lives()


def _broker_slow(scene: Scene, mend: ExitStack) -> None:
    link = scene.trial.ground.kafka
    link.slow(0.3)
    mend.callback(link.go)
    scene.goes_on(5)
    assert scene.metric("headrace_apply_latency_seconds_count") > 0
    scene.stays()


def _broker_lies(scene: Scene, mend: ExitStack) -> None:
    link = scene.trial.ground.kafka
    link.swallow(FETCH)
    mend.callback(link.go)
    mend.callback(link.cut)
    eventually(lambda: scene.behind() > 0, "it is seen to be behind", 30)
    eventually(lambda: scene.metric("headrace_lag_records") > 0, "the metric says so too", 30)
    scene.lives()


def _registry_down(scene: Scene, mend: ExitStack) -> None:
    scene.ways.registry.refuse()
    mend.callback(scene.ways.registry.accept)
    scene.killed()
    scene.goes_on()
    scene.worker.said("server is away")
    # open, or half open while a question is let through
    assert scene.metric("headrace_breaker_state", 'server="registry"', 'state="closed"') == 0
    scene.stays()


def _registry_slow(scene: Scene, mend: ExitStack) -> None:
    scene.ways.registry.slow(0.3)
    mend.callback(scene.ways.registry.go)
    scene.killed()
    scene.goes_on()
    scene.stays()


def _connect_down(scene: Scene, mend: ExitStack) -> None:
    scene.trial.ground.stack.stop_part(CONNECT)
    mend.callback(scene.trial.ground.stack.start_part, CONNECT)
    scene.goes_on()
    eventually(lambda: (scene.lag()["connect"] or {}).get("kind") == "connect.away", "lag says so", 30)
    assert scene.api("/connectors").json()["failure"]["remedy"]
    scene.stays()


def _collector_hangs(scene: Scene, mend: ExitStack) -> None:
    scene.ways.collector.stop()
    mend.callback(scene.ways.collector.go)
    scene.goes_on(10)
    eventually(lambda: scene.metric("headrace_spans_dropped_total") > 0, "they are counted", 60)
    scene.stays()
    assert scene.worker.leave(30) == 0
    scene.worker = scene.trial.run()


def _broker_and_target(scene: Scene, mend: ExitStack) -> None:
    stack = scene.trial.ground.stack
    parts = [KAFKA, TARGET]
    scene.trial.chance.shuffle(parts)
    for part in parts:
        stack.kill(part, signal.SIGKILL if part == KAFKA else signal.SIGQUIT)
        mend.callback(stack.start_part, part)
    scene.worker.said("server is away")
    assert scene.metric("headrace_breaker_state", 'server="target"', 'state="open"') == 1
    scene.lives()


def _registry_and_target(scene: Scene, mend: ExitStack) -> None:
    scene.ways.registry.refuse()
    mend.callback(scene.ways.registry.accept)
    scene.trial.ground.stack.stop_part(TARGET)
    mend.callback(scene.trial.ground.stack.start_part, TARGET)
    scene.killed()
    scene.worker.said("server is away")
    scene.lives()


BREAKS: dict[str, Callable[[Scene, ExitStack], None]] = {
    "target down": _target_down,
    "target slow": _target_slow,
    "target lies": _target_lies,
    "broker down": _broker_down,
    "broker slow": _broker_slow,
    "broker lies": _broker_lies,
    "registry down": _registry_down,
    "registry slow": _registry_slow,
    "Connect down": _connect_down,
    "collector hangs": _collector_hangs,
    "broker and target": _broker_and_target,
    "registry and target": _registry_and_target,
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_expected_holds_and_it_heals_by_itself(scene: Scene, name: str) -> None:
    """Under load; in the end the target equals the model, each record once."""
    assert EXPECTED[name].heals.startswith("by itself")
    with scene.working():
        with ExitStack() as mend:
            BREAKS[name](scene, mend)
            scene.trial.lasts(1.0)
        scene.trial.over()
        scene.goes_on()
    scene.trial.recovers()
    assert scene.worker.lines("partition stopped") == []
    scene.office.close()
    scene.trial.verify()


def _schema_of(feed: Feed) -> tuple[int, str]:
    """The id of its values, and a schema that they do not have."""
    number = int.from_bytes(feed.encode("c", 1, {"id": 1, "label": "x", "amount": 1})[1:5], "big")
    lie: dict[str, Any] = envelope(feed.topic)
    row = lie["fields"][0]["type"][1]
    # as of before a column was added; what decodes by another schema is not told from what it says
    row["fields"].pop()
    return number, json.dumps(lie)


def test_a_registry_that_lies_writes_nothing_wrong(scene: Scene) -> None:
    """500 for everything, then another schema: the other table goes on, and a person puts the new one right."""
    trial, front = scene.trial, scene.ways.front
    trial.vary(letters={"flood_percent": 10})
    once = trial.feed("once")
    once.create(200)
    churn = trial.feed("churn")
    number, lie = _schema_of(churn)
    scene.begin(1)
    front.status = 500
    churn.create(300)
    scene.worker.said("partition waits", 1, 60)
    once.create(50)
    trial.recovers(60, but=tuple(churn.ends()))
    front.lies, front.status = {number: lie}, 0
    eventually(lambda: trial.target.stopped(trial.job.group) or trial.oracle.letters(), "it is noticed", 60)
    assert trial.target.rows("public.churn") == {}
    once.create(50)
    trial.recovers(60, but=tuple(churn.ends()))
    scene.lives()
    front.lies = {}
    trial.over()
    assert scene.worker.leave() == 0
    _put_right(scene)
    trial.recovers()
    # their rows are not known: each is searched for behind its record
    states = Counter(trial.oracle.letters().values())
    closed = {"applied", "superseded"}
    eventually(lambda: set(trial.oracle.letters().values()) <= closed, f"no letter is open: {states}", 180)
    eventually(lambda: trial.target.rows("public.churn") == churn.rows(), "the table is as it should be")
    scene.office.close()


def _put_right(scene: Scene) -> None:
    """As a person does: another worker, the partitions once more, the letters again."""
    trial = scene.trial
    scene.worker = trial.run()
    scene.worker.said("partitions taken")
    dead = [str(row[0]) for row in trial.target.ask("SELECT id FROM headrace.letters WHERE state = 'dead'")]
    why = ("--reason", "the registry is right again")
    again = ("batches", "retry", "--stopped", *why), ("dlq", "replay", *dead, *why, "--yes")
    # where the partition was stopped by its first record there is no letter
    for words in again if dead else again[:1]:
        process = trial.workers.command(trial.job, *words)
        assert process.finish() in (0, 3), process.text()


def test_every_scenario_of_the_table_is_run() -> None:
    """By one of the tests above."""
    assert {*BREAKS, "registry lies"} == set(EXPECTED)
