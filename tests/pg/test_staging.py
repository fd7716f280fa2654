"""Writes of one batch whose columns are alike are staged in one table, and each table gets its own rows."""

from collections.abc import Sequence

import polars as pl
import psycopg
import pytest
from psycopg import sql

from consumer.core.failure import Transient
from consumer.core.sizer import TOO_MUCH
from consumer.core.target import TableName
from consumer.core.writes import Action, Origins, StagedColumn, TableWrite
from consumer.edges.postgres.staging import Staging
from consumer.reading.handover import Moved, Notice
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Sinks
from tests.pg.landing import rows

TABLES = ("a", "b", "c", "d")
# more than a page, some lines of one, and what no page holds as it is
SIZES = (1, 700, 40, 3000, 5, 9000)
ROWS = 400
Changes = Sequence[tuple[str, int, str]]


@pytest.fixture
def tables(session: psycopg.Connection, schema: str) -> dict[str, TableName]:
    """Tables of like columns; one is there before, so that its rows are no plain inserts."""
    for name in TABLES:
        session.execute(
            sql.SQL("CREATE TABLE {} (id bigint PRIMARY KEY, word text CHECK (word <> 'no'))").format(
                sql.Identifier(schema, name)
            )
        )
    session.execute(sql.SQL("INSERT INTO {} VALUES (7, 'old')").format(sql.Identifier(schema, "b")))
    return {name: TableName(schema, name) for name in TABLES}


@pytest.fixture
def applying(sinks: Sinks, catalogs: Catalogs, schema: str, tables: dict[str, TableName]) -> Applying:
    """A topic of each table, and one session that applies all."""
    return Applying(sinks("staging"), catalogs(), schema, TABLES)


def apply(applying: Applying, changes: dict[str, Changes]) -> None:
    """Apply changes of all topics as one batch."""
    applying.offer(changes)

    def through(told: list[Notice]) -> bool:
        return {at.topic for one in told if isinstance(one, Moved) for at in one.positions} == changes.keys()

    assert through(applying.turns(through))


def creates(name: str, numbers: Sequence[int]) -> Changes:
    """Rows of very different sizes, which differ from table to table."""
    return [("c", number, f"{name}{number}" + "x" * SIZES[(number + len(name)) % len(SIZES)]) for number in numbers]


def staged_in(session: psycopg.Connection) -> int:
    """How many staging tables there are in all sessions."""
    query = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname ~ '^headrace_[0-9]+$'"
    return int(session.execute(query).fetchall()[0][0])


def updates(count: int) -> list[list[TableWrite]]:
    """A stage with writes of so many sets of columns."""
    return [
        [
            TableWrite(
                table=TableName("public", "t"),
                action=Action.UPDATE,
                columns=(StagedColumn(name="id", staging="int8"), StagedColumn(name=f"c{number}", staging="text")),
                identity=("id",),
                rows=0,
                payload=(),
                origins=Origins(runs=(), places=pl.Series([], dtype=pl.Int64)),
            )
            for number in range(count)
        ]
    ]


def mine(session: psycopg.Connection) -> int:
    """How many staging tables a session has."""
    query = "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
    return int(session.execute(query).fetchall()[0][0])


def test_each_table_gets_its_own_rows(
    session: psycopg.Connection, applying: Applying, tables: dict[str, TableName]
) -> None:
    """New rows, rows that are there, changes and deletes; batch after batch in the same staging tables."""
    wanted: dict[str, dict[int, str]] = {}
    made = {name: creates(name, range(number, ROWS - 60 * number)) for number, name in enumerate(TABLES)}
    apply(applying, made)
    for name in TABLES:
        wanted[name] = {number: word for _, number, word in made[name]}
        assert dict(rows(session, tables[name])) == wanted[name]

    changed = {
        name: [
            *(("u", number, f"{name} again {number}") for number in range(10, 60 + place)),
            *(("d", number, "") for number in range(100, 110 + place)),
            *creates(name, range(1000 + place, 1100)),
        ]
        for place, name in enumerate(TABLES)
    }
    apply(applying, changed)
    for name in TABLES:
        for op, number, word in changed[name]:
            wanted[name] = {n: w for n, w in wanted[name].items() if n != number} | (
                {} if op == "d" else {number: word}
            )
        assert dict(rows(session, tables[name])) == wanted[name]


def test_a_batch_needs_no_staging_table_for_each_table(session: psycopg.Connection, applying: Applying) -> None:
    """One for all upserts, and one for all deletes."""
    before = staged_in(session)
    apply(applying, {name: [*creates(name, range(1, 5)), ("d", 1, "")] for name in TABLES})

    assert staged_in(session) - before == 2


def test_a_refused_row_is_found_among_those_of_its_own_table(
    session: psycopg.Connection, applying: Applying, tables: dict[str, TableName], group: str
) -> None:
    """It alone becomes a letter; the other tables' rows lie in front of it and behind it as before."""
    made = {name: [("c", 1, "yes"), ("c", 2, "no" if name == "c" else "yes"), ("c", 3, "yes")] for name in TABLES}
    apply(applying, made)

    for name in TABLES:
        numbers = [number for number, word in rows(session, tables[name]) if word != "old"]
        assert numbers == ([1, 3] if name == "c" else [1, 2, 3])
    found = session.execute('SELECT topic, "offset" FROM headrace.letters WHERE group_name = %s', (group,)).fetchall()
    assert found == [("c", 1)]


def test_a_letter_is_met_by_the_row_of_its_own_table(
    session: psycopg.Connection, applying: Applying, sinks: Sinks, catalogs: Catalogs, schema: str, group: str
) -> None:
    """Also where the table is written as if it had never refused one: by another worker."""
    apply(applying, {name: [("c", 1, "yes"), ("c", 2, "no" if name == "c" else "yes")] for name in TABLES})
    state = "SELECT topic, state FROM headrace.letters WHERE group_name = %s"
    ((_, before),) = session.execute(state, (group,)).fetchall()
    other = Applying(sinks("other"), catalogs(), schema, TABLES)
    apply(other, {name: [("u", 1, "later"), ("u", 2, "later")] for name in TABLES})

    assert before in ("dead", "retrying")
    assert session.execute(state, (group,)).fetchall() == [("c", "superseded")]


def test_updates_of_very_many_sets_of_columns_are_too_much_for_one_batch(session: psycopg.Connection) -> None:
    """It is said before any table is made, and as what smaller batches do not meet."""
    staging = Staging(session)
    with pytest.raises(Transient, match="3000 staging tables") as refused:
        staging.prepare(updates(3000))

    assert refused.value.failure.kind in TOO_MUCH
    assert mine(session) == 0
