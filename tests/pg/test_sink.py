"""The batch transaction: fence, expected offset, command tag, outcome of a commit in doubt."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.laps import Lap
from consumer.core.plan import Plan
from consumer.core.records import Slice, TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres.session import SessionSettings, require_commit, transaction
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault, Fenced
from consumer.ports.target import Applied, Outcome, Start, Stored
from tests.pg.conftest import Sinks
from tests.pg.landing import ID, Landing, rows

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}]


def row(number: int, word: str = "w") -> dict[str, Any]:
    """A row."""
    return {"id": number, "word": word}


@pytest.fixture
def table(session: psycopg.Connection, schema: str) -> TableName:
    """An empty table."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY, word text)")
    return TableName(schema, "t")


@pytest.fixture
def landing(sink: PostgresSink, table: TableName) -> Landing:
    """A topic of that table, its partition taken."""
    return Landing(sink, table, FIELDS)


def stored(sink: PostgresSink, at: TopicPartition) -> Stored:
    """The position of a partition."""
    return next(position for position in sink.stored() if position.at == at)


def ledger(session: psycopg.Connection, group: str) -> int:
    """How many batches the ledger calls applied."""
    query = "SELECT count(*) FROM headrace.batches WHERE group_name = %s AND state = 'applied'"
    found = session.execute(query, (group,)).fetchone()
    assert found is not None
    return int(found[0])


def test_rows_position_and_ledger_change_together(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, landing: Landing, group: str
) -> None:
    """After a batch all three say the same."""
    landing.apply(("c", row(1)), ("c", row(2)), ("d", row(1)))

    assert rows(session, table) == [(2, "w")]
    assert stored(sink, landing.at).next_offset == 3
    assert ledger(session, group) == 1


def test_the_time_of_the_newest_change_is_kept_with_the_position(
    session: psycopg.Connection, landing: Landing, group: str
) -> None:
    """Apart from that of rows that a snapshot has read."""
    query = "SELECT source_at IS NOT NULL, changed_at IS NOT NULL FROM headrace.positions WHERE group_name = %s"
    landing.apply(("r", row(1)))
    assert session.execute(query, (group,)).fetchall() == [(True, False)]
    landing.apply(("u", row(1)), ("r", row(2)))
    assert session.execute(query, (group,)).fetchall() == [(True, True)]
    landing.apply(("r", row(3)))
    assert session.execute(query, (group,)).fetchall() == [(True, True)]


def with_slice(plan: Plan, **changed: Any) -> Plan:
    """The plan as if its slice were another one."""
    return replace(plan, slices=(replace(plan.slices[0], **changed),))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"epoch": 0}, id="an older epoch"),
        pytest.param({"epoch": 2}, id="an epoch that is not there yet"),
        pytest.param({"start": 1}, id="records in between are missing"),
        pytest.param({"at": TopicPartition("landing", 10_000)}, id="no position"),
    ],
)
def test_a_plan_that_does_not_continue_the_position_writes_nothing(
    session: psycopg.Connection,
    sink: PostgresSink,
    table: TableName,
    landing: Landing,
    group: str,
    changed: dict[str, Any],
) -> None:
    """Epoch and expected offset have to be the stored ones, both of them."""
    with pytest.raises(Fenced) as caught:
        sink.apply(with_slice(landing.plan(("c", row(1))), **changed))

    assert caught.value.partitions == (changed.get("at", landing.at),)
    assert rows(session, table) == []
    assert stored(sink, landing.at).next_offset == 0
    assert ledger(session, group) == 0


def test_a_batch_applied_twice_is_applied_once(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, landing: Landing
) -> None:
    """The position has moved on, so the same batch does not continue it."""
    plan = landing.plan(("c", row(1, "first")))
    sink.apply(plan)
    session.execute(f"UPDATE {table.schema}.t SET word = 'since'")
    with pytest.raises(Fenced):
        sink.apply(plan)

    assert rows(session, table) == [(1, "since")]


def test_an_overtaken_worker_writes_nothing(
    session: psycopg.Connection, sink: PostgresSink, sinks: Sinks, table: TableName, landing: Landing
) -> None:
    """Taking a partition raises its epoch; what the old owner still holds is refused, the new owner goes on."""
    stale = landing.plan(("c", row(1)))
    other = sinks("two")
    taken = other.take({landing.at: Start(offset=99)})[0]
    with pytest.raises(Fenced):
        sink.apply(stale)
    other.apply(with_slice(stale, epoch=taken.epoch))

    assert (taken.epoch, taken.next_offset) == (2, 0)
    assert rows(session, table) == [(1, "w")]
    assert stored(sink, landing.at).owner == "two"


def test_one_stale_partition_holds_back_the_whole_batch(
    session: psycopg.Connection, sink: PostgresSink, sinks: Sinks, table: TableName, landing: Landing
) -> None:
    """The fence names the partition that was lost, so that the rest can be tried without it."""
    other = Landing(sink, table, FIELDS)
    mine, lost = landing.plan(("c", row(1))), other.plan(("c", row(2)))
    sinks("two").take({other.at: Start(offset=0)})
    both = replace(mine, slices=(*mine.slices, *lost.slices), stages=(*mine.stages, *lost.stages))
    with pytest.raises(Fenced) as caught:
        sink.apply(both)

    assert caught.value.partitions == (other.at,)
    assert rows(session, table) == []
    sink.apply(mine)
    assert rows(session, table) == [(1, "w")]


