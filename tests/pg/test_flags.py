"""Flags in the database: set with their audit, heard of by who listens and seen by who looks, and what heeds them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from consumer.background.postman import Postman
from consumer.cli import app
from consumer.composition.heard import Heard
from consumer.core.checks import Rules
from consumer.core.decision import Undecidable
from consumer.core.evolution import Answer, Follow
from consumer.core.flags import FLAGS, Flag
from consumer.core.lane import Lane
from consumer.core.letterhead import Codec
from consumer.core.steps import Change
from consumer.core.target import TableName
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.inspection.flagging import states, switch
from consumer.planning.planner import BadRecord
from consumer.ports.desk import Note
from consumer.ports.letters import LetterTopic, Outgoing, Posted
from dlq.headers import decode, encode
from tests.pg.conftest import Pools
from tests.pg.following import Follower, Source
from tests.pg.landing import ID, Landing, rows
from tests.pg.pipeline import Pipeline
from tests.pg.test_control import REPORT, headrace
from tests.unit.known import planner

__all__ = ["headrace"]
NOTE = Note("me@here", "too many letters")
WORD = {"name": "word", "type": ["null", "string"], "default": None}
KEY = {"name": "id", "type": "long"}


@pytest.fixture
def control(server: str, group: str) -> Iterator[PostgresControl]:
    """What people ask of the group."""
    with closing(PostgresControl(SessionSettings(dsn=server, worker="control"), group)) as opened:
        yield opened


@pytest.fixture
def board(server: str, group: str) -> Iterator[PostgresBoard]:
    """That of a worker."""
    settings = SessionSettings(dsn=server, worker="one")
    with closing(PostgresBoard(settings, group, "1", CircuitBreaker("target"))) as opened:
        yield opened


def deeds(session: psycopg.Connection, group: str) -> list[tuple[Any, ...]]:
    """The audit, oldest first."""
    query = "SELECT actor, action, reason, details FROM headrace.audit WHERE group_name = %s ORDER BY id"
    return session.execute(query, (group,)).fetchall()


def test_a_flag_is_set_with_its_audit_and_reset_to_its_default(
    control: PostgresControl, session: psycopg.Connection, group: str
) -> None:
    """Whether it is another way than before is told; of another group nothing is seen."""
    assert control.flags() == []
    assert control.set_flag(Flag.TRACING, False, NOTE)
    assert not control.set_flag(Flag.TRACING, False, Note("you", "the same"))
    assert control.set_flag(Flag.TRACING, None, NOTE)
    assert control.flags() == []
    assert control.set_flag(Flag.RETRY_LANE, False, NOTE)
    (found,) = control.flags()
    assert (found.flag, found.on, found.actor, found.reason) == (Flag.RETRY_LANE, False, *("me@here", NOTE.reason))

    def said(before: bool, after: bool, flag: str = "tracing") -> dict[str, Any]:
        return {"flag": flag, "before": before, "after": after}

    assert deeds(session, group) == [
        ("me@here", "set flag", NOTE.reason, said(True, False)),
        ("you", "set flag", "the same", said(False, False)),
        ("me@here", "reset flag", NOTE.reason, said(False, True)),
        ("me@here", "set flag", NOTE.reason, said(True, False, "retry-lane")),
    ]


def test_without_its_audit_nothing_is_switched(
    control: PostgresControl, session: psycopg.Connection, group: str
) -> None:
    """Both are of one transaction."""
    rule = f"ALTER TABLE headrace.audit ADD CONSTRAINT no_more CHECK (group_name <> '{group}') NOT VALID"
    session.execute(rule.encode())
    try:
        with pytest.raises(Exception, match="no_more"):
            control.set_flag(Flag.TRACING, False, NOTE)
        assert control.flags() == []
    finally:
        session.execute("ALTER TABLE headrace.audit DROP CONSTRAINT no_more")


def test_who_listens_hears_of_it_at_once_and_who_looks_sees_it_all_the_same(
    control: PostgresControl, board: PostgresBoard, session: psycopg.Connection, group: str
) -> None:
    """Also where nobody was notified; what another version of the program knows is not looked at."""
    assert board.flags_off() == frozenset()
    assert not board.heard(0.01)
    control.set_flag(Flag.TRACING, False, NOTE)
    assert board.heard(60.0)
    assert board.flags_off() == {Flag.TRACING}
    silently = "INSERT INTO headrace.flags (group_name, flag, is_on, actor, reason) VALUES (%s, %s, false, 'me', 'why')"
    session.execute(silently, (group, "column-checks"))
    session.execute(silently, (group, "of-tomorrow"))
    assert board.flags_off() == {Flag.TRACING, Flag.COLUMN_CHECKS}


def test_a_change_that_two_make_at_once_is_told_right(server: str, group: str) -> None:
    """Exactly one of them has switched it, also the first time."""
    told: list[bool] = []

    def one() -> None:
        with closing(PostgresControl(SessionSettings(dsn=server, worker="control"), group)) as mine:
            told.append(mine.set_flag(Flag.TRACING, False, NOTE))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False] * 5 + [True]


def test_how_many_workers_have_heard_is_told(control: PostgresControl, board: PostgresBoard) -> None:
    """Only of flags that workers heed."""
    control.set_flag(Flag.TRACING, False, NOTE)
    board.report(replace(REPORT, flags_off=["tracing"]))
    found = {state.kind.flag: (state.workers, state.heard) for state in states(control)}
    assert (found[Flag.TRACING], found[Flag.RETRY_LANE]) == ((1, 1), (1, 1))
    assert (found[Flag.CONSOLE_WRITES], found[Flag.TABLE_APPLY]) == ((0, 0), (0, 0))
    control.set_flag(Flag.RETRY_LANE, False, NOTE)
    found = {state.kind.flag: (state.workers, state.heard) for state in states(control)}
    assert found[Flag.RETRY_LANE] == (1, 0)


@pytest.mark.parametrize(
    ("kind", "subject"), [("reconcile", {"tables": []}), ("rebuild", {"table": "public.compared"})]
)
def test_a_comparison_is_refused_while_it_is_off(
    control: PostgresControl, session: psycopg.Connection, server: str, group: str, kind: str, subject: dict[str, Any]
) -> None:
    """With who said so, why, and how it ends; also one that is a step of something else."""
    control.set_flag(Flag.RECONCILIATION, False, NOTE)
    session.execute("INSERT INTO headrace.target_tables VALUES (%s, 'public.compared', 'compared')", (group,))
    opened = PostgresRecoveries(SessionSettings(dsn=server, worker="desk"), group)
    with closing(opened) as desk, pytest.raises(Undecidable) as refused:
        desk.start(kind, subject, NOTE)
    for said in ("reconciliation is switched off", NOTE.reason, NOTE.actor, "headrace flags set reconciliation on"):
        assert said in str(refused.value)


# one table


def test_the_flag_of_one_table_is_its_pause(
    control: PostgresControl, sink: PostgresSink, session: psycopg.Connection, schema: str, group: str
) -> None:
    """Each ends what the other began, and nothing else is stored."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY)".encode())
    sink.seed({})
    landing = Landing(sink, TableName(schema, "t"), [ID])
    query = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, %s)"
    session.execute(query, (group, str(landing.table), landing.at.topic))
    kind, table = FLAGS[Flag.TABLE_APPLY], str(landing.table)

    assert switch(control, kind, False, table, NOTE) is True
    (pause,) = control.pauses()
    assert (pause.of.table, pause.reason) == (table, NOTE.reason)
    (state,) = (state for state in states(control) if state.kind is kind)
    assert [each.of.table for each in state.tables] == [table]
    assert switch(control, kind, True, table, NOTE) is True
    assert (control.pauses(), control.flags()) == ([], [])
    assert switch(control, kind, None, table, NOTE) is False
    assert switch(control, kind, None, "no.such", NOTE) is None


