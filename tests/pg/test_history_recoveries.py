"""Recoveries of tables that are histories: what is applied again, taken back, or left alone."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.types.json import Jsonb

from consumer.core.decision import Undecidable
from consumer.core.steering import Steer
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.workflows import PostgresWorkflows
from tests.pg import turning_child
from tests.pg.conftest import Pools
from tests.pg.recovering import NOTE, TOPIC, Group
from tests.pg.test_actions import write
from tests.pg.turning_child import POINTS, acts


@pytest.fixture
def the(session: psycopg.Connection, server: str, pools: Pools, group: str) -> Group:
    """A group."""
    return Group(session, server, pools(), group)


@pytest.fixture
def history(the: Group) -> Iterator[str]:
    """A history of both partitions, of which offsets 40 to 49 and 50 to 59 are there; batch 1 had the last five."""
    the.known()
    name = f'public."{the.name}"'
    the.session.execute(f"CREATE TABLE {name} (id bigint, _partition int, _offset bigint)".encode())
    insert = f"INSERT INTO {name} SELECT n, p, n + 40 + 10 * p FROM generate_series(0, 9) n, generate_series(0, 1) p"
    the.session.execute(insert.encode())
    the.session.execute(
        """INSERT INTO headrace.batches (group_name, worker, state, ranges, started_at)
        VALUES (%s, 'w', 'applied', %s, now())""",
        (the.name, Jsonb([[TOPIC, 0, 45, 50, 7], [TOPIC, 1, 55, 60, 7]])),
    )
    yield name
    the.session.execute(f"DROP TABLE {name}".encode())


def left(the: Group, history: str) -> list[tuple[int, int, int]]:
    """Of each partition how many rows are left, the first offset and the last."""
    query = f"SELECT _partition, count(*), max(_offset) FROM {history} GROUP BY 1 ORDER BY 1"
    return the.session.execute(query.encode()).fetchall()


def test_a_history_gives_back_what_is_applied_again(the: Group, history: str) -> None:
    """In the transaction that sets the position."""
    modes = {f"public.{the.name}": "history"}
    done = the.taken(the.start("rewind", partition=0, to="42"), modes)
    assert (done.state, done.steps[0].progress["taken_back"]) == ("done", 8)
    assert left(the, history) == [(0, 2, 41), (1, 10, 59)]


def test_a_batch_is_applied_again_from_where_it_began(the: Group, history: str) -> None:
    """And what a history has of it, and of what is behind it, goes."""
    batch = the.session.execute("SELECT max(id) FROM headrace.batches").fetchall()[0][0]
    done = the.taken(the.start("reapply", batch=batch), {f"public.{the.name}": "history"})
    assert (done.state, the.set()) == ("done", [(0, 45), (1, 55)])
    assert left(the, history) == [(0, 5, 44), (1, 5, 54)]


def test_a_batch_is_taken_back_from_a_history(the: Group, history: str) -> None:
    """By its offsets; positions stay."""
    batch = the.session.execute("SELECT max(id) FROM headrace.batches").fetchall()[0][0]
    more = f"INSERT INTO {history} VALUES (99, 1, 60)"
    the.session.execute(more.encode())
    done = the.taken(the.start("erase", batch=batch, table=f"public.{the.name}"), {})
    assert (done.state, done.steps[0].progress["deleted"], the.set()) == ("done", 10, [])
    assert left(the, history) == [(0, 5, 44), (1, 6, 60)]


@pytest.mark.parametrize("kind", ["reapply", "erase", "undo"])
def test_a_batch_of_letters_that_came_back_is_not_taken_for_their_records(the: Group, history: str, kind: str) -> None:
    """Its records are copies, whose letters are closed, so that to apply them again does nothing."""
    update = "UPDATE headrace.batches SET outcomes = %s WHERE group_name = %s RETURNING id"
    ((batch,),) = the.session.execute(update, (Jsonb({"returned": {"applied": 3}}), the.name)).fetchall()
    with pytest.raises(Undecidable, match="has brought letters further"):
        the.start(kind, batch=batch, table=history.replace('"', ""))


@pytest.mark.parametrize(("turn", "point"), [(turn, point) for turn in (0, 1) for point in POINTS])
def test_what_is_killed_takes_a_batch_back_from_a_history_once(the: Group, history: str, turn: int, point: str) -> None:
    """Partition by partition, each with how far it is."""
    batch = the.session.execute("SELECT max(id) FROM headrace.batches").fetchall()[0][0]
    number = the.start("erase", batch=batch, table=f"public.{the.name}")
    words = [sys.executable, turning_child.__file__, the.server, the.name, str(number), str(turn), point]
    assert subprocess.run(words, check=False, timeout=60).returncode in (-signal.SIGKILL, 3)
    done = the.taken(number)
    assert (done.state, done.steps[0].progress["deleted"]) == ("done", 10)
    assert left(the, history) == [(0, 5, 44), (1, 5, 54)]


def test_a_history_that_does_not_say_its_offsets_is_left_alone(the: Group, history: str) -> None:
    """Nothing is set."""
    the.session.execute(f"ALTER TABLE {history} DROP COLUMN _offset".encode())
    stopped = the.taken(the.start("rewind", to="earliest"), {f"public.{the.name}": "history"})
    assert (stopped.state, "_offset" in stopped.why, the.set()) == ("stopped", True, [])


@pytest.mark.parametrize("mode", ["history", "append"])
def test_a_second_table_that_can_not_give_back_keeps_the_first_ones_rows(the: Group, history: str, mode: str) -> None:
    """Those are not applied again either."""
    other = f"public.{the.name}_b"
    the.session.execute(f'CREATE TABLE "{other.partition(".")[2]}" (id bigint)'.encode())
    the.session.execute("INSERT INTO headrace.target_tables VALUES (%s, %s, %s)", (the.name, other, TOPIC))
    stopped = the.taken(the.start("rewind", to="earliest"), {f"public.{the.name}": "history", other: mode})
    assert (stopped.state, other in stopped.why, the.set()) == ("stopped", True, [])
    assert left(the, history) == [(0, 10, 49), (1, 10, 59)]


@pytest.mark.parametrize("kind", ["rewind", "erase"])
def test_a_history_of_two_topics_with_one_name_is_left_alone(the: Group, history: str, kind: str) -> None:
    """It has rows of both under the same offsets, and does not say which are whose."""
    the.session.execute("UPDATE headrace.positions SET anew_at = now() WHERE group_name = %s", (the.name,))
    batch = the.session.execute("SELECT max(id) FROM headrace.batches").fetchall()[0][0]
    subject = {"partition": 0, "to": "42"} if kind == "rewind" else {"batch": batch, "table": f"public.{the.name}"}
    stopped = the.taken(the.start(kind, **subject), {f"public.{the.name}": "history"})
    assert (stopped.state, "made anew" in stopped.why, the.set()) == ("stopped", True, [])
    assert left(the, history) == [(0, 10, 49), (1, 10, 59)]


def test_a_history_with_rows_behind_the_position_is_left_alone(the: Group, history: str) -> None:
    """They can only be of a topic that was deleted, some time before that was noted."""
    the.session.execute(f"INSERT INTO {history} VALUES (99, 0, 50)".encode())
    stopped = the.taken(the.start("rewind", partition=0, to="42"), {f"public.{the.name}": "history"})
    assert (stopped.state, "behind the position" in stopped.why, the.set()) == ("stopped", True, [])
    assert left(the, history) == [(0, 11, 50), (1, 10, 59)]


def test_a_topic_that_was_not_made_anew_is_not_read_once_more(the: Group, history: str) -> None:
    """Nor is one that was adopted already."""
    done = the.taken(the.start("adopt"), {f"public.{the.name}": "history"})
    assert (done.state, the.set()) == ("done", [])
    assert left(the, history) == [(0, 10, 49), (1, 10, 59)]


@pytest.mark.parametrize("kind", ["rewind", "reapply"])
def test_a_position_in_front_of_where_a_topic_is_set_back_to_stays(the: Group, history: str, kind: str) -> None:
    """What is between was never applied, and would be passed."""
    behind = "UPDATE headrace.positions SET next_offset = 20 WHERE group_name = %s AND partition = 0"
    the.session.execute(behind, (the.name,))
    batch = the.session.execute("SELECT max(id) FROM headrace.batches").fetchall()[0][0]
    subject = {"to": "2026-05-01T00:30:00Z"} if kind == "rewind" else {"batch": batch}
    done = the.taken(the.start(kind, **subject))
    to = 30 if kind == "rewind" else 55
    assert (done.state, the.set(), the.epochs()) == ("done", [(1, to)], [7, 8])
    assert done.steps[0].progress == {"from": 20, "to": 20}


def test_a_history_that_is_taken_back_in_parts_keeps_how_far_it_is(the: Group, history: str) -> None:
    """Where the second part stops: the report is of all that was done."""
    batch = the.session.execute("SELECT max(id) FROM headrace.batches").fetchall()[0][0]
    number = the.start("erase", batch=batch, table=f"public.{the.name}")
    assert PostgresWorkflows(the.pool, the.name, acts(the.name, {})).turn(number) is not None
    the.session.execute("UPDATE headrace.positions SET anew_at = now() WHERE group_name = %s", (the.name,))
    stopped = the.taken(number)
    assert (stopped.state, stopped.steps[0].progress["deleted"]) == ("stopped", 5)
    the.session.execute("UPDATE headrace.positions SET anew_at = NULL WHERE group_name = %s", (the.name,))
    with closing(PostgresRecoveries(SessionSettings(dsn=the.server, worker="desk"), the.name)) as desk:
        assert desk.decide(number, Steer.RESUME, NOTE)
    done = the.taken(number)
    assert (done.state, done.steps[0].progress["deleted"]) == ("done", 10)


@pytest.mark.parametrize("placed", [True, False], ids=["of the table", "of no known table"])
def test_letters_of_what_a_history_has_applied_again_come_back_no_more(the: Group, history: str, placed: bool) -> None:
    """Each change is there once: its record is appended again, or is a letter again. Others stay."""
    ids = write(the.session, the.name, [("in", 0, 45, "dead"), ("in front", 0, 41, "dead"), ("beside", 1, 45, "dead")])
    table = f"public.{the.name}" if placed else None
    change = "UPDATE headrace.letters SET topic = %s, table_name = %s WHERE group_name = %s"
    the.session.execute(change, (TOPIC, table, the.name))
    done = the.taken(the.start("rewind", partition=0, to="42"), {f"public.{the.name}": "history"})
    assert done.state == "done"
    states = dict(the.session.execute("SELECT id, state FROM headrace.letters WHERE group_name = %s", (the.name,)))
    assert {name: states[number] for name, number in ids.items()} == {
        "in": "discarded",
        "in front": "dead",
        "beside": "dead",
    }
