"""Partitions are taken: by whom, from where on, and what ends whoever is in the way."""

from collections.abc import Mapping
from dataclasses import replace

import psycopg
import pytest

from consumer.core.failure import Transient
from consumer.core.key_turns import Ids
from consumer.core.records import LastRecord, TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres.positions import end_blockers, lock
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.target import Start
from tests.pg.conftest import Sinks
from tests.pg.landing import Landing
from tests.pg.words import FIELDS

ROW = {"id": 1, "word": "w"}


@pytest.fixture
def landing(sink: PostgresSink, word_table: TableName) -> Landing:
    """A topic of a table, its partition taken."""
    return Landing(sink, word_table, FIELDS)


def test_taking_raises_epochs_and_keeps_positions(sink: PostgresSink, landing: Landing) -> None:
    """A stored position counts, not where a new one would begin; the stop of an earlier owner is forgotten."""
    landing.apply(("c", ROW))
    epochs = [sink.take({landing.at: Start(offset=77, topic_id="x")})[0] for _ in range(3)]

    assert [(taken.epoch, taken.next_offset) for taken in epochs] == [(2, 1), (3, 1), (4, 1)]


def test_what_was_ours_is_not_taken_again_from_its_next_owner(
    sink: PostgresSink, sinks: Sinks, landing: Landing
) -> None:
    """What has no owner, as in a server that lost the last commits, is."""
    mine, theirs, nobodys = landing.at, TopicPartition("t", 1), TopicPartition("t", 2)
    wanted = {at: Start(offset=0) for at in (mine, theirs, nobodys)}
    sink.take({mine: Start(offset=0), theirs: Start(offset=0)})
    (taken,) = sinks("two").take({theirs: Start(offset=0)})

    assert {part.at for part in sink.take(wanted, again=True)} == {mine, nobodys}
    assert sinks("two").take({theirs: Start(offset=0)}, again=True)[0].epoch == taken.epoch + 1


