"""What a group has passed without applying it: noted whoever sets the position, and taken back when it is read."""

import psycopg
import pytest

from consumer.core.decision import Decision
from consumer.core.plan import Plan
from consumer.core.records import Slice, TopicPartition
from consumer.core.search import Passed
from consumer.edges.postgres import decisions, positions
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.unapplied import passed, prune
from consumer.ports.target import Start

AT = TopicPartition("t", 0)
SET = "UPDATE headrace.positions SET next_offset = %s, epoch = epoch + 1 WHERE group_name = %s"
LETTER = """INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component,
    operation, detail, remedy)
    VALUES (%s, 't', 0, %s, 'dead', 'record.decode', 'persistent', 'test', 'test', 'd', 'r')"""


@pytest.fixture(autouse=True)
def _begun(session: psycopg.Connection, sink: PostgresSink, group: str) -> None:
    """The group begins at offset 10, and has passed 20 to 29 by a statement of a person's."""
    sink.take({AT: Start(offset=10, topic_id="first")})
    move(session, group, 10, 20)
    session.execute(SET, (30, group))


def letter(session: psycopg.Connection, group: str, offset: int) -> None:
    """The letter of a record that has failed when it was read first."""
    session.execute(LETTER, (group, offset))
    session.execute("UPDATE headrace.letters SET applied_once = false WHERE group_name = %s", (group,))


def move(session: psycopg.Connection, group: str, start: int, end: int) -> list[Slice]:
    """A batch moves the position; returns those of its slices that are read again."""
    ((epoch,),) = session.execute("SELECT epoch FROM headrace.positions WHERE group_name = %s", (group,)).fetchall()
    slices = [Slice(at=AT, epoch=epoch, start=start, end=end)]
    again = positions.fence(session, group, slices)
    positions.move(session, group, Plan(slices=tuple(slices), stages=()))
    return again


def noted(session: psycopg.Connection, group: str) -> list[tuple[int, int]]:
    """The ranges that were passed."""
    query = "SELECT start_offset, end_offset FROM headrace.unapplied WHERE group_name = %s ORDER BY 1"
    return session.execute(query, (group,)).fetchall()


def test_only_what_was_never_read_is_noted(session: psycopg.Connection, group: str) -> None:
    """What lies in front of the furthest place is there, or was applied."""
    for place in (12, 25, 40):
        session.execute(SET, (place, group))
    assert noted(session, group) == [(20, 30), (30, 40)]
    assert passed(session, group, AT, [11, 19, 20, 35, 39, 40]) == Passed(noted=frozenset({20, 35, 39}))
    assert passed(session, group, AT, []) == Passed()


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [
        (10, 20, [(20, 30)]),
        (10, 22, [(22, 30)]),
        (20, 30, []),
        (22, 24, [(20, 22), (24, 30)]),
        (28, 40, [(20, 28)]),
        (30, 40, [(20, 30)]),
    ],
)
def test_what_is_read_counts_as_applied(
    session: psycopg.Connection, group: str, start: int, end: int, left: list[tuple[int, int]]
) -> None:
    """As far as it is; a batch that goes where none was before pays nothing."""
    session.execute(SET, (start, group))
    again = move(session, group, start, end)
    assert [piece.at for piece in again] == ([AT] if start < 30 else [])
    assert noted(session, group) == left


def test_of_a_topic_that_was_made_anew_only_its_own_records_are_noted(session: psycopg.Connection, group: str) -> None:
    """Offsets are those of other records then."""
    anew = "UPDATE headrace.positions SET topic_id = 'second', next_offset = 5, epoch = epoch + 1 WHERE group_name = %s"
    session.execute(anew, (group,))
    assert noted(session, group) == [(0, 5)]
    session.execute(SET, (7, group))
    assert noted(session, group) == [(0, 5), (5, 7)]


def test_where_a_group_began_goes_back_with_its_position(session: psycopg.Connection, group: str) -> None:
    """From there on it reads everything itself."""
    query = "SELECT first_offset, furthest FROM headrace.positions WHERE group_name = %s"
    found = []
    for place in (40, 5, 12):
        session.execute(SET, (place, group))
        found += session.execute(query, (group,)).fetchall()
    assert found == [(10, 40), (5, 40), (5, 40)]


def test_a_position_that_was_deleted_leaves_nothing_that_is_read_later(
    session: psycopg.Connection, sink: PostgresSink, group: str
) -> None:
    """A partition without a position begins at its log's start; whether that is the log of before nobody knows."""
    session.execute("DELETE FROM headrace.positions WHERE group_name = %s", (group,))
    sink.take({AT: Start(offset=0)})
    move(session, group, 0, 25)
    session.execute(SET, (30, group))
    assert noted(session, group) == [(25, 30)]
    assert passed(session, group, AT, [0, 24, 30]) == Passed(unsure=frozenset({0, 24}))


def test_what_a_letter_may_ask_for_is_kept(session: psycopg.Connection, group: str) -> None:
    """Nobody does when none is open in front of it."""
    letter(session, group, 15)
    assert prune(session, group, 0, 10) == 0
    session.execute("UPDATE headrace.letters SET state = 'applied' WHERE group_name = %s", (group,))
    assert prune(session, group, 1, 10) == 0
    assert prune(session, group, 0, 10) == 1
    assert noted(session, group) == []


def test_of_what_is_not_noted_any_more_nobody_knows_whether_it_was_applied(
    session: psycopg.Connection, group: str
) -> None:
    """A letter may come in front of it yet, as its record is read again."""
    assert prune(session, group, 0, 10) == 1
    assert passed(session, group, AT, [15, 29, 30]) == Passed(unsure=frozenset({15, 29}))


