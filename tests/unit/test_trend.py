"""Whether a partition keeps up, judged by how it went lately."""

import pytest

from consumer.core.lag import Going, Lag
from consumer.core.records import TopicPartition
from consumer.core.trend import Glance, Trend, trend, worst_trend

STILL = [(100, 50)] * 5
SLOW = [(100, 50), (110, 60), (120, 70), (130, 80), (140, 90)]
CAUGHT_UP = [(100, 50), (150, 0), (160, 20), (170, 30), (180, 40)]


def lag(going: Going, records: int | None, seconds: float | None = None) -> Lag:
    """A partition's."""
    at = TopicPartition("shop.orders", 0)
    return Lag(at=at, tables=(), position=1, end=None, records=records, seconds=seconds, going=going)


@pytest.mark.parametrize(
    ("now", "lately", "expected"),
    [
        (lag(Going.CURRENT, 0), STILL, Trend.OK),
        (lag(Going.BEHIND, 40, 900), CAUGHT_UP, Trend.OK),
        # where records come all the time, some always wait
        (lag(Going.BEHIND, 90, 0.4), SLOW, Trend.OK),
        (lag(Going.BEHIND, 90, 900), SLOW, Trend.BEHIND),
        (lag(Going.BEHIND, 50, 900), STILL, Trend.STALLED),
        # too soon to say
        (lag(Going.BEHIND, 50, 900), STILL[:2], Trend.BEHIND),
        (lag(Going.WAITING, 50, 900), STILL, Trend.BEHIND),
        (lag(Going.STOPPED, 50, 900), SLOW, Trend.STALLED),
        (lag(Going.STOPPED, None), SLOW, Trend.STALLED),
        (lag(Going.UNREAD, 50, 900), SLOW, Trend.STALLED),
        # nobody reads it, and nothing is there to be read
        (lag(Going.UNREAD, 0), STILL, Trend.OK),
        (lag(Going.PAUSED, 50, 900), STILL, Trend.PAUSED),
        (lag(Going.GOING, None), STILL, Trend.OK),
    ],
)
def test_a_trend_is_how_it_went_lately(now: Lag, lately: list[tuple[int, int]], expected: Trend) -> None:
    """No number of records is too many: what counts is whether it moves and comes near the end."""
    assert trend(now, [Glance(*glance) for glance in lately]) is expected


def test_the_worst_of_several_stands_for_all() -> None:
    """A table is as well as its worst partition."""
    assert worst_trend([Trend.OK, Trend.STALLED, Trend.BEHIND]) is Trend.STALLED
    assert worst_trend([]) is Trend.OK
