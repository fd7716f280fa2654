"""Letters that come back to a target that is slow: what that costs them, and others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import psycopg
import pytest

from consumer.applying.returns import TurnLimits
from consumer.core.flood import FloodLimits
from consumer.core.records import TopicPartition
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.reading.handover import Moved, Notice
from dlq.actions import replay
from tests.pg.applying import Applying, Bounds
from tests.pg.conftest import Catalogs, Pools, Sinks

DEADLINE = 1.0
LANE = TopicPartition("retry", 0)
TABLES = ("t0", "t1", "t2", "t3")
# what each row does before it is written
EACH = """CREATE OR REPLACE FUNCTION {s}.each() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    {what}; RETURN NEW; END $$"""


@dataclass
class Scene:
    """Some tables, and letters of each that are sent again."""

    session: psycopg.Connection
    applying: Applying
    outbox: PostgresOutbox
    schema: str
    group: str

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
        assert set(self.letter_states()) == {"dead"}
        self.outbox.claim(1000, 3600)
        query = "SELECT id FROM headrace.letters WHERE group_name = %s"
        ids = [row[0] for row in self.session.execute(query, (self.group,))]
        assert len(replay(self.session, self.group, ids).changed) == of_each * len(tables)

    def come_back(self, seconds: float = 60.0) -> bool:
        """Bring the copies back; whether the retry topic was passed in time."""
        end = self.applying.come_back(self.outbox, LANE.topic)
        return moved(self.applying.turns(lambda told: moved(told, LANE, end), seconds), LANE, end)

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
def applying(sinks: Sinks, catalogs: Catalogs, schema: str, turn: TurnLimits) -> Applying:
    """A worker that does not wait long."""
    bounds = Bounds(flood=FloodLimits(percent=100), turn=turn)
    return Applying(sinks("slow", DEADLINE), catalogs(), schema, [*TABLES, "free", LANE.topic], bounds)


@pytest.fixture
def scene(session: psycopg.Connection, applying: Applying, pools: Pools, schema: str, group: str) -> Scene:
    """Nothing is in the tables."""
    session.execute(EACH.format(s=schema, what="NULL").encode())
    for name in TABLES:
        session.execute(f"CREATE TABLE {schema}.{name} (id bigint PRIMARY KEY, word text)".encode())
        trigger = f"CREATE TRIGGER each BEFORE INSERT ON {schema}.{name} FOR EACH ROW EXECUTE FUNCTION {schema}.each()"
        session.execute(trigger.encode())
    return Scene(session, applying, PostgresOutbox(pools(), group), schema, group)


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
    # a sequence is not rolled back
    scene.session.execute(f"CREATE SEQUENCE {scene.schema}.tries")
    scene.each(f"PERFORM nextval('{scene.schema}.tries'), pg_sleep(60)")
    assert scene.come_back()
    assert scene.session.execute(f"SELECT last_value FROM {scene.schema}.tries").fetchone() == (1,)
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
