"""A table gets another name: letters and all that is known go with it, and nothing is applied in between."""

import signal
import subprocess
import sys
from contextlib import closing

import psycopg
import pytest

from consumer.core.decision import Undecidable
from consumer.core.failure import Persistent
from consumer.core.pausing import Subject
from consumer.core.steering import Steer
from consumer.core.target import TableName
from consumer.core.workflow import State
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.commands import Order, give
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.pauses import pause
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.renaming import RenamingActs
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.ports.desk import Note
from consumer.ports.recovering import Workflow
from tests.pg import turning_child
from tests.pg.conftest import Pools
from tests.pg.turning_child import POINTS, acts
from tests.pg.words import Bad

NOTE = Note("me", "ticket 1")
_WORKER = """
INSERT INTO headrace.workers (group_name, name, host, pid, version, state, started_at, every, partitions, breakers,
    queue_batches, queue_bytes)
VALUES (%s, 'old', 'h', 1, '1', 'running', now() - interval '1 h', 1, '[]', '[]', 0, 0)
"""


class Scene:
    """A table with letters, whose topic has positions."""

    def __init__(self, session: psycopg.Connection, server: str, pools: Pools, group: str) -> None:
        self.session = session
        self.desk = PostgresRecoveries(SessionSettings(dsn=server, worker="desk"), group)
        self.takes = PostgresWorkflows(pools(), group, acts(group, {}))
        self.group, self.server = group, server

    def taken(self, number: int) -> Workflow:
        """As far as it goes by itself."""
        for _ in range(20):
            self.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
            turned = self.takes.turn(number)
            if turned is None or turned.state not in (State.PLANNED, State.RUNNING):
                break
            self.session.execute(
                "UPDATE headrace.positions SET next_offset = 100 WHERE group_name = %s AND stopped IS NULL",
                (self.group,),
            )
        found = self.desk.workflow(number)
        assert found is not None
        return found

    def names(self, table: str) -> list[tuple[str, int]]:
        """Under which names it is known, and how often, by table of the control schema."""
        query = f"SELECT table_name, count(*) FROM headrace.{table} WHERE group_name = %s GROUP BY 1 ORDER BY 1"
        return self.session.execute(query.encode(), (self.group,)).fetchall()

    def pauses(self) -> int:
        """How many there are."""
        query = "SELECT count(*) FROM headrace.table_states WHERE group_name = %s"
        ((found,),) = self.session.execute(query, (self.group,)).fetchall()
        return int(found)


@pytest.fixture
def letter(bad: Bad) -> int:
    """One of the table's rows."""
    return bad()


def known(session: psycopg.Connection, group: str, table: TableName) -> str:
    """Have the control schema know the table as its topic's; returns the topic."""
    query = "SELECT topic FROM headrace.letters WHERE group_name = %s"
    ((topic,),) = session.execute(query, (group,)).fetchall()
    session.execute("INSERT INTO headrace.target_tables VALUES (%s, %s, %s)", (group, str(table), topic))
    session.execute("INSERT INTO headrace.source_columns VALUES (%s, %s, 'id', 'id', 1)", (group, str(table)))
    return str(topic)


@pytest.fixture
def the(
    session: psycopg.Connection, server: str, pools: Pools, group: str, word_table: TableName, letter: int
) -> Scene:
    """A table with a letter."""
    known(session, group, word_table)
    return Scene(session, server, pools, group)


def test_a_table_is_known_by_its_new_name_and_goes_on_when_all_workers_are_new(
    the: Scene, word_table: TableName
) -> None:
    """Letters, columns and the topic's claim go with it; a person decides when the settings are right."""
    new = f"{word_table.schema}.other"
    with closing(the.desk):
        number = the.desk.start("move", {"table": str(word_table), "to": new}, NOTE)
        stopped = the.taken(number)
        assert (stopped.state, f'table = "{new}"' in stopped.why, the.pauses()) == ("stopped", True, 1)
        for table in ("target_tables", "source_columns", "letters"):
            assert the.names(table) == [(new, 1)]
        tallies = "SELECT table_name, sum(letters)::int FROM headrace.letter_tallies WHERE group_name = %s GROUP BY 1"
        assert dict(the.session.execute(tallies, (the.group,)).fetchall())[new] == 1
        assert the.session.execute(f"SELECT count(*) FROM {new}".encode()).fetchone() == (0,)

        the.session.execute(_WORKER, (the.group,))
        the.desk.decide(number, Steer.RESUME, NOTE)
        assert "have not got it: old" in the.taken(number).why
        the.session.execute("UPDATE headrace.workers SET started_at = now() WHERE group_name = %s", (the.group,))
        the.desk.decide(number, Steer.RESUME, NOTE)
        assert (the.taken(number).state, the.pauses()) == ("done", 0)


def test_a_table_keeps_its_name_while_its_columns_would_be_shown_under_another(
    the: Scene, pools: Pools, word_table: TableName
) -> None:
    """From the renaming on, its letters have the new name."""
    shown = RenamingActs(the.group, 1.0, lambda table, to: False)
    the.takes = PostgresWorkflows(pools(), the.group, {**acts(the.group, {}), "rename": shown.rename})
    with closing(the.desk):
        number = the.desk.start("move", {"table": str(word_table), "to": f"{word_table.schema}.other"}, NOTE)
        stopped = the.taken(number)
    assert (stopped.state, "admin.mask" in stopped.why, the.pauses()) == ("stopped", True, 0)
    assert the.names("letters") == [(str(word_table), 1)]


