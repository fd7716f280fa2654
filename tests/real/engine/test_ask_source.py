"""A letter whose record is lost: the source is asked for its row again, and what Debezium sends closes the letter."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import Endpoints
from consumer.stack.waiting import wait_until

from .feed import create_topic, fresh_name
from .witness import Target, create_database
from .worker import Job, Process, Workers, eventually

_TABLE = "CREATE TABLE public.asked (id int, word text, amount int NOT NULL, PRIMARY KEY (id, word));"
_SIGNALS = "CREATE TABLE public.signals (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048))"
# how the connector keeps what it reads again apart from what changes meanwhile
_TABLE_OF_SIGNALS = {"signal.enabled.channels": "source,kafka", "signal.data.collection": "public.signals"}
_ONLY_READ = {"signal.enabled.channels": "kafka", "read.only": "true"}
# the channel's client needs several polls before it reads anything
_OFTEN = {"signal.poll.interval.ms": "200"}
_LETTERS = 'SELECT state FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
_REQUESTS = 5
# seconds for one
_ANSWERED = 30.0
_HOSTILE = "it's; DROP TABLE asked --\\"
ROWS: list[tuple[object, ...]] = [(1, _HOSTILE, 666), (2, "two", 666), (3, "three", 5)]


@contextmanager
def captured(at: Endpoints, dsn: str, way: Mapping[str, str]) -> Iterator[str]:
    """A connector of the source's table that takes signals; gives its prefix."""
    name = fresh_name("asked")
    create_topic(at.kafka, f"{name}-signal", 1)
    signals = {"signal.kafka.bootstrap.servers": at.kafka, "signal.kafka.topic": f"{name}-signal"}
    tables = ("public.asked", "public.signals")
    register_debezium(
        at.connect_url, dsn, name, Capture(topic_prefix=name, tables=tables, extra={**way, **_OFTEN, **signals})
    )
    try:
        yield name
    finally:
        remove_debezium(at.connect_url, dsn, name)


def held(target: Target) -> list[tuple[object, ...]]:
    """The target's rows."""
    return target.ask("SELECT * FROM public.asked ORDER BY id")


def filled(at: Endpoints, target: Target) -> str:
    """A source with three rows, of which the target takes the last one only."""
    dsn = create_database(at.source_dsn, fresh_name("asked"))
    with psycopg.connect(dsn, autocommit=True) as source:
        source.execute(_TABLE)
        source.execute(_SIGNALS)
        source.cursor().executemany("INSERT INTO public.asked VALUES (%s, %s, %s)", ROWS)
    target.do(_TABLE)
    target.do("ALTER TABLE public.asked ADD CONSTRAINT devilish CHECK (amount <> 666)")
    return dsn


def at_work(at: Endpoints, target: Target, workers: Workers, prefix: str) -> tuple[Job, Process]:
    """A worker that has made two letters, whose rows the target takes by now."""
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("asked"),
        topics=(f"{prefix}.public.asked",),
        source={"topic_prefix": prefix},
        letters={"flood_percent": 100},
    )
    worker = workers.run(job)
    eventually(lambda: target.ask(_LETTERS, job.group) == [("dead",)] * 2, "two are dead letters")
    eventually(lambda: held(target) == [ROWS[2]], "the third is there")
    target.do("ALTER TABLE public.asked DROP CONSTRAINT devilish")
    return job, worker


def test_what_the_source_sends_again_closes_letters(at: Endpoints, target: Target, workers: Workers) -> None:
    """Of the rows that were asked for, and only these are read."""
    dsn = filled(at, target)
    with captured(at, dsn, _TABLE_OF_SIGNALS) as prefix:
        job, worker = at_work(at, target, workers, prefix)
        ((first,),) = target.ask("SELECT min(id) FROM headrace.letters")

        words = ("dlq", "ask-source", "--id", str(first), "--reason", "its log is gone", "--yes")
        asking = workers.command(job, *words)
        assert asking.finish() == 0, asking.text()
        eventually(lambda: target.ask(_LETTERS, job.group) == [("superseded",), ("dead",)], "the letter is closed", 150)
        assert held(target) == [ROWS[0], ROWS[2]]

        rest = workers.command(job, "dlq", "ask-source", "--reason", "the other one too", "--yes")
        assert rest.finish() == 0, rest.text()
        eventually(lambda: target.ask(_LETTERS, job.group) == [("superseded",)] * 2, "both are closed", 150)
        assert held(target) == ROWS
        asked = "SELECT action, reason, details ->> 'rows' FROM headrace.audit ORDER BY id"
        assert target.ask(asked) == [
            ("ask source", "its log is gone", "1"), ("ask source", "the other one too", "1")
        ]  # fmt: skip
        assert workers.command(job, "dlq", "ask-source", "--reason", "again", "--yes").finish() == 3
        assert worker.leave() == 0


def test_a_source_that_is_only_read_is_asked_until_it_has_answered(
    at: Endpoints, target: Target, workers: Workers
) -> None:
    """Debezium passes over a request now and then there; the letters stay as they are, so it is asked again."""
    dsn = filled(at, target)
    with captured(at, dsn, _ONLY_READ) as prefix:
        job, worker = at_work(at, target, workers, prefix)

        def closed() -> bool:
            # what is read again is sent behind the next change of anything
            with psycopg.connect(dsn, autocommit=True) as source:
                source.execute("INSERT INTO public.signals VALUES (gen_random_uuid()::text, 'nothing', '')")
            return target.ask(_LETTERS, job.group) == [("superseded",)] * 2

        for _ in range(_REQUESTS):
            asking = workers.command(job, "dlq", "ask-source", "--reason", "its log is gone", "--yes")
            assert asking.finish() == 0, asking.text()
            if wait_until(closed, _ANSWERED, interval=1.0):
                break
            assert set(target.ask(_LETTERS, job.group)) <= {("superseded",), ("dead",)}
        assert held(target) == ROWS
        assert worker.leave() == 0
