"""How far a group is behind, and why."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from consumer.core.lag import Going, Log, Place, Source, lags, worst
from consumer.core.pausing import Paused, Subject
from consumer.core.records import TopicPartition

AT, OTHER = TopicPartition("shop.orders", 0), TopicPartition("shop.orders", 1)
PLACE = Place(at=AT, position=100, held=True, tables=("public.orders",))
PAUSED = Paused(of=Subject(table="public.orders"), actor="me", reason="index", since=datetime(2026, 1, 1, tzinfo=UTC))
STOPPED = {"kind": "table.missing", "detail": "it is gone", "remedy": "Create it."}
NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("end", "appended", "records", "seconds", "going"),
    [
        (100, None, 0, 0.0, Going.CURRENT),
        (150, NOW - 12, 50, 12.0, Going.BEHIND),
        # its clock is ahead of ours
        (150, NOW + 3, 50, 0.0, Going.BEHIND),
        (150, None, 50, None, Going.BEHIND),
        (None, None, None, None, Going.GOING),
    ],
)
def test_lag_is_in_records_and_in_seconds_since_the_oldest_came(
    end: int | None, appended: float | None, records: int | None, seconds: float | None, going: Going
) -> None:
    """What is not known is not guessed."""
    log = Log(ends={} if end is None else {AT: end}, appended={} if appended is None else {AT: appended})
    (found,) = lags([PLACE], log, [], NOW)
    assert (found.records, found.seconds, found.going, found.why) == (records, seconds, going, "")


def test_a_log_that_is_shorter_than_what_was_read_of_it_is_not_applied() -> None:
    """As that of a topic that was made anew: its records are others, and unread."""
    (found,) = lags([PLACE], Log(ends={AT: 40}), [], NOW)
    assert (found.records, found.seconds, found.end, found.going) == (None, None, 40, Going.UNKNOWN)
    assert "ends at 40, in front of its position" in found.why
    assert found.remedy


@pytest.mark.parametrize(
    ("place", "going"),
    [
        (PLACE, Going.UNKNOWN),
        # nobody can hold what Kafka does not have
        (replace(PLACE, held=False), Going.UNKNOWN),
        (replace(PLACE, stopped=STOPPED), Going.STOPPED),
        (replace(PLACE, paused=PAUSED), Going.PAUSED),
    ],
)
def test_a_log_of_which_kafka_tells_nothing_says_so(place: Place, going: Going) -> None:
    """Where it was asked; what its worker says of it is nearer."""
    (found,) = lags([place], Log(untold={AT}), [], NOW)
    assert (found.records, found.seconds, found.going) == (None, None, going)
    assert found.why
    assert found.remedy


@pytest.mark.parametrize(
    ("place", "going", "why"),
    [
        (replace(PLACE, stopped=STOPPED), Going.STOPPED, "it is gone"),
        (replace(PLACE, wait_for={"1": 9}), Going.WAITING, "have not reached topic shop.orders, partition 1, offset 9"),
        (replace(PLACE, held=False, stopped=STOPPED), Going.UNREAD, "no worker holds it"),
        (
            replace(PLACE, held=False, stopped=STOPPED, paused=PAUSED),
            Going.PAUSED,
            "paused by me since 2026-01-01 00:00 UTC: index",
        ),
    ],
)
def test_what_does_not_go_on_says_why_and_what_to_do(place: Place, going: Going, why: str) -> None:
    """A person's pause is the first reason, since nothing else can be put right before; a dead owner knows nothing."""
    found = lags([place, Place(at=OTHER, position=0, held=True)], Log(ends={AT: 150}), [], NOW)[0]
    assert found.going is going
    assert why in found.why
    assert found.remedy
    assert found.records == 50


def test_a_source_that_does_not_write_is_the_reason_that_nothing_comes() -> None:
    """Of its own topics only, and where there is no nearer reason."""
    source = Source(why="connector shop is paused", remedy="Resume it.", topics=frozenset({AT.topic}))
    places = [PLACE, replace(PLACE, paused=PAUSED), replace(PLACE, at=TopicPartition("another", 0))]
    found = lags(places, Log(ends={AT: 100}), [source], NOW)
    assert [one.why for one in found] == [
        "connector shop is paused",
        "paused by me since 2026-01-01 00:00 UTC: index",
        "",
    ]
    assert [one.going for one in found] == [Going.CURRENT, Going.PAUSED, Going.GOING]


def test_the_worst_partition_stands_for_its_topic() -> None:
    """Whoever looks at a list has to see it."""
    assert worst([Going.CURRENT, Going.STOPPED, Going.BEHIND]) is Going.STOPPED
    assert worst([]) is Going.GOING
