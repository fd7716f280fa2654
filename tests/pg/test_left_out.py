"""Rows that the target refuses become letters in the transaction that finds them, unless more is to be thought of."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from consumer.core.kinds import ErrorType
from consumer.core.letters import State
from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import Action, Plan, TableName
from consumer.core.policy import Budget, Policy
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault, LettersFull, Reconsider
from consumer.ports.target import Applied
from tests.pg.landing import Landing, rows
from tests.pg.test_letters import FIELDS, letters, row, states  # noqa: F401

ROOM = 9
POLICY = Policy(budgets={ErrorType.UNKNOWN: Budget(attempts=2, elapsed=3600.0)}, tiers=(0.0,))
BOUNDS = LetterBounds(max_unpublished=3)
Change = tuple[str, dict[str, Any]]
States = Callable[[], str]


@pytest.fixture
def table(session: psycopg.Connection, schema: str) -> TableName:
    """A table that does not take negative numbers, nor references to rows that it does not have."""
    session.execute(
        f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, n int CHECK (n >= 0) REFERENCES {schema}.t)"
    )
    return TableName(schema, "t")


@pytest.fixture
def sink(server: str, group: str) -> Iterator[PostgresSink]:
    """A session that retries what it does not know, of a group that has started."""
    with closing(PostgresSink(SessionSettings(dsn=server, worker="left out"), group, BOUNDS, POLICY)) as opened:
        opened.open()
        opened.seed({})
        yield opened


@pytest.fixture
def landing(sink: PostgresSink, table: TableName) -> Landing:
    """The table's topic; the table has refused a row lately."""
    made = Landing(sink, table, FIELDS)
    with pytest.raises(DataFault):
        sink.apply(made.plan(("c", row(1, n=-1))))
    return made


def apply(sink: PostgresSink, landing: Landing, *changes: Change, room: int = ROOM) -> Applied:
    """Apply changes in one batch, planned once."""
    plan = landing.plan(*changes)
    applied = sink.apply(replace(plan, room={landing.at: room}))
    landing.next_offset = plan.slices[0].end
    return applied


def test_it_is_applied_without_them(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, table: TableName, group: str
) -> None:
    """Letter, bytes and digest as if it had been planned so; counts and ledger tell what was done."""
    bad = row(2, n=-1)
    applied = apply(sink, landing, ("c", row(1)), ("c", bad), ("c", row(3, n=None)))

    assert [one[0] for one in rows(session, table)] == [1, 3]
    assert letters(session, group) == [(1, "dead", "record.check")]
    (letter,) = applied.plan.letters
    key, value = landing.record("c", bad)
    assert (letter.record.key, letter.record.value, letter.failure.correlation_id) == (
        key,
        value,
        f"{landing.at.topic}-{landing.at.partition}-1",
    )
    counts = applied.plan.counts
    assert (counts.records, counts.upserts, counts.letters) == (3, 2, 1)
    query = "SELECT tables FROM headrace.batches WHERE group_name = %s AND state = 'applied'"
    assert session.execute(query, (group,)).fetchall() == [({str(table): {Action.UPSERT.value: 2}},)]
    apply(sink, landing, ("u", row(2, n=None, word="later")))
    assert letters(session, group) == [(1, "superseded", "record.check")]


def test_what_time_may_heal_is_retried(session: psycopg.Connection, sink: PostgresSink, landing: Landing) -> None:
    """The policy decides as it does for what was planned."""
    schema = landing.table.schema
    session.execute(
        f"CREATE FUNCTION {schema}.odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'odd'; END $$;"
        f"CREATE TRIGGER odd BEFORE INSERT ON {schema}.t FOR EACH ROW WHEN (NEW.id = 5)"
        f" EXECUTE FUNCTION {schema}.odd()"
    )
    (letter,) = apply(sink, landing, ("c", row(5, n=None)), ("c", row(6, n=None))).plan.letters

    assert letter.state is State.RETRYING


