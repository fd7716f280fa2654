"""Who watches: metrics and probes of real workers, lag and freshness of real tables."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumer.stack.options import Endpoints
from consumer.stack.ports import choose

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Process, Workers, eventually, read_again

Series = dict[tuple[str, frozenset[str]], float]
# quick looks, and the metrics of other tools
_WATCHED = {"telemetry": {"port": 0, "look_every": 1, "kafka_names": True}}


def got(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code, error.read().decode()


def scraped(port: int) -> Series:
    """By name and values of labels."""
    families = text_string_to_metric_families(got(port, "/metrics")[1])
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def port_of(process: Process) -> int:
    """Where it is watched."""
    process.said("metrics are served")
    return int(process.lines("metrics are served")[0]["port"])


@pytest.fixture
def job(at: Endpoints, target: Target, fed: tuple[Feed, Feed]) -> Job:
    """A group of its own on the two fed topics."""
    topics = tuple(feed.topic for feed in fed)
    return Job(at=at, dsn=target.dsn, group=fresh_name("watched"), topics=topics, sections=_WATCHED)


def test_a_topic_that_is_read_no_more_has_no_lag(
    workers: Workers, target: Target, job: Job, fed: tuple[Feed, Feed]
) -> None:
    """Its positions stay, and nobody is woken for them; other topics are told of as before."""
    once, churn = fed
    process = workers.run(job)
    port = port_of(process)

    def topics() -> set[str]:
        """Those with a lag."""
        labels = {label for name, found in scraped(port) if name.startswith("headrace_lag_") for label in found}
        return labels & {once.topic, churn.topic}

    eventually(lambda: topics() == {once.topic, churn.topic}, "both are told of")
    read_again(process, replace(job, topics=(once.topic,)))
    eventually(lambda: topics() == {once.topic}, "only the other one is told of")
    assert process.leave() == 0


def test_a_worker_tells_what_it_did_and_how_the_group_is(
    workers: Workers, target: Target, job: Job, fed: tuple[Feed, Feed]
) -> None:
    """Records, steps and letters are counted, lag is told for each partition, and probes are answered."""
    once = fed[0]
    process = workers.run(job)
    port = port_of(process)
    eventually(lambda: target.reached(job.group, *fed), "everything is applied")
    ready = ("headrace_lag_partitions", frozenset({once.topic, "ok"}))
    eventually(lambda: scraped(port).get(ready) == 3, "lag is told")
    none: frozenset[str] = frozenset()
    records = sum(end for feed in fed for end in feed.ends().values())
    # what was committed is counted a moment later
    counted = ("headrace_apply_latency_seconds_count", none)
    eventually(lambda: scraped(port).get(counted, 0) >= records, "all of it is counted")
    behind = ("headrace_lag_records", frozenset({once.topic, "0"}))
    eventually(lambda: scraped(port).get(behind) == 0, "nothing is behind")
    found = scraped(port)

    assert sum(n for (name, _), n in found.items() if name == "headrace_records_read_total") >= records
    assert found["headrace_batches_total", frozenset({"applied"})] > 0
    for step in ("poll", "plan", "decode", "stage", "apply", "commit"):
        assert found["headrace_step_seconds_count", frozenset({step})] > 0, step
    outcomes = {labels: n for (name, labels), n in found.items() if name == "headrace_records_total"}
    applied = sum(n for labels, n in outcomes.items() if not labels & {"ignored", "letters"})
    assert found["headrace_apply_latency_seconds_count", none] == sum(outcomes.values()) >= records
    assert found["headrace_source_latency_seconds_count", none] == applied
    assert sum(n for (name, _), n in found.items() if name == "headrace_table_records_total") == applied
    assert found["headrace_partitions_held", none] == 6
    assert found["headrace_breaker_state", frozenset({"target", "closed"})] == 1
    assert found["headrace_rebalances_total", frozenset({"assigned"})] >= 1
    assert found["headrace_memory_bytes", none] > 10 << 20
    assert found["headrace_open_files", none] > 3
    assert found["kafka_consumergroup_lag", frozenset({job.group, once.topic, "0"})] == 0
    assert got(port, "/healthz") == (200, "ok\n")
    eventually(lambda: got(port, "/readyz")[0] == 200, "it is ready")
    assert process.leave() == 0


def test_a_supervisor_lists_where_its_workers_are_watched(workers: Workers, target: Target, job: Job) -> None:
    """Prometheus finds each, and so does whoever reads the workers' table."""
    supervisor = workers.run(job, "--workers", "2")
    port = port_of(supervisor)

    def listed() -> list[str]:
        (group,) = json.loads(got(port, "/sd")[1])
        return list(group["targets"])

    eventually(lambda: len(listed()) == 2, "both are listed")
    ports = {int(each.rpartition(":")[2]) for each in listed()}
    for each in ports:
        assert ("headrace_threads", frozenset()) in scraped(each)
    query = "SELECT metrics_port FROM headrace.workers WHERE group_name = %s"
    eventually(lambda: {row[0] for row in target.ask(query, job.group)} == ports, "they stand in their table")
    # the lag of the group is told once
    told = ("headrace_lag_looked_timestamp_seconds", frozenset[str]())
    eventually(lambda: sum(told in scraped(each) for each in ports) == 1, "one of them tells of the group")
    assert supervisor.leave() == 0


def test_lag_is_known_while_nobody_reads_and_freshness_says_how_far_tables_are(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """A table that was current is complete up to the look; what comes while its workers are down finds no worker."""
    began = datetime.now(UTC) - timedelta(seconds=2)
    feed = fresh_feed("once")
    feed.create(30)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("fresh"), topics=(feed.topic,), sections=_WATCHED)
    process = workers.run(job)
    query = "SELECT complete_to, records_behind, trend, open_letters FROM headrace.freshness WHERE group_name = %s"

    def fresh() -> list[tuple[object, ...]]:
        return target.ask(query, job.group)

    eventually(lambda: target.reached(job.group, feed), "everything is applied")
    eventually(lambda: fresh() and fresh()[0][1:] == (0, "ok", 0) and fresh()[0][0] > began, "it is fresh")  # type: ignore[operator]
    assert process.leave() == 0

    admin_port = {"port": choose(["admin"], {})["admin"]}
    admin = workers.command(replace(job, sections={**_WATCHED, "admin": admin_port}), "admin", "serve")
    port = port_of(admin)
    feed.create(30)
    lag = ("headrace_lag_records", frozenset({feed.topic, "0"}))
    eventually(lambda: scraped(port).get(lag, 0) > 0, "the admin process tells the lag of a group that is down")
    eventually(lambda: fresh()[0][1:3] == (30, "no worker"), "and keeps it")
    all_three = ("headrace_lag_partitions", frozenset({feed.topic, "no worker"}))
    eventually(lambda: scraped(port).get(all_three) == 3, "and tells that nobody reads")
    admin.send(2)
    admin.finish()
