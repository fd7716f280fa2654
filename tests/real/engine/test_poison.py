"""A record that can't be decoded or applied costs itself: it becomes a letter, with its stage and the remedy."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pytest

from consumer.core.roles import Role
from consumer.stack.options import Endpoints
from consumer.stack.ports import choose
from tests.admin.walking import readable
from tests.collector import Collector

from .feed import Feed, fresh_name, read_topic
from .witness import TEMPLATE, Target, create_database
from .worker import Job, Process, Workers, eventually

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
    assert worker.finish() == 0, worker.text()
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
    assert holding(scene.target) == {"letter_bytes"}


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


def test_no_row_value_leaves_by_metrics_traces_api_or_console(
    scene: Scene, workers: Workers, collector: Collector
) -> None:
    """Neither what is scraped of a worker that met bad records, nor its spans, nor what a viewer may read anywhere.

    Letters were sent again by a job and failed again.
    """
    sections = {"telemetry": {"port": 0, "look_every": 1}, "trace": {"endpoint": collector.endpoint}}
    again = replace(scene.job, group=fresh_name("poison"), sections=sections)
    worker = workers.run(again)
    worker.said("metrics are served")
    metrics = Pages(f"http://127.0.0.1:{worker.lines('metrics are served')[0]['port']}")
    eventually(lambda: 'kind="record.check"' in metrics.read("/metrics"), "failures are counted")
    eventually(lambda: "headrace_letters_open" in metrics.read("/metrics"), "letters are told")
    published = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt = attempt"
    eventually(lambda: scene.target.ask(published, again.group) == [(len(POISONS),)], "every letter is published")

    port = choose(["admin"], {})["admin"]
    served = {**again.sections, "admin": {"port": port}, **_tokens()}
    workers.command(replace(again, sections=served), "admin", "serve")
    viewer, operator = (Pages(f"http://127.0.0.1:{port}", role) for role in (Role.VIEWER, Role.OPERATOR))
    eventually(lambda: scene.feed.topic in viewer.read("/api/v1/positions"), "the API answers")
    wanted = {"letters": {"state": ["dead"]}, "expect": len(POISONS), "canary": 0, "stop_ratio": 1, "reason": "a test"}
    job = json.loads(operator.read("/api/v1/jobs", wanted))["id"]
    eventually(lambda: json.loads(viewer.read(f"/api/v1/jobs/{job}"))["state"] == "done", "all were tried again")
    assert not _told(metrics.read("/metrics"))
    numbers = {
        name: [
            number
            for (number,) in scene.target.ask(f"SELECT id FROM headrace.{name} WHERE group_name = %s", again.group)
        ]
        for name in ("letters", "batches", "jobs")
    }
    assert len(numbers["letters"]) == len(POISONS)
    assert numbers["batches"]
    asked = [url for path in readable(Role.VIEWER) for url in _filled(path, numbers)]
    assert len(asked) > 60
    for url in asked:
        assert not _told(viewer.read(url)), url
        assert viewer.status in (200, 404, 409, 422), f"{url}: {viewer.status}"
    assert not _told(viewer.read("/api/v1/jobs/preview", {"letters": wanted["letters"]}))

    assert worker.leave() == 0
    assert not _told(worker.text())
    assert {"plan", "apply", f"send {again.group}.dlq"} <= {span.name for span in collector.spans()}
    assert not _told(str(collector.requests))
    assert holding(scene.target) == {"letter_bytes"}


def holding(target: Target) -> set[object]:
    """The tables and views of the control schema, as the catalog has them, in which the value stands."""
    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'headrace'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
    )
    names = [name for (name,) in target.ask(query)]
    assert len(names) > 30
    return {
        name
        for name in names
        if any(_told(str(row)) for (row,) in target.ask(f"SELECT t::text FROM headrace.{name} t"))
    }


def _told(text: str) -> bool:
    """Whether the value stands there, as it is, in hexadecimal or in base64."""
    return any(form in text for form in _FORMS)


def _in_base64(word: bytes, shift: int) -> str:
    """What is the same of a word's base64 whatever stands around it, so many bytes behind a group's begin."""
    first, last = -(-8 * shift // 6), 8 * (shift + len(word)) // 6
    return base64.b64encode(bytes(shift) + word).decode()[first:last]


_FORMS = (_CANARY, _CANARY.encode().hex(), *(_in_base64(_CANARY.encode(), shift) for shift in range(3)))


def _tokens() -> dict[str, dict[str, str]]:
    return {
        f'admin.tokens."{role.words}"': {"sha256": hashlib.sha256(role.words.encode()).hexdigest(), "role": role.words}
        for role in (Role.VIEWER, Role.OPERATOR)
    }


def _filled(path: str, numbers: Mapping[str, Sequence[object]]) -> list[str]:
    """A path with each number that there is for it, or one that there is not."""
    before, number, behind = path.partition("/{number}")
    if not number:
        return [path + _ASKED.get(path, "")]
    return [f"{before}/{number}{behind}" for number in numbers.get(before.rpartition("/")[2], (1,))]


# what can't be asked without saying of what
_ASKED = {"/api/v1/positions/outlook": "?topic=none&partition=0&to=earliest"}


class Pages:
    """What is answered to somebody."""

    def __init__(self, address: str, role: Role | None = None) -> None:
        self._address = address
        self._headers = {"Content-Type": "application/json"}
        if role is not None:
            self._headers["Authorization"] = f"Bearer {role.words}"
        self.status = 0

    def read(self, path: str, sent: Mapping[str, object] | None = None) -> str:
        """The answer, also by an error; of a stream its first event; nothing while nobody listens."""
        data = None if sent is None else json.dumps(sent).encode()
        request = urllib.request.Request(self._address + path, data, self._headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self.status = answer.status
                if answer.headers.get_content_type() == "text/event-stream":
                    return str((answer.readline() + answer.readline()).decode())
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with closing(error):
                self.status = error.code
                return error.read().decode()
        except urllib.error.URLError:
            return ""
