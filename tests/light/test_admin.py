"""The client that asks the cluster is made anew after it got no answer."""

import socket

import pytest

from consumer.core.failure import Transient
from consumer.edges.kafka.admin import Admin
from consumer.edges.kafka.config import KafkaSettings
from tests.light.broker import Broker


def _admin(bootstrap: str) -> Admin:
    return Admin(KafkaSettings(bootstrap_servers=bootstrap, group="g", topics=()))


def test_one_that_is_answered_is_kept() -> None:
    """However often it asks."""
    admin = _admin(Broker().bootstrap)
    used = []
    for _ in range(2):
        with admin.asking("list topics") as client:
            client.list_topics(timeout=10)
            used.append(client)
    assert used[0] is used[1]


def test_one_that_nobody_answers_is_replaced() -> None:
    """It may have been told of no broker at all, and would ask nobody any more."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        admin = _admin(f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Transient) as caught, admin.asking("list topics") as client:
            client.list_topics(timeout=0.2)

        assert caught.value.failure.kind == "kafka.away"
        assert admin.opened() is not client
