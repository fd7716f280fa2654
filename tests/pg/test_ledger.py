"""What the ledger says of batches: started, applied, failed, abandoned."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from consumer.core.failure import HeadraceError, Transient
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import ConnectionLost, DataFault, Fenced
from consumer.ports.target import Pruned, Retention, Start
from consumer.stack.waiting import wait_until
from tests.pg.conftest import Sinks
from tests.pg.landing import ID, Landing

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}]
# messages that wait for an answer in a batch of one table, whose staging table and statements are known already
JOURNEYS = 10


@pytest.fixture
def landing(session: psycopg.Connection, schema: str, sink: PostgresSink) -> Landing:
    """A topic of a table that takes no word of six letters, its partition taken."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY, word text CHECK (length(word) <> 6))")
    # letters know rows by the group's seeds
    sink.seed({})
    return Landing(sink, TableName(schema, "t"), FIELDS)


@pytest.fixture
def states(session: psycopg.Connection, group: str) -> Callable[[], list[Any]]:
    """State and attempt of each batch of the group, oldest first."""
    query = "SELECT state, attempt FROM headrace.batches WHERE group_name = %s ORDER BY id"
    return lambda: session.execute(query, (group,)).fetchall()


def change(number: int, word: str = "w") -> tuple[str, dict[str, Any]]:
    """A new row."""
    return "c", {"id": number, "word": word}


@pytest.fixture
def hostile(session: psycopg.Connection, schema: str, landing: Landing) -> None:
    """A trigger of the table ends the session at the word `ends`, and takes long at `sleeps`."""
    session.execute(f"""
        CREATE FUNCTION {schema}.meets() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.word = 'ends' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
            IF NEW.word = 'sleeps' THEN PERFORM pg_sleep(60); END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER meets BEFORE INSERT ON {schema}.t FOR EACH ROW EXECUTE FUNCTION {schema}.meets()
    """)


def test_a_batch_that_is_applied_is_one_row(landing: Landing, states: Callable[[], list[Any]]) -> None:
    """Each has its own."""
    landing.apply(change(1))
    landing.apply(change(2))
    assert states() == [("applied", 1), ("applied", 1)]


def test_a_batch_in_the_middle_of_its_transaction_is_seen_by_others(
    session: psycopg.Connection, landing: Landing, sink: PostgresSink, group: str, states: Callable[[], list[Any]]
) -> None:
    """With its ranges and when it started, while nothing of it is committed."""
    plan = landing.plan(change(1))
    with ThreadPoolExecutor(1) as thread:
        with session.transaction():
            session.execute("SELECT FROM headrace.positions WHERE group_name = %s FOR UPDATE", (group,))
            applied = thread.submit(sink.apply, plan)
            assert wait_until(lambda: states() == [("started", 1)], 30)
            assert not applied.done()
        applied.result(30)
    assert states() == [("applied", 1)]


def test_a_batch_that_failed_says_why_and_how_often(
    session: psycopg.Connection, landing: Landing, group: str, states: Callable[[], list[Any]], sink: PostgresSink
) -> None:
    """The same batch is the same row, and a smaller part of it another."""
    session.execute("BEGIN")
    session.execute("SELECT 1 FROM headrace.positions WHERE group_name = %s FOR UPDATE", (group,))
    sink._session().execute("SET lock_timeout = '50ms'")
    plan = landing.plan(change(1), change(2))
    for _ in range(2):
        with pytest.raises(Transient):
            sink.apply(plan)
    session.execute("ROLLBACK")
    query = "SELECT state, attempt, error ->> 'kind', error ->> 'code', finished_at IS NOT NULL FROM headrace.batches"
    found = session.execute(f"{query} WHERE group_name = %s", (group,)).fetchall()
    assert found == [("failed", 2, "target.locked", "55P03", True)]

    landing.apply(change(1))
    assert states() == [("failed", 2), ("applied", 1)]


def test_a_batch_with_a_refused_row_is_one_row_in_the_end(
    landing: Landing, sink: PostgresSink, states: Callable[[], list[Any]]
) -> None:
    """Refused as a whole, then searched, then applied without the record that became a letter."""
    batch = change(1, "six678"), change(2)
    with pytest.raises(DataFault):
        sink.apply(landing.plan(*batch))
    assert states() == [("failed", 1)]
    landing.apply(*batch)
    assert states() == [("applied", 3)]


