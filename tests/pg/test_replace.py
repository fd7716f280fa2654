"""Tables whose rows no unique index tells apart: delete, then insert, by the key's columns."""

from typing import Any

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from tests.pg.landing import ID, Landing, rows
from tests.pg.test_merged_keys import CODE, TRIMMING

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}, {"name": "n", "type": "int"}]
UNCHANGED = "__debezium_unavailable_value"
# none of them is a unique index over the key's column alone, valid, immediate and not partial
SHAPES = {
    "no index": "id int8, word text, n int4",
    "nullable": "id int8 UNIQUE, word text, n int4",
    "deferrable": "id int8 NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED, word text, n int4",
    "another key": "id int8, word text, n int4, UNIQUE NULLS NOT DISTINCT (id, n)",
}


def row(number: int, word: str | None = "w", n: int = 0) -> dict[str, Any]:
    """A row."""
    return {"id": number, "word": word, "n": n}


@pytest.fixture
def table(session: psycopg.Connection, schema: str) -> TableName:
    """An empty table without any index."""
    session.execute(f"CREATE TABLE {schema}.t ({SHAPES['no index']})")
    return TableName(schema, "t")


@pytest.fixture
def landing(sink: PostgresSink, table: TableName) -> Landing:
    """A topic of that table."""
    return Landing(sink, table, FIELDS)


def put(session: psycopg.Connection, table: TableName, *found: tuple[Any, ...]) -> None:
    """Rows that were there before."""
    session.cursor().executemany(f"INSERT INTO {table.schema}.t VALUES (%s, %s, %s)", found)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_changes_of_a_row_leave_its_last_image(
    session: psycopg.Connection, sink: PostgresSink, schema: str, shape: str
) -> None:
    """Creates, updates, partial updates and deletes, in one batch and over several, leave what an index would."""
    session.execute(f"CREATE TABLE {schema}.t ({shape})")
    table = TableName(schema, "t")
    landing = Landing(sink, table, FIELDS)
    landing.apply(*(("c", row(number)) for number in (1, 2, 3)))
    landing.apply(("u", row(1, "new", 1)), ("u", row(2, UNCHANGED, 2)), ("d", row(3)), ("c", row(4)))
    landing.apply(("d", row(4)), ("c", row(4, "again")), ("u", row(1, "newer", 1)), ("u", row(5)))

    assert rows(session, table) == [(1, "newer", 1), (2, "w", 2), (4, "again", 0), (5, "w", 0)]


def test_the_ledger_says_what_was_done(session: psycopg.Connection, landing: Landing, group: str) -> None:
    """A replaced row is told from one that was merged by an index."""
    landing.apply(("c", row(1)), ("c", row(2)))
    found = session.execute("SELECT tables FROM headrace.batches WHERE group_name = %s", (group,)).fetchone()

    assert found is not None
    assert [*found[0].values()] == [{"replace": 2}]


def test_a_row_that_is_there_several_times_becomes_one(
    session: psycopg.Connection, table: TableName, landing: Landing
) -> None:
    """The last image of a key is the row, however many had it; other rows, and rows without a key, stay."""
    put(session, table, (1, "a", 1), (1, "a", 1), (1, "b", 2), (2, "c", 3), (None, "d", 4))
    landing.apply(("u", row(1, "new", 9)))

    assert rows(session, table) == [(1, "new", 9), (2, "c", 3), (None, "d", 4)]


def test_a_delete_takes_every_row_of_the_key(session: psycopg.Connection, table: TableName, landing: Landing) -> None:
    """None may be left behind to be found again."""
    put(session, table, (1, "a", 1), (1, "b", 2), (2, "c", 3))
    landing.apply(("d", row(1)))

    assert rows(session, table) == [(2, "c", 3)]


@pytest.mark.parametrize(
    ("before", "says"),
    [
        pytest.param([(1, "a", 1), (1, "b", 2)], "1 rows of", id="one key twice"),
        pytest.param([(1, "a", 1), (1, "b", 2), (2, "c", 3)], "1 rows of", id="one of two keys twice"),
        pytest.param([(1, "a", 1), (1, "b", 2), (1, "c", 3), (2, "d", 4)], "2 rows of", id="one of two keys thrice"),
        pytest.param([(1, "a", 1)], "met no row", id="one of two keys missing"),
    ],
)
def test_a_partial_update_wants_exactly_one_row(
    session: psycopg.Connection,
    table: TableName,
    landing: Landing,
    before: list[tuple[Any, ...]],
    says: str,
) -> None:
    """Which of several rows has the value that did not change is not known, so none is guessed."""
    put(session, table, *before)
    keys = sorted({key for key, *_ in before} | ({2} if len(before) == 1 else set()))
    with pytest.raises(DataFault, match=says) as caught:
        landing.apply(*(("u", row(key, UNCHANGED, 9)) for key in keys))

    assert caught.value.failure.remedy
    assert rows(session, table) == before


