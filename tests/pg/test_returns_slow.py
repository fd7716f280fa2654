"""Letters that come back to a target that is slow: what that costs them, and others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import pytest

from consumer.core.flood import FloodLimits
from consumer.core.records import TopicPartition
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.sink import PostgresSink
from consumer.handover import Moved, Notice
from dlq.actions import replay
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Pools, Sinks

DEADLINE = 0.5
LANE = TopicPartition("retry", 0)
TABLES = ("t0", "t1", "t2", "t3")
# what each row does before it is written
EACH = """CREATE OR REPLACE FUNCTION {s}.each() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    {what}; RETURN NEW; END $$"""


@dataclass
class Scene:
    """Some tables, and letters of each that are sent again."""

    session: psycopg.Connection
    sink: PostgresSink
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

    def come_back(self, seconds: float = 10.0) -> bool:
        """Bring the copies back; whether the retry topic was passed in time."""
        end = self.applying.come_back(self.outbox, LANE.topic)
        return moved(self.applying.turns(lambda told: moved(told, LANE, end), seconds), LANE, end)

    def letter_states(self) -> Counter[str]:
        """How many letters there are in each."""
        query = "SELECT state, count(*) FROM headrace.letters WHERE group_name = %s GROUP BY 1"
        return Counter(dict(self.session.execute(query, (self.group,)).fetchall()))


def moved(told: Sequence[Notice], at: TopicPartition, to: int) -> bool:
    """Whether a partition has come so far."""
    return any(isinstance(one, Moved) and one.positions.get(at, 0) >= to for one in told)


@pytest.fixture
def scene(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, pools: Pools, schema: str, group: str
) -> Scene:
    """Nothing is in the tables."""
    sink = sinks("slow", DEADLINE)
    session.execute(EACH.format(s=schema, what="NULL").encode())
    for name in TABLES:
        session.execute(f"CREATE TABLE {schema}.{name} (id bigint PRIMARY KEY, word text)".encode())
        trigger = f"CREATE TRIGGER each BEFORE INSERT ON {schema}.{name} FOR EACH ROW EXECUTE FUNCTION {schema}.each()"
        session.execute(trigger.encode())
    applying = Applying(sink, catalogs(), schema, [*TABLES, LANE.topic], FloodLimits(percent=100))
    return Scene(session, sink, applying, PostgresOutbox(pools(), group), schema, group)


def test_letters_that_are_slow_together_are_applied_in_parts(scene: Scene) -> None:
    """None of their statements is too slow, and all of them are for one batch."""
    scene.letters(10)
    scene.each(f"PERFORM pg_sleep({DEADLINE / 20})")
    assert scene.come_back()
    assert scene.letter_states() == {"applied": 40}
