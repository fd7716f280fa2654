"""Kafka: which topics are sources, and what is passed to the client."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from consumer.composition.edge_settings import kafka_settings
from consumer.edges.kafka.config import is_dead_letters, selects
from consumer.settings.kafka import Kafka
from consumer.settings.loading import load
from tests.unit.settings.refusal import refused


@pytest.mark.parametrize(
    ("source", "topics", "taken"),
    [
        pytest.param({}, '["^shop"]', {"shop-signal", "shop.signals"}, id="none is known"),
        pytest.param({"TOPIC_PREFIX": "shop"}, '["^shop"]', {"shop.signals"}, id="by the connector's prefix"),
        pytest.param(
            {"TOPIC_PREFIX": "shop", "SIGNAL_TOPIC": "shop.signals"}, '["^shop"]', {"shop-signal"}, id="by its name"
        ),
        pytest.param({"TOPIC_PREFIX": "shop"}, '["shop-signal"]', {"shop-signal"}, id="wanted by name"),
    ],
)
def test_what_connectors_are_told_is_no_source(
    environment: pytest.MonkeyPatch, source: dict[str, str], topics: str, taken: set[str]
) -> None:
    """Signals are JSON without a schema; an expression does not take their topic."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", topics)
    for name, value in source.items():
        environment.setenv(f"HEADRACE_SOURCE__{name}", value)
    kafka = kafka_settings(load())

    assert {topic for topic in ("shop-signal", "shop.signals") if selects(kafka, topic)} == taken
    assert selects(kafka, "shopXsignals") == topics.startswith('["^')


def test_dead_letter_topics_of_others_are_no_sources(environment: pytest.MonkeyPatch) -> None:
    """Whatever expression matches them; others are read."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", '["^shop"]')
    environment.setenv("HEADRACE_IMPORTS__TOPICS", '["shop.sink-dlq", "^.*-dlt$"]')
    kafka = kafka_settings(load())
    assert [selects(kafka, topic) for topic in ("shop.sink-dlq", "shop.a-dlt", "shop.sink-dlq2", "shopXsink-dlq")] == [
        False, False, True, True,
    ]  # fmt: skip
    topics = ("shop.sink-dlq", "shop.orders", "headrace.dlq", "other-dlt", "other-dlq", "__consumer_offsets")
    for wanted, found in {
        ("shop.sink-dlq", "^.*-dlt$"): {"shop.sink-dlq", "other-dlt"},
        ("^.*",): {"shop.sink-dlq", "other-dlt", "other-dlq"},
        ("other-dlq",): {"other-dlq"},
    }.items():
        assert {topic for topic in topics if is_dead_letters(kafka, wanted, topic)} == found


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        ('["headrace.dlq"]', "imports.topics names a topic of the group's own letters"),
        ('["headrace.retry.3"]', "imports.topics names a topic of the group's own letters"),
        ('["shop.public.orders"]', "imports.topics names one of kafka.topics"),
        ('["^shop"]', "imports.topics names one of kafka.topics"),
    ],
)
def test_sources_and_own_letters_are_not_imported(environment: pytest.MonkeyPatch, topics: str, said: str) -> None:
    """One topic is one thing."""
    environment.setenv("HEADRACE_IMPORTS__TOPICS", topics)
    assert said in refused()


def test_an_empty_name_is_no_topic(environment: pytest.MonkeyPatch) -> None:
    """The client would refuse it when it is too late."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", '[""]')
    assert "an empty name is no topic" in refused()


@pytest.mark.parametrize("name", ["auto.offset.reset", "enable.auto.commit", "isolation.level", "group.id"])
def test_what_the_guarantees_rest_on_is_not_for_kafka_client(name: str) -> None:
    """A site's usual client block can't quietly turn skipping records on."""
    with pytest.raises(ValidationError, match="can't be set here"):
        Kafka(bootstrap_servers="b:9092", topics=["t"], client={name: "earliest"})


def test_what_is_passed_to_the_client_may_be_a_number(tmp_path: Path) -> None:
    """Or yes or no; the client takes it as text."""
    path = tmp_path / "headrace.toml"
    lines = ['"session.timeout.ms" = 6000', '"enable.ssl.certificate.verification" = false', '"sticky" = 0.5']
    path.write_text("[kafka.client]\n" + "\n".join(lines) + "\n")
    told = {"session.timeout.ms": "6000", "enable.ssl.certificate.verification": "false", "sticky": "0.5"}
    assert load(path).kafka.client == told
    assert kafka_settings(load(path)).client == told
