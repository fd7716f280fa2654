"""Metrics: what facts become, names and labels, and where they are served."""

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.laps import Lap
from consumer.core.letters import Letter, Record, State, Verdict
from consumer.core.plan import Aside, Counts, Plan, Stage, Times
from consumer.core.records import Appended, RecordRef, Slice, TopicPartition
from consumer.core.runs import Run
from consumer.core.stamps import Stamps
from consumer.core.target import TableName
from consumer.ports.facts import (
    Began,
    Committed,
    Fact,
    Failed,
    Halted,
    Overtaken,
    Pause,
    Route,
    Shift,
    Shifted,
    Uncommitted,
    Undone,
)
from consumer.ports.target import Applied
from consumer.stack.waiting import wait_until
from consumer.telemetry import metrics
from consumer.telemetry.counting import Counting
from consumer.telemetry.discovery import targets
from consumer.telemetry.gauging import Gauging, Sample
from consumer.telemetry.labels import Bounded
from consumer.telemetry.metrics import METRICS, Kind
from consumer.telemetry.server import Asked
from consumer.telemetry.watchers import Probes, Watchers
from tests.unit.counted import counted

FAILURE = failed(KINDS["record.value"], "postgres", "upsert", "a value does not fit")
PIECE = Slice(
    at=TopicPartition("shop.orders", 0), epoch=1, start=0, end=3, offsets=(0, 1, 2), appended=(Appended(0, 1),)
)
ORDERS = TableName("public", "orders")
PLAN = Plan(
    slices=(PIECE,),
    stages=(),
    counts=Counts(records=3, upserts=2, ignored=1),
    source_times={PIECE.at: Times(1, 2, 2)},
    stamps=[Stamps((Run(piece=PIECE, start=0, end=3, key_frame=None, value_frame=None),), np.array([1, 0, 2]))],
    tables={ORDERS: 2},
    laps=(Lap(step="plan", began=0.0, seconds=0.02),),
)
APPLIED = Applied(plan=PLAN, seconds=0.3, durations={}, laps=(Lap(step="commit", began=0.0, seconds=0.01),))
TOPICS = (("t0", 1), ("t1", 1), ("other", 3))
POLLED = Lap(step="poll", began=0, seconds=2)
DEAD = Plan(slices=(PIECE,), stages=(), verdicts=(Verdict(id=1, attempt=2, state=State.DEAD, failure=FAILURE),))


@pytest.mark.parametrize(
    ("fact", "series", "value"),
    [
        (Began(slices=(PIECE, PIECE), lane=False, polled=None), "headrace_records_read_total['shop.orders']", 6),
        (
            Began(slices=(), lane=False, polled=Lap(step="poll", began=0, seconds=2)),
            "headrace_step_seconds_sum['poll']",
            2,
        ),
        (Committed(APPLIED), "headrace_records_total['upserts']", 2),
        (Committed(APPLIED), "headrace_records_total['ignored']", 1),
        (Committed(APPLIED), "headrace_batches_total['applied']", 1),
        (Committed(APPLIED), "headrace_batch_records_sum[]", 3),
        (Committed(APPLIED), "headrace_batch_seconds_sum[]", 0.3),
        (Committed(APPLIED), "headrace_step_seconds_sum['plan']", 0.02),
        (Committed(APPLIED), "headrace_step_seconds_sum['commit']", 0.01),
        (Committed(APPLIED), "headrace_apply_latency_seconds_count[]", 3),
        (Committed(APPLIED), "headrace_source_latency_seconds_count[]", 2),
        (Committed(APPLIED), "headrace_table_records_total['public.orders']", 2),
        (
            Committed(Applied(plan=DEAD, seconds=0, durations={})),
            "headrace_failures_total['dead_letter', 'persistent', 'postgres', 'record.value']",
            1,
        ),
        (Committed(Applied(plan=DEAD, seconds=0, durations={})), "headrace_letters_total['dead']", 1),
        (Undone(plan=PLAN, failure=FAILURE, began=0, seconds=1), "headrace_batches_total['undone']", 1),
        (
            Failed(FAILURE, Route.STOPPED),
            "headrace_failures_total['partition_stopped', 'persistent', 'postgres', 'record.value']",
            1,
        ),
        (Halted(Pause.BEHIND, 4), "headrace_pauses_total['target_behind']", 4),
        (Shifted(Shift.REVOKED, 3), "headrace_rebalances_total['revoked']", 1),
        (Shifted(Shift.REVOKED, 3), "headrace_rebalanced_partitions_total['revoked']", 3),
        (Overtaken(2), "headrace_fence_losses_total[]", 2),
        (
            Uncommitted("COORDINATOR_NOT_AVAILABLE"),
            "headrace_group_commit_failures_total['COORDINATOR_NOT_AVAILABLE']",
            1,
        ),
    ],
)
def test_a_fact_is_counted(fact: Fact, series: str, value: float) -> None:
    """Each as what it is."""
    assert counted([fact])[series] == value