@pytest.mark.parametrize(("flag", "table"), [(Flag.TABLE_APPLY, None), (Flag.TRACING, "public.t")])
def test_a_table_is_named_for_the_one_flag_that_has_tables(
    control: PostgresControl, flag: Flag, table: str | None
) -> None:
    """And not for others."""
    with pytest.raises(Exception, match="of a table" if table is None else "no single table"):
        switch(control, FLAGS[flag], False, table, NOTE)


# what heeds them


class Box:
    """Takes every copy."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self._done: list[Posted] = []

    def ensure(self, topics: object) -> dict[str, Any]:
        """All are there."""
        return {}

    def post(self, copies: list[Outgoing]) -> int:
        """At once."""
        self.taken += copies
        self._done += [Posted(id=c.id, attempt=c.attempt, topic=c.topic, partition=0, offset=1) for c in copies]
        return len(copies)

    def flush(self, timeout: float) -> int:
        """Nothing is queued."""
        return 0

    def posted(self) -> list[Posted]:
        """All of them."""
        done, self._done = self._done, []
        return done


@pytest.fixture
def postman(session: psycopg.Connection, sink: PostgresSink, pools: Pools, group: str, schema: str) -> Postman:
    """Who publishes two dead letters and two that are retried."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY)".encode())
    sink.seed({})
    Landing(sink, TableName(schema, "t"), [ID]).apply(*(("x", {"id": number}) for number in range(4)))
    retried = "UPDATE headrace.letters SET state = 'retrying', due_at = now() WHERE group_name = %s AND \"offset\" < 2"
    session.execute(retried.encode(), (group,))
    lane = Lane(group=group, retry="{group}.retry.{n}", dead="{group}.dlq")
    topics = [LetterTopic(name=f"{group}.{name}", partitions=1, retention=1) for name in ("retry.1", "dlq")]
    box: Any = Box()
    return Postman(PostgresOutbox(pools(), group), box, Codec(encode=encode, decode=decode), lane, topics)


