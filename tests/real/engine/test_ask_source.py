"""A letter whose record is lost: the source is asked for its row again, and what Debezium sends closes the letter."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import Endpoints

from .feed import create_topic, fresh_name
from .witness import Target, create_database
from .worker import Job, Workers, eventually

_TABLE = "CREATE TABLE public.asked (id int, word text, amount int NOT NULL, PRIMARY KEY (id, word));"
_SIGNALS = "CREATE TABLE public.signals (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048))"
_CHANNELS = {
    "signal.enabled.channels": "source,kafka",
    # keeps what is read again apart from what changes meanwhile
    "signal.data.collection": "public.signals",
    # the channel's client needs several polls before it reads anything
    "signal.poll.interval.ms": "200",
}
_HOSTILE = "it's; DROP TABLE asked --\\"


@contextmanager
def captured(at: Endpoints, dsn: str) -> Iterator[str]:
    """A connector of the source's table that takes signals; gives its prefix."""
    name = fresh_name("asked")
    create_topic(at.kafka, f"{name}-signal", 1)
    extra = {**_CHANNELS, "signal.kafka.bootstrap.servers": at.kafka, "signal.kafka.topic": f"{name}-signal"}
    tables = ("public.asked", "public.signals")
    register_debezium(at.connect_url, dsn, name, Capture(topic_prefix=name, tables=tables, extra=extra))
    try:
        yield name
    finally:
        remove_debezium(at.connect_url, dsn, name)


def held(target: Target) -> list[tuple[object, ...]]:
    """The target's rows."""
    return target.ask("SELECT * FROM public.asked ORDER BY id")


def test_what_the_source_sends_again_closes_letters(at: Endpoints, target: Target, workers: Workers) -> None:
    """Of the rows that were asked for, and only these are read."""
    dsn = create_database(at.source_dsn, fresh_name("asked"))
    with psycopg.connect(dsn, autocommit=True) as source:
        source.execute(_TABLE)
        source.execute(_SIGNALS)
        rows = [(1, _HOSTILE, 666), (2, "two", 666), (3, "three", 5)]
        source.cursor().executemany("INSERT INTO public.asked VALUES (%s, %s, %s)", rows)
    target.do(_TABLE)
    target.do("ALTER TABLE public.asked ADD CONSTRAINT devilish CHECK (amount <> 666)")
    with captured(at, dsn) as prefix:
        job = Job(
            at=at,
            dsn=target.dsn,
            group=fresh_name("asked"),
            topics=(f"{prefix}.public.asked",),
            source={"topic_prefix": prefix},
            letters={"flood_percent": 100},
        )
        worker = workers.run(job)
        letters = 'SELECT state FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
        eventually(lambda: target.ask(letters, job.group) == [("dead",)] * 2, "two are dead letters")
        eventually(lambda: held(target) == [rows[2]], "the third is there")
        target.do("ALTER TABLE public.asked DROP CONSTRAINT devilish")
        ((first,),) = target.ask("SELECT min(id) FROM headrace.letters")

        words = ("dlq", "ask-source", "--id", str(first), "--reason", "its log is gone", "--yes")
        asking = workers.command(job, *words)
        assert asking.finish() == 0, asking.text()
        eventually(lambda: target.ask(letters, job.group) == [("superseded",), ("dead",)], "the letter is closed", 150)
        assert held(target) == [rows[0], rows[2]]

        rest = workers.command(job, "dlq", "ask-source", "--reason", "the other one too", "--yes")
        assert rest.finish() == 0, rest.text()
        eventually(lambda: target.ask(letters, job.group) == [("superseded",)] * 2, "both are closed", 150)
        assert held(target) == rows
        asked = "SELECT action, reason, details ->> 'rows' FROM headrace.audit ORDER BY id"
        assert target.ask(asked) == [
            ("ask source", "its log is gone", "1"), ("ask source", "the other one too", "1")
        ]  # fmt: skip
        assert workers.command(job, "dlq", "ask-source", "--reason", "again", "--yes").finish() == 3
        assert worker.leave() == 0
