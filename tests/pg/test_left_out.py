"""Rows that the target refuses become letters in the transaction that finds them, unless more is to be thought of."""

from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

import polars as pl
import psycopg
import pytest

from consumer.core.failure_kind import ErrorType
from consumer.core.letters import State
from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import Plan
from consumer.core.policy import Budget, Policy
from consumer.core.records import TopicPartition
from consumer.core.target import TableName
from consumer.core.writes import Action
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault, LettersFull, Reconsider
from consumer.ports.target import Applied, Start
from tests.pg.landing import Landing, rows
from tests.pg.lettered import FIELDS, States, letters, row
from tests.unit.known import planner, slice_of

ROOM = 9
POLICY = Policy(budgets={ErrorType.UNKNOWN: Budget(attempts=2, waited=3600.0)}, tiers=(0.0,))
BOUNDS = LetterBounds(max_unpublished=3)
Change = tuple[str, dict[str, Any]]


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
    applied = sink.apply(plan, {landing.at: room})
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


def keep(session: psycopg.Connection, table: TableName, number: int) -> None:
    """Have a table refuse to let a row go."""
    session.execute(
        f"CREATE FUNCTION {table.schema}.kept() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'kept'; END $$; CREATE TRIGGER kept BEFORE DELETE ON {table.schema}.t"
        f" FOR EACH ROW WHEN (OLD.id = {number}) EXECUTE FUNCTION {table.schema}.kept()"
    )


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
    states: States,
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
        sink.apply(staged, {landing.at: ROOM})

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


def test_a_refused_delete(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, table: TableName, group: str
) -> None:
    """Its row stays, and it is counted as a letter instead."""
    keep(session, table, 2)
    apply(sink, landing, ("c", row(1, n=None)), ("c", row(2, n=None)))
    counts = apply(sink, landing, ("d", row(1)), ("d", row(2))).plan.counts

    assert rows(session, table) == [(2, "w", None)]
    assert letters(session, group) == [(3, "retrying", "record.trigger")]
    assert (counts.deletes, counts.upserts, counts.letters) == (1, 0, 1)


@pytest.mark.parametrize(("room", "fits"), [((1, 2), True), ((1, 1), False), ((3, 1), False), ((0, 2), False)])
def test_each_partition_has_room_of_its_own(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str, room: tuple[int, int], fits: bool
) -> None:
    """Over all writes of the batch, and none for what another one leaves."""
    keep(session, landing.table, 9)
    apply(sink, landing, ("c", row(9, n=None)))
    mine, other = landing.at, TopicPartition(landing.at.topic, landing.at.partition + 1_000)
    (taken,) = sink.take({other: Start(offset=0)})
    bad = [landing.record(op, change) for op, change in (("c", row(1, n=-1)), ("c", row(2, n=-1)), ("d", row(9)))]
    slices = [
        slice_of(bad[:1], landing.next_offset, mine),
        replace(slice_of(bad[1:], taken.next_offset, other), epoch=taken.epoch),
    ]
    plan = planner(landing.known).plan(slices)
    assert [write.action for write in plan.writes] == [Action.DELETE, Action.UPSERT]
    with nullcontext() if fits else pytest.raises(Reconsider):
        sink.apply(plan, dict(zip((mine, other), room, strict=True)))

    assert len(letters(session, group)) == (3 if fits else 0)


def test_what_the_column_libraries_can_not_compare_is_a_fault_of_data(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """It is translated as when the batch was planned, and nothing is written."""
    plan = landing.plan(("c", row(1, n=-1)))
    (write,) = plan.writes
    changes = write.origins.changes
    assert changes is not None
    odd = changes.with_columns(pl.Series("id", [object()], dtype=pl.Object))
    stage = replace(plan.stages[0], writes=(replace(write, origins=replace(write.origins, changes=odd)),))
    with pytest.raises(DataFault) as caught:
        sink.apply(replace(plan, stages=(stage,)), {landing.at: ROOM})

    assert (caught.value.failure.kind, caught.value.table) == ("record.value", landing.table)
    assert (letters(session, group), rows(session, landing.table)) == ([], [])


def test_a_new_row_that_is_there_already_is_written_over(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, table: TableName, group: str
) -> None:
    """A snapshot may read what the table has; it is no refusal, and what is refused is found all the same."""
    apply(sink, landing, ("c", row(1, "old", None)))
    apply(sink, landing, ("c", row(1, "new", None)), ("c", row(2, n=-1)), ("c", row(3, n=None)))

    assert rows(session, table) == [(1, "new", None), (3, "w", None)]
    assert [kind for _, _, kind in letters(session, group)] == ["record.check"]