def test_workers_that_have_read_their_settings_again_need_no_restart(
    the: Scene, server: str, word_table: TableName
) -> None:
    """By a command or by a signal; what was refused, or did not bring the name, or was before, does not count."""
    new = f"{word_table.schema}.other"
    brought = f"topics: t; tables that got another name: {new}"
    settings = SessionSettings(dsn=server, worker="old")
    with closing(the.desk), closing(PostgresBoard(settings, the.group, "1", CircuitBreaker("target"))) as board:
        number = the.desk.start("move", {"table": str(word_table), "to": new}, NOTE)
        the.taken(number)
        the.session.execute(_WORKER, (the.group,))

        def resumed() -> tuple[State, str]:
            the.desk.decide(number, Steer.RESUME, NOTE)
            found = the.taken(number)
            return found.state, found.why

        board.reloaded(3600.0, brought)
        for outcome in ("nothing has changed", f"refused: {new}", f"tables that got another name: {new}_2"):
            board.reloaded(0.0, outcome)
            state, why = resumed()
            assert (state, "have not got it: old" in why) == (State.STOPPED, True)
        board.reloaded(0.0, brought)
        assert (resumed()[0], the.pauses()) == (State.DONE, 0)


def test_a_reading_again_by_command_counts_too(the: Scene, server: str, word_table: TableName) -> None:
    """It is the same row."""
    new = f"{word_table.schema}.other"
    settings = SessionSettings(dsn=server, worker="old")
    with closing(the.desk), closing(PostgresBoard(settings, the.group, "1", CircuitBreaker("target"))) as board:
        number = the.desk.start("move", {"table": str(word_table), "to": new}, NOTE)
        the.taken(number)
        the.session.execute(_WORKER, (the.group,))
        give(the.session, the.group, Order("reload", ""), ["old"], NOTE)
        (told,) = board.commands()
        board.answer(told.id, f"tables that got another name: {new}; topics that are read now: t")
        the.desk.decide(number, Steer.RESUME, NOTE)
        assert the.taken(number).state == State.DONE


def test_a_worker_that_was_started_since_with_the_old_name_applies_nothing(
    the: Scene, pools: Pools, word_table: TableName
) -> None:
    """There is no table of that name, and none is made."""
    topic = the.session.execute("SELECT topic FROM headrace.target_tables WHERE group_name = %s", (the.group,))
    ((its,),) = topic.fetchall()
    catalog = PostgresCatalog(pools(), the.group)
    with closing(the.desk):
        number = the.desk.start("move", {"table": str(word_table), "to": f"{word_table.schema}.other"}, NOTE)
        the.taken(number)
        the.session.execute(_WORKER, (the.group,))
        the.session.execute("UPDATE headrace.workers SET started_at = now() WHERE group_name = %s", (the.group,))
        the.desk.decide(number, Steer.RESUME, NOTE)
        assert the.taken(number).state == State.DONE
    with pytest.raises(Persistent) as caught:
        catalog.claim_table(word_table, its)
    assert caught.value.failure.kind == "table.renamed"
    assert catalog.claim_table(TableName(word_table.schema, "other"), its) == its


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_is_killed_leaves_the_old_name_or_the_new_one(
    the: Scene, word_table: TableName, point: str
) -> None:
    """With all that is known of it, and with the pause; another process goes on."""
    new = f"{word_table.schema}.other"
    with closing(the.desk):
        number = the.desk.start("move", {"table": str(word_table), "to": new}, NOTE)
        words = [sys.executable, turning_child.__file__, the.server, the.group, str(number), "0", point]
        assert subprocess.run(words, check=False, timeout=60).returncode == -signal.SIGKILL
        name, paused = (new, 1) if point == POINTS[2] else (str(word_table), 0)
        assert (the.names("letters"), the.names("target_tables"), the.pauses()) == ([(name, 1)], [(name, 1)], paused)
        assert the.taken(number).state == "stopped"
        assert (the.names("letters"), the.pauses()) == ([(new, 1)], 1)


def test_a_name_that_is_taken_is_left_alone(the: Scene, word_table: TableName) -> None:
    """Nothing is paused."""
    taken = f"{word_table.schema}.taken"
    the.session.execute(f"CREATE TABLE {taken} (id int)".encode())
    with closing(the.desk):
        number = the.desk.start("move", {"table": str(word_table), "to": taken}, NOTE)
        stopped = the.taken(number)
        assert (stopped.state, "there already" in stopped.why, the.pauses()) == ("stopped", True, 0)
        for to in ("", "noschema", str(word_table), "s." + "x" * 64):
            with pytest.raises(Undecidable):
                the.desk.start("move", {"table": str(word_table), "to": to}, NOTE)


def test_a_topic_that_somebody_has_paused_is_not_resumed_by_a_renaming(the: Scene, word_table: TableName) -> None:
    """It is for whoever paused it to say."""
    query = "SELECT topic FROM headrace.target_tables WHERE group_name = %s"
    topic = the.session.execute(query, (the.group,)).fetchone()
    assert topic is not None
    pause(the.session, the.group, Subject(topic=topic[0]), NOTE)
    with closing(the.desk):
        stopped = the.taken(the.desk.start("move", {"table": str(word_table), "to": f"{word_table}_moved"}, NOTE))
    assert (stopped.state, "is paused already" in stopped.why, the.pauses()) == ("stopped", True, 1)
    assert the.names("target_tables") == [(str(word_table), 1)]
