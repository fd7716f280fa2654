"""Letters in the batch's transaction: written with their bytes, superseded, held, in the order of their row."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.markers import UNAVAILABLE
from consumer.core.records import RecordRef
from consumer.core.target import TableName
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault, LettersFull, Reconsider, TableBusy, TableFault
from tests.pg.conftest import Sinks
from tests.pg.landing import Change, Landing, rows
from tests.pg.lettered import FIELDS, States, letters, opened, row

Batches = Sequence[Sequence[Change]]
CANARY = "canary-5511"
BEHIND = failed(KINDS["record.behind"], "test", "hold", "wait")


@pytest.fixture
def table(session: psycopg.Connection, schema: str) -> TableName:
    """A table of two columns beside its key."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, n int)")
    return TableName(schema, "t")


@pytest.fixture
def landing(sink: PostgresSink, table: TableName) -> Landing:
    """Its topic, of a group that has started."""
    sink.seed({})
    return Landing(sink, table, FIELDS)


@pytest.mark.provokes("record.decode")
def test_a_bad_record_costs_itself_alone(
    session: psycopg.Connection, landing: Landing, table: TableName, group: str
) -> None:
    """Its neighbours are applied, the position passes it, and row and bytes say what it was and why."""
    plan = landing.apply(("c", row(1)), ("x", row(2, CANARY)), ("c", row(3)))

    assert [one[0] for one in rows(session, table)] == [1, 3]
    assert letters(session, group) == [(1, "dead", "record.decode")]
    found = session.execute(
        "SELECT l.topic, l.partition, l.attempt, l.error_type, l.component, l.operation, l.remedy, l.table_name,"
        " l.digest_a IS NOT NULL, l.published_attempt, b.key, b.value, b.headers"
        " FROM headrace.letters l JOIN headrace.letter_bytes b ON b.letter_id = l.id WHERE group_name = %s",
        (group,),
    ).fetchone()
    record = plan.letters[0].record
    remedy = KINDS["record.decode"].remedy
    assert found == (
        *landing.at, 1, "persistent", "planner", "decode", remedy, str(table), True, 0, record.key, record.value, None
    )  # fmt: skip
    told = session.execute("SELECT l::text FROM headrace.letters l WHERE group_name = %s", (group,)).fetchone()
    assert CANARY not in str(told)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((("u", row(1, "new")), "1s", [(1, "new", 1)]), id="a full image"),
        pytest.param((("d", row(1)), "1s", []), id="a delete"),
        pytest.param((("u", row(1, UNAVAILABLE, 9)), "1d2h", [(1, "old", 1)]), id="a partial image waits"),
        pytest.param((("u", row(2, "other")), "1d", [(1, "old", 1), (2, "other", 1)]), id="another row"),
    ],
)
def test_a_later_batch_meets_the_letter(
    session: psycopg.Connection,
    landing: Landing,
    table: TableName,
    states: States,
    case: tuple[tuple[str, dict[str, Any]], str, Sequence[tuple[Any, ...]]],
) -> None:
    """What is applied as a whole closes it, what lacks columns waits behind it."""
    later, expected, left = case
    landing.apply(("c", row(1, "old")), ("x", row(1)))
    landing.apply(later)

    assert states() == expected
    assert rows(session, table) == left


@pytest.mark.provokes("record.behind")
def test_held_letters_are_closed_with_the_one_in_front(
    session: psycopg.Connection, landing: Landing, table: TableName, group: str, states: States
) -> None:
    """A full image says everything that they would have said."""
    landing.apply(("c", row(1, "old")), ("x", row(1)))
    landing.apply(("u", row(1, UNAVAILABLE, 9)), ("u", row(1, UNAVAILABLE, 8)))
    assert states() == "1d2h3h"
    assert [kind for _, _, kind in letters(session, group)] == ["record.decode", "record.behind", "record.behind"]
    landing.apply(("u", row(1, "new", 3)))

    assert states() == "1s2s3s"
    assert rows(session, table) == [(1, "new", 3)]


