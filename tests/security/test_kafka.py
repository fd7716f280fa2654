"""Brokers over TLS: certificates and logins, right and wrong, through `headrace run` and `headrace doctor`."""

import json
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.real.engine.feed import Feed, fresh_name
from tests.real.engine.witness import Target
from tests.real.engine.worker import Job, Process, Workers, eventually

from .conftest import OTHER, PASSWORD, USER, Ground


def login(ground: Ground, **other: str) -> dict[str, str]:
    """Of a client that logs in."""
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": USER,
        "sasl.password": PASSWORD,
        "ssl.ca.location": str(ground.papers.ours.certificates),
        **other,
    }


def mutual(ground: Ground) -> dict[str, str]:
    """Of a client with a certificate of its own."""
    worker = ground.papers.worker
    return {
        "security.protocol": "SSL",
        "ssl.ca.location": str(ground.papers.ours.certificates),
        "ssl.certificate.location": str(worker.certificate),
        "ssl.key.location": str(worker.key),
    }


def job_of(ground: Ground, target: Target, feed: Feed, broker: str, client: dict[str, str]) -> Job:
    """A group that reads the feed by this way."""
    at = replace(ground.at, kafka=broker)
    return Job(at=at, dsn=target.dsn, group=fresh_name("secured"), topics=(feed.topic,), client=client, stall=60.0)


def examined(workers: Workers, job: Job) -> dict[str, dict[str, Any]]:
    """What the doctor says, by check; the last line of each."""
    process = workers.command(job, "doctor", "--output", "json", "--within", "12")
    process.finish()
    text = process.text()
    return {one["check"]: one for one in json.loads(text[text.index("[\n") :])}


def says(worker: Process, kind: str) -> bool:
    """Whether a line of its log is of a kind."""
    return f'"kind": "{kind}"' in worker.text()


@pytest.mark.parametrize("way", ["LOGIN", "MUTUAL"])
def test_the_right_papers_lead_from_topic_to_table(
    ground: Ground, workers: Workers, target: Target, feed: Feed, way: str
) -> None:
    """A login over TLS, and a certificate; the doctor finds the way safe."""
    client = login(ground) if way == "LOGIN" else mutual(ground)
    job = job_of(ground, target, feed, ground.broker(way), client)
    workers.until_current(job)
    target.must_equal(job.group, feed)
    found = examined(workers, job)
    assert found["kafka.reachable"]["level"] == found["kafka.security"]["level"] == "ok"
    assert ("SASL_SSL with SCRAM-SHA-512" if way == "LOGIN" else "SSL") in found["kafka.security"]["detail"]


WRONG: dict[str, tuple[str, str, dict[str, str | None]]] = {
    "another authority": ("LOGIN", "127.0.0.1", {"ssl.ca.location": "others"}),
    "another name": ("LOGIN", "localhost", {}),
    "a certificate that has ended": ("ENDED", "127.0.0.1", {}),
    "no certificate of ours": ("MUTUAL", "127.0.0.1", {"ssl.certificate.location": None, "ssl.key.location": None}),
    "a stranger's certificate": ("MUTUAL", "127.0.0.1", {"ssl.certificate.location": "stranger"}),
}


@pytest.mark.provokes("kafka.tls")
@pytest.mark.parametrize("what", WRONG)
def test_wrong_papers_are_refused_and_nothing_is_lost(
    ground: Ground, workers: Workers, target: Target, feed: Feed, what: str
) -> None:
    """The log and the doctor say what it is and what to do; with the right ones everything is applied."""
    way, host, changes = WRONG[what]
    client: dict[str, str] = login(ground) if way == "LOGIN" else mutual(ground)
    for name, value in changes.items():
        if value is None:
            del client[name]
        elif value == "others":
            client[name] = str(ground.papers.others.certificates)
        else:
            client |= {
                name: str(ground.papers.stranger.certificate),
                "ssl.key.location": str(ground.papers.stranger.key),
            }
    job = job_of(ground, target, feed, ground.broker(way, host), client)
    worker = workers.run(job)
    eventually(lambda: says(worker, "kafka.tls"), "it says why")
    assert "Compare ssl.ca.location" in worker.text()
    assert worker.leave() == 0
    assert target.ask("SELECT count(*) FROM headrace.positions") == [(0,)]
    reachable = examined(workers, job)["kafka.reachable"]
    assert (reachable["level"], reachable["kind"]) == ("fail", "kafka.tls")
    right = replace(job, at=replace(ground.at, kafka=ground.broker("LOGIN")), client=login(ground))
    workers.until_current(right)
    target.must_equal(job.group, feed)


def test_a_wrong_password_ends_the_worker_with_a_remedy(
    ground: Ground, workers: Workers, target: Target, feed: Feed
) -> None:
    """Nothing is stored, and the password is nowhere."""
    secret = "not-the-word-of-alice"
    job = job_of(ground, target, feed, ground.broker("LOGIN"), login(ground, **{"sasl.password": secret}))
    worker = workers.run(job)
    assert worker.finish() == 1
    assert "kafka.refused" in worker.text()
    assert "Correct them in kafka.client" in worker.text()
    assert secret not in worker.text()
    assert target.ask("SELECT count(*) FROM headrace.positions") == [(0,)]
    reachable = examined(workers, job)["kafka.reachable"]
    assert (reachable["level"], reachable["kind"]) == ("fail", "kafka.refused")


def test_what_a_user_may_not_is_said_before_it_is_tried(
    ground: Ground, workers: Workers, target: Target, feed: Feed
) -> None:
    """A user who may only look at the topic: reading, the group and topics of letters are not for them."""
    client = login(ground, **{"sasl.username": OTHER})
    job = job_of(ground, target, feed, ground.broker("LOGIN"), client)
    hidden = examined(workers, job)
    assert (hidden["topics.there"]["level"], hidden["topics.there"]["subject"]) == ("fail", feed.topic)
    looking = (ResourcePatternType.LITERAL, f"User:{OTHER}", "*", AclOperation.DESCRIBE, AclPermissionType.ALLOW)
    grants = [
        AclBinding(ResourceType.TOPIC, feed.topic, *looking),
        AclBinding(ResourceType.BROKER, "kafka-cluster", *looking),
    ]
    # a client that nobody holds is ended before its answers are there
    admin = AdminClient({"bootstrap.servers": ground.at.kafka})
    for made in admin.create_acls(grants).values():
        made.result(30)
    eventually(lambda: examined(workers, job)["topics.there"]["level"] == "ok", "the grants are known")
    found = examined(workers, job)
    assert (found["topics.readable"]["level"], found["topics.readable"]["detail"]) == (
        "fail",
        "not granted: DESCRIBE_CONFIGS, READ",
    )
    assert found["letters.there"]["level"] == "warn"
    assert found["group.readable"]["level"] == "fail"