def test_a_batch_that_only_moves_positions_is_none() -> None:
    """It would make batches look small and quick."""
    moved = Applied(plan=Plan(slices=(PIECE,), stages=()), seconds=1, durations={})
    assert counted([Committed(moved)])["headrace_batch_seconds_count[]"] == 0


def test_how_old_a_record_was_is_not_told_when_it_became_a_letter() -> None:
    """It is told when the letter is applied, which is a plan with the record and without a letter of it."""
    record = Record(ref=RecordRef(PIECE.at, 2), key=None, value=None, headers=())
    letter = Letter(record=record, state=State.RETRYING, failure=FAILURE)
    first = replace(PLAN, stages=(Stage(letters=(Aside(letters=(letter,)),)),))
    count = "headrace_source_latency_seconds_count[]"
    facts = [Committed(Applied(plan=plan, seconds=0.1, durations={})) for plan in (first, PLAN)]
    assert [counted(facts[:1])[count], counted(facts)[count]] == [1, 3]


def test_what_nobody_may_ask_for_is_not_counted() -> None:
    """Others hear the facts as before."""
    heard: list[Fact] = []
    told = Watchers(Bounded(9), [heard.append], counts=False)
    told.tell(Committed(APPLIED))
    assert len(heard) == 1
    assert list(told.registry.collect()) == []


def test_topics_beyond_the_bound_are_one() -> None:
    """However many topics there are, there are so many series."""
    pieces = [Slice(at=TopicPartition(f"t{n}", 0), epoch=1, start=0, end=1, offsets=(0,)) for n in range(5)]
    found = counted([Began(slices=pieces, lane=False, polled=None)], topics=2)
    read = {series: value for series, value in found.items() if "records_read" in series}
    assert list(read.items()) == [(f"headrace_records_read_total[{name!r}]", n) for name, n in TOPICS]


def test_names_follow_the_rules_of_prometheus() -> None:
    """A prefix of one word, the unit last, `_total` on what only grows, and no name twice."""
    assert len({each.name for each in METRICS}) == len(METRICS)
    for each in METRICS:
        assert re.fullmatch(r"(headrace|kafka)_[a-z_]+", each.name)
        assert (each.kind is Kind.COUNTER) == each.name.endswith("_total")
        assert each.help.endswith(".")
        assert not {"key", "offset", "id"} & set(each.labels)


@pytest.fixture
def watched() -> Iterator[Watchers]:
    """Watchers that are served on a port of their own."""
    told = Watchers(Bounded(9))
    with told.serving("127.0.0.1", 0):
        yield told


