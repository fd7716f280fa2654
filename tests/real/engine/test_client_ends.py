"""A Kafka client that can't go on ends its worker with the reason, instead of one that waits for ever."""

from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers

_FAILED = 1


@pytest.fixture
def job(at: Endpoints, target: Target, fed: tuple[Feed, Feed]) -> Job:
    """A group of its own."""
    return Job(at=at, dsn=target.dsn, group=fresh_name("ends"), topics=(fed[0].topic,))


@pytest.mark.provokes("kafka.refused")
def test_refused_credentials_end_the_worker(workers: Workers, job: Job) -> None:
    """The broker's listener takes no authentication, so it takes none of these."""
    credentials = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "headrace",
        "sasl.password": "sesame",
    }
    worker = workers.run(replace(job, client=credentials))

    assert worker.finish() == _FAILED
    assert "kafka.refused]. Correct them in kafka.client" in worker.text()
    assert "sesame" not in worker.text()


@pytest.mark.provokes("kafka.fatal")
def test_a_second_worker_of_the_same_instance_ends_the_first(workers: Workers, job: Job) -> None:
    """The group fences the one that was there; the other goes on alone."""
    same = replace(job, client={"group.instance.id": "one"})
    first = workers.run(same)
    first.said("partitions taken")
    second = workers.run(same)

    assert first.finish() == _FAILED
    assert "kafka.fatal]. The process ends" in first.text()
    second.said("partitions taken")
    assert second.leave() == 0
