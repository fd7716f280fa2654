"""How the server finds the letters of a row before it has counted any letters."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from consumer.core.jobs import JobKind
from consumer.edges.postgres import pointers
from consumer.edges.postgres.open_letters import OPEN_STATES
from consumer.edges.postgres.outlook import OPEN
from dlq.preview import Rules, judged, known
from dlq.selection import Selection

SELECTION = Selection(states=("dead",))
MINE = 3_000
LETTERS = """
INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component, operation,
    detail, remedy, table_name, digest_a, digest_b, row_types)
SELECT %s, 't', 0, i, 'dead', 'record.check', 'persistent', 'c', 'o', 'd', 'r', 's.t', i, i, 'integer'
FROM generate_series(1, {}) i
"""


@pytest.fixture
def uncounted(session: psycopg.Connection, group: str, request: pytest.FixtureRequest) -> Iterator[psycopg.Connection]:
    """Letters of one table, of which the server's statistics know nothing, whatever was counted of others'.

    The parameter: how many letters of another group there are already.
    """
    with session.transaction(force_rollback=True):
        session.execute("DELETE FROM pg_statistic WHERE starelid = 'headrace.letters'::regclass")
        # as of a table that was never vacuumed: one that was empty then would have one row
        session.execute("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'headrace.letters'::regclass")
        for name, letters in ((f"{group} other", getattr(request, "param", 0)), (group, MINE)):
            session.execute("INSERT INTO headrace.groups (group_name) VALUES (%s)", (name,))
            session.execute(LETTERS.format(letters), (name,))
        yield session


@pytest.mark.parametrize("kind", JobKind)
@pytest.mark.parametrize("uncounted", [0, 1_000, 5_000, 10_000], indirect=True)
def test_other_letters_of_a_row_are_not_looked_for_among_all_of_its_group(
    uncounted: psycopg.Connection, group: str, kind: JobKind
) -> None:
    """A selection of many would take the square of their number. Which index looks cheap changes with their size."""
    rules = Rules(kind=kind)
    query = sql.SQL("EXPLAIN (ANALYZE, TIMING off, FORMAT json) WITH {} SELECT * FROM judged").format(
        judged(SELECTION, rules)
    )
    [(plans,)] = uncounted.execute(query, known(group, SELECTION, rules))
    # once among the selected ones, once among its row's
    assert letters_read(plans[0]["Plan"]) <= 2 * MINE


def letters_read(node: dict[str, Any]) -> float:
    """How many rows of letters the server has looked at, for whatever it has found."""
    mine = 0.0
    if node.get("Relation Name") == "letters":
        mine = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return mine + sum(letters_read(part) for part in node.get("Plans", ()))


def test_no_other_question_reads_the_index_of_types(uncounted: psycopg.Connection, group: str) -> None:
    """It holds all letters of a table, and is named by what asks for types."""
    query = sql.SQL(
        "EXPLAIN SELECT id FROM headrace.letters WHERE group_name = %s AND table_name = 's.t' AND digest_a = 7"
        " AND digest_b = 7 AND state IN ({})"
    ).format(sql.SQL(OPEN_STATES))
    plan = "\n".join(row[0] for row in uncounted.execute(query, (group,)))
    assert "letters_rows" in plan


def test_the_oldest_open_letter_is_read_from_an_index(uncounted: psycopg.Connection, group: str) -> None:
    """It is asked for every few seconds: all letters of a group that fail alike were read for it."""
    plan = "\n".join(row[0] for row in uncounted.execute(b"EXPLAIN " + OPEN.encode(), {"group": group}))
    assert "letters_oldest" in plan
    assert "Sort Key: l.id" not in plan


def test_letters_whose_records_leave_are_read_from_an_index(uncounted: psycopg.Connection, group: str) -> None:
    """Whatever a log still has is not looked at for it."""
    values = {
        "group": group,
        "pointing": [],
        "topics": ["t"],
        "partitions": [0],
        "starts": [9],
        "leaving": [0],
        "most": 9,
    }
    uncounted.execute("ANALYZE headrace.letters")
    # the table is small
    uncounted.execute("SET LOCAL enable_seqscan = off")
    query = sql.SQL("EXPLAIN ") + pointers._PART
    plan = "\n".join(row[0] for row in uncounted.execute(query, values))
    assert any("Index Cond" in line and '"offset" <' in line for line in plan.splitlines())


def test_partitions_of_letters_are_found_without_reading_all_letters(uncounted: psycopg.Connection, group: str) -> None:
    """One look at the index for each."""
    query = sql.SQL("EXPLAIN (ANALYZE, TIMING off) ") + pointers._PARTITIONS
    values = {"group": group, "pointing": [], "topic": "", "partition": -1, "most": 9}
    plan = "\n".join(row[0] for row in uncounted.execute(query, values))
    assert f"rows={MINE}" not in plan