def test_in_a_strict_table_everything_waits(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, states: States
) -> None:
    """A full image and a delete too; another row is applied as ever."""
    sink.seed({})
    landing = Landing(sink, table, FIELDS, strict=True)
    landing.apply(("c", row(1, "old")), ("x", row(1)))
    landing.apply(("u", row(1, "new")), ("c", row(2)))
    landing.apply(("d", row(1)))

    assert states() == "1d2h4h"
    assert rows(session, table) == [(1, "old", 1), (2, "w", 1)]


def test_within_a_batch_what_was_superseded_is_closed_at_once(
    session: psycopg.Connection, landing: Landing, table: TableName, group: str, states: States
) -> None:
    """It has a row, which counts it, and no bytes."""
    landing.apply(("x", row(1)), ("c", row(1, "new")))

    assert states() == "0s"
    assert rows(session, table) == [(1, "new", 1)]
    joined = "headrace.letters LEFT JOIN headrace.letter_bytes ON letter_id = id WHERE group_name = %s"
    query = f"SELECT closed_at IS NOT NULL, letter_id FROM {joined}"
    assert session.execute(query, (group,)).fetchone() == (True, None)


def test_nothing_waits_for_a_letter_that_is_not_there(landing: Landing, sink: PostgresSink) -> None:
    """The letter in front may have come to its end while the batch was planned."""
    ref = RecordRef(landing.at, 0)
    with pytest.raises(Reconsider) as caught:
        sink.apply(landing.plan(("u", row(1, UNAVAILABLE)), refused={ref: BEHIND}))

    assert (caught.value.refused, caught.value.freed) == ({}, {ref})


def test_a_record_that_has_an_open_letter_keeps_it(
    session: psycopg.Connection, landing: Landing, group: str, states: States
) -> None:
    """A position that was set back reads it again; there is one open letter of a record."""
    landing.apply(("x", row(1)))
    session.execute("UPDATE headrace.positions SET next_offset = 0 WHERE group_name = %s", (group,))
    landing.next_offset = 0
    landing.apply(("x", row(1)))

    assert states() == "0d"


@pytest.mark.parametrize("again", [("u", row(1, UNAVAILABLE, 9)), ("u", row(1, "older")), ("d", row(1))])
def test_what_is_read_again_is_older_than_the_letter(
    session: psycopg.Connection, landing: Landing, group: str, states: States, again: tuple[str, dict[str, Any]]
) -> None:
    """A position that was set back: what stands in front of the letter neither waits for it nor closes it."""
    landing.apply(("c", row(1)), again if again[0] != "d" else ("u", row(1)), ("x", row(1)))
    assert states() == "2d"
    session.execute("UPDATE headrace.positions SET next_offset = 1 WHERE group_name = %s", (group,))
    landing.next_offset = 1
    landing.apply(again)

    assert states() == "2d"


@pytest.fixture
def read_again(session: psycopg.Connection, landing: Landing, group: str) -> Callable[[Batches], None]:
    """What was wrong is put right, and the position is set back to the start: the batches that are read then."""

    def applied(batches: Batches) -> None:
        session.execute("UPDATE headrace.positions SET next_offset = 0 WHERE group_name = %s", (group,))
        landing.next_offset = 0
        for batch in batches:
            landing.apply(*batch)

    return applied


CREATE, CUT, PARTIAL = ("c", row(1, "first")), ("x", row(1)), ("u", row(1, UNAVAILABLE, 9))


@pytest.mark.parametrize(
    ("first", "again", "expected"),
    [
        pytest.param([CUT], [[CREATE]], "0a", id="a full image"),
        pytest.param([CUT], [[("d", row(1))]], "0a", id="a delete"),
        pytest.param([CREATE, CUT], [[CREATE], [PARTIAL]], "1a", id="a partial image"),
        pytest.param([CUT, PARTIAL], [[CREATE]], "0a1r", id="what waited for it comes back"),
        pytest.param([CUT, PARTIAL], [[CREATE], [PARTIAL]], "0a1a", id="or is read again too"),
        pytest.param([CUT, PARTIAL], [[CREATE, PARTIAL]], "0s1a", id="folded into it"),
        pytest.param([CREATE, CUT, PARTIAL], [[CREATE], [PARTIAL, PARTIAL]], "1d2h", id="partial images stay letters"),
    ],
)
def test_a_letter_whose_record_is_read_again_and_applied_is_closed(
    landing: Landing,
    read_again: Callable[[Batches], None],
    states: States,
    first: Sequence[Change],
    again: Batches,
    expected: str,
) -> None:
    """It is not older than its own record, and has come to its end with it."""
    landing.apply(*first)
    read_again(again)

    assert states() == expected


