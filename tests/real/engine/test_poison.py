"""A record that can't be decoded or applied stops its partition, with its name, its stage and the remedy."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import TEMPLATE, Target, create_database
from .worker import Job, Process, Workers, eventually

_PARTIAL = 5
_CANARY = "canary-7361"
_MAKE = Callable[[Feed, int], bytes]


@dataclass(frozen=True, slots=True)
class Poison:
    """How a bad record is made, its kind, the operation that finds it, a word of its remedy, and what heals it."""

    make: _MAKE
    kind: str
    operation: str
    remedy: str
    heal: str = ""


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
        lambda feed, key: _image(feed, key, f"{_CANARY}\0"), "record.value", "apply", "Compare"
    ),
    "text too long": Poison(
        lambda feed, key: _image(feed, key, _CANARY + "x" * 40),
        "record.value",
        "apply",
        "Compare",
        "ALTER TABLE once ALTER label TYPE text",
    ),
    "check refused": Poison(
        lambda feed, key: _image(feed, key, _CANARY, 666),
        "record.check",
        "apply",
        "constraint",
        "ALTER TABLE once DROP CONSTRAINT IF EXISTS devilish",
    ),
}
# the partition behind the poisoned ones has none
_HEALTHY = len(POISONS)


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


@pytest.fixture(scope="module")
def scene(at: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Three good records in each partition, then the poison, then three good ones; a worker to the end of it."""
    target = Target(create_database(at.target_dsn, fresh_name("poison"), TEMPLATE))
    target.do("ALTER TABLE once ALTER label TYPE varchar(40), ADD CONSTRAINT devilish CHECK (amount <> 666)")
    feed = Feed(at, "once", fresh_name("once"), len(POISONS) + 1)
    feed.create(feed.partitions * 3)
    offsets = {name: feed.ends()[feed.topic, place] for place, name in enumerate(POISONS)}
    for place, poison in enumerate(POISONS.values()):
        key = feed.partitions * 1000 + place
        feed.raw(poison.make(feed, key), key)
    feed.flush()
    feed.create(feed.partitions * 3)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("poison"), topics=(feed.topic,), max_rows=1000)
    worker = Workers(tmp_path_factory.mktemp("poison")).run(job, "--until-current")
    assert worker.finish() == _PARTIAL, worker.text()
    return Scene(feed, job, target, worker, offsets)


@pytest.mark.parametrize("name", POISONS)
def test_a_bad_record_stops_its_partition_and_says_why(scene: Scene, name: str) -> None:
    """The stored reason and the log name topic, partition, offset, stage and remedy; the offset stays."""
    poison, (topic, partition), offset = POISONS[name], scene.at(name), scene.offsets[name]
    origin = f"topic {topic}, partition {partition}, offset {offset}"
    assert scene.target.positions(scene.job.group)[topic, partition] == offset

    stored = scene.target.stopped(scene.job.group)[topic, partition]
    assert stored["kind"] == poison.kind
    assert stored["detail"].startswith(origin)
    assert poison.remedy in stored["remedy"]

    (line,) = [entry for entry in scene.worker.lines("partition stopped") if entry["partition"] == partition]
    assert (line["topic"], line["operation"], line["kind"]) == (topic, poison.operation, stored["kind"])
    assert line["correlation_id"] == f"{topic}-{partition}-{offset}"
    assert (line["reason"], line["remedy"]) == (stored["detail"], stored["remedy"])


def test_neighbours_flow_and_what_lies_behind_waits(scene: Scene) -> None:
    """The partition without poison is applied to its end, the others up to the poison, each record once."""
    whole = scene.feed.rows()
    behind = {key for key in whole if key > scene.feed.partitions * 3 and key % scene.feed.partitions != _HEALTHY}
    assert scene.target.rows("once") == {key: row for key, row in whole.items() if key not in behind}
    assert scene.target.double_writes() == []
    assert scene.target.positions(scene.job.group)[scene.feed.topic, _HEALTHY] == 6


def test_no_row_value_leaves_by_log_or_state(scene: Scene) -> None:
    """Neither the log nor anything stored of the batch quotes the row."""
    assert _CANARY not in scene.worker.text()
    for table in ("positions", "batches"):
        assert _CANARY not in str(scene.target.ask(f"SELECT t::text FROM headrace.{table} t"))


def _healed(scene: Scene) -> set[str]:
    """Correct the target; returns the poisons that this heals."""
    healed = {name: poison.heal for name, poison in POISONS.items() if poison.heal}
    for statement in healed.values():
        scene.target.do(statement)
    return set(healed)


def _at_their_end(scene: Scene) -> set[str]:
    positions, ends = scene.target.positions(scene.job.group), scene.feed.ends()
    return {name for name in POISONS if positions[scene.at(name)] == ends[scene.at(name)]}


def test_a_healed_cause_lets_the_partition_go_on(scene: Scene, workers: Workers) -> None:
    """After the target is corrected and the worker started again the same record is applied; the rest still stand."""
    healed = _healed(scene)
    again = workers.run(scene.job)
    again.said("partition stopped", len(POISONS) - len(healed))
    eventually(lambda: _at_their_end(scene) == healed, "the healed partitions are at their end")
    assert again.leave() == 0
    stopped = scene.target.stopped(scene.job.group)
    assert {name for name in POISONS if scene.at(name) not in stopped} == healed
    assert scene.target.double_writes() == []
    assert scene.target.bad_ranges(scene.job.group) == []
