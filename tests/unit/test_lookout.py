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
from consumer.telemetry import metrics
from consumer.telemetry.gauging import Sample
from consumer.telemetry.grouping import looked_samples
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
        self.retries: list[Place] = []
        self.logs = {AT: 150, BEATS: 9}
        self.kept: list[tuple[Sequence[Judged], Heartbeat | None]] = []
        self.asked: list[Mapping[TopicPartition, int]] = []
        self.workers: list[Worker] = []
        self.heard: Heartbeat | None = None
        # offsets of heartbeats; at others there are marks of transactions
        self.beats = [8]
        self.beats_asked = 0

    def teller(self) -> str | None:
        if self.silent:
            raise Transient(failed(KINDS["target.connection"], "postgres", "read workers", "it is away"))
        return self.teller_now

    def places(self) -> tuple[datetime, list[Place]]:
        if self.away:
            raise Transient(failed(KINDS["target.connection"], "postgres", "read", "it is away"))
        return NOON, [Place(at=AT, position=self.position, held=True), *self.retries]

    def keep(self, at: datetime, partitions: Sequence[Judged], heartbeat: Heartbeat | None) -> None:
        self.kept.append((partitions, heartbeat))
        self.heard = heartbeat or self.heard

    def stored(self) -> Stored:
        return Stored(heartbeat=self.heard)

    def known_ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {at: self.logs[at] for at in partitions if at in self.logs}

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        self.asked.append(dict(positions))
        return {at: float(offset) for at, offset in positions.items()}

    def newest(self, at: TopicPartition, start: int) -> float | None:
        self.beats_asked += 1
        return max((float(offset) for offset in self.beats if offset >= start), default=None)


@pytest.fixture
def group() -> Group:
    """A group of one partition that is behind."""
    return Group()


def sources(group: Group, heartbeats: str = "") -> Sources:
    """Whom a lookout asks."""
    return Sources(
        outlook=group,
        workers=lambda: group.workers,
        offsets=group,
        ages=group,
        lane=lambda topic: topic == "retry",
        heartbeats=heartbeats,
    )


def lookout(
    group: Group, me: str | None = "me", heartbeats: str = "", clock: Callable[[], float] | None = None
) -> Lookout:
    """A lookout that looks whenever it is turned, ten seconds later than before where nothing else is the clock."""
    seconds = count(0.0, 10.0)
    return Lookout(sources(group, heartbeats), me, every=0.0, clock=clock or (lambda: next(seconds)))


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


@pytest.mark.parametrize("at", [TopicPartition("gone", 0), TopicPartition("shop.orders", 1)])
def test_a_partition_that_kafka_does_not_tell_of_hides_no_other(group: Group, at: TopicPartition) -> None:
    """Its own lag is not known, which is said: nobody takes it for one that keeps up."""
    gone = Place(at=at, position=5, held=True)
    here = Place(at=AT, position=100, held=True)
    group.places = lambda: (NOON, [gone, here])
    look = lookout(group)
    whole(look)
    assert look.seen is not None
    assert [judged.lag.records for judged in look.seen.partitions] == [None, 50]
    assert [judged.trend for judged in look.seen.partitions] == [Trend.UNKNOWN, Trend.BEHIND]
    assert "Kafka does not tell" in look.seen.partitions[0].lag.why


def test_a_position_behind_the_end_of_its_log_does_not_keep_up(group: Group) -> None:
    """The records of a topic that was made anew are unread."""
    group.logs[AT] = 40
    look = lookout(group)
    whole(look)
    assert look.seen is not None
    (judged,) = look.seen.partitions
    assert (judged.lag.records, judged.trend) == (None, Trend.UNKNOWN)


@pytest.mark.parametrize(
    ("held", "expected"), [(True, Trend.OK), (False, Trend.UNREAD)], ids=["held", "without a worker"]
)
def test_a_letter_that_waits_in_a_retry_topic_makes_no_lag(group: Group, held: bool, expected: Trend) -> None:
    """However long: whether it is overdue is told of the letters. That nobody reads the topic is told."""
    retry = TopicPartition("retry", 0)
    group.retries = [Place(at=retry, position=7, held=held)]
    group.logs[retry] = 8
    look = lookout(group)
    for _ in range(20):
        whole(look)
    assert look.seen is not None
    judged = look.seen.partitions[1]
    assert (judged.lag.records, judged.lag.seconds, judged.trend) == (None, None, expected)


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
    look = Lookout(sources(group), "me", every=300.0, clock=lambda: now[0])
    whole(look)
    for now[0] in (STAYS + 1, 299.0, 590.0):
        assert look.seen is not None


