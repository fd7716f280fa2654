"""Letters: their topics, how long they are kept, and how often they are tried."""

import json

import pytest

from consumer.composition.edge_settings import kafka_settings, letter_policy, letter_topics
from consumer.core.failure_kind import ErrorType
from consumer.core.policy import Budget
from consumer.edges.kafka.config import selects
from consumer.settings.loading import load
from tests.unit.settings.refusal import refused


def test_a_copy_is_kept_until_it_is_due(environment: pytest.MonkeyPatch) -> None:
    """A retention below the longest delay, with its spread, would remove copies that are still to be read."""
    environment.setenv("HEADRACE_LETTERS__DELAYS", "[5, 3500]")
    environment.setenv("HEADRACE_LETTERS__RETENTION_HOURS", "1")

    assert "retention_hours must be more than" in refused()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADRACE_KAFKA__GROUP", "se/same"),
        ("HEADRACE_LETTERS__DEAD_TOPIC", "{group}.retry.3"),
        ("HEADRACE_LETTERS__DEAD_TOPIC", "sesame" * 42),
    ],
)
def test_topics_of_letters_are_legal_and_differ(name: str, value: str, environment: pytest.MonkeyPatch) -> None:
    """With the group's name in them; the message names the patterns and no value."""
    environment.setenv(name, value)
    said = refused()

    assert "letters.dead_topic: " in said
    assert "same" not in said


@pytest.mark.parametrize("topic", ["headrace.dlq", "headrace.retry.4"])
def test_a_groups_letters_are_no_source(topic: str, environment: pytest.MonkeyPatch) -> None:
    """Named as a topic to apply, they would be applied as changes."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", json.dumps(["a", topic]))

    assert "own letters" in refused()


def test_the_topics_of_letters_follow_the_settings(environment: pytest.MonkeyPatch) -> None:
    """One a delay and one for the dead; reading by a pattern leaves all of them out."""
    environment.setenv("HEADRACE_KAFKA__TOPICS", '["^shop"]')
    environment.setenv("HEADRACE_LETTERS__RETRY_TOPIC", "shop.again-{n}.{group}")
    environment.setenv("HEADRACE_LETTERS__DELAYS", "[1, 2.5]")
    settings = load()
    kafka = kafka_settings(settings)
    topics = letter_topics(settings)

    assert [topic.name for topic in topics] == ["shop.again-1.headrace", "shop.again-2.headrace", "headrace.dlq"]
    assert {(topic.partitions, topic.retention) for topic in topics} == {(1, 168 * 3600)}
    assert not any(selects(kafka, topic.name) for topic in topics)
    assert selects(kafka, "shop.again-1.other")


def test_budgets_and_delays_of_retries_follow_the_settings(environment: pytest.MonkeyPatch) -> None:
    """Hours become seconds; what is persistent has no budget."""
    environment.setenv("HEADRACE_LETTERS__UNKNOWN_ATTEMPTS", "1")
    environment.setenv("HEADRACE_LETTERS__DEPENDENT_HOURS", "2")
    policy = letter_policy(load())

    assert policy.tiers == (5, 30, 120, 600)
    assert policy.budgets == {
        ErrorType.TRANSIENT: Budget(attempts=8, waited=86_400),
        ErrorType.UNKNOWN: Budget(attempts=1, waited=3600),
    }
    assert policy.dependent == Budget(attempts=1000, waited=7200)