def test_a_slice_without_records_moves_the_position_alone(
    session: psycopg.Connection, sink: PostgresSink, landing: Landing, group: str
) -> None:
    """At the end of a partition nothing is written but the position."""
    piece = Slice(at=landing.at, epoch=1, start=0, end=7)
    sink.apply(replace(landing.plan(), slices=(piece,), stages=()))

    assert stored(sink, landing.at).next_offset == 7
    assert ledger(session, group) == 0


UNCHANGED = "__debezium_unavailable_value"


def test_a_partial_update_of_a_missing_row_is_refused(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """An update without all columns can't make a row, and must not pass as done."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY, word text, n int4)")
    landing = Landing(sink, TableName(schema, "t"), [*FIELDS, {"name": "n", "type": "int"}])
    with pytest.raises(DataFault, match="met no row"):
        landing.apply(("u", {**row(1, UNCHANGED), "n": 1}))

    assert stored(sink, landing.at).next_offset == 0
    landing.apply(("c", {**row(1, "kept"), "n": 1}))
    landing.apply(("u", {**row(1, UNCHANGED), "n": 2}))
    assert rows(session, TableName(schema, "t")) == [(1, "kept", 2)]


def test_an_update_that_changes_no_column_is_applied(
    session: psycopg.Connection, table: TableName, landing: Landing
) -> None:
    """A row whose only other column is large and unchanged still has its update, which changes nothing."""
    landing.apply(("c", row(1, "kept")))
    landing.apply(("u", row(1, UNCHANGED)))

    assert rows(session, table) == [(1, "kept")]


def test_a_refused_batch_leaves_the_session_usable(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, landing: Landing
) -> None:
    """Staging is empty again and the next batch works."""
    session.execute(f"ALTER TABLE {table.schema}.t ADD CHECK (word <> 'bad')")
    with pytest.raises(DataFault):
        landing.apply(("c", row(1)), ("c", row(2, "bad")))
    landing.apply(("c", row(3)))

    assert rows(session, table) == [(3, "w")]


def test_deferred_constraints_fail_before_the_commit(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """Nothing of the target's can fail in COMMIT, where a failure would look like a lost connection."""
    session.execute(f"CREATE TABLE {schema}.parent (id int8 PRIMARY KEY)")
    session.execute(
        f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY, word text, "
        f"FOREIGN KEY (id) REFERENCES {schema}.parent DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(DataFault) as caught:
        Landing(sink, TableName(schema, "t"), FIELDS).apply(("c", row(1)))

    assert caught.value.failure.kind == "record.reference"
    assert caught.value.failure.operation != "commit"


@pytest.mark.parametrize("tag", ["ROLLBACK", None, "", "commit"])
def test_only_the_tag_of_a_commit_is_believed(tag: str | None) -> None:
    """Whatever else the server answers, nothing was committed."""
    with pytest.raises(Transient) as caught:
        require_commit(tag, "test")

    assert caught.value.failure.kind == "target.commit"


@pytest.mark.provokes("target.commit")
def test_the_commit_of_a_failed_transaction_is_noticed(session: psycopg.Connection) -> None:
    """PostgreSQL answers ROLLBACK to it and raises nothing; the tag tells."""

    def swallow() -> None:
        with transaction(session, "test"):
            try:
                session.execute("SELECT 1 / 0")
            except psycopg.errors.DivisionByZero:
                return

    with pytest.raises(Transient) as caught:
        swallow()
    assert caught.value.failure.kind == "target.commit"


def test_a_batch_whose_transaction_failed_unseen_is_not_believed(
    session: psycopg.Connection, server: str, table: TableName, group: str
) -> None:
    """A driver that swallows an error ends in COMMIT of a failed transaction: the batch is repeated, not passed."""
    sink = Swallowing(server, group)
    landing = Landing(sink, table, FIELDS)
    try:
        with pytest.raises(Transient) as caught:
            landing.apply(("c", row(1)))
        assert caught.value.failure.kind == "target.commit"
        assert rows(session, table) == []
        assert stored(sink, landing.at).next_offset == 0
    finally:
        sink.close()


class Swallowing(PostgresSink):
    """A sink that meets an error behind its last statement and does not notice."""

    def __init__(self, dsn: str, group: str) -> None:
        super().__init__(SessionSettings(dsn=dsn, worker="swallowing"), group)
        self.open()

    def _finish(self, connection: psycopg.Connection, plan: Plan, durations: Mapping[str, float]) -> None:
        super()._finish(connection, plan, durations)
        try:
            connection.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            return


def test_a_commit_in_doubt_is_resolved_by_the_position(sink: PostgresSink, sinks: Sinks, landing: Landing) -> None:
    """Our epoch at the start: not committed. Our epoch at the end: committed. Another epoch: fenced."""
    plan = landing.plan(("c", row(1)))
    applied = Applied(plan=plan, seconds=0.0, durations={}, laps=(Lap(step="stage", began=0.0, seconds=0.0),))
    why = failed(KINDS["target.connection"], "postgres", "commit", "the server closed the connection")
    assert sink.resolve(applied, why) is Outcome.NOT_COMMITTED
    sink.apply(plan)
    assert sink.resolve(applied, why) is Outcome.COMMITTED
    sinks("two").take({landing.at: Start(offset=0)})
    assert sink.resolve(applied, why) is Outcome.FENCED
