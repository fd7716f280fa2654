"""Positions as workflows set them: each once, whatever process dies at which point, and nothing that is not sound."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from consumer.core.decision import Undecidable
from consumer.core.failure import Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.core.steering import Steer
from consumer.core.workflow import State, Turn
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.workflows import Act, PostgresWorkflows
from consumer.ports.desk import Note
from consumer.ports.recovering import Workflow
from tests.pg import turning_child
from tests.pg.conftest import Pools
from tests.pg.test_actions import write
from tests.pg.turning_child import NEW_ID, POINTS, Logs, acts

NOTE = Note("me", "ticket 1")
TOPIC = "shop.orders"


@dataclass
class Group:
    """A group with two partitions of a topic, at offsets 50 and 60."""

    session: psycopg.Connection
    server: str
    pool: TargetPool
    name: str

    def known(self, topic_id: str = NEW_ID) -> None:
        """Have them there."""
        for partition, offset in ((0, 50), (1, 60)):
            self.session.execute(
                "INSERT INTO headrace.positions (group_name, topic, partition, topic_id, next_offset, epoch) "
                "VALUES (%s, %s, %s, %s, %s, 7)",
                (self.name, TOPIC, partition, topic_id, offset),
            )
        table = (self.name, f"public.{self.name}", TOPIC)
        self.session.execute("INSERT INTO headrace.target_tables VALUES (%s, %s, %s)", table)

    def start(self, kind: str, **subject: Any) -> int:
        """A workflow."""
        with closing(PostgresRecoveries(SessionSettings(dsn=self.server, worker="desk"), self.name)) as desk:
            return desk.start(kind, {"topic": TOPIC, **subject}, NOTE)

    def taken(self, number: int, appends: Mapping[str, str] | None = None, logs: Logs | None = None) -> Workflow:
        """The workflow, when no turn is to be taken any more; the positions run on meanwhile, as a worker has them."""
        takes = PostgresWorkflows(self.pool, self.name, acts(self.name, appends or {}, logs))
        for _ in range(50):
            self.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
            turned = takes.turn(number)
            if turned is None or turned.state not in (State.PLANNED, State.RUNNING):
                break
            if turned.act == "reach" or "goal" in turned.turn.progress:
                self.work()
        with closing(PostgresRecoveries(SessionSettings(dsn=self.server, worker="desk"), self.name)) as desk:
            found = desk.workflow(number)
        assert found is not None
        return found

    def work(self) -> None:
        """A worker comes to the ends, or to where a skipped range begins."""
        first = """SELECT (s.subject ->> 'first')::int FROM headrace.workflow_steps s
            JOIN headrace.workflows w ON w.id = s.workflow_id WHERE w.group_name = %s AND s.act = 'skip'"""
        found = self.session.execute(first, (self.name,)).fetchone()
        self.session.execute(
            "UPDATE headrace.positions SET next_offset = greatest(next_offset, %s) WHERE group_name = %s",
            (found[0] if found else 100, self.name),
        )

    def stop(self, kind: str | None = "table.missing") -> None:
        """Something stops its partitions, or nothing does any more."""
        stopped = None if kind is None else Jsonb({"kind": kind})
        self.session.execute("UPDATE headrace.positions SET stopped = %s WHERE group_name = %s", (stopped, self.name))

    def set(self) -> list[tuple[int, int]]:
        """Which partitions were set by hand, and to where, in order."""
        query = """SELECT partition, (details ->> 'to')::int FROM headrace.audit
            WHERE group_name = %s AND action = 'set position' ORDER BY id"""
        return [(row[0], row[1]) for row in self.session.execute(query, (self.name,))]

    def epochs(self) -> list[int]:
        """The fences of both partitions."""
        query = "SELECT epoch FROM headrace.positions WHERE group_name = %s ORDER BY partition"
        return [row[0] for row in self.session.execute(query, (self.name,))]


@pytest.fixture
def the(session: psycopg.Connection, server: str, pools: Pools, group: str) -> Group:
    """A group."""
    return Group(session, server, pools(), group)


MOVES: dict[str, tuple[str, str, dict[str, Any], list[tuple[int, int]], list[int]]] = {
    "both back to the start": ("rewind", NEW_ID, {"to": "earliest"}, [(0, 10), (1, 10)], [8, 8]),
    "one back to an offset": ("rewind", NEW_ID, {"partition": 1, "to": "20"}, [(1, 20)], [7, 8]),
    "both back to a time": ("rewind", NEW_ID, {"to": "2026-05-01T00:30:00Z"}, [(0, 30), (1, 30)], [8, 8]),
    "a range passed": ("skip", NEW_ID, {"partition": 0, "first": 55, "to": 58}, [(0, 58)], [8, 7]),
    "a range passed at once": ("skip", NEW_ID, {"partition": 0, "first": 45, "to": 58}, [(0, 58)], [8, 7]),
    "a topic made anew": ("adopt", "old", {}, [(0, 10), (1, 10)], [8, 8]),
}


@pytest.mark.parametrize("name", MOVES)
def test_positions_are_set_and_what_is_behind_is_waited_for(the: Group, name: str) -> None:
    """Each partition once, with its fence raised, and written down."""
    kind, topic_id, subject, expected, epochs = MOVES[name]
    the.known(topic_id)
    done = the.taken(the.start(kind, **subject))
    assert (done.state, done.why) == ("done", "")
    assert (the.set(), the.epochs()) == (expected, epochs)


class Asked(Logs):
    """Logs of which batches are not held up while they are asked for: the position's row is free."""

    def __init__(self, the: Group) -> None:
        self._the = the

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Raises LockNotAvailable where somebody has a row."""
        query = "SELECT FROM headrace.positions WHERE group_name = %s FOR UPDATE NOWAIT"
        assert len(self._the.session.execute(query, (self._the.name,)).fetchall()) == 2
        return super().ends(partitions)


@pytest.mark.parametrize("name", MOVES)
def test_kafka_is_not_asked_while_a_position_is_locked(the: Group, name: str) -> None:
    """A broker that is slow to answer holds up no batch."""
    kind, topic_id, subject, expected, _ = MOVES[name]
    the.known(topic_id)
    assert the.taken(the.start(kind, **subject), logs=Asked(the)).state == "done"
    assert the.set() == expected


KILLS = [
    *(("both back to the start", turn, point) for turn in (0, 1) for point in POINTS),
    ("both back to the start", 3, POINTS[1]),
    ("a range passed", 0, POINTS[1]),
    ("a range passed", 1, POINTS[1]),
    ("a topic made anew", 0, POINTS[1]),
    ("a topic made anew", 1, POINTS[2]),
]


@pytest.mark.parametrize(("name", "turn", "point"), KILLS)
def test_a_process_that_is_killed_leaves_each_step_done_once(the: Group, name: str, turn: int, point: str) -> None:
    """In whichever turn, in front of what it does, behind it, and behind its commit; another goes on."""
    kind, topic_id, subject, expected, epochs = MOVES[name]
    the.known(topic_id)
    number = the.start(kind, **subject)
    words = [sys.executable, turning_child.__file__, the.server, the.name, str(number), str(turn), point]
    child = subprocess.run(words, check=False, timeout=60)
    assert child.returncode in (-signal.SIGKILL, 3)
    assert the.taken(number).state == "done"
    assert (the.set(), the.epochs()) == (expected, epochs)


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


def test_a_topic_that_is_adopted_is_known_to_be_another(the: Group) -> None:
    """By its position, from then on."""
    the.known("deleted")
    assert the.taken(the.start("adopt")).state == "done"
    query = "SELECT DISTINCT anew_at IS NOT NULL FROM headrace.positions WHERE group_name = %s"
    assert the.session.execute(query, (the.name,)).fetchall() == [(True,)]


def test_a_topic_that_was_not_made_anew_is_not_read_once_more(the: Group, history: str) -> None:
    """Nor is one that was adopted already."""
    done = the.taken(the.start("adopt"), {f"public.{the.name}": "history"})
    assert (done.state, the.set()) == ("done", [])
    assert left(the, history) == [(0, 10, 49), (1, 10, 59)]


@pytest.mark.parametrize("to", [48, 50])
def test_a_range_that_is_applied_is_not_said_to_be_passed(the: Group, to: int) -> None:
    """Whoever wanted to keep it out has to know."""
    the.known()
    stopped = the.taken(the.start("skip", partition=0, first=45, to=to))
    assert (stopped.state, "is applied" in stopped.why, the.set()) == ("stopped", True, [])


@pytest.mark.parametrize("mode", ["append", "match"])
def test_a_table_to_which_rows_are_added_is_not_rewound(the: Group, mode: str) -> None:
    """They would stand there twice."""
    the.known()
    appends = {f"public.{the.name}": mode}
    stopped = the.taken(the.start("rewind", to="earliest"), appends)
    assert (stopped.state, "twice" in stopped.why, the.set()) == ("stopped", True, [])


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


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "a topic of others": ("rewind", {"topic": "nobody's", "to": "earliest"}),
    "nowhere": ("rewind", {}),
    "back to the end": ("rewind", {"to": "latest"}),
    "back to behind what stopped it": ("rewind", {"to": "skip"}),
    "an offset of several": ("rewind", {"to": "20"}),
    "a range of several": ("skip", {"first": 1, "to": 2}),
    "nothing": ("skip", {"partition": 0, "first": 2, "to": 2}),
    "a partition that is not there": ("skip", {"partition": 9, "first": 1, "to": 2}),
    "a table of others": ("rebuild", {"table": "public.nobody"}),
    "no such thing": ("unwind", {}),
    "a batch that is not kept, taken back": ("undo", {"batch": 4_000_000}),
    "tables that are no list": ("reconcile", {"tables": 7}),
    "a batch that is no number": ("reapply", {"batch": "a"}),
    "a partition that is no number": ("rewind", {"to": "earliest", "partition": ["a"]}),
    "offsets that are none": ("skip", {"partition": 0, "first": "a", "to": [1]}),
    "a batch that is not kept": ("reapply", {"batch": 4_000_000}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_done_is_refused_at_once(the: Group, name: str) -> None:
    """Nothing is begun."""
    the.known()
    kind, subject = REFUSED[name]
    with pytest.raises(Undecidable):
        the.start(kind, **subject)


@pytest.mark.parametrize(("decision", "state"), [(Steer.PAUSE, "paused"), (Steer.CANCEL, "cancelled")])
def test_nothing_is_done_any_more_when_a_person_has_said_so(the: Group, decision: Steer, state: str) -> None:
    """Until it is resumed, if it can be."""
    the.known()
    number = the.start("rewind", to="earliest")
    with closing(PostgresRecoveries(SessionSettings(dsn=the.server, worker="desk"), the.name)) as desk:
        assert desk.decide(number, decision, NOTE)
        assert (the.taken(number).state, the.set()) == (state, [])
        if state == "paused":
            assert desk.decide(number, Steer.RESUME, NOTE)
            assert the.taken(number).state == "done"
        with pytest.raises(Undecidable):
            desk.decide(number, Steer.PAUSE, NOTE)


def failing(kind: str) -> Act:
    """An act that fails."""
    error = {"source.away": Transient, "source.refused": Persistent}[kind]

    def act(*_: object) -> Turn:
        raise error(failed(KINDS[kind], "source", "a test", "it said no"))

    return act


def test_a_process_that_has_nothing_to_do_holds_no_session_of_its_own(the: Group, pools: Pools) -> None:
    """It looks through those that all share; a turn has one."""
    the.known()
    own = pools(size=1)
    takes = PostgresWorkflows(own, the.name, acts(the.name, {}), the.pool)
    assert (takes.turn(), own.status().open) == (None, 0)
    the.start("rewind", to="earliest")
    assert takes.turn() is not None
    assert own.status().open == 1


def test_what_fails_lets_others_have_their_turns_and_says_why(the: Group) -> None:
    """It is tried again after a while."""
    the.known()
    bad, good = the.start("rewind", to="earliest"), the.start("skip", partition=0, first=1, to=2)
    takes = PostgresWorkflows(the.pool, the.name, {**acts(the.name, {}), "move": failing("source.away")})
    with pytest.raises(Transient):
        takes.turn()
    turned = takes.turn()
    assert turned is not None
    assert (turned.workflow, takes.turn()) == (good, None)
    query = "SELECT state, why, due_at > now() + interval '3 s' FROM headrace.workflows WHERE id = %s"
    ((state, why, later),) = the.session.execute(query, (bad,)).fetchall()
    assert (state, "it said no [source.away]" in why, later) == ("running", True, True)


def test_what_time_does_not_heal_waits_for_a_person(the: Group) -> None:
    """With the remedy."""
    the.known()
    number = the.start("rewind", to="earliest")
    takes = PostgresWorkflows(the.pool, the.name, {**acts(the.name, {}), "move": failing("source.refused")})
    with pytest.raises(Persistent):
        takes.turn()
    stopped = the.taken(number)
    assert (stopped.state, KINDS["source.refused"].remedy in stopped.why) == ("stopped", True)


def test_a_turn_that_ends_its_processes_waits_for_a_person(the: Group) -> None:
    """Each of them would be the next one's end. A turn that comes to its own end counts nothing."""

    def deadly(*_: object) -> Turn:
        raise MemoryError

    the.known()
    number = the.start("rewind", partition=0, to="20")
    takes = PostgresWorkflows(the.pool, the.name, {**acts(the.name, {}), "move": deadly})
    for _ in range(5):
        with pytest.raises(MemoryError):
            takes.turn()
    assert takes.turn() is None
    query = "SELECT state, why FROM headrace.workflows WHERE id = %s"
    ((state, why),) = the.session.execute(query, (number,)).fetchall()
    assert (state, "has ended 5 processes" in why) == ("stopped", True)
    with closing(PostgresRecoveries(SessionSettings(dsn=the.server, worker="desk"), the.name)) as desk:
        assert desk.decide(number, Steer.RESUME, NOTE)
    assert the.taken(number).state == "done"


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
