"""A record that can't be decoded or applied costs itself: it becomes a letter, with its stage and the remedy."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from consumer.stack.options import Endpoints
from consumer.stack.ports import choose
from tests.collector import Collector

from .feed import Feed, fresh_name, read_topic
from .witness import TEMPLATE, Target, create_database
from .worker import Job, Process, Workers, eventually

_PARTIAL = 5
_CANARY = "canary-7361"
_MAKE = Callable[[Feed, int], bytes]


@dataclass(frozen=True, slots=True)
class Poison:
    """How a bad record is made, its kind, the operation that finds it, and a word of its remedy."""

    make: _MAKE
    kind: str
    operation: str
    remedy: str


def _image(feed: Feed, key: int, label: str = _CANARY, amount: int = 1) -> bytes:
    return feed.encode("c", key, {"id": key, "label": label, "amount": amount})


POISONS: dict[str, Poison] = {
    "cut": Poison(lambda feed, key: _image(feed, key)[:-3], "record.decode", "decode", "writer schema"),
    "surplus byte": Poison(lambda feed, key: _image(feed, key) + b"\0", "record.decode", "decode", "writer schema"),
    "wrong magic": Poison(lambda feed, key: b"\1" + _image(feed, key)[1:], "record.framing", "bind", "Avro converter"),
    "no frame": Poison(lambda feed, key: b"\0\0", "record.framing", "bind", "Avro converter"),
    "unknown schema id": Poison(
        lambda feed, key: b"\0\x7f\xff\xff\xff" + _image(feed, key)[5:],
        "record.schema_unknown",
        "get schema",
        "registry.url",
    ),
    "zero byte in text": Poison(
        lambda feed, key: _image(feed, key, f"{_CANARY}\0"), "record.value", "stage rows", "Compare"
    ),
    "text too long": Poison(
        lambda feed, key: _image(feed, key, _CANARY + "x" * 40),
        "record.value",
        "upsert",
        "Compare",
    ),
    "check refused": Poison(
        lambda feed, key: _image(feed, key, _CANARY, 666),
        "record.check",
        "upsert",
        "constraint",
    ),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Poison in every partition but one, and a worker that met it."""

    feed: Feed
    job: Job
    target: Target
    worker: Process
    offsets: dict[str, int]

    def at(self, name: str) -> tuple[str, int]:
        """The partition of a poison."""
        return self.feed.topic, list(POISONS).index(name)

    def key(self, name: str) -> int:
        """The key of a poison."""
        return poisoned(self.feed, list(POISONS).index(name))


def poisoned(feed: Feed, place: int) -> int:
    """The key of the poison of that place."""
    return feed.partitions * 1000 + place


