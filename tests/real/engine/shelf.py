"""A source's table with all kinds of columns under load, captured by Debezium and applied: what is compared."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import Endpoints

from .feed import create_topic, fresh_name
from .witness import Target, create_database
from .worker import Job

_TABLE = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE public.shelf (
    id bigint PRIMARY KEY, word text, short varchar(20), price numeric(12,2), exact numeric, ratio float8, small real,
    taken boolean, day date, at timestamptz, local_at timestamp, note jsonb, raw bytea, who uuid, how mood,
    part interval
);
CREATE TABLE public.signals (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048));
"""
_FILL = """
INSERT INTO public.shelf
SELECT n, 'word ' || n, md5(n::text)::varchar(20), n / 100.0, n / 7.0, n / 3.0, n / 3.0, n %% 2 = 0,
    date '2000-01-01' + n::int %% 9000, timestamptz '2020-01-01' + n * interval '1 s',
    timestamp '2020-01-01' + n * interval '1 s',
    jsonb_build_object('n', n, 'x', n / 3.0), decode(md5(n::text), 'hex'), md5(n::text)::uuid,
    (ARRAY['sad', 'ok', 'happy'])[1 + n %% 3]::mood, n * interval '1 minute'
FROM generate_series(1, %s) AS n
"""
_CHANGE = "UPDATE public.shelf SET price = price + 1, word = word || '.' WHERE id = ANY (%s)"
_COME = "INSERT INTO public.shelf (id, word, price) VALUES (%s, 'comes', 1)"
_GO = "DELETE FROM public.shelf WHERE id = %s"
HOT = (1, 2, 3)
"""Rows that the load writes all the time."""
_SIGNALS = {"signal.enabled.channels": "source,kafka", "signal.data.collection": "public.signals"}


@dataclass
class Shelf:
    """The source. `changed`: how many rows the load has written."""

    dsn: str
    prefix: str
    at: Endpoints
    rows: int
    changed: int = 0

    def do(self, statement: str) -> None:
        """One statement at the source."""
        with psycopg.connect(self.dsn, autocommit=True) as source:
            source.execute(statement.encode())

    def job(self, target: Target, **other: object) -> Job:
        """A worker's settings."""
        source = {"topic_prefix": self.prefix, "dsn": self.dsn}
        sections = {"reconcile": {"settle": 2.0, **other}}
        return Job(
            at=self.at,
            dsn=target.dsn,
            group=self.prefix,
            topics=(f"{self.prefix}.public.shelf",),
            source=source,
            max_rows=5000,
            growth=5,
            level="info",
            deadline=20.0,
            sections=sections,
        )

    @contextmanager
    def load(self, rate: int) -> Iterator[None]:
        """So many rows written a second, while others come and go, until the end of it."""
        ended = threading.Event()
        thread = threading.Thread(target=self._write, args=(rate, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(30)

    def _write(self, rate: int, ended: threading.Event) -> None:
        chance = random.Random(7)
        with psycopg.connect(self.dsn, autocommit=True) as source:
            number = self.rows
            while not ended.wait(0.05):
                # some rows are written all the time
                drawn = [chance.randint(1, self.rows) for _ in range(rate // 20)]
                # those that end with a seven are left alone
                keys = [key for key in drawn if key % 10 != 7] + list(HOT)
                source.execute(_CHANGE, (keys,))
                number += 1
                source.execute(_COME, (number,))
                if chance.random() < 0.5:
                    source.execute(_GO, (number,))
                self.changed += len(keys) + 1


@contextmanager
def shelf(at: Endpoints, rows: int) -> Iterator[Shelf]:
    """The source with so many rows, captured; its topic has three partitions."""
    name = fresh_name("shelf")
    dsn = create_database(at.source_dsn, name.replace("-", "_"))
    with psycopg.connect(dsn, autocommit=True) as source:
        source.execute(_TABLE)
        source.execute(_FILL, (rows,))
    create_topic(at.kafka, f"{name}.public.shelf", 3)
    create_topic(at.kafka, f"{name}-signal", 1)
    extra = {
        **_SIGNALS,
        "signal.poll.interval.ms": "200",
        "signal.kafka.bootstrap.servers": at.kafka,
        "signal.kafka.topic": f"{name}-signal",
    }
    tables = ("public.shelf", "public.signals")
    register_debezium(at.connect_url, dsn, name, Capture(topic_prefix=name, tables=tables, extra=extra))
    try:
        yield Shelf(dsn=dsn, prefix=name, at=at, rows=rows)
    finally:
        remove_debezium(at.connect_url, dsn, name)