@pytest.mark.usefixtures("hostile")
def test_what_a_lost_session_has_started_is_abandoned_by_the_next_taking(
    landing: Landing, sink: PostgresSink, sinks: Sinks, states: Callable[[], list[Any]]
) -> None:
    """Only by a taking of its partitions; what was applied stays so."""
    landing.apply(change(1))
    with pytest.raises(ConnectionLost):
        sink.apply(landing.plan(change(2, "ends")))
    assert states() == [("applied", 1), ("started", 1)]

    other = sinks("two")
    other.take({landing.at._replace(partition=landing.at.partition + 1000): Start(offset=0)})
    assert states() == [("applied", 1), ("started", 1)]
    other.take({landing.at: Start(offset=0)})
    assert states() == [("applied", 1), ("abandoned", 1)]


def test_a_batch_that_is_fenced_is_abandoned_by_its_own_worker(
    landing: Landing, sink: PostgresSink, sinks: Sinks, states: Callable[[], list[Any]]
) -> None:
    """Its row was written behind the taking, so that did not see it."""
    sinks("two").take({landing.at: Start(offset=0)})
    with pytest.raises(Fenced):
        sink.apply(landing.plan(change(1)))
    assert states() == [("abandoned", 1)]


def test_a_position_that_moves_over_no_record_is_no_batch(
    landing: Landing, sink: PostgresSink, states: Callable[[], list[Any]]
) -> None:
    """The ledger would be full of them."""
    sink.apply(landing.plan())
    assert states() == []


@pytest.fixture
def unwritable(session: psycopg.Connection, schema: str, group: str) -> Iterator[None]:
    """The ledger refuses to take that a batch of the group has failed."""
    condition = sql.SQL("WHEN (NEW.group_name = {} AND NEW.state = 'failed')").format(group)
    function = sql.Identifier(schema, "refuses")
    session.execute(
        sql.SQL(
            "CREATE FUNCTION {0}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE division_by_zero; END $$;"
            " CREATE TRIGGER refuses BEFORE UPDATE ON headrace.batches FOR EACH ROW {1} EXECUTE FUNCTION {0}()"
        ).format(function, condition)
    )
    yield
    session.execute("DROP TRIGGER refuses ON headrace.batches")


@pytest.mark.usefixtures("hostile", "unwritable")
def test_a_batch_that_can_not_be_noted_fails_for_its_own_reason(
    landing: Landing, sink: PostgresSink, states: Callable[[], list[Any]]
) -> None:
    """The ledger's own trouble behind a rollback hides nothing."""
    sink._session().execute("SET statement_timeout = '100ms'")
    with pytest.raises(HeadraceError) as caught:
        sink.apply(landing.plan(change(1, "sleeps")))
    assert caught.value.failure.kind == "target.timeout"
    assert states() == [("started", 1)]