@pytest.mark.parametrize(
    ("off", "published"),
    [
        ([], {"dead", "retrying"}),
        ([Flag.DEAD_LETTERS], {"retrying"}),
        ([Flag.RETRY_LANE], {"dead"}),
        ([Flag.DEAD_LETTERS, Flag.RETRY_LANE], set()),
    ],
)
def test_letters_of_what_is_off_stay_in_their_table_and_are_published_when_it_is_on_again(
    postman: Postman, off: list[Flag], published: set[str]
) -> None:
    """Those of the other kind go on."""
    postman.switches = heard = Heard()
    heard.learn(off)
    box: Any = postman._letterbox

    def states() -> list[str]:
        return sorted("dead" if copy.topic.endswith(".dlq") else "retrying" for copy in box.taken)

    for _ in range(2):
        postman.wake()
        postman.turn(0)
    assert set(states()) == published
    heard.learn([])
    postman.wake()
    postman.turn(0)
    assert states() == ["dead", "dead", "retrying", "retrying"]


def test_without_column_checks_every_row_is_applied(
    session: psycopg.Connection, sink: PostgresSink, catalog: PostgresCatalog, schema: str
) -> None:
    """Until they are on again."""
    sink.seed({})
    heard = Heard()
    line = Pipeline(sink, catalog, schema, [KEY, WORD], checks={f"{schema}.orders": {"word": Rules(max_length=3)}})
    line.planner = planner(line.known, switches=heard)
    line.apply(("c", {"id": 1, "word": "too long"}))
    heard.learn([Flag.COLUMN_CHECKS])
    line.apply(("c", {"id": 2, "word": "too long"}))
    heard.learn([])
    line.apply(("c", {"id": 3, "word": "too long"}))
    assert rows(session, line.table) == [(2, "too long")]


