"""Where lag is going: by a window of looks, without a threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import pytest

from consumer.core.lag import Going, Lag, Place
from consumer.core.records import TopicPartition
from consumer.core.trend import KEPT, Mark, Trend, trend
from consumer.inspection.lagging import Asked, Lately, look
from tests.unit.reporting import worker_of

AT = TopicPartition("t", 0)


def lag(records: int | None, going: Going = Going.BEHIND) -> Lag:
    """Of a partition."""
    return Lag(at=AT, tables=(), position=0, end=None, records=records, seconds=None, going=going)


def looks(*seen: tuple[int, int | None], every: float = 5.0) -> list[Mark]:
    """Positions with what was not applied, so many seconds apart."""
    return [Mark(number * every, position, records) for number, (position, records) in enumerate(seen)]


STILL = [(7, 3)] * 4
CASES = [
    ("at the end", [(7, 0)], Trend.OK),
    ("at the end in between, as busy ones are", [(7, 40), (47, 0), (50, 90)], Trend.OK),
    ("less and less", [(0, 90), (50, 60), (100, 20)], Trend.CATCHING_UP),
    ("more and more", [(0, 20), (10, 60), (20, 90)], Trend.BEHIND),
    ("as much as before", [(0, 50), (10, 50)], Trend.BEHIND),
    ("nothing applied for long enough", STILL, Trend.STALLED),
    ("nothing applied, more to do", [(7, 3), (7, 9), (7, 30), (7, 90)], Trend.STALLED),
    ("nothing applied, but not for long", STILL[:3], Trend.BEHIND),
    ("applied once in the meantime", [*STILL[:3], (8, 2)], Trend.CATCHING_UP),
    ("a first look", [(7, 3)], None),
    ("how far the log reaches was not known", [(7, None), (8, 3)], None),
]


@pytest.mark.parametrize(("seen", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_window_says_where_it_goes(seen: list[tuple[int, int | None]], expected: Trend | None) -> None:
    """Whoever was at the end lately keeps up; a position that does not move is stalled."""
    assert trend(lag(seen[-1][1]), looks(*seen)) is expected


def test_where_records_come_all_the_time_some_always_wait() -> None:
    """None of them for long."""
    busy = replace(lag(20), seconds=0.4)
    assert trend(busy, looks((0, 20), (10, 60), (20, 90))) is Trend.OK
    assert trend(replace(busy, seconds=900.0), looks((0, 20), (10, 60), (20, 90))) is Trend.BEHIND


def test_looks_that_follow_fast_are_not_taken_for_a_stall() -> None:
    """It is time that has to pass."""
    assert trend(lag(3), looks(*[(7, 3)] * KEPT, every=0.5)) is Trend.BEHIND


@pytest.mark.parametrize(
    ("going", "expected"),
    [
        (Going.UNREAD, Trend.UNREAD),
        (Going.STOPPED, Trend.STOPPED),
        (Going.PAUSED, Trend.PAUSED),
        (Going.WAITING, Trend.WAITING),
        (Going.UNKNOWN, Trend.UNKNOWN),
    ],
)
def test_what_does_not_go_on_has_no_other_trend(going: Going, expected: Trend) -> None:
    """Why stands beside it."""
    assert trend(lag(3, going), looks(*STILL)) is expected


def test_without_the_logs_nothing_is_said() -> None:
    """Not even that it keeps up."""
    assert trend(lag(None, Going.GOING), looks((7, None))) is None


def test_a_worker_that_does_not_ask_its_target_holds_its_partitions_up() -> None:
    """They wait, and go on by themselves: that is no stall."""
    assert trend(lag(3), looks(*STILL), held_up=True) is Trend.WAITING
    assert trend(lag(0), looks((7, 0)), held_up=True) is Trend.OK


def test_a_partition_that_goes_on_without_the_server_that_is_away_is_not_held_up() -> None:
    """As one whose schemas are known while the registry is away."""
    assert trend(lag(20), looks((0, 90), (50, 60), (100, 20)), held_up=True) is Trend.CATCHING_UP


@pytest.mark.parametrize(
    ("server", "state", "partition", "expected"),
    [
        ("target", "open", 0, Trend.WAITING),
        ("target", "closed", 0, Trend.STALLED),
        ("target", "open", 1, Trend.STALLED),
        ("registry", "open", 0, Trend.STALLED),
    ],
)
def test_who_holds_a_partition_up_is_found_by_its_breakers(
    server: str, state: str, partition: int, expected: Trend
) -> None:
    """Only its own worker's count, and only in front of the target: what is known needs no registry."""
    seconds = count(0.0, 10.0)
    lately = Lately(clock=lambda: next(seconds))
    worker = worker_of(TopicPartition("t", partition), state, server)
    found = [lately.trends([lag(3)], [worker]).get(AT) for _ in range(4)]
    assert found[-1] is expected


class Ends:
    """Kafka, where the log reaches beyond the position."""

    def known_ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Nine records."""
        return dict.fromkeys(partitions, 9)

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        """Not known."""
        return {}


PLACE = Place(at=TopicPartition("t", 0), position=3, held=True)
ASKED = Asked(offsets=Ends, ages=Ends, lane=lambda topic: topic == "retry", connectors=lambda: None)


@pytest.mark.parametrize(("partition", "topics", "told"), [(0, ["t"], True), (0, ["other"], False), (1, ["t"], False)])
def test_lag_says_which_worker_holds_a_table_back_and_why(partition: int, topics: list[str], told: bool) -> None:
    """Where the partition is its own and the topic among those that it does not read."""
    held_back = {"priorities": ["bulk"], "topics": topics, "why": "critical tables wait"}
    worker = replace(worker_of(TopicPartition("t", partition), "closed"), held_back=held_back)

    (found,) = look([PLACE], ASKED, [worker]).lags
    assert (found.why == "w holds bulk tables back: critical tables wait") is told
    assert bool(found.remedy) is told


def test_what_waits_in_a_retry_topic_is_no_lag() -> None:
    """It lies there until it is due; whether somebody holds the partition is told all the same."""
    retry = replace(PLACE, at=TopicPartition("retry", 0))
    seen = look([PLACE, retry, replace(retry, held=False)], ASKED)
    assert [lag.records for lag in seen.lags] == [6, None, None]
    assert [lag.going for lag in seen.lags] == [Going.BEHIND, Going.GOING, Going.UNREAD]
    assert Lately().trends(seen.lags[1:2], []) == {}