@pytest.fixture
def journeys(sink: PostgresSink, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """How often the sink has waited for an answer since it was last asked."""
    trace = tmp_path / "trace"
    with trace.open("w") as file:
        sink._session().pgconn.trace(file.fileno())
        seen = 0

        def count() -> int:
            nonlocal seen
            before, seen = seen, trace.read_text().count("ReadyForQuery")
            return seen - before

        yield count
        sink._session().pgconn.untrace()


def test_the_ledger_costs_no_journey(landing: Landing, journeys: Callable[[], int]) -> None:
    """A batch waits for the server as often as one without a row for its start would."""
    for number in range(8):
        landing.apply(change(number))
    journeys()
    landing.apply(change(100))
    assert journeys() == JOURNEYS


@pytest.mark.parametrize("trusting", [False, True], ids=["constraints", "trust-source"])
def test_what_has_come_to_its_end_is_kept_for_its_time(
    session: psycopg.Connection,
    landing: Landing,
    sink: PostgresSink,
    states: Callable[[], list[Any]],
    group: str,
    trusting: bool,
) -> None:
    """Old rows of the ledger, and letters closed long ago with their bytes; open letters stay for ever."""
    for number in range(6):
        landing.apply(("x", {"id": number, "word": "w"}))
    session.execute(
        "UPDATE headrace.batches SET finished_at = finished_at - n * interval '1 h' FROM (SELECT id AS i, row_number()"
        " OVER (ORDER BY id DESC) - 1 AS n FROM headrace.batches WHERE group_name = %s) AS ages WHERE id = i",
        (group,),
    )
    session.execute(
        "UPDATE headrace.letters SET state = 'discarded', closed_at = now() - \"offset\" * interval '1 h'"
        ' WHERE group_name = %s AND "offset" > 0',
        (group,),
    )
    with closing(PostgresSink(replace(sink.settings, trust_source=trusting), group)) as pruning:
        pruning.open()
        assert pruning.prune(Retention(ledger=2.5, closed_letters=3.5)) == Pruned()
    left = session.execute(
        'SELECT l."offset", b.letter_id IS NOT NULL FROM headrace.letters l'
        " LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id WHERE l.group_name = %s ORDER BY 1",
        (group,),
    ).fetchall()
    assert left == [(number, True) for number in range(4)]
    assert len(states()) == 3
    orphans = "SELECT 1 FROM headrace.letter_bytes WHERE letter_id NOT IN (SELECT id FROM headrace.letters)"
    assert session.execute(orphans).fetchall() == []


def test_a_long_history_is_deleted_bit_by_bit(
    session: psycopg.Connection, landing: Landing, sink: PostgresSink, group: str
) -> None:
    """Each time no more than fits into a statement, until there is no more; what another group has stays."""
    landing.apply(change(1))
    columns = "group_name, state, worker, ranges, started_at, finished_at"
    session.execute(
        f"INSERT INTO headrace.batches ({columns}) SELECT CASE WHEN n = 0 THEN 'other' ELSE group_name END, state,"
        " worker, ranges, started_at, 'epoch' FROM headrace.batches, generate_series(0, 120000) AS n"
        " WHERE group_name = %s",
        (group,),
    )
    left = "SELECT count(*) FROM headrace.batches WHERE finished_at = 'epoch'"
    found = []
    for more in (True, True, False):
        assert sink.prune(Retention()) == Pruned(more=more)
        found.append(session.execute(left).fetchone())
    assert found == [(70_001,), (20_001,), (1,)]


def test_large_letters_are_deleted_some_at_a_time(
    session: psycopg.Connection, landing: Landing, sink: PostgresSink, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches wait for what is deleted, and it has to end within its timeout; at least one goes each time."""
    monkeypatch.setattr("consumer.edges.postgres.letters._MOST_BYTES", 1)
    for number in range(3):
        landing.apply(("x", {"id": number, "word": "w"}))
    closed = "UPDATE headrace.letters SET state = 'discarded', closed_at = 'epoch' WHERE group_name = %s"
    session.execute(closed, (group,))
    left = []
    for more in (True, True, False):
        assert sink.prune(Retention()) == Pruned(more=more)
        left += session.execute("SELECT count(*) FROM headrace.letters WHERE group_name = %s", (group,)).fetchall()
    assert left == [(2,), (1,), (0,)]


def test_what_can_not_be_deleted_of_one_kind_keeps_no_other(
    session: psycopg.Connection, server: str, landing: Landing, sink: PostgresSink, group: str
) -> None:
    """Somebody has locked the ledger: letters go all the same, and what stays is told with its reason."""
    landing.apply(("x", {"id": 1, "word": "w"}))
    closed = "UPDATE headrace.letters SET state = 'discarded', closed_at = 'epoch' WHERE group_name = %s"
    session.execute(closed, (group,))
    session.execute("UPDATE headrace.batches SET finished_at = 'epoch' WHERE group_name = %s", (group,))
    impatient = replace(sink.settings, batch_deadline=0.5)
    with psycopg.connect(server) as other, closing(PostgresSink(impatient, group)) as pruning:
        pruning.open()
        other.execute("LOCK TABLE headrace.batches IN ACCESS EXCLUSIVE MODE")
        (failure,) = pruning.prune(Retention()).failures
    assert (failure.operation, failure.kind) == ("prune ledger", "target.locked")
    left = [
        session.execute(f"SELECT count(*) FROM headrace.{table} WHERE group_name = %s", (group,)).fetchone()
        for table in ("letters", "batches")
    ]
    assert left == [(0,), (1,)]
    assert sink.prune(Retention()) == Pruned()


def test_what_became_of_the_parts_of_a_batch_is_kept(
    session: psycopg.Connection, landing: Landing, group: str, sink: PostgresSink
) -> None:
    """Records by outcome, letters by table and state, those that it closed, and what was left out of it and why."""
    table = str(landing.table)
    landing.apply(change(1), ("x", {"id": 2, "word": "bad"}), change(1, "again"))
    landing.apply(change(2))
    plan = landing.plan(change(3), ("d", {"id": 1, "word": None}))
    other = landing.at._replace(partition=7)
    sink.apply(replace(plan, left_out={other: "table.shape"}))
    query = "SELECT outcomes FROM headrace.batches WHERE group_name = %s ORDER BY id"
    found = [row[0] for row in session.execute(query, (group,))]
    assert found == [
        {"records": {"upserts": 1, "folded": 1, "letters": 1}, "letters": {table: {"dead": 1}}},
        {"records": {"upserts": 1}, "closed": {"superseded": 1}},
        {"records": {"upserts": 1, "deletes": 1}, "left_out": [[*other, "table.shape"]]},
    ]
