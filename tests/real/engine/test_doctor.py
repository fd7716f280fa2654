"""`headrace doctor` against real servers: everything in order, then each thing put out of order in its turn."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.core.doctor.catalogue import CHECKS
from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers, eventually

ROLE_PASSWORD = "its-word"
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def feed(fresh_feed: Callable[..., Feed]) -> Feed:
    """A topic with rows."""
    made = fresh_feed("once")
    made.create(9)
    made.flush()
    return made


@pytest.fixture
def job(at: Endpoints, target: Target, feed: Feed) -> Job:
    """A group that reads it; ports that nobody else has."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    return Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("doctor"),
        topics=(feed.topic,),
        # less than max.poll.interval.ms of these workers
        stall=44.0,
        sections={"telemetry": {"port": 0}, "admin": {"port": port}},
    )


Found = dict[str, list[dict[str, Any]]]


@pytest.fixture
def examine(workers: Workers) -> Callable[..., Found]:
    """Runs the command; findings by check. What is on stderr is no part of them."""

    def run(job: Job, code: int, *words: str, within: int = 20) -> Found:
        process = workers.command(job, "doctor", "--output", "json", "--within", str(within), *words)
        ended, text = process.finish(), process.text()
        by_check: Found = {}
        for one in json.loads(text[text.index("[") :]):
            by_check.setdefault(one["check"], []).append(one)
        assert ended == code, bad(by_check)
        return by_check

    return run


Examine = Callable[..., Found]


def levels(found: Found) -> dict[str, str]:
    """By check, the level of its first line."""
    return {name: lines[0]["level"] for name, lines in found.items()}


def bad(found: Found) -> dict[str, str]:
    """Checks that are not ok."""
    return {name: level for name, level in levels(found).items() if level in ("warn", "fail")}


def configure(at: Endpoints, topic: str, **config: str) -> None:
    """A topic with these settings."""
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    made = NewTopic(topic, 1, config={name.replace("_", "."): value for name, value in config.items()})
    admin.create_topics([made])[topic].result(30)


def takes(at: Endpoints, topic: str) -> bool:
    """Whether the broker takes a record of the topic on behalf of all replicas that are to have it."""
    told: list[object] = []
    producer = Producer({"bootstrap.servers": at.kafka, "log_level": 0, "acks": "all", "message.timeout.ms": 20_000})
    producer.produce(topic, b"copy", on_delivery=lambda error, _: told.append(error))
    producer.flush(30)
    return told == [None]


def in_role(target: Target, name: str, *grants: str) -> str:
    """The connection string of a role that has these grants alone."""
    target.do(f"CREATE ROLE {name} LOGIN PASSWORD '{ROLE_PASSWORD}'")
    for grant in grants:
        target.do(f"GRANT {grant} TO {name}")
    return make_conninfo(target.dsn, user=name, password=ROLE_PASSWORD)


def test_everything_is_in_order_before_and_while_it_runs(
    examine: Examine, workers: Workers, target: Target, job: Job, feed: Feed
) -> None:
    """Nothing is written by looking; each check of the catalogue is told, and none twice where all is well."""
    before = examine(job, 0, "--strict")
    assert list(before) == [check.name for check in CHECKS]
    assert levels(before)["target.tables"] == "ok"
    assert levels(before)["letters.there"] == "ok"
    assert target.ask("SELECT count(*) FROM headrace.target_tables") == [(0,)]
    assert target.ask("SELECT count(*) FROM headrace.positions") == [(0,)]
    worker = workers.run(job)
    eventually(lambda: target.reached(job.group, feed), "everything is applied")
    during = examine(job, 0, "--strict")
    assert bad(during) == {}
    for check in ("group.positions", "group.going", "registry.schemas", "group.members"):
        assert levels(during)[check] == "ok", check
    assert all(len(lines) == 1 for lines in during.values())
    assert worker.leave() == 0


def test_each_server_that_is_away_is_said_and_hides_no_other(examine: Examine, job: Job) -> None:
    """What needs it is skipped, with the reason."""
    none = "127.0.0.1:1"
    away = examine(replace(job, at=replace(job.at, kafka=none), client={"socket.timeout.ms": "2000"},
                           sections={**job.sections, "connect": {"url": NOBODY}}), 1, within=12)  # fmt: skip
    assert bad(away) == {"kafka.reachable": "fail", "connect.reachable": "fail"}
    assert away["kafka.reachable"][0]["kind"] == "kafka.away"
    assert away["topics.there"][0]["detail"] == "Kafka did not answer"
    assert levels(away)["target.writable"] == levels(away)["registry.reachable"] == "ok"
    away = examine(replace(job, registry_url=NOBODY, dsn=make_conninfo(job.dsn, password="another")), 1)
    assert (levels(away)["registry.reachable"], levels(away)["target.reachable"]) == ("fail", "fail")
    assert away["target.reachable"][0]["kind"] == "target.login"
    assert levels(away)["topics.there"] == levels(away)["kafka.reachable"] == "ok"


