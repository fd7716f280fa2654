"""The order of a row's letters: one for the database and for what is decided of those that come back."""

import random
from collections.abc import Sequence

import psycopg
import pytest

from consumer.core.letters import Standing, State, Verdict
from consumer.core.markers import UNAVAILABLE
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.target import TableName
from consumer.core.turns import Known, Room, turns
from consumer.edges.postgres import standing
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.lettered import FIELDS, row

_LETTER = """INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component,
    operation, detail, remedy, table_name, digest_a, digest_b)
    VALUES (%s, 't', %s, %s, 'replaying', 'record.check', 'persistent', 'test', 'test', 'd', 'r', 's.t', 1, 2)"""
# a topic grew and its position was set back: by partition and offset as they failed
CIRCLE = ((0, 9), (1, 2), (0, 5))


def place(letters: Sequence[tuple[int, int]], session: psycopg.Connection, group: str) -> list[Standing]:
    """Letters of one row, in the order in which they failed."""
    for partition, offset in letters:
        session.execute(_LETTER, (group, partition, offset))
    refs = [RecordRef(TopicPartition("t", partition), offset) for partition, offset in letters]
    return standing.read(session, group, refs)


def in_turn(letters: Sequence[Standing]) -> list[RecordRef]:
    """What may be applied of it when all have come back."""
    room = Room(letters=100, bytes=1000)
    return [one.ref for one in turns(letters, {one.id for one in letters}, Known(), room).tried]


def drawn(seed: int) -> list[tuple[int, int]]:
    """Some letters."""
    chance = random.Random(seed)
    places = [(partition, offset) for partition in range(3) for offset in range(3)]
    return chance.sample(places, chance.randint(1, 6))


@pytest.mark.parametrize("letters", [CIRCLE, *map(drawn, range(12))])
def test_a_rows_letters_come_to_an_end_one_by_one(
    session: psycopg.Connection, group: str, letters: Sequence[tuple[int, int]]
) -> None:
    """Whatever failed first: one is the oldest, for all who ask; when it is closed the next one comes back."""
    left = place(letters, session, group)
    session.execute("UPDATE headrace.letters SET state = 'held' WHERE group_name = %s", (group,))
    for _ in letters:
        with session.transaction():
            (oldest,) = standing.alone(session, [one.id for one in left])
            assert in_turn(left)[0] == oldest
            (closed,) = [one.id for one in left if one.ref == oldest]
            session.execute("UPDATE headrace.letters SET state = 'applied' WHERE id = %s", (closed,))
            standing.release_next(session, [closed])
        left = [one for one in left if one.id != closed]
        query = "SELECT id FROM headrace.letters WHERE group_name = %s AND state = 'retrying'"
        released = [row[0] for row in session.execute(query, (group,))]
        assert [one.ref for one in left if one.id in released] == in_turn(left)[:1]


@pytest.mark.parametrize("letters", [CIRCLE, *map(drawn, range(12))])
def test_what_has_its_turn_together_is_closed_together(
    session: psycopg.Connection, group: str, letters: Sequence[tuple[int, int]]
) -> None:
    """The order is that of when all were open: else what is closed first would take another one's place from it."""
    left = place(letters, session, group)
    while left:
        now = set(in_turn(left))
        verdicts = [Verdict(id=one.id, attempt=one.attempt, state=State.APPLIED) for one in left if one.ref in now]
        with session.transaction():
            assert standing.settle(session, verdicts)
        left = [one for one in left if one.ref not in now]


@pytest.fixture
def engine(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engine:
    """A table that takes no 666, and a row of it that has letters in two partitions; the first one failed first."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, n int CHECK (n <> 666))".encode())
    made = Engine(sink, pools(), group, TableName(schema, "t"), FIELDS, partitions=2)
    made.change("c", row(1, "old", 1))
    made.change("u", row(1, UNAVAILABLE, 2))
    made.change("u", row(1, UNAVAILABLE, 666))
    made.run()
    made.change("u", row(1, "new", 666), partition=1)
    made.run()
    assert made.letters(session) == [(0, 2, "dead", "record.check"), (1, 0, "dead", "record.check")]
    return made


def test_what_is_read_again_in_front_of_the_oldest_letter_waits_for_none(
    session: psycopg.Connection, engine: Engine, group: str
) -> None:
    """Its partition is the older one as long as that letter is open, so nothing of the other one is in front of it."""
    back = "UPDATE headrace.positions SET next_offset = 1, epoch = epoch + 1 WHERE group_name = %s AND partition = 0"
    session.execute(back, (group,))
    engine.start()
    engine.run(1)

    assert engine.rows(session) == [(1, "old", 2)]
    assert [state for _, _, state, _ in engine.letters(session)] == ["dead", "dead"]
    assert engine.stopped == {}


def test_an_image_of_the_whole_row_makes_letters_of_both_partitions_needless(
    session: psycopg.Connection, engine: Engine
) -> None:
    """Whichever of them failed first."""
    engine.change("u", row(1, "good", 5))
    engine.run()

    assert engine.rows(session) == [(1, "good", 5)]
    assert [state for _, _, state, _ in engine.letters(session)] == ["superseded", "superseded"]