@pytest.fixture(scope="module")
def scene(at: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Three good records in each partition, then the poison, then three good ones; a worker to the end of it."""
    target = Target(create_database(at.target_dsn, fresh_name("poison"), TEMPLATE))
    target.do("ALTER TABLE once ALTER label TYPE varchar(40), ADD CONSTRAINT devilish CHECK (amount <> 666)")
    feed = Feed(at, "once", fresh_name("once"), len(POISONS) + 1)
    feed.create(feed.partitions * 3)
    offsets = {name: feed.ends()[feed.topic, place] for place, name in enumerate(POISONS)}
    for place, poison in enumerate(POISONS.values()):
        key = poisoned(feed, place)
        feed.raw(poison.make(feed, key), key)
    feed.flush()
    feed.create(feed.partitions * 3)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("poison"), topics=(feed.topic,), max_rows=1000)
    worker = Workers(tmp_path_factory.mktemp("poison")).run(job, "--until-current")
    assert worker.finish() == _PARTIAL, worker.text()
    assert f"{len(POISONS)} letters are open" in worker.text()
    return Scene(feed, job, target, worker, offsets)


@pytest.mark.provokes(*(poison.kind for poison in POISONS.values()))
@pytest.mark.parametrize("name", POISONS)
def test_a_bad_record_becomes_a_letter_that_says_why(scene: Scene, name: str) -> None:
    """Its row names topic, partition, offset, stage and remedy, and holds its bytes; its partition goes on."""
    poison, (topic, partition), offset = POISONS[name], scene.at(name), scene.offsets[name]
    ((state, kind, operation, detail, remedy, value),) = scene.target.ask(
        "SELECT state, kind, operation, detail, remedy, value FROM headrace.letters"
        " JOIN headrace.letter_bytes ON letter_id = id"
        ' WHERE group_name = %s AND topic = %s AND partition = %s AND "offset" = %s',
        scene.job.group, topic, partition, offset,
    )  # fmt: skip

    assert (state, kind, operation) == ("dead", poison.kind, poison.operation)
    assert str(detail).startswith(f"topic {topic}, partition {partition}, offset {offset}: ")
    assert poison.remedy in str(remedy)
    assert value == poison.make(scene.feed, scene.key(name))


def test_everything_else_is_applied_once(scene: Scene) -> None:
    """In front of the poison, behind it, and beside it; every position is at its end."""
    assert scene.target.rows("once") == scene.feed.rows()
    assert scene.target.double_writes() == []
    assert scene.target.reached(scene.job.group, scene.feed)
    assert scene.target.bad_ranges(scene.job.group) == []
    assert scene.target.stopped(scene.job.group) == {}


def test_no_row_value_leaves_by_log_or_state(scene: Scene) -> None:
    """Neither the log nor anything stored of the batch quotes the row; only the letter's own bytes hold it."""
    assert _CANARY not in scene.worker.text()
    for table in ("positions", "batches", "letters"):
        assert _CANARY not in str(scene.target.ask(f"SELECT t::text FROM headrace.{table} t"))


def test_copies_come_to_the_dead_letter_topic(scene: Scene, at: Endpoints, workers: Workers) -> None:
    """Byte for byte with their key; the headers say which record it was, in our words and in Kafka Connect's."""
    worker = workers.run(scene.job)
    query = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt = attempt"
    worker.said("partitions taken", 1)
    eventually(lambda: scene.target.ask(query, scene.job.group) == [(len(POISONS),)], "every letter is published")
    assert worker.leave() == 0
    copies = read_topic(at.kafka, f"{scene.job.group}.dlq", len(POISONS))
    heads = [{name: value.decode() for name, value in headers} for _, _, headers in copies]
    origins = {(head["headrace.topic"], int(head["headrace.partition"])): head for head in heads}

    assert set(origins) == {scene.at(name) for name in POISONS}
    for (key, value, _), head in zip(copies, heads, strict=True):
        name = list(POISONS)[int(head["headrace.partition"])]
        assert (value, head["headrace.kind"]) == (POISONS[name].make(scene.feed, scene.key(name)), POISONS[name].kind)
        assert key == scene.feed.encode_key(scene.key(name))
        assert int(head["headrace.offset"]) == int(head["__connect.errors.offset"]) == scene.offsets[name]
        assert _CANARY not in str(head)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of the test's own."""
    with closing(Collector()) as opened:
        yield opened


def test_no_row_value_leaves_by_metrics_traces_or_the_api(scene: Scene, workers: Workers, collector: Collector) -> None:
    """Neither what is scraped of a worker that met bad records, nor its spans, lists, groups and reports of the API."""
    sections = {"telemetry": {"port": 0, "look_every": 1}, "trace": {"endpoint": collector.endpoint}}
    again = replace(scene.job, group=fresh_name("poison"), sections=sections)
    worker = workers.run(again)
    worker.said("metrics are served")
    metrics = f"http://127.0.0.1:{worker.lines('metrics are served')[0]['port']}/metrics"
    eventually(lambda: 'kind="record.check"' in _page(metrics), "failures are counted")
    eventually(lambda: "headrace_letters_open" in _page(metrics), "letters are told")
    published = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt = attempt"
    eventually(lambda: scene.target.ask(published, again.group) == [(len(POISONS),)], "every letter is published")
    assert _CANARY not in _page(metrics)

    port = choose(["admin"], {})["admin"]
    workers.command(replace(again, sections={**again.sections, "admin": {"port": port}}), "admin", "serve")
    api = f"http://127.0.0.1:{port}/api/v1"
    eventually(lambda: scene.feed.topic in _page(f"{api}/positions"), "the API answers")
    for path in (
        "positions",
        "lag",
        "tables",
        "workers",
        "batches",
        "letters",
        "letter-groups",
        "letter-facets",
        "letters/1",
        "audit",
    ):
        assert _CANARY not in _page(f"{api}/{path}"), path
    assert worker.leave() == 0
    assert _CANARY not in worker.text()
    assert {"plan", "apply", f"send {again.group}.dlq"} <= {span.name for span in collector.spans()}
    assert _CANARY not in str(collector.requests)


def _page(url: str) -> str:
    """What is answered, also by an error; nothing while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.read().decode()
    except urllib.error.URLError:
        return ""
