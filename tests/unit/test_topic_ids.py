"""The ids of topics, by which one that was made anew is told from the one that it was."""

from types import SimpleNamespace

import pytest
from confluent_kafka import Uuid

from consumer.edges.kafka.answers import id_told


@pytest.mark.parametrize(("told", "known"), [(Uuid(0, 0), None), (Uuid(0, 1), str(Uuid(0, 1)))])
def test_brokers_that_give_topics_no_ids_tell_none(told: Uuid, known: str | None) -> None:
    """What they tell instead is the same of each topic, and another id once they are newer."""
    assert id_told(SimpleNamespace(topic_id=told)) == known
