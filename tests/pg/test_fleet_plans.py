"""How the server finds the tables of each partition, which is asked every few seconds."""

import psycopg
import pytest

from consumer.edges.postgres import fleet

TABLES, PARTITIONS = 2_000, 200


@pytest.mark.parametrize("counted", [False, True])
def test_tables_of_a_partition_are_not_looked_for_among_all_tables(
    session: psycopg.Connection, group: str, *, counted: bool
) -> None:
    """Whether the server has counted them yet or not: it would take partitions times tables."""
    with session.transaction(force_rollback=True):
        session.execute(
            "INSERT INTO headrace.target_tables (group_name, table_name, topic) SELECT %s, 's.t' || i, 't' || i"
            " FROM generate_series(1, %s) i",
            (group, TABLES),
        )
        session.execute(
            "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch)"
            " SELECT %s, 't' || i, 0, 0, 1 FROM generate_series(1, %s) i",
            (group, PARTITIONS),
        )
        if counted:
            session.execute("ANALYZE headrace.target_tables, headrace.positions")
        query = "EXPLAIN " + fleet._PLACES
        plan = "\n".join(row[0] for row in session.execute(query.encode(), (group,)))
    assert "target_tables_topics" in plan