def test_what_the_target_lacks_is_said(
    examine: Examine, target: Target, job: Job, feed: Feed, workers: Workers
) -> None:
    """Privileges of a table, of the control schema, of the database; a database that takes no writes; its limits."""
    role = fresh_name("reader")
    database = conninfo_to_dict(target.dsn)["dbname"]
    target.do(f"REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC")
    dsn = in_role(target, role, "SELECT, INSERT, DELETE ON once", "USAGE ON SCHEMA headrace",
                  "SELECT ON ALL TABLES IN SCHEMA headrace")  # fmt: skip
    lacking = replace(job, dsn=dsn)
    found = examine(lacking, 1)
    assert levels(found)["target.staging"] == "fail"
    assert found["target.staging"][0]["remedy"] == f"GRANT TEMPORARY ON DATABASE {database} TO {role}"
    positions = next(one for one in found["target.control"] if one["subject"] == "headrace.positions")
    assert positions["remedy"] == f"GRANT INSERT, UPDATE, DELETE ON headrace.positions TO {role}"
    assert found["target.tables"][0]["kind"] == "table.privilege"
    assert "UPDATE of 'label'" in found["target.tables"][0]["detail"]
    target.do("DELETE FROM headrace.migrations WHERE version > 3")
    found = examine(lacking, 1)
    assert found["target.schema"][0]["kind"] == "target.older"
    assert "may not migrate it" in found["target.schema"][0]["detail"]
    assert levels(examine(job, 0))["target.schema"] == "warn"
    target.do(f"REVOKE USAGE ON SCHEMA headrace FROM {role}")
    assert examine(lacking, 1)["target.schema"][0]["kind"] == "table.privilege"
    for setting in ("default_transaction_read_only = on", "idle_session_timeout = '10s'", "transaction_timeout = '1s'"):
        target.do(f"ALTER ROLE {role} SET {setting}")
    target.do(f"ALTER ROLE {role} CONNECTION LIMIT 3")
    found = examine(lacking, 1)
    assert found["target.writable"][0]["kind"] == "target.read_only"
    assert [one["level"] for one in found["target.timeouts"]] == ["fail", "warn"]
    assert "the role" in found["target.connections"][0]["detail"]


def test_what_would_become_of_the_newest_record_is_said(
    examine: Examine, target: Target, at: Endpoints, job: Job, feed: Feed
) -> None:
    """A table that is not there and may not be made; one without an index; a record that nobody can read."""
    refused = replace(job, named="nowhere.{table}", sections={**job.sections, "evolution": {"create": "refuse"}})
    assert examine(refused, 1)["target.tables"][0]["level"] == "fail"
    target.do("ALTER TABLE once DROP CONSTRAINT once_pkey")
    found = examine(job, 1)
    assert found["target.tables"][0]["kind"] == "table.identity"
    assert "PRIMARY KEY (id)" in found["target.tables"][0]["remedy"]
    plain = Feed(at, "other", fresh_name("plain"), 1)
    plain.raw(b'{"no": "Avro"}', 0)
    plain.flush()
    found = examine(replace(job, topics=(plain.topic,)), 0)
    assert (found["target.tables"][0]["kind"], found["target.tables"][0]["level"]) == ("", "warn")
    assert "would become a letter" in found["target.tables"][0]["detail"]


def test_what_topics_lack_is_said(examine: Examine, at: Endpoints, job: Job) -> None:
    """One that is not there, one that keeps its records for an hour; letter topics that lose letters, or take none."""
    short = fresh_name("short")
    configure(at, short, retention_ms="3600000", max_message_bytes="5000000")
    configure(at, f"{job.group}.retry.1", retention_ms="60000")
    configure(at, f"{job.group}.retry.2", cleanup_policy="compact")
    configure(at, f"{job.group}.dlq", min_insync_replicas="2", max_message_bytes="2000")
    found = examine(replace(job, topics=(*job.topics, short, "nowhere", f"^{fresh_name('none')}")), 1)
    assert {one["subject"]: one["level"] for one in found["topics.there"]}["nowhere"] == "fail"
    assert {one["level"] for one in found["topics.there"]} == {"fail", "warn"}
    assert (found["topics.kept"][0]["subject"], found["topics.kept"][0]["level"]) == (short, "warn")
    kept = {one["subject"].rpartition(".")[2]: one["level"] for one in found["letters.kept"]}
    assert kept == {"1": "fail", "2": "fail"}
    assert "min.insync.replicas is 2" in found["letters.writable"][0]["detail"]
    # which the broker makes do with
    assert found["letters.writable"][0]["level"] == "warn"
    assert takes(at, f"{job.group}.dlq")
    assert f"{job.group}.dlq" in {one["subject"] for one in found["letters.size"]}


