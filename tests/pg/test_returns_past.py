"""Letters that come back and need not wait for the older ones of their rows: what becomes of them when their try fails.

Each is behind a letter that can't be applied, and that nobody touches.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from consumer.applying.returns import TurnLimits
from consumer.core.flood import FloodLimits
from consumer.core.letters import Standing
from consumer.core.markers import UNAVAILABLE
from consumer.core.pausing import Subject
from consumer.core.target import TableName
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.ports.desk import Note
from dlq.actions import replay
from tests.pg import unplaced
from tests.pg.applying import Applying, Bounds
from tests.pg.conftest import Catalogs, Pools, Sinks
from tests.pg.landing import Landing
from tests.pg.test_returns_together import CHECK, LANE
from tests.pg.test_returns_together import Scene as Together

FLOOD = FloodLimits(percent=100)
WHOLE = ("u", 1, "good")
DEADLINE = 1.0


@dataclass
class Scene(Together):
    """Its first letter is bad and stays dead; the others come back."""

    def behind(self, *changes: tuple[str, int, str]) -> None:
        """Letters behind it."""
        self.do("INSERT INTO {s}.t VALUES (1, 'old')")
        self.letters([("u", 1, "bad")])
        self.do(CHECK)
        if changes:
            self.letters(changes, begin=1)

    def again(self, *, by_itself: bool = False) -> tuple[str, str, int] | None:
        """They come back, sent again by a person or not; what is said of the second letter then."""
        mine = 'group_name = %s AND "offset" > 0'
        if by_itself:
            again = "state = 'retrying', due_at = now(), published_attempt = 0, claimed_until = NULL"
            self.session.execute(f"UPDATE headrace.letters SET {again} WHERE {mine}".encode(), (self.group,))
        else:
            query = f"SELECT id FROM headrace.letters WHERE state = 'dead' AND {mine}"
            replay(self.session, self.group, [row[0] for row in self.session.execute(query.encode(), (self.group,))])
        self.turn(LANE, self.applying.come_back(self.outbox, LANE))
        return self.second()

    def second(self) -> tuple[str, str, int] | None:
        """State, kind and attempts that count of the second letter, if it is there."""
        query = 'SELECT state, kind, attempt - excused FROM headrace.letters WHERE group_name = %s AND "offset" = 1'
        return self.session.execute(query, (self.group,)).fetchone()

    def attempts(self) -> int:
        """Those of the second letter that count."""
        said = self.second()
        assert said is not None
        return said[2]

    def looked_at(self) -> list[list[int]]:
        """A list that gets the offsets of the letters whose bytes are read, as they are."""
        found: list[list[int]] = []
        read = self.applying.sink.records

        def records(letters: Sequence[Standing], **how: bool) -> object:
            found.append([letter.ref.offset for letter in letters])
            return read(letters, **how)

        self.applying.sink.records = records
        return found


@pytest.fixture
def scene(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, pools: Pools, schema: str, group: str
) -> Scene:
    """An empty table."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word varchar(5))".encode())
    bounds = Bounds(flood=FLOOD, patience=0.1, turn=TurnLimits(locked=3600.0))
    applying = Applying(sinks("past", DEADLINE), catalogs(), schema, ["t", LANE], bounds)
    return Scene(session, applying, PostgresOutbox(pools(), group), schema, group)


def test_what_is_refused_for_a_moment_is_tried_again(scene: Scene) -> None:
    """Its attempt counts, and the reason is its own."""
    scene.behind(WHOLE)
    scene.do("CREATE TABLE {s}.words (word varchar(5) PRIMARY KEY)")
    scene.do("ALTER TABLE {s}.t ADD FOREIGN KEY (word) REFERENCES {s}.words NOT VALID")
    before = scene.attempts()
    assert scene.again(by_itself=True) == ("retrying", "record.reference", before + 1)
    scene.do("INSERT INTO {s}.words VALUES ('good')")
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert (scene.states(), scene.rows()) == (["superseded", "applied"], {1: "good"})


def test_what_a_person_sends_again_and_is_refused_is_dead(scene: Scene) -> None:
    """As it would be with nothing in front of it."""
    scene.behind(("u", 1, "bad2"))
    assert scene.again() == ("dead", "record.check", scene.attempts())


