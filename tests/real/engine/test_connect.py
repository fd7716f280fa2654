"""Kafka Connect beside us: a connector that is paused or fails is the reason that nothing comes, and is restarted."""

import json
from dataclasses import replace
from typing import Any

import httpx
import psycopg

from consumer.stack.connectors import Capture, connector_status, register_debezium, remove_debezium
from consumer.stack.options import Endpoints

from .feed import fresh_name
from .witness import Target, create_database
from .worker import Job, Process, Workers, eventually

# it gives up at once
IMPATIENT = {"errors.max.retries": "0", "heartbeat.interval.ms": "500"}


def do(dsn: str, statement: str) -> None:
    """One statement."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def said(process: Process) -> Any:
    """What a command said as JSON."""
    assert process.finish() == 0, process.text()
    text = process.text()
    return json.loads(text[text.index("[\n") :])


def test_a_connector_that_does_not_run_is_named_in_lag_and_restarted(
    at: Endpoints, target: Target, workers: Workers
) -> None:
    """Paused by somebody, then failed because its database took no connections; rows come again afterwards."""
    source = create_database(at.source_dsn, fresh_name("shop"))
    database = psycopg.conninfo.conninfo_to_dict(source)["dbname"]
    do(source, "CREATE TABLE public.goods (id int PRIMARY KEY, name text); INSERT INTO public.goods VALUES (1, 'a')")
    name = fresh_name("beside")
    register_debezium(
        at.connect_url, source, name, Capture(topic_prefix=name, tables=("public.goods",), extra=IMPATIENT)
    )
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("beside"),
        topics=(f"{name}.public.goods",),
        sections={"connect": {"url": at.connect_url}, "healing": {"connect_restarts": 0}},
    )

    def lag() -> dict[str, Any]:
        (found,) = said(workers.command(job, "lag", "--output", "json"))
        return dict(found)

    def condition() -> str:
        listed = said(workers.command(job, "connectors", "ls", "--output", "json"))
        return str(next(one["condition"] for one in listed if one["name"] == name))

    try:
        worker = workers.run(job)
        eventually(lambda: target.ask("SELECT to_regclass('public.goods')") != [(None,)], "the table is there")
        eventually(lambda: len(target.ask("SELECT id FROM public.goods")) == 1, "the snapshot is there")
        eventually(lambda: (lag()["going"], lag()["why"]) == ("current", ""), "nothing is wrong")
        assert (lag()["records"], lag()["seconds"], lag()["tables"]) == (0, 0.0, ["public.goods"])

        httpx.put(f"{at.connect_url}/connectors/{name}/pause", timeout=30)
        eventually(lambda: condition() == "paused", "it is paused")
        assert lag()["why"] == f"connector {name} is paused in Kafka Connect"
        httpx.put(f"{at.connect_url}/connectors/{name}/resume", timeout=30)
        eventually(lambda: condition() == "running", "it runs")

        do(at.source_dsn, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        do(at.source_dsn, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        eventually(lambda: condition() == "failed", "its task has failed")
        found = lag()
        assert found["why"].startswith(f"connector {name} is failed in Kafka Connect (org.apache.kafka.connect.errors.")
        assert found["remedy"].endswith(f"headrace connectors restart {name}")
        do(at.source_dsn, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        restarted = workers.command(job, "connectors", "restart", name, "--reason", "its database is back")
        assert restarted.finish() == 0, restarted.text()
        eventually(lambda: condition() == "running", "it runs again")
        do(source, "INSERT INTO public.goods VALUES (2, 'b')")
        eventually(lambda: len(target.ask("SELECT id FROM public.goods")) == 2, "rows come again")
        assert workers.command(job, "connectors", "restart", "nobody", "--reason", "r").finish() == 3
        query = (
            "SELECT reason, details ->> 'connector' FROM headrace.audit WHERE action = 'restart connector' ORDER BY id"
        )
        assert target.ask(query) == [("its database is back", name), ("r", "nobody")]
        assert connector_status(at.connect_url, name) is not None
        assert worker.leave() == 0

        do(at.source_dsn, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        do(at.source_dsn, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        eventually(lambda: condition() == "failed", "its task has failed again")
        do(at.source_dsn, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        worker = workers.run(replace(job, sections={"connect": {"url": at.connect_url}}))
        eventually(lambda: condition() == "running", "it is started again by itself")
        query = "SELECT act, subject, times FROM headrace.healing WHERE act LIKE 'connector%%'"
        eventually(lambda: target.ask(query) == [("connector restarted", name, 1)], "that is kept")
        assert worker.leave() == 0
    finally:
        do(at.source_dsn, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        remove_debezium(at.connect_url, source, name)