def test_others_in_the_group_and_positions_outside_the_log_are_said(
    examine: Examine, at: Endpoints, target: Target, job: Job, feed: Feed
) -> None:
    """Also offsets that somebody committed before the first start, and what is stopped or paused."""
    client = Consumer({"bootstrap.servers": at.kafka, "group.id": job.group, "session.timeout.ms": 6000})
    with closing(client):
        client.commit(offsets=[Position(feed.topic, 0, 2)], asynchronous=False)
        found = examine(job, 0)
        assert levels(found)["group.committed"] == "warn"
        assert f'kafka.initial = "group:{job.group}"' in found["group.committed"][0]["remedy"]
        client.subscribe([feed.topic])
        eventually(lambda: client.poll(0.2) is None and client.assignment(), "it is in the group")
        assert "1 member (on 127.0.0.1)" in examine(job, 0)["group.members"][0]["detail"]
    for values in ("0, 0, NULL", "1, 99, NULL", "2, 0, 'another'"):
        columns = "group_name, topic, epoch, partition, next_offset, topic_id"
        target.do(f"INSERT INTO headrace.positions ({columns}) VALUES ('{job.group}', '{feed.topic}', 1, {values})")
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    for cut in admin.delete_records([Position(feed.topic, 0, 2)]).values():
        cut.result(30)
    found = examine(job, 1)
    kinds = {one["subject"]: one["kind"] for one in found["group.positions"]}
    lost = ("log.out_of_range", "log.truncated", "log.recreated")
    assert kinds == {f"{feed.topic}-{part}": kind for part, kind in enumerate(lost)}
    assert levels(found)["group.committed"] == "warn"


def test_connectors_that_failed_are_said(examine: Examine, job: Job, feed: Feed) -> None:
    """A source of topics that are read is a failure, another one a warning."""
    ours, other = {"topics": [feed.topic]}, {"topics": ["another"]}
    broken = {"connector": {"state": "RUNNING"}, "type": "source",
              "tasks": [{"id": 0, "state": "FAILED", "trace": "org.example.Lost: x"}]}  # fmt: skip
    answers = {
        "/connectors?expand=status&expand=info": {"shop": {"status": broken}, "mill": {"status": broken}},
        "/connectors/shop/topics": {"shop": ours},
        "/connectors/mill/topics": {"mill": other},
    }
    with answering(answers) as url:
        found = examine(replace(job, sections={**job.sections, "connect": {"url": url}}), 1)
    assert {one["subject"]: one["level"] for one in found["connect.connectors"]} == {"shop": "fail", "mill": "warn"}
    assert "org.example.Lost" in found["connect.connectors"][0]["detail"]


def test_schemas_that_are_gone_and_unfit_ones_are_said(
    examine: Examine, target: Target, at: Endpoints, job: Job, feed: Feed
) -> None:
    """An id that was read by and is not known any more; a subject that was never registered."""
    target.do(f"INSERT INTO headrace.schemas (registry, id, schema) VALUES ('{at.registry_url}', 987654, '\"int\"')")
    bare = fresh_name("bare")
    configure(at, bare)
    found = examine(replace(job, topics=(*job.topics, bare)), 1)
    assert found["registry.schemas"][0]["subject"] == "schema 987654"
    assert {one["subject"] for one in found["registry.subjects"]} == {f"{bare}-key", f"{bare}-value"}
    with answering({"/subjects": []}) as url:
        assert (
            examine(replace(job, registry_url=f"{url}/wrong"), 1)["registry.reachable"][0]["kind"] == "registry.status"
        )


def test_settings_at_odds_and_taken_ports_are_said(examine: Examine, job: Job) -> None:
    """Times of the client against ours; a port that another program has."""
    client = {"max.poll.interval.ms": "40000", "session.timeout.ms": "6000", "heartbeat.interval.ms": "3000"}
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        taken = {"telemetry": {"port": port}, "admin": {"port": port}}
        found = examine(replace(job, client=client, sections=taken), 1)
    expected = {"settings.poll": "warn", "settings.session": "warn", "settings.telemetry_port": "warn"}
    assert bad(found) == {**expected, "settings.admin_port": "fail"}
    assert examine(replace(job, client=client), 5, "--strict", "--problems").keys() == {
        "settings.poll",
        "settings.session",
    }


@contextmanager
def answering(answers: Mapping[str, Any]) -> Iterator[str]:
    """A server that gives these answers, by path, and 404 for the rest."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)