def got(told: Watchers, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{told.port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code, error.read().decode()


def test_what_was_told_and_what_is_asked_for_is_scraped(watched: Watchers) -> None:
    """In a form that Prometheus' own parser reads."""
    watched.tell(Overtaken(2))
    watched.ask(lambda: [Sample(metrics.QUEUE_BYTES, 7), Sample(metrics.POOL_WAITED, 1.5)])
    status, body = got(watched, "/metrics")
    samples = {
        sample.name: sample.value for family in text_string_to_metric_families(body) for sample in family.samples
    }
    assert status == 200
    assert samples["headrace_fence_losses_total"] == 2
    assert samples["headrace_queue_bytes"] == 7
    assert samples["headrace_pool_wait_seconds_total"] == 1.5


def test_every_metric_that_is_declared_can_be_scraped() -> None:
    """A gauge of any metric takes labels as declared; counters and histograms are there from the start."""
    registry = CollectorRegistry(auto_describe=False)
    Counting(registry, Bounded(1))
    gauges = [each for each in METRICS if each.kind is Kind.GAUGE]
    registry.register(Gauging(lambda: [Sample(each, 1, each.labels) for each in gauges]))
    found = {family.name for family in registry.collect()}
    elsewhere = {"headrace_pool_questions", "headrace_pool_wait_seconds", "headrace_log_lines_left_out"}
    elsewhere |= {"headrace_spans_dropped"}
    assert {each.name.removesuffix("_total") for each in METRICS} == found | elsewhere


def test_probes_say_why(watched: Watchers) -> None:
    """A probe fails with its reason, and what is not there is not found."""
    assert (got(watched, "/healthz"), got(watched, "/readyz")) == ((200, "ok\n"), (200, "ok\n"))
    watched.probe(Probes(dead=lambda: "it does not turn", unready=lambda: "it is starting"))
    assert got(watched, "/healthz") == (503, "it does not turn\n")
    assert got(watched, "/readyz") == (503, "it is starting\n")
    assert got(watched, "/elsewhere")[0] == 404


def test_a_second_process_takes_the_next_port(watched: Watchers) -> None:
    """Workers on one machine need no settings of their own."""
    assert watched.port is not None
    second = Watchers(Bounded(9))
    with second.serving("127.0.0.1", watched.port):
        assert second.port is not None
        assert second.port > watched.port
        assert got(second, "/healthz") == (200, "ok\n")
    assert second.port is None


def test_an_address_of_another_machine_ends_nothing() -> None:
    """Who can't be watched still works."""
    told = Watchers(Bounded(9))
    with told.serving("192.0.2.1", 0):
        assert told.port is None


def test_those_who_only_connect_hold_nobody_up(watched: Watchers) -> None:
    """So many are let wait, others beside them are turned away, and it goes on when they are gone."""
    assert watched.port is not None
    idle = [socket.create_connection(("127.0.0.1", watched.port), 5) for _ in range(20)]
    # those beyond the bound are closed at once, the others are kept until their time is over: five seconds
    assert wait_until(lambda: sum(map(_ended, idle)) >= 12, 4)
    for each in idle:
        each.close()
    assert wait_until(lambda: _answered(watched), 60)


def _answered(told: Watchers) -> bool:
    try:
        return got(told, "/healthz") == (200, "ok\n")
    except (ConnectionError, urllib.error.URLError):
        # their places are not free yet
        return False


def _ended(connection: socket.socket) -> bool:
    connection.settimeout(0.05)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("10.1.2.3:9464", "10.1.2.3"),
        ("worker-1.svc", "worker-1.svc"),
        ("[::1]:9464", "[::1]"),
        # not a name
        ("a b/?", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_workers_are_found_at_the_name_by_which_their_supervisor_is(host: str, name: str) -> None:
    """Prometheus reaches them as it has reached the supervisor."""
    answer = targets(Asked(query="", headers={"host": host}), "127.0.0.1", [9465, 9466], "shop")
    (found,) = json.loads(answer.body)
    assert found["targets"] == [f"{name}:9465", f"{name}:9466"]
    assert found["labels"] == {"__meta_headrace_group": "shop"}