def test_nothing_waits_for_a_letter_whose_record_was_read_again(
    session: psycopg.Connection, landing: Landing, read_again: Callable[[Batches], None], table: TableName
) -> None:
    """Later images without all columns are applied at once."""
    landing.apply(CUT)
    read_again([[CREATE], [PARTIAL]])

    assert rows(session, table) == [(1, "first", 9)]


def test_a_letter_above_the_bound_is_a_pointer(
    session: psycopg.Connection, server: str, table: TableName, group: str, states: States
) -> None:
    """Its row is there, its bytes stay in the topic."""
    with opened(server, group, LetterBounds(inline_bytes=10)) as sink:
        Landing(sink, table, FIELDS).apply(("x", row(1, "long" * 10)))

    assert states() == "0d"
    joined = "headrace.letters JOIN headrace.letter_bytes ON letter_id = id WHERE group_name = %s"
    assert session.execute(f"SELECT count(*) FROM {joined}", (group,)).fetchone() == (0,)


@pytest.mark.provokes("kafka.letters")
def test_letters_that_nobody_publishes_are_bounded(
    session: psycopg.Connection, server: str, table: TableName, group: str, states: States
) -> None:
    """Then nothing more is written but what needs no letter."""
    with opened(server, group, LetterBounds(max_unpublished=2)) as sink:
        landing = Landing(sink, table, FIELDS)
        landing.apply(("x", row(1)), ("x", row(2)))
        with pytest.raises(LettersFull) as caught:
            landing.apply(("x", row(3)))
        assert caught.value.failure.kind == "kafka.letters"
        landing.apply(("c", row(4)))
        assert states() == "0d1d"
        session.execute("UPDATE headrace.letters SET published_attempt = attempt WHERE group_name = %s", (group,))
        landing.apply(("x", row(5)))
    assert states() == "0d1d3d"


@pytest.mark.provokes("table.held")
def test_what_waits_for_one_letter_is_bounded(server: str, table: TableName, group: str, states: States) -> None:
    """A row that changes on and on does not fill the database."""
    with opened(server, group, LetterBounds(max_held=2)) as sink:
        landing = Landing(sink, table, FIELDS)
        landing.apply(("x", row(1)), *[("u", row(1, UNAVAILABLE))] * 2)
        with pytest.raises(TableFault) as caught:
            landing.apply(("u", row(1, UNAVAILABLE)))
    assert caught.value.failure.kind == "table.held"
    assert states() == "0d1h2h"


@pytest.mark.parametrize("refused_by", ["the planner", "the table"])
def test_what_is_open_of_one_row_is_bounded(
    session: psycopg.Connection, server: str, table: TableName, group: str, states: States, refused_by: str
) -> None:
    """Each change may be a letter by itself, and every batch with the row reads them all."""
    session.execute(f"ALTER TABLE {table.schema}.t ADD CHECK (word <> '{CANARY}')")
    bad = ("x", row(1)) if refused_by == "the planner" else ("u", row(1, CANARY))
    with opened(server, group, LetterBounds(max_open=2, flood_percent=100)) as sink:
        landing = Landing(sink, table, FIELDS)
        # the target looks closer at a table that has refused rows
        with suppress(DataFault):
            landing.apply(bad)
        while states() != "0d1d":
            landing.apply(bad)
        with pytest.raises(TableFault) as caught:
            landing.apply(bad)
        assert (caught.value.failure.kind, caught.value.table) == ("table.held", table)
        assert "more than 2 open letters" in caught.value.failure.detail
        assert states() == "0d1d"
        landing.apply(("x", row(2)), ("c", row(1)))
    assert states() == "0s1s2d"


