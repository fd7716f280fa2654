"""The lookout of a group: one process tells, Kafka is asked for little, what was seen stays while nobody can look."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count

import pytest

from consumer.background.lookout import STAYS, KnownAges, Lookout, Sources
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.lag import Place
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.ports.control import Worker
from consumer.ports.facts import Fact, Failed
from consumer.ports.outlook import Heartbeat, Judged, Stored
from tests.unit.reporting import worker_of

AT = TopicPartition("shop.orders", 0)
BEATS = TopicPartition("beats", 0)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Group:
    """The target and Kafka, as far as a lookout asks them."""

    def __init__(self) -> None:
        self.teller_now: str | None = "me"
        self.away = False
        # who tells can't be asked either
        self.silent = False
        self.position = 100
        self.logs = {AT: 150, BEATS: 9}
        self.kept: list[tuple[Sequence[Judged], Heartbeat | None]] = []
        self.asked: list[Mapping[TopicPartition, int]] = []
        self.workers: list[Worker] = []

    def teller(self) -> str | None:
        if self.silent:
            raise Transient(failed(KINDS["target.connection"], "postgres", "read workers", "it is away"))
        return self.teller_now

    def places(self) -> tuple[datetime, list[Place]]:
        if self.away:
            raise Transient(failed(KINDS["target.connection"], "postgres", "read", "it is away"))
        return NOON, [Place(at=AT, position=self.position, held=True)]

    def keep(self, at: datetime, partitions: Sequence[Judged], heartbeat: Heartbeat | None) -> None:
        self.kept.append((partitions, heartbeat))

    def stored(self) -> Stored:
        return Stored()

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        # as Kafka does, it fails for a topic that is not there
        return {at: self.logs[at] for at in partitions}

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        known = {at.topic for at in self.logs}
        return {topic: "id" for topic in topics if topic in known}

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        self.asked.append(dict(positions))
        return {at: float(offset) for at, offset in positions.items()}


@pytest.fixture
def group() -> Group:
    """A group of one partition that is behind."""
    return Group()


def lookout(
    group: Group, me: str | None = "me", heartbeats: str = "", clock: Callable[[], float] | None = None
) -> Lookout:
    """A lookout that looks whenever it is turned, ten seconds later than before where nothing else is the clock."""
    seconds = count(0.0, 10.0)
    sources = Sources(outlook=group, workers=lambda: group.workers, offsets=group, ages=group, heartbeats=heartbeats)
    return Lookout(sources, me, every=0.0, clock=clock or (lambda: next(seconds)))


def whole(look: Lookout) -> None:
    """One look, to its end."""
    look.turn(0)
    while look._looking is not None:
        look.turn(0)


def test_what_is_seen_is_told_and_kept(group: Group) -> None:
    """Lag and trend of each partition, for whoever scrapes and whoever asks the target."""
    look = lookout(group)
    whole(look)
    assert look.seen is not None
    (judged,) = look.seen.partitions
    assert (judged.lag.records, judged.trend) == (50, Trend.BEHIND)
    assert group.kept == [([judged], None)]


@pytest.mark.parametrize(
    ("me", "teller", "tells"), [("me", "other", False), ("me", None, False), (None, "w", False), (None, None, True)]
)
def test_one_process_tells(group: Group, me: str | None, teller: str | None, tells: bool) -> None:
    """Sums over all processes are right; the admin process, which is no worker, tells while none lives."""
    group.teller_now = teller
    look = lookout(group, me)
    whole(look)
    assert (look.seen is not None, bool(group.kept)) == (tells, tells)


def test_a_topic_that_is_gone_hides_no_other(group: Group) -> None:
    """Its own lag is not known."""
    gone = Place(at=TopicPartition("gone", 0), position=5, held=True)
    here = Place(at=AT, position=100, held=True)
    group.places = lambda: (NOON, [gone, here])
    look = lookout(group)
    whole(look)
    assert look.seen is not None
    assert [judged.lag.records for judged in look.seen.partitions] == [None, 50]


def test_who_tells_no_more_forgets_what_it_saw(group: Group) -> None:
    """Else two would tell, one of them what was once."""
    look = lookout(group)
    whole(look)
    group.teller_now = "other"
    whole(look)
    assert look.seen is None


def test_who_can_not_ask_who_tells_tells_for_a_minute_more(group: Group) -> None:
    """By then another process may tell, which the target still answers; what is known of itself comes back with it."""
    now = [0.0]
    look = lookout(group, clock=lambda: now[0])
    whole(look)
    group.silent = True
    told = []
    for now[0] in (30.0, STAYS, STAYS + 1):
        whole(look)
        told.append(look.seen is not None)
    assert told == [True, True, False]
    group.silent = False
    whole(look)
    assert look.seen is not None


def test_between_looks_that_are_far_apart_it_tells_what_it_saw(group: Group) -> None:
    """An alert that waits for some minutes would begin anew each time."""
    now = [0.0]
    sources = Sources(outlook=group, workers=lambda: group.workers, offsets=group, ages=group)
    look = Lookout(sources, "me", every=300.0, clock=lambda: now[0])
    whole(look)
    for now[0] in (STAYS + 1, 299.0, 590.0):
        assert look.seen is not None


def test_while_only_kafka_is_away_what_was_seen_stays(group: Group) -> None:
    """Nobody else tells: the target says so at each look."""
    now = [0.0]
    look = lookout(group, clock=lambda: now[0])
    whole(look)
    group.away = True
    for now[0] in (50.0, 100.0, 150.0):
        whole(look)
    assert look.seen is not None


def test_a_look_that_fails_leaves_the_one_before(group: Group) -> None:
    """With its time; the failure is told as such."""
    look = lookout(group)
    whole(look)
    told: list[Fact] = []
    look.tell = told.append
    group.away = True
    whole(look)
    assert look.seen is not None
    assert [type(fact) for fact in told] == [Failed]


def test_a_position_that_does_not_move_becomes_stalled(group: Group) -> None:
    """After some looks, and not before."""
    look = lookout(group)
    trends = []
    for _ in range(5):
        whole(look)
        assert look.seen is not None
        trends.append(look.seen.partitions[0].trend)
    assert trends == [Trend.BEHIND] * 3 + [Trend.STALLED] * 2


def test_a_partition_whose_worker_waits_for_a_server_is_not_stalled(group: Group) -> None:
    """It waits, and why stands beside it, for whoever asks the database."""
    group.workers = [worker_of(AT, "open")]
    look = lookout(group)
    for _ in range(5):
        whole(look)
    assert look.seen is not None
    (judged,) = look.seen.partitions
    assert (judged.trend, judged.lag.why) == (Trend.WAITING, "w does not ask the target, which is away: no answer")


def test_the_newest_heartbeat_is_looked_for(group: Group) -> None:
    """It is the last record of its topic; none where the topic is not there."""
    look = lookout(group, heartbeats="beats")
    whole(look)
    assert group.kept[-1][1] == Heartbeat("beats", 8.0)
    look = lookout(group, heartbeats="none")
    whole(look)
    assert group.kept[-1][1] is None


def test_records_are_read_for_their_age_once_and_not_all_at_a_time(group: Group) -> None:
    """Of a position that does not move it is known; those that have waited longest come first."""
    ages = KnownAges(group)
    ages.MOST = 2
    places = [TopicPartition("t", number) for number in range(4)]
    for _ in range(3):
        ages.appended(dict.fromkeys(places, 7))
    assert [sorted(asked) for asked in group.asked] == [places[:2], places[2:], []]
    assert ages.appended(dict.fromkeys(places, 7)) == dict.fromkeys(places, 7.0)
    ages.appended({**dict.fromkeys(places, 7), places[3]: 8})
    assert group.asked[-1] == {places[3]: 8}