def test_a_missing_row_does_not_hide_behind_a_double_one(
    session: psycopg.Connection, table: TableName, landing: Landing
) -> None:
    """Two updates and two rows met are no proof that each met its own."""
    put(session, table, (1, "a", 1), (1, "b", 2))
    with pytest.raises(DataFault, match=r"1 updates .* met no row"):
        landing.apply(("u", row(1, UNCHANGED, 9)), ("u", row(2, UNCHANGED, 9)))


def test_a_partial_update_that_changes_no_column_wants_one_row_too(
    session: psycopg.Connection, sink: PostgresSink, table: TableName
) -> None:
    """A row whose only other column is large and unchanged is looked for just the same."""
    put(session, table, (1, "a", 1), (2, "b", 1), (2, "b", 1))
    landing = Landing(sink, table, FIELDS[:2])
    landing.apply(("u", {"id": 1, "word": UNCHANGED}))
    with pytest.raises(DataFault, match="have the key of another"):
        landing.apply(("u", {"id": 2, "word": UNCHANGED}))


def test_keys_that_the_table_takes_for_one_are_applied_one_by_one(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """Together they would be two rows; apart, the second takes the first one's place, as with an index."""
    session.execute(f"CREATE TABLE {schema}.t (code char(3), n int4)")
    table = TableName(schema, "t")
    landing = Landing(sink, table, [{"name": "code", "type": "string"}, FIELDS[2]], ("code",))
    changes = [("c", {"code": "a", "n": 1}), ("c", {"code": "a ", "n": 2})]
    with pytest.raises(DataFault) as caught:
        landing.apply(*changes)
    assert caught.value.failure.kind == "record.key_merged"
    assert rows(session, table) == []

    for change in changes:
        landing.apply(change)
    assert rows(session, table) == [("a  ", 2)]


def test_a_key_that_the_table_would_change_is_refused(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """It would never be found again, and each update would leave one more row."""
    session.execute(TRIMMING.replace("{s}", schema).encode())
    table = TableName(schema, "t")
    landing = Landing(sink, table, [CODE, FIELDS[2]], ("code",))
    with pytest.raises(DataFault) as caught:
        landing.apply(("c", {"code": " a", "n": 1}))

    assert caught.value.failure.kind == "record.key_merged"
    assert rows(session, table) == []


def test_columns_that_only_the_table_has_get_their_defaults(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """The row is a new one; with an index it would have been the old one, changed."""
    session.execute(f"CREATE TABLE {schema}.t (id int8, word text, n int4, note text DEFAULT 'none')")
    table = TableName(schema, "t")
    landing = Landing(sink, table, FIELDS)
    landing.apply(("c", row(1)))
    session.execute(f"UPDATE {schema}.t SET note = 'mine'")
    landing.apply(("u", row(1, "new")))

    assert rows(session, table) == [(1, "new", 0, "none")]


def test_composite_keys_are_compared_as_a_whole(session: psycopg.Connection, sink: PostgresSink, schema: str) -> None:
    """A row that shares a part of its key with another is another row."""
    session.execute(f"CREATE TABLE {schema}.t (id int8, code text, n int4)")
    table = TableName(schema, "t")
    landing = Landing(sink, table, [ID, {"name": "code", "type": "string"}, FIELDS[2]], ("id", "code"))
    landing.apply(*(("c", {"id": i, "code": c, "n": 0}) for i in (1, 2) for c in "ab"))
    landing.apply(("u", {"id": 1, "code": "b", "n": 5}), ("d", {"id": 2, "code": "a", "n": 0}))

    assert sorted(rows(session, table)) == [(1, "a", 0), (1, "b", 5), (2, "b", 0)]


def test_a_replaced_row_keeps_its_key_in_a_generated_column(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """An identity column that the target would number itself takes the source's number."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 GENERATED ALWAYS AS IDENTITY, word text, n int4)")
    table = TableName(schema, "t")
    landing = Landing(sink, table, FIELDS)
    landing.apply(("c", row(41)))
    landing.apply(("u", row(41, "new")))

    assert rows(session, table) == [(41, "new", 0)]


def test_a_row_that_a_trigger_keeps_out_is_the_tables_own_business(
    session: psycopg.Connection, table: TableName, landing: Landing
) -> None:
    """As with an index: what the target's trigger drops or leads elsewhere is no refusal."""
    session.execute(
        f"CREATE FUNCTION {table.schema}.out() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.word = 'out' THEN RETURN NULL; END IF; RETURN NEW; END $$"
    )
    session.execute(
        f"CREATE TRIGGER out BEFORE INSERT ON {table.schema}.t FOR EACH ROW EXECUTE FUNCTION {table.schema}.out()"
    )
    landing.apply(("c", row(1)), ("c", row(2, "out")))

    assert rows(session, table) == [(1, "w", 0)]
