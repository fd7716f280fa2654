"""Letters that come back to a target that is slow: what that costs them, and others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

import psycopg
import pytest

from consumer.applying.returns import TurnLimits
from consumer.core.flood import FloodLimits
from consumer.core.records import TopicPartition
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.reading.handover import Later, Moved, Notice
from dlq.actions import replay
from tests.pg.applying import Applying, Bounds
from tests.pg.conftest import Catalogs, Pools, Sinks
from tests.unit.clock import Clock

DEADLINE = 1.0
LANE = TopicPartition("retry", 0)
BESIDE = TopicPartition("retry.beside", 0)
TABLES = ("t0", "t1", "t2", "t3")
# what each row does before it is written
EACH = """CREATE OR REPLACE FUNCTION {s}.each() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    {what}; RETURN NEW; END $$"""


@dataclass
class Scene:
    """Some tables, and letters of each that are sent again.

    `end`: that of the retry topic; `passed`: whether it is reached; `rests`: how many seconds it rested each time.
    """

    session: psycopg.Connection
    applying: Applying
    outbox: PostgresOutbox
    schema: str
    group: str
    clock: Clock
    end: int = 0
    passed: bool = False
    rests: list[float] = field(default_factory=list)

    def each(self, what: str) -> None:
        """Have each row that is written do that from now on."""
        self.session.execute(EACH.format(s=self.schema, what=what).encode())

    def letters(self, of_each: int, tables: Sequence[str] = TABLES) -> None:
        """So many letters of each table, whose copies lie in the retry topic."""
        self.each("RAISE EXCEPTION 'no'")
        for table in tables:
            self.applying.offer({table: [("c", number, "a") for number in range(of_each)]})
            at = TopicPartition(table, 0)
            self.applying.turns(lambda told, at=at: moved(told, at, of_each))
        self.each("NULL")
        assert self.letter_states()["dead"] == of_each * len(tables)
        self.outbox.claim(1000, 3600)
        query = "SELECT id FROM headrace.letters WHERE group_name = %s AND state = 'dead'"
        ids = [row[0] for row in self.session.execute(query, (self.group,))]
        assert len(replay(self.session, self.group, ids).changed) == of_each * len(tables)

    def come_back(self) -> bool:
        """Bring the copies back, and go on after each rest; whether the retry topic was passed in time."""
        self.end = self.applying.come_back(self.outbox, LANE.topic)
        while self.turn() is not None:
            self.go_on()
        return self.passed

    def turn(self) -> float | None:
        """Turn until the retry topic is passed or rests; for how long it does."""
        told = self.applying.turns(lambda told: LANE in rests_of(told) or moved(told, LANE, self.end))
        self.passed, rest = moved(told, LANE, self.end), rests_of(told).get(LANE)
        self.rests += [] if rest is None else [rest]
        return rest

    def go_on(self) -> None:
        """The rest is over."""
        self.clock.now += self.rests[-1]
        self.applying.come_again(LANE.topic)

    def count_tries(self) -> str:
        """A part of a trigger that counts how often it is begun, since a sequence is not rolled back."""
        self.session.execute(f"CREATE SEQUENCE {self.schema}.tries".encode())
        return f"PERFORM nextval('{self.schema}.tries')"

    def tries(self) -> int:
        """How often it was."""
        found = self.session.execute(f"SELECT last_value FROM {self.schema}.tries".encode()).fetchone()
        assert found is not None
        return int(found[0])

    def letter_states(self) -> Counter[str]:
        """How many letters there are in each."""
        query = "SELECT state, count(*) FROM headrace.letters WHERE group_name = %s GROUP BY 1"
        return Counter(dict(self.session.execute(query, (self.group,)).fetchall()))

    def kinds(self) -> set[str]:
        """Of the letters that failed last."""
        query = "SELECT DISTINCT kind FROM headrace.letters WHERE group_name = %s"
        return {row[0] for row in self.session.execute(query, (self.group,))}


def moved(told: Sequence[Notice], at: TopicPartition, to: int) -> bool:
    """Whether a partition has come so far."""
    return any(isinstance(one, Moved) and one.positions.get(at, 0) >= to for one in told)


def rests_of(told: Sequence[Notice]) -> dict[TopicPartition, float]:
    """The partitions that were given back, and for how long."""
    return {one.at: one.seconds for one in told if isinstance(one, Later)}


@pytest.fixture
def others(session: psycopg.Connection, schema: str) -> str:
    """A table that nobody locks."""
    session.execute(f"CREATE TABLE {schema}.free (id bigint PRIMARY KEY, word text)".encode())
    return "free"


@pytest.fixture
def turn() -> TurnLimits:
    """How much is tried of letters at a time."""
    return TurnLimits()


@pytest.fixture
def clock() -> Clock:
    """What rests go by."""
    return Clock()


@pytest.fixture
def applying(sinks: Sinks, catalogs: Catalogs, schema: str, turn: TurnLimits, clock: Clock) -> Applying:
    """A worker that does not wait long."""
    bounds = Bounds(flood=FloodLimits(percent=100), turn=turn, clock=clock)
    topics = [*TABLES, "free", LANE.topic, BESIDE.topic]
    return Applying(sinks("slow", DEADLINE), catalogs(), schema, topics, bounds)


@pytest.fixture
def scene(
    session: psycopg.Connection, applying: Applying, clock: Clock, pools: Pools, schema: str, group: str
) -> Scene:
    """Nothing is in the tables."""
    session.execute(EACH.format(s=schema, what="NULL").encode())
    for name in TABLES:
        session.execute(f"CREATE TABLE {schema}.{name} (id bigint PRIMARY KEY, word text)".encode())
        trigger = f"CREATE TRIGGER each BEFORE INSERT ON {schema}.{name} FOR EACH ROW EXECUTE FUNCTION {schema}.each()"
        session.execute(trigger.encode())
    return Scene(session, applying, PostgresOutbox(pools(), group), schema, group, clock)


def test_letters_that_are_slow_together_are_applied_in_parts(scene: Scene) -> None:
    """None of their statements is too slow, and all of them are for one batch."""
    scene.letters(10)
    scene.each(f"PERFORM pg_sleep({DEADLINE / 20})")
    assert scene.come_back()
    assert scene.letter_states() == {"applied": 40}


# each table that is locked takes longer than a turn
@pytest.mark.parametrize("turn", [TurnLimits(seconds=DEADLINE / 2)])
def test_others_have_their_turn_behind_each_table_that_is_locked(scene: Scene, server: str, others: str) -> None:
    """What a try has shown of a table is kept, and none is tried twice; the thread shows that it lives."""
    scene.letters(2)
    beats = count()
    scene.applying.applier.patience.beat = lambda: next(beats)
    with psycopg.connect(server) as other:
        for table in TABLES:
            other.execute(f"LOCK TABLE {scene.schema}.{table} IN ACCESS EXCLUSIVE MODE".encode())
        end = scene.applying.come_back(scene.outbox, LANE.topic)
        for number in range(len(TABLES)):
            scene.applying.offer({others: [("c", number, "a")]})
        told = scene.applying.turns(lambda told: moved(told, LANE, end))

    # for time, though they were sent again by hand
    assert scene.letter_states() == {"retrying": 8}
    assert scene.kinds() == {"table.busy"}
    passed = [at.topic for one in told if isinstance(one, Moved) for at in one.positions]
    # when the last table is known to be locked nothing is left to be tried
    assert passed == [others] * (len(TABLES) - 1) + [LANE.topic]
    assert next(beats) >= len(TABLES)


@pytest.mark.parametrize("turn", [TurnLimits(seconds=0.001)])
def test_what_a_turn_has_shown_is_kept(scene: Scene) -> None:
    """However short it is, the next one goes on from there."""
    scene.letters(2)
    for table in TABLES:
        scene.session.execute(f"DROP TABLE {scene.schema}.{table}".encode())
    assert scene.come_back()
    assert scene.letter_states() == {"dead": 8}
    assert scene.kinds() == {"table.missing"}


def test_a_letter_that_is_slow_alone_is_tried_once(scene: Scene) -> None:
    """A second try would hold the others up as long."""
    scene.letters(1, ["t0"])
    scene.each(f"{scene.count_tries()}; PERFORM pg_sleep(60)")
    assert scene.come_back()
    assert scene.tries() == 1
    assert scene.kinds() == {"record.timeout"}


def test_a_slow_letter_among_others_costs_itself(scene: Scene) -> None:
    """It is looked for in parts, turn by turn."""
    scene.letters(3)
    scene.each("IF NEW.id = 2 AND TG_TABLE_NAME = 't2' THEN PERFORM pg_sleep(60); END IF")
    assert scene.come_back()
    assert scene.letter_states() == {"applied": 11, "dead": 1}


def test_a_letter_that_was_sent_again_and_meets_conflicts_comes_again(scene: Scene) -> None:
    """They are over soon: a person is not asked once more because of them."""
    scene.letters(1, ["t0"])
    scene.each("RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'")
    assert scene.come_back()
    assert (scene.letter_states(), scene.kinds()) == ({"retrying": 1}, {"record.timeout"})
    scene.each("NULL")
    assert scene.come_back()
    assert scene.letter_states() == {"applied": 1}


def test_a_letter_that_meets_a_conflict_at_each_try_comes_to_an_end(scene: Scene) -> None:
    """As where a trigger says so itself: the first time alone counts in no budget."""
    scene.letters(1, ["t0"])
    scene.each("RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'")
    assert scene.come_back()
    assert scene.come_back()
    assert (scene.letter_states(), scene.kinds()) == ({"dead": 1}, {"record.timeout"})


def test_slow_letters_take_a_quarter_of_the_time(scene: Scene, others: str) -> None:
    """After each slow try the retry topic rests three times as long, and others go on."""
    scene.letters(3, ["t0"])
    scene.each(f"{scene.count_tries()}; PERFORM pg_sleep(60)")
    scene.end, free = scene.applying.come_back(scene.outbox, LANE.topic), TopicPartition(others, 0)
    while scene.turn() is not None:
        # what was tried is known to be slow, and nothing more is tried
        assert scene.tries() == len(scene.rests)
        scene.applying.offer({others: [("c", len(scene.rests), "a")]})
        assert moved(scene.applying.turns(lambda told: moved(told, free, 1)), free, 1)
        scene.go_on()

    assert scene.passed
    assert scene.letter_states() == {"dead": 3}
    # behind the last one the topic is passed, and rests for what comes then
    assert scene.tries() == len(scene.rests) + 1
    assert min(scene.rests) > 3 * DEADLINE


def test_a_rest_goes_on_when_a_partition_is_taken_anew(scene: Scene) -> None:
    """As after a decision about it, or when the group was divided anew."""
    scene.letters(2, ["t0"])
    scene.each(f"{scene.count_tries()}; PERFORM pg_sleep(60)")
    scene.end = scene.applying.come_back(scene.outbox, LANE.topic)
    rest = scene.turn()
    scene.clock.now += 1.0
    scene.applying.come_again(LANE.topic)
    assert rest is not None
    assert scene.turn() == pytest.approx(rest - 1.0)
    assert scene.tries() == 1


@pytest.mark.parametrize("turn", [TurnLimits(seconds=DEADLINE / 10, within=DEADLINE / 4)])
def test_a_letter_that_takes_nearly_a_deadline_is_applied(scene: Scene) -> None:
    """It is slow, and costs a rest; none is lost by that."""
    scene.letters(3, ["t0"])
    scene.each(f"PERFORM pg_sleep({DEADLINE / 2})")
    assert scene.come_back()
    assert scene.letter_states() == {"applied": 3}
    assert min(scene.rests) > 3 * DEADLINE / 4


def test_other_partitions_of_retry_topics_go_on(scene: Scene) -> None:
    """Of several that are tried together the slow one rests, also for what was spent to find it."""
    scene.letters(4, ["t0"])
    scene.each("IF NEW.id = 0 THEN PERFORM pg_sleep(60); END IF")
    scene.end = scene.applying.come_back(scene.outbox, LANE.topic, BESIDE.topic)
    told = scene.applying.turns(lambda told: LANE in rests_of(told) and moved(told, BESIDE, scene.end))
    assert moved(told, BESIDE, scene.end)
    assert scene.letter_states() == {"applied": 2, "replaying": 2}
    # two tries
    assert rests_of(told)[LANE] > 3 * 2 * DEADLINE


def test_rests_of_several_partitions_lie_behind_one_another(scene: Scene) -> None:
    """All slow letters together take a quarter of the time, in however many partitions they are."""
    scene.letters(4, ["t0"])
    scene.each("PERFORM pg_sleep(60)")
    scene.applying.come_back(scene.outbox, LANE.topic, BESIDE.topic)
    told = scene.applying.turns(lambda told: len(rests_of(told)) == 2)
    # they were tried together, then each by itself
    assert rests_of(told)[LANE] > 3 * 2 * DEADLINE
    assert rests_of(told)[BESIDE] > rests_of(told)[LANE] + 3 * DEADLINE