def test_looks_that_do_not_come_to_an_end_are_not_told_of_for_ever(group: Group) -> None:
    """As while Kafka is away, or a question takes too long: the lag is not known, whoever is to tell it."""
    now = [0.0]
    look = lookout(group, clock=lambda: now[0])
    whole(look)
    group.away = True
    told = []
    for now[0] in (30.0, STAYS, STAYS + 1, 150.0):
        whole(look)
        told.append(look.seen is not None)
    assert told == [True, True, False, False]
    group.away = False
    whole(look)
    assert look.seen is not None


def test_when_it_looked_last_is_told_for_as_long_as_no_other_process_tells(group: Group) -> None:
    """However long ago that is: an alert has a number to hold against its threshold, and a person sees it grow."""
    now = [0.0]
    look = lookout(group, clock=lambda: now[0])
    assert list(looked_samples(look.looked)) == []
    whole(look)
    group.away = True
    now[0] = 900.0
    whole(look)
    assert (look.seen, list(looked_samples(look.looked))) == (None, [Sample(metrics.LOOKED, NOON.timestamp())])
    group.teller_now = "other"
    whole(look)
    assert list(looked_samples(look.looked)) == []


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


def test_no_partition_is_left_out_for_others_that_move(group: Group) -> None:
    """Where the positions of more move than are read of, they have turns."""
    ages = KnownAges(group)
    ages.MOST = 2
    places = [TopicPartition("t", number) for number in range(4)]
    for position in (7, 8, 9, 10):
        ages.appended(dict.fromkeys(places, position))
    assert [sorted(asked) for asked in group.asked] == [places[:2], places[2:]] * 2


def test_the_age_of_a_record_that_is_applied_is_no_lag(group: Group) -> None:
    """What is read next came behind each look that did not see it, so it is no older than the last of these."""
    ages = KnownAges(group)
    ages.MOST = 1
    ages.looked(1000.0, {AT: 100}, {AT: 150})
    assert ages.appended({AT: 100}) == {AT: 100.0}
    for moment, end in ((2000.0, 200), (3000.0, 250), (4000.0, 300)):
        ages.looked(moment, {AT: 100}, {AT: end})
    # all turns are another's by now
    ages.MOST = 0
    assert ages.appended({AT: 250}) == {AT: 3000.0}
    assert ages.appended({AT: 260}) == {AT: 3000.0}
    assert ages.appended({AT: 199}) == {AT: 1000.0}


def test_a_record_in_front_of_the_position_is_an_earlier_one(group: Group) -> None:
    """What was read of since is no older, also where no look is known at which it was not there."""
    ages = KnownAges(group)
    assert ages.appended({AT: 100}) == {AT: 100.0}
    ages.MOST = 0
    assert ages.appended({AT: 120}) == {AT: 100.0}
    # set back: the record there is older
    assert ages.appended({AT: 50}) == {}


def test_looks_at_another_log_say_nothing_of_this_one(group: Group) -> None:
    """As when the topic is made anew: its offsets begin again."""
    ages = KnownAges(group)
    ages.looked(1000.0, {AT: 100}, {AT: 150})
    ages.appended({AT: 100})
    ages.looked(2000.0, {AT: 0}, {AT: 5})
    ages.MOST = 0
    assert ages.appended({AT: 120}) == {AT: 2000.0}
    assert ages.appended({AT: 3}) == {}


def test_what_is_kept_of_looks_is_bounded(group: Group) -> None:
    """Of a partition that stays behind for long; the first and the newest stay."""
    ages = KnownAges(group)
    ages.MOST = 0
    for number in range(10_000):
        ages.looked(float(number), {AT: 0}, {AT: number})
    assert len(ages._looks[AT]) <= ages.LOOKS
    assert ages.appended({AT: 9_999}) == {AT: 9_999.0}
    (at_half,) = ages.appended({AT: 5_000}).values()
    assert 4_000 < at_half <= 5_000
    ages.looked(10_000.0, {AT: 10_000}, {AT: 10_000})
    assert len(ages._looks[AT]) == 1


def test_what_came_since_the_last_look_is_young_though_it_was_not_read(group: Group) -> None:
    """A partition that was at its end then, and is not among those that are read of."""
    look = lookout(group)
    look._ages.MOST = 1
    other = TopicPartition("shop.orders", 1)
    group.retries = [Place(at=other, position=9, held=True)]
    group.logs[other] = 9
    whole(look)
    group.retries = [Place(at=other, position=9, held=True)]
    group.logs[other] = 10
    group.position = 101
    whole(look)
    group.position = 102
    group.retries = [Place(at=other, position=10, held=True)]
    group.logs[other] = 11
    whole(look)
    assert look.seen is not None
    assert all(judged.lag.seconds is not None for judged in look.seen.partitions)
    young = look.seen.partitions[1].lag.seconds
    assert young is not None
    assert young < 60