def test_what_a_batch_reads_again_is_deleted_by_nobody_else(
    server: str, session: psycopg.Connection, group: str
) -> None:
    """And waited for by nobody."""
    session.execute(SET, (20, group))
    with psycopg.connect(server) as batch:
        move(batch, group, 20, 22)
        session.execute("SET lock_timeout = '1s'")
        assert prune(session, group, 0, 10) == 0
    assert noted(session, group) == [(22, 30)]


def test_letters_that_are_given_up_are_noted(session: psycopg.Connection, group: str) -> None:
    """And not those that end otherwise."""
    for offset in (11, 12):
        letter(session, group, offset)
    close = 'UPDATE headrace.letters SET state = %s WHERE group_name = %s AND "offset" = %s'
    session.execute(close, ("discarded", group, 11))
    session.execute(close, ("superseded", group, 12))
    assert noted(session, group) == [(11, 12), (20, 30)]


def test_letters_of_another_log_are_not_noted(session: psycopg.Connection, group: str) -> None:
    """Given up behind the new position of a topic that was made anew, as an older program does it."""
    letter(session, group, 99)
    session.execute("UPDATE headrace.letters SET state = 'discarded' WHERE group_name = %s", (group,))
    assert noted(session, group) == [(20, 30)]


def test_behind_the_place_where_a_log_was_cut_nothing_was_read(session: psycopg.Connection, group: str) -> None:
    """So what is passed there is noted; in front of it nobody knows, as the log may have been cut there already."""
    cut = Decision(next_offset=25, topic_id="first", discarded_from=25)
    decisions.carry_out(session, group, AT, cut)
    session.execute(SET, (28, group))
    assert noted(session, group) == [(25, 28)]
    assert passed(session, group, AT, [10, 24, 26, 28]) == Passed(noted=frozenset({26}), unsure=frozenset({10, 24}))


def test_ranges_that_lie_in_one_another_are_read(session: psycopg.Connection, group: str) -> None:
    """A letter within what was passed was given up later."""
    letter(session, group, 22)
    session.execute("UPDATE headrace.letters SET state = 'discarded' WHERE group_name = %s", (group,))
    session.execute(SET, (20, group))
    move(session, group, 20, 22)
    assert noted(session, group) == [(22, 30)]


def test_in_front_of_where_a_group_began_others_count_until_it_reads_that_itself(
    session: psycopg.Connection, group: str
) -> None:
    """From when the position is set there, whenever dead letters of theirs are imported."""
    letter(session, group, 5)
    theirs = "imported = 'connect', imported_topic = 'dlq', imported_partition = 0, imported_offset = 0"
    session.execute(f"UPDATE headrace.letters SET {theirs} WHERE group_name = %s".encode(), (group,))
    assert passed(session, group, AT, [4, 5, 6]) == Passed(waiting=frozenset({5}))
    session.execute(SET, (0, group))
    session.execute(SET, (10, group))
    assert passed(session, group, AT, [4, 5, 6]).noted == {4, 5, 6}
    session.execute(SET, (0, group))
    move(session, group, 0, 6)
    assert passed(session, group, AT, [4, 5, 6]) == Passed(noted=frozenset({6}))


def test_an_open_letter_that_is_deleted_was_given_up(session: psycopg.Connection, group: str) -> None:
    """By a statement of a person's; closed ones say nothing of their records."""
    for offset in (11, 12):
        letter(session, group, offset)
    session.execute(
        """UPDATE headrace.letters SET state = 'applied' WHERE group_name = %s AND "offset" = 12""", (group,)
    )
    session.execute("DELETE FROM headrace.letters WHERE group_name = %s", (group,))
    assert noted(session, group) == [(11, 12), (20, 30)]


@pytest.mark.parametrize(("offset", "once"), [(11, True), (22, False), (30, False)])
def test_a_letter_of_what_was_applied_is_known(
    session: psycopg.Connection, group: str, offset: int, once: bool
) -> None:
    """As its record is read again; what was passed, or is read first, was not. Given up it counts as applied."""
    session.execute(LETTER, (group, offset))
    assert session.execute("SELECT applied_once FROM headrace.letters WHERE group_name = %s", (group,)).fetchall() == [
        (once,)
    ]
    assert passed(session, group, AT, [offset]) == Passed(waiting=frozenset(() if once else {offset}))
    session.execute("UPDATE headrace.letters SET state = 'discarded' WHERE group_name = %s", (group,))
    assert noted(session, group) == ([(20, 30)] if offset != 22 else [(20, 30), (22, 23)])


def test_many_letters_that_were_given_up_cost_no_more_than_those_that_are_asked_for(
    session: psycopg.Connection, group: str
) -> None:
    """Each stands for itself, so it is found by its offset; what is long is looked for among long ones."""
    session.execute(
        "INSERT INTO headrace.unapplied (group_name, topic, partition, start_offset, end_offset)"
        " SELECT %s, 't', 0, n, n + 1 FROM generate_series(100, 6100, 2) AS n",
        (group,),
    )
    session.execute("ANALYZE headrace.unapplied")
    session.execute("UPDATE headrace.positions SET furthest = 7000 WHERE group_name = %s", (group,))
    session.execute(SET, (4000, group))
    with session.transaction():
        before = _read(session)
        assert passed(session, group, AT, [10, 6099, 6100]).noted == {6100}
        move(session, group, 4000, 4100)
        assert _read(session) - before < 500
    assert len(passed(session, group, AT, range(3900, 4200)).noted) == 100


def _read(session: psycopg.Connection) -> int:
    """How many noted ranges this transaction has read."""
    query = """SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid)
        + pg_stat_get_xact_tuples_fetched(oid)), 0) FROM pg_class WHERE relname LIKE 'unapplied%'"""
    ((count,),) = session.execute(query).fetchall()
    return int(count)