@pytest.mark.parametrize(
    ("changes", "room"),
    [
        pytest.param([("c", row(2, n=None)), ("u", row(2, n=-1))], ROOM, id="folded: the first may be sound"),
        pytest.param([("x", row(2)), ("u", row(2, n=-1))], ROOM, id="a bad one before: it is not superseded"),
        pytest.param([("c", row(2, n=77))], ROOM, id="another row may come"),
        pytest.param([("c", row(n, n=-1)) for n in range(2, 5)], 2, id="more than there is room for"),
        pytest.param([("c", row(2, n=-1))], 0, id="no room"),
    ],
)
def test_it_is_planned_anew(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str, changes: list[Change], room: int
) -> None:
    """Nothing is written, and every row that was refused is named."""
    with pytest.raises(Reconsider) as caught:
        apply(sink, landing, ("c", row(1, n=None)), *changes, room=room)

    bad = [number for number, (_, one) in enumerate(changes, 1) if one["n"] not in (None, 1)]
    assert sorted(ref.offset for ref in caught.value.refused) == bad
    assert (letters(session, group), rows(session, landing.table)) == ([], [])


def test_a_bound_on_letters_is_judged_by_a_plan_that_knows_them(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """What was planned anew stops the right partitions."""
    apply(sink, landing, *(("c", row(n, n=-1)) for n in range(3)))
    with pytest.raises(Reconsider) as caught:
        apply(sink, landing, ("c", row(9, n=-1)))
    plan = landing.plan(("c", row(9, n=-1)), refused=caught.value.refused)
    with pytest.raises(LettersFull):
        sink.apply(plan)

    assert len(letters(session, group)) == 3


def test_older_letters_stay_open_behind_what_is_refused(
    sink: PostgresSink,
    landing: Landing,
    states: States,  # noqa: F811
) -> None:
    """Only what is applied makes them superfluous."""
    apply(sink, landing, ("c", row(1, n=None)), ("x", row(1)))
    apply(sink, landing, ("u", row(1, n=-1)), ("u", row(2, n=None)))

    assert states() == "1d2d"


def test_the_next_stage_meets_them(session: psycopg.Connection, sink: PostgresSink, landing: Landing) -> None:
    """A partial image under another schema waits behind a letter of its own batch."""
    plan = landing.plan(("c", row(1, n=-1)))
    later: Plan = landing.plan(("c", row(1, n=-1)), ("u", row(1, UNAVAILABLE, 5)))
    (update,) = (one for one in landing.plan(("u", row(1, UNAVAILABLE, 5))).writes)
    moved = replace(
        update,
        origins=replace(update.origins, runs=later.stages[0].writes[0].origins.runs, places=update.origins.places + 1),
    )
    staged = replace(plan, slices=later.slices, stages=(*plan.stages, replace(plan.stages[0], writes=(moved,))))
    with pytest.raises(Reconsider) as caught:
        sink.apply(replace(staged, room={landing.at: ROOM}))

    assert [(ref.offset, why.kind) for ref, why in caught.value.refused.items()] == [(1, "record.behind")]
    assert rows(session, landing.table) == []


def test_a_refused_partial_image(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, table: TableName, group: str
) -> None:
    """One that breaks a rule, and one without a row."""
    apply(sink, landing, ("c", row(2, n=None)))
    applied = apply(sink, landing, ("u", row(2, UNAVAILABLE, -1)), ("u", row(7, UNAVAILABLE, None)))

    assert [kind for _, _, kind in letters(session, group)] == ["record.check", "record.missing_base"]
    assert (applied.plan.counts.letters, rows(session, table)) == (2, [(2, "w", None)])


def test_a_new_row_that_is_there_already_is_written_over(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, table: TableName, group: str
) -> None:
    """A snapshot may read what the table has; it is no refusal, and what is refused is found all the same."""
    apply(sink, landing, ("c", row(1, "old", None)))
    apply(sink, landing, ("c", row(1, "new", None)), ("c", row(2, n=-1)), ("c", row(3, n=None)))

    assert rows(session, table) == [(1, "new", None), (3, "w", None)]
    assert [kind for _, _, kind in letters(session, group)] == ["record.check"]
