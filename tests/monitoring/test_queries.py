"""Every query of every dashboard, asked of a Prometheus that scraped real workers with faults: each has data."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
from confluent_kafka import Producer

from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import TARGET
from tests.real.engine.feed import create_topic, fresh_name
from tests.real.engine.worker import eventually
from tools.dashboards.boards import BOARDS

from .provoking import shop
from .scene import Scene

# what Grafana puts in, on a scrape each second
_GIVEN = {"$__rate_interval": "8s", "$process": ".+", "$worker": ".+"}
_LATELY = 400.0
_NOBODY = "http://127.0.0.1:1/v1/traces"


def test_every_query_of_the_dashboards_has_data(stage: Callable[[], Scene]) -> None:
    """Of a run in which records were refused, a table paused and compared, a flag switched, a worker killed, and target
    and collector away for a while.
    """
    scene = stage()
    at, name, source = scene.job.at, fresh_name("watched"), shop(scene)
    register_debezium(at.connect_url, source, name, Capture(topic_prefix=name, tables=("public.goods",)))
    _run_with_faults(scene, source)
    missing = [f"{place}: {expr}" for place, expr in _queries() if not _has_data(scene, expr)]
    remove_debezium(at.connect_url, at.source_dsn, name)
    assert missing == []


def _run_with_faults(scene: Scene, source: str) -> None:
    beats = fresh_name("heartbeat")
    create_topic(scene.job.at.kafka, beats, 1)
    producer = Producer({"bootstrap.servers": scene.job.at.kafka})
    producer.produce(beats, b"beat")
    assert producer.flush(30) == 0
    more = {"connect": {"url": scene.job.at.connect_url}, "trace": {"endpoint": _NOBODY}, "reconcile": {"settle": 0.5}}
    known = {"heartbeat_topic": beats, "dsn": source}
    scene.job = replace(scene.job, source=known, sections={**scene.job.sections, **more})
    scene.admin()
    first, _ = scene.worker(), scene.worker(name="second")
    scene.settle()
    scene.bad(5)
    eventually(lambda: len(scene.dead()) == 5, "its letters are there", 60)
    for key in range(scene.feed.last - 4, scene.feed.last + 1):
        scene.feed.send("u", key, "good", 1)
    scene.feed.create(500)
    scene.command("flags", "set", "column-checks", "off", "--reason", "a test")
    eventually(lambda: scene.watch.now("headrace_flag_off"), "a flag is off", 60)
    scene.command("flags", "reset", "column-checks", "--reason", "it is over")
    scene.command("tables", "pause", "--topic", scene.feed.topic, "--reason", "a test")
    scene.command("tables", "resume", "--topic", scene.feed.topic, "--reason", "it is over")
    scene.stack.stop_part(TARGET)
    eventually(lambda: scene.watch.firing("HeadraceServerAway"), "the target is known to be away", 60)
    scene.stack.start_part(TARGET)
    scene.kill(first)
    scene.feed.create(500)
    scene.settle()
    _compare(scene, source)
    eventually(lambda: scene.watch.now("headrace_connect_tasks"), "the admin process tells of connectors", 60)
    # a rate wants some scrapes after it
    eventually(lambda: not scene.watch.firing("HeadraceServerAway"), "the target is back", 60)


def _compare(scene: Scene, source: str) -> None:
    """With a source that has the table, and none of its rows."""
    with psycopg.connect(source, autocommit=True) as session:
        session.execute("CREATE TABLE public.once (id bigint PRIMARY KEY, label text, amount int)")
    scene.command("reconcile", "start", "public.once", "--reason", "a test", code=5)
    eventually(lambda: scene.watch.now("headrace_reconcile_compared_timestamp_seconds"), "a comparison is told", 60)


def _queries() -> Iterator[tuple[str, str]]:
    for name, made in BOARDS.items():
        for panel in json.loads(made())["panels"]:
            for target in panel.get("targets", ()):
                yield f"{name}, {panel['title']}", target["expr"]


def _has_data(scene: Scene, expr: str) -> bool:
    for word, value in {**_GIVEN, "$group": scene.job.group}.items():
        expr = expr.replace(word, value)
    found = scene.watch.lately(expr, _LATELY, step=1)
    return any(math.isfinite(float(value)) for series in found for _, value in series["values"])