@pytest.mark.parametrize("there", [True, False], ids=["a column", "a table"])
def test_without_schema_evolution_changes_wait_planned_also_those_agreed_to(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, group: str, schema: str, there: bool
) -> None:
    """They are made once it is on again."""
    sink.seed({})
    source = Source(TableName(schema, "followed"))
    if there:
        session.execute(f"CREATE TABLE {source.table} (id int8 PRIMARY KEY)".encode())
    everything = Follow(answers=dict.fromkeys(Change, Answer.AUTO))
    follower = Follower(sink, pools(), group, source, everything)
    heard = Heard()
    follower.binder._evolver._switches = heard
    heard.learn([Flag.SCHEMA_EVOLUTION])
    record = source.record([KEY, WORD], "c", {"id": 1, "word": "w"})
    query = "SELECT state, kind, remedy LIKE '%%headrace flags set schema-evolution on%%' FROM headrace.schema_changes"
    for _ in range(2):
        with pytest.raises(BadRecord) as stopped:
            follower.plan(record)
        assert stopped.value.failure.kind == "table.approval"
        assert "switched off" in stopped.value.failure.detail
        found = session.execute(f"{query} WHERE group_name = %s".encode(), (group,)).fetchall()
        assert {row[1:] for row in found} == {("table.approval", True)}
        session.execute("UPDATE headrace.schema_changes SET state = 'approved' WHERE group_name = %s", (group,))
    heard.learn([])
    follower.binder.forget(None)
    follower.apply(record)
    assert rows(session, source.table) == [(1, "w")]


# the command


def test_the_command_lists_sets_and_resets(
    headrace: Callable[..., Any], session: psycopg.Connection, group: str
) -> None:
    """With a reason, which is kept."""
    listed = json.loads(headrace("flags", "ls", "--output", "json").stdout)
    assert {row["flag"]: row["on"] for row in listed} == {flag.value: True for flag in Flag}
    put = headrace("flags", "set", "tracing", "off", "--reason", "the collector burns", "--output", "json")
    ((row,), code) = json.loads(put.stdout), put.exit_code
    assert (code, row["on"], row["reason"], row["heard"]) == (0, False, "the collector burns", 0)
    shown = headrace("flags", "ls").stdout
    assert "the collector burns" in shown
    assert "headrace flags set tracing on" in shown
    again = headrace("flags", "set", "tracing", "off", "--reason", "still")
    assert "it was off before" in again.stderr
    assert headrace("flags", "reset", "tracing", "--reason", "it is out").exit_code == 0
    assert [action for _, action, *_ in deeds(session, group)] == ["set flag", "set flag", "reset flag"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("set", "traceing", "off", "--reason", "r"), 2, "flags are: columnar-decoder, schema-evolution"),
        (("reset", "traceing", "--reason", "r"), 2, "flags are: columnar-decoder"),
        (("set", "tracing", "maybe", "--reason", "r"), 2, "on or off"),
        (("set", "tracing", "off", "--reason", " "), 2, "for a reason"),
        (("set", "tracing", "off"), 2, "--reason"),
        (("set", "tracing", "off", "--table", "public.t", "--reason", "r"), 4, "no single table"),
        (("set", "table-apply", "off", "--reason", "r"), 4, "name one"),
        (("set", "table-apply", "off", "--table", "public.gone", "--reason", "r"), 3, "headrace tables ls"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    headrace: Callable[..., Any], session: psycopg.Connection, group: str, words: tuple[str, ...], code: int, said: str
) -> None:
    """And nothing is switched."""
    result = headrace("flags", *words)
    assert (result.exit_code, said in " ".join(result.output.split())) == (code, True), result.output
    assert deeds(session, group) == []


def test_it_runs_as_a_program(headrace: Callable[..., Any]) -> None:
    """In the list of commands."""
    assert "flags" in CliRunner().invoke(app, ["--help"]).stdout
