"""Schema ids in headers, and in eight bytes in front, as Debezium's connector writes them with Apicurio's converter."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from consumer.edges.postgres.letter_bytes import kept_headers
from consumer.stack.connect import CONVERTER
from consumer.stack.connectors import Capture, register_debezium, remove_debezium
from consumer.stack.options import Endpoints
from consumer.stack.registry import APICURIO_PATH, CONFLUENT_PATH

from .feed import fresh_name, read_topic
from .witness import Target
from .worker import Job, Workers, eventually

SETUP = """
CREATE TABLE goods (id bigint PRIMARY KEY, word text, n int);
INSERT INTO goods SELECT i, 'word ' || i, i FROM generate_series(1, 60) AS i;
"""
ROWS = "SELECT id, word, n FROM public.goods ORDER BY id"


@dataclass(frozen=True, kw_only=True)
class Case:
    """How the converter is told to write ids, and what Headrace is told of it."""

    ids: str
    converter: Mapping[str, str]
    # of a value's headers
    named: str | None = None
    front: bytes = b""
    registry: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "global ids in headers": Case(
        ids="headers",
        converter={"headers.enabled": "true", "use-id": "globalId"},
        named="apicurio.value.globalId",
    ),
    "content ids in headers": Case(
        ids="headers",
        converter={"headers.enabled": "true", "use-id": "contentId"},
        named="apicurio.value.contentId",
    ),
    "global ids in front": Case(
        ids="global-ids",
        converter={"headers.enabled": "false", "as-confluent": "false", "use-id": "globalId"},
        front=bytes(5),
    ),
}


@dataclass(frozen=True)
class Scene:
    """A source whose rows are in a topic, and a target that refuses the number 666."""

    source: psycopg.Connection
    target: Target
    job: Job
    case: Case

    @property
    def topic(self) -> str:
        """The topic of its one table."""
        return f"{self.job.topics[0].removeprefix('^').partition('[')[0]}.public.goods"

    def is_equal(self) -> bool:
        """Whether the target is what the source is."""
        return self.target.ask(ROWS) == self.source.execute(ROWS.encode()).fetchall()

    def letters(self) -> list[tuple[Any, ...]]:
        """State and kind of each."""
        return self.target.ask('SELECT state, kind FROM headrace.letters ORDER BY "offset"')

    def ends(self) -> int:
        """The end of its topic, as far as there is one."""
        client = Consumer({"bootstrap.servers": self.job.at.kafka, "group.id": "ends"})
        try:
            return client.get_watermark_offsets(TopicPartition(self.topic, 0), 10)[1]
        except KafkaException:
            return 0
        finally:
            client.close()


Build = Callable[[Case], Scene]


@pytest.fixture
def scene(at: Endpoints, target: Target) -> Iterator[Build]:
    """Makes a source with a connector that has a converter of its own."""
    name = fresh_name("ids")
    with psycopg.connect(at.source_dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    here = psycopg.conninfo.make_conninfo(at.source_dsn, dbname=name)
    with psycopg.connect(here, autocommit=True) as source:
        source.execute(SETUP.encode())

        def build(case: Case) -> Scene:
            apicurio = {
                "url": at.registry_url.replace(CONFLUENT_PATH, APICURIO_PATH),
                "auto-register": "true",
                "find-latest": "true",
                **case.converter,
            }
            extra = {f"{part}.converter": CONVERTER for part in ("key", "value")} | {
                f"{part}.converter.apicurio.registry.{key}": said
                for part in ("key", "value")
                for key, said in apicurio.items()
            }
            capture = Capture(topic_prefix=name, tables=("public.goods",), database=name, extra=extra)
            register_debezium(at.connect_url, at.source_dsn, name, capture)
            target.do("CREATE TABLE public.goods (id bigint PRIMARY KEY, word text, n int)")
            target.do("ALTER TABLE public.goods ADD CONSTRAINT devilish CHECK (n <> 666)")
            job = Job(
                at=at,
                dsn=target.dsn,
                group=fresh_name("ids"),
                topics=(f"^{name}[.]public[.].*",),
                letters={"delays": [0.3, 0.6]},
                evolution={"add": "auto"},
                sections={f'topics."{name}.public.goods"': {"schema_ids": case.ids}},
            )
            return Scene(source, target, job, case)

        yield build
        remove_debezium(at.connect_url, at.source_dsn, name)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_target_equals_the_source(workers: Workers, scene: Build, case: Case) -> None:
    """Rows of a snapshot and of a stream; deletes; and after a letter that was replayed, and one that was edited."""
    made = scene(case)
    worker = workers.run(made.job)
    eventually(made.is_equal, "the snapshot is there")
    (_key, value, headers), *_ = read_topic(made.job.at.kafka, made.topic, 1)
    assert case.named is None or dict(headers)[case.named]
    assert value is not None
    assert value.startswith(case.front)

    made.source.execute("UPDATE goods SET word = word || '!', n = n + 1 WHERE id % 2 = 0")
    made.source.execute("DELETE FROM goods WHERE id % 5 = 0")
    made.source.execute("ALTER TABLE goods ADD extra int DEFAULT 3")
    made.source.execute("UPDATE goods SET n = n + 1 WHERE id = 1")
    eventually(made.is_equal, "the changes are there")

    # one after the other: one statement would visit them as they lie in the table
    made.source.execute("UPDATE goods SET n = 666 WHERE id = 2")
    made.source.execute("UPDATE goods SET n = 666 WHERE id = 3")
    eventually(lambda: made.letters() == [("dead", "record.check")] * 2, "letters of what the target refuses")
    first, second = (str(number) for (number,) in target_ids(made))
    shown = told(workers, made, "show", second, "--payload", "--difference")
    after = shown["payload"]["value"]["values"]["after"]
    assert (after["id"], after["n"], shown["payload"]["key"]["values"]) == (3, 666, {"id": 3})
    assert (shown["difference"]["refused"]["kind"], shown["schema"]) == ("record.check", [])
    told(workers, made, "edit", second, "--set", "n:=667", "--reason", "a test")
    told(workers, made, "replay", second, "--reason", "a test", "--yes")
    eventually(lambda: made.letters()[1][0] == "applied", "the edited one is applied while the other is refused")
    made.target.do("ALTER TABLE public.goods DROP CONSTRAINT devilish")
    told(workers, made, "replay", first, "--reason", "a test", "--yes")
    eventually(lambda: made.letters()[0][0] == "applied", "the other is applied")
    assert made.target.ask("SELECT n FROM public.goods WHERE id IN (2, 3) ORDER BY id") == [(666,), (667,)]
    made.source.execute("UPDATE goods SET n = 667 WHERE id = 3")
    eventually(made.is_equal, "nothing is lost")
    assert worker.leave() == 0


@pytest.mark.provokes("record.decode", "record.framing")
def test_a_letter_has_its_record_as_it_lay_there(workers: Workers, scene: Build) -> None:
    """One that is cut, and one whose header says nothing of a schema; good ones beside them are applied."""
    made = scene(CASES["global ids in headers"])
    eventually(lambda: made.ends() == 60, "the snapshot is in the topic")
    (key, value, headers), *_ = read_topic(made.job.at.kafka, made.topic, 1)
    assert value is not None
    garbled = [(name, b"?" if name == "apicurio.value.globalId" else said) for name, said in headers]
    bad = [(key, value[:-2], headers), (key, value, garbled)]
    producer = Producer({"bootstrap.servers": made.job.at.kafka})
    for each_key, each_value, each_headers in bad:
        producer.produce(made.topic, each_value, each_key, headers=each_headers, partition=0)
    assert producer.flush(60) == 0
    made.source.execute("UPDATE goods SET n = n + 1 WHERE id > 50")
    worker = workers.run(made.job)
    eventually(made.is_equal, "good ones are applied")

    query = """
    SELECT kind, remedy, b.key, b.value, b.headers
    FROM headrace.letters l JOIN headrace.letter_bytes b ON letter_id = l.id
    WHERE state = 'dead' ORDER BY l."offset"
    """
    found = made.target.ask(query)
    assert [kind for kind, *_ in found] == ["record.decode", "record.framing"]
    assert "header" in str(found[1][1])
    assert [(k, v, list(kept_headers(h))) for *_, k, v, h in found] == bad
    assert worker.leave() == 0


def told(workers: Workers, made: Scene, *words: str) -> Any:
    """What a command about letters says."""
    done = workers.command(made.job, "dlq", *words, "--output", "ndjson")
    assert done.finish() == 0, done.text()
    # what is said beside the data comes first
    return json.loads(next(line for line in done.text().splitlines() if line.startswith("{")))


def target_ids(made: Scene) -> list[tuple[object, ...]]:
    """The letters, in the order of their records."""
    return made.target.ask('SELECT id FROM headrace.letters ORDER BY "offset"')