def test_the_last_record_is_kept_with_the_position_that_it_belongs_to(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """It stays when the position passes what is no record, and says nothing of one that was set by hand."""

    def known() -> LastRecord | None:
        landing.taken = sink.take({landing.at: Start(offset=0)})[0]
        return landing.taken.last_record

    def move(end: int, *last: LastRecord) -> None:
        plan = landing.plan(*[("c", ROW)] * len(last))
        start = landing.taken.next_offset
        piece = replace(plan.slices[0], epoch=landing.taken.epoch, start=start, end=end, leader_epochs=last)
        sink.apply(replace(plan, slices=(piece,)))

    assert known() is None
    move(1, LastRecord(0, 3))
    assert known() == (0, 3)
    move(5)
    assert known() == (0, 3)
    by_hand = "UPDATE headrace.positions SET next_offset = 8 WHERE group_name = %s"
    session.execute(by_hand.encode(), (group,))
    assert known() is None
    move(9)
    assert known() is None


def test_the_ids_that_keys_had_are_kept_with_the_position_that_they_are_in_front_of(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """A batch without new ones keeps them; of a position that was set by hand nothing is known, nor behind it."""

    def known() -> list[Ids]:
        landing.taken = sink.take({landing.at: Start(offset=0)})[0]
        (stored,) = sink.stored()
        return [landing.taken.key_ids, stored.key_ids]

    def move(more: Mapping[TopicPartition, Ids]) -> None:
        plan = landing.plan(("c", ROW))
        assert [(run.offset, run.schema_id) for run in plan.key_runs] == [(landing.next_offset, 1)]
        piece = replace(plan.slices[0], epoch=landing.taken.epoch)
        sink.apply(replace(plan, slices=(piece,), key_ids=more))
        landing.next_offset = piece.end

    some = {"public.words": frozenset({1, 7}), "public.others": frozenset({2})}
    assert known() == [{}, {}]
    move({landing.at: some})
    assert known() == [some, some]
    move({})
    assert known() == [some, some]
    by_hand = "UPDATE headrace.positions SET next_offset = 0 WHERE group_name = %s"
    session.execute(by_hand.encode(), (group,))
    assert known() == [{}, {}]
    landing.next_offset = 0
    move({})
    assert known() == [{}, {}]


def test_a_group_is_seeded_once(sink: PostgresSink, sinks: Sinks) -> None:
    """What the first worker noted holds; the second changes nothing."""
    here, there = TopicPartition("t", 0), TopicPartition("t", 1)
    assert not sink.known().started
    sink.seed({here: Start(offset=5)})
    sinks("two").seed({here: Start(offset=6), there: Start(offset=6)})

    assert sink.known().started
    assert sink.known().partitions == {here}
    assert sink.take({here: Start(offset=9), there: Start(offset=9)})[0].next_offset == 5


def lock_position(session: psycopg.Connection, group: str) -> int:
    """Hold the group's position rows; returns the session's process id."""
    session.execute("BEGIN")
    session.execute("SELECT 1 FROM headrace.positions WHERE group_name = %s FOR UPDATE", (group,))
    return session.info.backend_pid


def test_a_stalled_owner_is_ended_by_the_next(sink: PostgresSink, sinks: Sinks, landing: Landing, group: str) -> None:
    """A worker of ours that holds its rows longer than the lock timeout loses its session, and the rows are taken."""
    connection, other = sink._session(), sinks("two")
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM headrace.positions WHERE group_name = %s FOR UPDATE", (group,))
    other._session().execute("SET lock_timeout = '200ms'")
    taken = other.take({landing.at: Start(offset=0)})[0]

    assert taken.epoch == 2
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")


def test_a_lock_is_given_up_before_the_statement(sink: PostgresSink) -> None:
    """Only a lock timeout tells that someone holds the rows; it has to come first, or no blocker is ever ended."""
    query = "SELECT extract(epoch FROM current_setting(%s)::interval)"
    lock, statement = (
        sink._session().execute(query, (f"{name}_timeout",)).fetchone() for name in ("lock", "statement")
    )

    assert lock is not None
    assert statement is not None
    assert 0 < lock[0] < statement[0]


def test_only_the_recorded_owners_session_is_ended(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """A process id is used again by others, so the session must also bear the owner's name and role."""
    pid = session.info.backend_pid
    recorded = "UPDATE headrace.positions SET owner_pid = %s WHERE group_name = %s RETURNING owner_pid"
    mine = session.execute("SELECT owner_pid FROM headrace.positions WHERE group_name = %s", (group,)).fetchone()
    session.execute(recorded, (pid, group))
    assert end_blockers(session, "another group", [landing.at]) == 0
    with psycopg.connect(session.info.dsn, password=session.info.password, autocommit=True) as other:
        assert end_blockers(other, group, [landing.at]) == 0
        assert session.execute("SELECT 1").fetchone() == (1,)
        session.execute(recorded, (mine and mine[0], group))
        assert end_blockers(other, group, [landing.at]) == 0, "it holds nobody up"
        owner = sink._session()
        owner.execute("BEGIN")
        lock(owner, group, [landing.at])
        assert end_blockers(other, group, [landing.at]) == 1
    with pytest.raises(Transient):
        sink.stored()


def test_a_foreign_session_is_never_ended(
    session: psycopg.Connection, sink: PostgresSink, sinks: Sinks, landing: Landing, group: str
) -> None:
    """Whoever else holds the rows keeps them; the taking waits and says so."""
    lock_position(session, group)
    with pytest.raises(Transient) as caught:
        sinks("two", deadline=1.0).take({landing.at: Start(offset=0)})

    assert caught.value.failure.kind in ("target.locked", "target.timeout")
    assert session.execute("SELECT 1").fetchone() == (1,)
    session.execute("ROLLBACK")
