"""Positions as workflows set them: each once, whatever process dies at which point, and nothing that is not sound."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest

from consumer.core.decision import Undecidable
from consumer.core.failure import Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.core.steering import Steer
from consumer.core.workflow import Turn
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.workflows import Act, PostgresWorkflows
from tests.pg import turning_child
from tests.pg.conftest import Pools
from tests.pg.recovering import NOTE, Group
from tests.pg.turning_child import NEW_ID, POINTS, Logs, acts


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


def test_a_topic_that_is_adopted_is_known_to_be_another(the: Group) -> None:
    """By its position, from then on."""
    the.known("deleted")
    assert the.taken(the.start("adopt")).state == "done"
    query = "SELECT DISTINCT anew_at IS NOT NULL FROM headrace.positions WHERE group_name = %s"
    assert the.session.execute(query, (the.name,)).fetchall() == [(True,)]


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
