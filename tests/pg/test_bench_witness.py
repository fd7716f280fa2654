"""The benchmark's witnesses notice what must not be."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from consumer.bench import witness

_TOPIC = "rolled"
_MOVE = "UPDATE headrace.positions SET next_offset = %s, epoch = %s WHERE group_name = %s"


@pytest.fixture
def watched(session: psycopg.Connection, schema: str, group: str) -> Iterator[sql.Identifier]:
    """A table of ids, and a partition that stands at 0, both watched."""
    table = sql.Identifier(schema, "t")
    session.execute(sql.SQL("CREATE TABLE {} (id bigint PRIMARY KEY, n integer)").format(table))
    session.execute(
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES (%s, %s, 0, 0, 1)",
        [group, _TOPIC],
    )
    with witness.watching(session, table):
        yield table


def test_a_row_that_is_written_again_is_seen(session: psycopg.Connection, watched: sql.Identifier) -> None:
    """In whatever way; rows that were written once are not."""
    session.execute(sql.SQL("INSERT INTO {} VALUES (1), (2), (3)").format(watched))
    assert witness.twice(session) == 0
    session.execute(sql.SQL("UPDATE {} SET n = 1 WHERE id < 3").format(watched))
    assert witness.twice(session) == 2


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("moves", "torn"),
    [
        ([(5, 1), (9, 1), (9, 2), (12, 2)], 0),
        # a batch of the older owner, behind a taking
        ([(5, 2), (9, 1)], 1),
        # back, and on from there
        ([(5, 1), (3, 1), (9, 1)], 1),
    ],
)
def test_a_position_that_goes_back_or_is_an_older_owners_is_seen(
    session: psycopg.Connection, group: str, moves: list[tuple[int, int]], torn: int
) -> None:
    """Ranges follow one another, whoever owns the partition."""
    for offset, epoch in moves:
        session.execute(_MOVE, [offset, epoch, group])
    assert witness.torn(session, _TOPIC) == torn


@pytest.mark.usefixtures("watched")
def test_a_move_that_was_not_seen_leaves_a_gap(session: psycopg.Connection, group: str) -> None:
    """As where somebody moves a position around the trigger."""
    session.execute(_MOVE, [5, 1, group])
    session.execute("SET session_replication_role = replica")
    session.execute(_MOVE, [7, 1, group])
    session.execute("RESET session_replication_role")
    session.execute(_MOVE, [9, 1, group])
    assert witness.torn(session, _TOPIC) == 1


def test_nothing_of_them_stays(session: psycopg.Connection, schema: str) -> None:
    """Neither in the table nor at the positions."""
    table = sql.Identifier(schema, "t")
    session.execute(sql.SQL("CREATE TABLE {} (id bigint)").format(table))
    with witness.watching(session, table):
        pass
    query = "SELECT count(*) FROM pg_trigger WHERE tgname = 'bench_witness'"
    assert session.execute(query).fetchone() == (0,)
