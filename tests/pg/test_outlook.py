"""What is known of a group as a whole: who tells it, how far tables are, which letters are open."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from consumer.core.flags import Flag
from consumer.core.lag import Going, Log, lags
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.edges.postgres.outlook import PostgresOutlook
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.outlook import Heartbeat, Judged
from consumer.ports.target import Start
from tests.pg.conftest import Pools
from tests.pg.words import Bad

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


GOES = {Going.BEHIND: Trend.BEHIND, Going.CURRENT: Trend.OK, Going.UNKNOWN: Trend.UNKNOWN}


def after(minutes: float) -> datetime:
    """A moment of that day."""
    return NOON + timedelta(minutes=minutes)


class Scene:
    """A topic of two partitions and its table, whose positions and looks a test sets."""

    def __init__(self, session: psycopg.Connection, outlook: PostgresOutlook, group: str) -> None:
        self.outlook = outlook
        self._session = session
        self._group = group
        self._ends = {0: 100, 1: 100}

    def move(self, partition: int, offset: int, source_at: datetime | None = None) -> None:
        """A batch of changes that ended there."""
        self._session.execute(
            "UPDATE headrace.positions SET next_offset = %s, source_at = coalesce(%s, source_at),"
            " changed_at = coalesce(%s, changed_at) WHERE group_name = %s AND topic = 'fresh' AND partition = %s",
            (offset, source_at, source_at, self._group, partition),
        )

    def look(
        self,
        at: datetime,
        end: int,
        heard: datetime | None = None,
        trend: Trend | None = None,
        untold: Collection[int] = (),
    ) -> None:
        """A look at which both logs reach that far, but for partitions of which Kafka does not tell it."""
        _, places = self.outlook.places()
        places = [replace(place, held=True) for place in places]
        ends = {place.at: end for place in places if place.at.partition not in untold}
        log = Log(ends=ends, untold={place.at for place in places} - ends.keys())
        judged = [Judged(lag, trend or GOES[lag.going]) for lag in lags(places, log, (), 0.0)]
        self.outlook.keep(at, judged, heard and Heartbeat("beats", heard.timestamp()))

    def turn(self, letter: int, state: str, due: float) -> None:
        """Have a letter be in a state, due so many seconds ago."""
        late = "UPDATE headrace.letters SET state = %s, due_at = now() - make_interval(secs => %s) WHERE id = %s"
        self._session.execute(late, (state, due, letter))

    def switch_off(self, flag: str) -> None:
        """As somebody does it."""
        row = "INSERT INTO headrace.flags (group_name, flag, is_on, actor, reason) VALUES (%s, %s, false, 'me', 'why')"
        self._session.execute(row, (self._group, str(flag)))

    def fresh(self, column: str = "complete_to") -> Any:
        """What the view says."""
        query = f"SELECT {column} FROM headrace.freshness WHERE group_name = %s"
        (row,) = self._session.execute(query.encode(), (self._group,)).fetchall()
        return row[0]


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, group: str) -> Scene:
    """Both partitions at offset 100, nothing applied."""
    sink.seed({TopicPartition("fresh", number): Start(offset=100) for number in (0, 1)})
    session.execute(
        "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, 'fresh')",
        (group, f"public.{group}"),
    )
    return Scene(session, PostgresOutlook(pools(), group), group)


def test_a_table_without_a_look_is_complete_up_to_what_was_applied_of_each_partition(scene: Scene) -> None:
    """The partition that is the furthest behind decides; where one is not known nothing is."""
    assert scene.fresh() is None
    scene.move(0, 110, after(5))
    assert scene.fresh() is None
    scene.move(1, 110, after(3))
    assert scene.fresh() == after(3)


def test_a_table_at_the_end_of_its_log_is_complete_up_to_the_look(scene: Scene) -> None:
    """Also when its last change is long ago."""
    scene.move(0, 110, after(-999))
    scene.move(1, 110, after(-999))
    scene.look(after(1), 110)
    assert (scene.fresh(), scene.fresh("trend"), scene.fresh("records_behind")) == (after(1), "ok", 0)


@pytest.mark.parametrize("trend", Trend)
def test_every_trend_is_kept_and_stands_for_its_table(scene: Scene, trend: Trend) -> None:
    """Also of a group that nobody reads."""
    scene.look(NOON, 100, trend=trend)
    assert scene.fresh("trend") == trend.value


def test_what_comes_later_takes_nothing_back(scene: Scene) -> None:
    """It stays complete up to the last look at which nothing was left, and goes on as a later one is passed."""
    scene.look(after(1), 100)
    scene.look(after(2), 150)
    assert (scene.fresh(), scene.fresh("trend")) == (after(1), "behind")
    scene.move(0, 160)
    scene.move(1, 160)
    # both have passed what the log had at the second look, and the next look sees it
    assert scene.fresh() == after(2)
    scene.look(after(3), 200)
    assert (scene.fresh(), scene.fresh("records_behind")) == (after(2), 80)


def test_a_position_that_was_set_back_makes_it_unknown_again(scene: Scene) -> None:
    """Older changes are applied again, over newer ones."""
    scene.look(after(1), 100)
    scene.move(0, 40)
    assert scene.fresh() is None
    scene.look(after(2), 100)
    assert scene.fresh() is None


def test_by_the_time_at_which_a_snapshot_read_rows_nothing_is_complete(
    session: psycopg.Connection, scene: Scene, group: str
) -> None:
    """Changes behind them in the log may be older."""
    scene.move(0, 110, after(3))
    scene.move(1, 110, after(3))
    session.execute("UPDATE headrace.positions SET source_at = %s WHERE group_name = %s", (after(60), group))
    assert (scene.fresh(), scene.fresh("newest_change_at")) == (after(3), after(60))


def test_a_log_that_is_shorter_than_what_was_read_of_it_is_not_complete(scene: Scene) -> None:
    """As that of a topic that was made anew: the records that it has are unread. What was seen before stays."""
    scene.look(after(1), 100)
    scene.look(after(2), 40)
    assert (scene.fresh(), scene.fresh("trend"), scene.fresh("looked_at")) == (after(1), "not known", after(1))


def test_a_partition_of_which_kafka_does_not_tell_holds_up_its_table_alone(scene: Scene) -> None:
    """How far it is, is not known from then on, and that is said; what was known before it stays so."""
    scene.look(after(1), 100)
    scene.look(after(2), 150, untold={1})
    assert (scene.fresh(), scene.fresh("records_behind")) == (after(1), 50)
    assert (scene.fresh("trend"), scene.fresh("looked_at")) == ("not known", after(1))
    scene.move(0, 150)
    scene.look(after(3), 150)
    assert (scene.fresh("trend"), scene.fresh("looked_at")) == ("behind", after(3))


def test_a_source_that_is_silent_sends_nothing(scene: Scene) -> None:
    """What it has not sent is not there, however far its topics are applied."""
    scene.look(after(9), 100, heard=after(4))
    assert (scene.fresh(), scene.fresh("source_heard_at")) == (after(4), after(4))


def test_what_was_heard_of_the_source_stays(scene: Scene) -> None:
    """For who comes to tell when its topic has none any more."""
    assert scene.outlook.stored().heartbeat is None
    scene.look(after(1), 100, heard=after(0.5))
    scene.look(after(2), 100)
    assert scene.outlook.stored().heartbeat == Heartbeat("beats", after(0.5).timestamp())


def test_the_worker_that_has_lived_longest_tells_of_the_group(
    session: psycopg.Connection, scene: Scene, group: str
) -> None:
    """None that reports no more."""
    insert = (
        "INSERT INTO headrace.workers (group_name, name, host, pid, version, state, started_at, seen_at, every,"
        " partitions, queue_batches, queue_bytes, breakers)"
        " VALUES (%s, %s, 'h', 1, '1', 'running', now() - make_interval(mins => %s),"
        " now() - make_interval(secs => %s), 1, '[]', 0, 0, '[]')"
    )
    assert scene.outlook.teller() is None
    session.execute(insert, (group, "young", 1, 0))
    session.execute(insert, (group, "old", 5, 2))
    session.execute(insert, (group, "gone", 9, 60))
    assert scene.outlook.teller() == "old"


def test_open_letters_are_counted_by_state_with_their_oldest(
    session: psycopg.Connection, bad: Bad, pools: Pools, group: str
) -> None:
    """And those of the lane that are due, or overdue."""
    first, second, third = (bad(number=number) for number in (1, 2, 3))
    session.execute("UPDATE headrace.letters SET first_failed_at = %s WHERE id = ANY(%s)", (NOON, [first, second]))
    late = "UPDATE headrace.letters SET state = 'retrying', due_at = now() - make_interval(secs => %s) WHERE id = %s"
    session.execute(late, (1, second))
    session.execute(late, (300, third))
    stored = PostgresOutlook(pools(), group).stored()
    assert {state: count for state, (count, _) in stored.letters.open.items()} == {"dead": 1, "retrying": 2}
    assert stored.letters.open["dead"][1] == NOON
    assert (stored.letters.due, stored.letters.overdue, stored.letters.unpublished) == (2, 1, 3)
    assert stored.sizes["letters"] > 0


@pytest.mark.parametrize(
    ("off", "unpublished", "overdue"),
    [("", 3, 1), (Flag.DEAD_LETTERS, 2, 1), (Flag.RETRY_LANE, 1, 0), (Flag.TRACING, 3, 1)],
)
def test_what_a_flag_keeps_is_neither_overdue_nor_to_be_published(
    scene: Scene, bad: Bad, off: str, unpublished: int, overdue: int
) -> None:
    """Somebody wanted it so: nothing is wrong with Kafka, or with who reads the lane. It stays open and due."""
    for number, state in enumerate(("dead", "retrying", "replaying")):
        scene.turn(bad(number=number), state, due=300 if state == "retrying" else 1)
    if off:
        scene.switch_off(off)
    found = scene.outlook.stored().letters
    assert (found.unpublished, found.overdue, found.due, len(found.open)) == (unpublished, overdue, 2, 3)


def test_a_table_with_open_letters_says_so(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """Its rows of these are as they were before."""
    bad()
    session.execute(
        "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, 'public.t', 'landing')",
        (group,),
    )
    rows = session.execute("SELECT open_letters FROM headrace.freshness WHERE group_name = %s", (group,)).fetchall()
    assert rows == [(1,)]