def test_letters_that_can_not_be_closed_in_time_hold_up_their_table_alone(
    server: str, table: TableName, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others go on."""

    def late(connection: psycopg.Connection, ids: object) -> None:
        raise psycopg.errors.QueryCanceled

    with opened(server, group, LetterBounds()) as sink:
        landing = Landing(sink, table, FIELDS)
        landing.apply(("x", row(1)))
        monkeypatch.setattr("consumer.edges.postgres.standing.supersede", late)
        with pytest.raises(TableBusy) as caught:
            landing.apply(("c", row(1)))
    assert (caught.value.failure.operation, caught.value.table) == ("close letters", table)


@pytest.mark.provokes("table.flood")
def test_a_table_that_refuses_row_after_row_is_no_matter_of_records(
    session: psycopg.Connection, server: str, table: TableName, group: str, states: States
) -> None:
    """No letters are written: the cause is one, and it is in the table."""
    session.execute(f"ALTER TABLE {table.schema}.t ADD CHECK (word <> '{CANARY}')")
    with opened(server, group, LetterBounds(flood_percent=5)) as sink:
        landing = Landing(sink, table, FIELDS)
        changes = [("c", row(number, CANARY)) for number in range(101)]
        with pytest.raises(DataFault):
            landing.apply(*changes)
        with pytest.raises(TableFault) as caught:
            landing.apply(*changes)

    assert caught.value.failure.kind == "table.flood"
    assert "letters.flood_percent" in caught.value.failure.remedy
    assert "101 as record.check; the first: SQLSTATE 23514" in caught.value.failure.detail
    assert CANARY not in str(caught.value)
    assert states() == ""


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(("int", "int", (1, 2)), id="int"),
        pytest.param(("text", "string", ("a", "b")), id="text"),
        pytest.param(("char(4)", "string", ("a", "b")), id="char"),
        pytest.param(("numeric", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
                     (b"\x01", b"\x02")), id="numeric"),
        pytest.param(("uuid", {"type": "string", "connect.name": "io.debezium.data.Uuid"},
                     (f"{0:08}-1111-2222-3333-{0:012}", f"{1:08}-1111-2222-3333-{0:012}")), id="uuid"),
        pytest.param(("bytea", "bytes", (b"a", b"b")), id="bytea"),
        pytest.param(("timestamp", {"type": "long", "connect.name": "io.debezium.time.Timestamp"}, (1, 2)), id="ts"),
        pytest.param(("date", {"type": "int", "connect.name": "io.debezium.time.Date"}, (1, 2)), id="date"),
        pytest.param(("boolean", "boolean", (True, False)), id="boolean"),
        pytest.param(("money", "string", ("1", "2")), id="no hash"),
    ],
)  # fmt: skip
def test_a_letter_knows_its_row_by_keys_of_any_type(
    session: psycopg.Connection,
    sink: PostgresSink,
    schema: str,
    states: States,
    key: tuple[str, Any, Any],
) -> None:
    """The row's later full image closes it, another row's does not."""
    kind, avro, values = key
    session.execute(f"CREATE TABLE {schema}.k (k {kind} PRIMARY KEY, n int)")
    sink.seed({})
    landing = Landing(sink, TableName(schema, "k"), [{"name": "k", "type": avro}, FIELDS[2]], ("k",))
    mine, other = ({"k": value, "n": 1} for value in values)
    landing.apply(("x", mine))
    landing.apply(("c", other))
    assert states() == "0d"
    landing.apply(("c", mine))
    assert states() == "0s"


def test_seeds_are_the_groups_own(session: psycopg.Connection, sinks: Sinks, landing: Landing, group: str) -> None:
    """The same row has another digest in another group."""
    landing.apply(("x", row(1)))
    before = session.execute("SELECT digest_a FROM headrace.letters WHERE group_name = %s", (group,)).fetchone()
    plain = session.execute("SELECT hash_record_extended(ROW(1::bigint), 0)").fetchone()

    assert before != plain
