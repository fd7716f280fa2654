"""The topics of a group's letters, by pattern."""

import re

import pytest

from consumer.core.lane import BadTopic, Lane, check_dead_pattern, check_retry_pattern

LANE = Lane(group="shop.eu", retry="{group}.retry.{n}", dead="{group}.dlq")


def test_patterns_become_names_and_names_are_told() -> None:
    """There and back; a dot is a dot."""
    assert [LANE.retry_topic(tier) for tier in (1, 2)] == ["shop.eu.retry.1", "shop.eu.retry.2"]
    assert LANE.dead_topic == "shop.eu.dlq"
    assert [LANE.tier(LANE.retry_topic(tier)) for tier in (1, 16)] == [1, 16]
    for other in ("shop.eu.dlq", "shopxeu.retry.1", "shop.eu.retry.", "shop.eu.retry.1x", "xshop.eu.retry.1"):
        assert LANE.tier(other) is None


@pytest.mark.parametrize(
    ("topic", "own"),
    [
        ("shop.eu.retry.7", True),
        ("shop.eu.dlq", True),
        ("shop.eu.dlq2", False),
        ("shop-eu.dlq", False),
        ("shop.eu.retry.x", False),
        ("other.shop.eu.dlq", False),
    ],
)
def test_the_expressions_match_the_groups_letters_alone(topic: str, own: bool) -> None:
    """What reads topics by a pattern leaves these out; retry topics of delays that are gone too."""
    assert LANE.holds(topic) is own
    assert any(re.search(expression, topic) for expression in LANE.expressions) is own


@pytest.mark.parametrize("pattern", ["x.{n}", "{group}-{n}-later", "{n}"])
def test_a_pattern_of_retry_topics_may_be(pattern: str) -> None:
    """The group is optional."""
    check_retry_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "{group}.retry",
        "{n}{n}",
        "{group}.{n}.{m}",
        "{group}.{n:02}",
        "{group!r}.{n}",
        "{0}.{n}",
        "a b.{n}",
        "a{n",
        "{{n}}.{n}",
        "ä.{n}",
        "x" * 249 + "{n}",
        "{group.x}.{n}",
    ],
)
def test_a_pattern_of_retry_topics_may_not_be(pattern: str) -> None:
    """Each would make an illegal name, or one name for all."""
    with pytest.raises(BadTopic):
        check_retry_pattern(pattern)


@pytest.mark.parametrize("pattern", ["", ".", "..", "{group}.{n}", "{x}", "a/b", "}"])
def test_a_pattern_of_the_dead_letter_topic_may_not_be(pattern: str) -> None:
    """It is one topic with a legal name."""
    with pytest.raises(BadTopic):
        check_dead_pattern(pattern)


@pytest.mark.parametrize(
    ("group", "retry", "dead"),
    [
        ("a b", "{group}.{n}", "dlq"),
        ("a", "{group}.{n}", "a.5"),
        ("g" * 240, "r.{n}", "{group}.dead.letters"),
        ("g", "{group}" * 40 + "x" * 208 + "{n}", "dlq"),
    ],
)
def test_names_that_a_group_makes_are_checked(group: str, retry: str, dead: str) -> None:
    """The length with its number, the characters of the group, and that both differ."""
    with pytest.raises(BadTopic):
        Lane(group=group, retry=retry, dead=dead)