def test_what_is_of_a_locked_table_comes_again(scene: Scene, server: str) -> None:
    """Also while nobody tries whether it still is locked; no attempt is gone."""
    scene.behind(WHOLE, ("u", 2, "other"))
    before = scene.attempts()
    with psycopg.connect(server) as other:
        other.execute(f"LOCK TABLE {scene.schema}.t IN ACCESS EXCLUSIVE MODE".encode())
        assert scene.again(by_itself=True) == ("retrying", "table.busy", before)
    looked_at = scene.looked_at()
    assert scene.again(by_itself=True) == ("retrying", "table.busy", before)
    assert [2] not in looked_at


def test_what_needs_a_schema_that_the_registry_does_not_give_comes_again(scene: Scene) -> None:
    """Its key says which row it is of, and only its value whether it need not wait; no attempt is gone meanwhile."""
    scene.behind()
    late = 9
    scene.applying.offer({"t": [WHOLE]}, late)
    scene.turn("t", 2)
    before = scene.attempts()
    assert scene.again(by_itself=True) == ("retrying", "registry.away", before)
    scene.applying.schemas[late] = scene.applying.schemas[2]
    scene.applying.ahead.turn(0)
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert (scene.states(), scene.rows()) == (["superseded", "applied"], {1: "good"})


def test_what_is_of_a_table_that_is_missing_comes_again(scene: Scene) -> None:
    """Its topic is bound anew once the table is there."""
    scene.behind(WHOLE)
    before = scene.attempts()
    scene.do("ALTER TABLE {s}.t RENAME TO away")
    scene.applying.forget("t")
    assert scene.again(by_itself=True) == ("retrying", "table.missing", before)
    scene.do("ALTER TABLE {s}.away RENAME TO t")
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert (scene.states(), scene.rows()) == (["superseded", "applied"], {1: "good"})


def test_of_a_row_the_newest_that_need_not_wait_is_looked_for(scene: Scene) -> None:
    """What is older than that ends, whatever it is; what is newer and says less goes with it."""
    scene.behind(WHOLE, ("u", 1, "b"), ("u", 1, "c"), ("u", 1, UNAVAILABLE))
    looked_at = scene.looked_at()
    scene.again(by_itself=True)
    assert looked_at == [[4], [3], [3, 4]]
    assert scene.states() == ["superseded"] * 3 + ["applied"] * 2


def test_the_thread_shows_that_it_lives_while_letters_are_looked_at(scene: Scene) -> None:
    """Each may need a schema."""
    scene.behind(*(("u", 1, UNAVAILABLE) for _ in range(8)))
    beats: list[object] = []
    scene.applying.applier.patience.beat = lambda: beats.append(None)
    scene.again(by_itself=True)
    assert scene.states() == ["dead"] + ["held"] * 8
    assert len(beats) > 8


def test_what_loses_its_bytes_while_it_is_looked_at_is_read_anew(scene: Scene) -> None:
    """They are deleted between two statements."""
    scene.behind(WHOLE)
    read = scene.applying.sink.records
    query = 'DELETE FROM headrace.letters WHERE group_name = %s AND "offset" = 1'

    def records(letters: Sequence[Standing], **how: bool) -> object:
        scene.session.execute(query, (scene.group,))
        return read(letters, **how)

    scene.applying.sink.records = records
    scene.again()
    assert scene.states() == ["dead"]


def test_what_a_person_has_paused_is_not_passed(
    session: psycopg.Connection, sinks: Sinks, pools: Pools, schema: str, group: str
) -> None:
    """One of a partition that the topic got later waits, and what it waits for is left alone; each has one outcome."""
    session.execute(
        f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, amount int CONSTRAINT no CHECK (false))"
    )
    sink = sinks()
    sink.seed({})
    grown = unplaced.Scene(session, sink, pools(), group, Landing(sink, TableName(schema, "t"), unplaced.FIELDS))
    grown.apply(unplaced.OLD)
    grown.beside(unplaced.WHOLE, grown=True)
    session.execute(f"ALTER TABLE {schema}.t DROP CONSTRAINT no")
    topic, partition = grown.landing.at
    with closing(PostgresControl(sink.settings, group)) as control:
        control.pause(Subject(topic=topic, partition=partition), Note("me@here", "an index is built"))
    ids = [row[0] for row in session.execute("SELECT id FROM headrace.letters WHERE group_name = %s", (group,))]
    assert len(replay(session, group, ids).changed) == 2
    grown.come_back()
    states = "SELECT state FROM headrace.letters WHERE group_name = %s ORDER BY partition"
    assert session.execute(states, (group,)).fetchall() == [("dead",), ("held",)]
    assert grown.rows() == []
