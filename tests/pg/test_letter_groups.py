"""Letters that failed in the same way are one group; counts follow every change of a letter."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.letters import State, Verdict
from consumer.edges.postgres import standing
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.tallies import sum_up
from consumer.ports.target import Retention
from dlq.groups import groups
from dlq.selection import Selection, letters_meant, parameters

_LETTERS = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy, field
)
SELECT %(group)s, %(topic)s, 0, %(first)s + n, %(state)s, %(kind)s, 'persistent', 'test', 'test', 'd', %(remedy)s,
    %(field)s
FROM generate_series(1, %(number)s) AS n
"""
_SAME = {"topic": "t", "kind": "record.value", "state": "dead", "remedy": "Look at it.", "field": "after.price"}


def write(session: psycopg.Connection, group: str, number: int, first: int = 0, **other: str) -> None:
    """Some letters of consecutive offsets behind `first`."""
    session.execute(_LETTERS, {**_SAME, **other, "group": group, "number": number, "first": first})


def counted(session: psycopg.Connection, group: str, selection: Selection | None = None) -> list[dict[str, int]]:
    """The groups' counts by state, the last seen first."""
    return [found.states for found in groups(session, group, selection or Selection(), 100)]


def found(session: psycopg.Connection, group: str, selection: Selection) -> int:
    """How many letters are meant."""
    query = sql.SQL("SELECT count(*) FROM headrace.letters l WHERE {}").format(letters_meant(selection))
    row = session.execute(query, parameters(group, selection)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    "other", [{"topic": "u"}, {"kind": "record.checks"}, {"field": "after.name"}], ids=lambda other: next(iter(other))
)
def test_what_failed_in_another_way_is_another_group(
    session: psycopg.Connection, group: str, other: dict[str, str]
) -> None:
    """A hundred of the same are one."""
    write(session, group, 100)
    write(session, group, 1, 1000, **other)
    assert counted(session, group) == [{"dead": 1}, {"dead": 100}]


def test_a_group_has_the_letter_that_failed_last_as_its_sample(session: psycopg.Connection, group: str) -> None:
    """Of the states that are asked for."""
    write(session, group, 3)
    write(session, group, 1, 1000, topic="u")
    ids = [row[0] for row in session.execute(
        "SELECT id FROM headrace.letters WHERE group_name = %s AND topic = 't' ORDER BY id", (group,))]  # fmt: skip
    session.execute("UPDATE headrace.letters SET failed_at = now() + interval '1 h' WHERE id = %s", (ids[0],))
    session.execute("UPDATE headrace.letters SET state = 'replaying' WHERE id = %s", (ids[0],))
    for states, sample in (((), ids[0]), (("replaying",), ids[0]), (("dead",), ids[2])):
        (found,) = groups(session, group, Selection(topics=("t",), states=states), 10)
        assert found.sample == sample


def test_counts_follow_every_change(session: psycopg.Connection, group: str) -> None:
    """Also when rows that count the same were made one."""
    write(session, group, 5)
    mine = 'group_name = %s AND "offset" <= %s'
    for statement, most, then in (
        ("UPDATE headrace.letters SET state = 'replaying' WHERE " + mine, 3, [{"dead": 2, "replaying": 3}]),
        ("UPDATE headrace.letters SET published_attempt = 1 WHERE " + mine, 5, [{"dead": 2, "replaying": 3}]),
        ("UPDATE headrace.letters SET state = 'applied', closed_at = now() WHERE " + mine, 1, [
            {"applied": 1, "dead": 2, "replaying": 2}
        ]),
        ("DELETE FROM headrace.letters WHERE " + mine, 2, [{"dead": 2, "replaying": 1}]),
        ("DELETE FROM headrace.letters WHERE " + mine, 5, []),
    ):  # fmt: skip
        session.execute(statement.encode(), (group, most))
        assert counted(session, group) == then
        sum_up(session, group, 1.0)
        assert counted(session, group) == then


def test_a_letter_that_fails_in_another_way_changes_its_group(session: psycopg.Connection, group: str) -> None:
    """As when it came back."""
    write(session, group, 2)
    session.execute(
        """UPDATE headrace.letters SET kind = 'record.checks' WHERE group_name = %s AND "offset" = 1""", (group,)
    )
    found = {one.kind: one.states for one in groups(session, group, Selection(), 9)}
    assert found == {"record.checks": {"dead": 1}, "record.value": {"dead": 1}}


def test_a_group_was_seen_when_its_letters_failed_again(session: psycopg.Connection, group: str) -> None:
    """In the same way, so that their number stays; what is written of them otherwise is no failure."""
    write(session, group, 2, state="retrying")
    ids = [
        row[0] for row in session.execute("SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY id", (group,))
    ]
    session.execute("UPDATE headrace.letter_tallies SET seen_at = '2020-01-01' WHERE group_name = %s", (group,))
    session.execute("UPDATE headrace.letters SET failed_at = '2020-01-01' WHERE group_name = %s", (group,))
    rows = "SELECT count(*) FROM headrace.letter_tallies WHERE group_name = %s"
    before = session.execute(rows, (group,)).fetchone()
    session.execute("UPDATE headrace.letters SET published_attempt = 1 WHERE group_name = %s", (group,))
    assert session.execute(rows, (group,)).fetchone() == before

    why = replace(failed(KINDS["record.value"], "test", "test", "d"), remedy="Look at it.", field="after.price")
    for attempt in (1, 2):
        verdict = Verdict(id=ids[0], attempt=attempt, state=State.RETRYING, failure=why, delay=60)
        assert standing.settle(session, [verdict])
        query = "SELECT max(failed_at) FROM headrace.letters WHERE group_name = %s"
        ((last,),) = session.execute(query, (group,)).fetchall()
        (found,) = groups(session, group, Selection(), 9)
        assert (found.last_seen_at, found.states) == (last, {"retrying": 2})
        assert last.year > 2020
    sum_up(session, group, 1.0)
    assert session.execute(rows, (group,)).fetchone() == (1,)
    assert groups(session, group, Selection(), 9) == [found]


def test_rows_of_counts_are_summed_up(session: psycopg.Connection, group: str) -> None:
    """One for each state of each group."""
    for first in range(10):
        write(session, group, 1, first)
    sum_up(session, group, 1.0)
    query = "SELECT letters FROM headrace.letter_tallies WHERE group_name = %s"
    assert session.execute(query, (group,)).fetchall() == [(10,)]


def test_a_worker_sums_up(session: psycopg.Connection, sink: PostgresSink, group: str) -> None:
    """When it prunes."""
    for first in range(3):
        write(session, group, 1, first)
    sink.prune(Retention(ledger=1, closed_letters=1, moved=1))
    query = "SELECT count(*) FROM headrace.letter_tallies WHERE group_name = %s"
    assert session.execute(query, (group,)).fetchone() == (1,)


def test_letters_count_where_other_triggers_are_off(session: psycopg.Connection, group: str) -> None:
    """As with target.constraints = "trust-source"."""
    session.execute("SET session_replication_role = replica")
    write(session, group, 2)
    assert counted(session, group) == [{"dead": 2}]


def test_a_group_without_letters_is_forgotten_after_a_while(session: psycopg.Connection, group: str) -> None:
    """When it was seen first is known until then."""
    write(session, group, 1)
    session.execute("DELETE FROM headrace.letters WHERE group_name = %s", (group,))
    known = "SELECT count(*) FROM headrace.letter_groups WHERE group_name = %s"
    sum_up(session, group, 1.0)
    assert session.execute(known, (group,)).fetchone() == (1,)
    for table, column in (("letter_groups", "first_seen_at"), ("letter_tallies", "seen_at")):
        older = f"UPDATE headrace.{table} SET {column} = {column} - interval '2 h' WHERE group_name = %s"
        session.execute(older.encode(), (group,))
    sum_up(session, group, 1.0)
    assert session.execute(known, (group,)).fetchone() == (0,)


def test_a_group_that_got_a_letter_while_it_was_forgotten_is_there_again(
    session: psycopg.Connection, group: str
) -> None:
    """The two did not see each other."""
    write(session, group, 3)
    before = groups(session, group, Selection(), 9)
    session.execute("DELETE FROM headrace.letter_groups WHERE group_name = %s", (group,))
    assert counted(session, group) == []
    sum_up(session, group, 1.0)
    (after,) = groups(session, group, Selection(), 9)
    assert after.states == {"dead": 3}
    assert (after.fingerprint, after.remedy) == (before[0].fingerprint, before[0].remedy)


def test_others_groups_are_not_seen(session: psycopg.Connection, group: str) -> None:
    """A consumer group has its own letters."""
    write(session, group, 1)
    assert counted(session, "somebody-else") == []
    assert found(session, "somebody-else", Selection()) == 0


@pytest.mark.parametrize(
    ("selection", "number"),
    [
        (Selection(), 13),
        (Selection(states=("dead",)), 12),
        (Selection(kinds=("record.checks",)), 2),
        (Selection(kinds=("record.checks", "record.value"), topics=("t",)), 12),
        (Selection(topics=("nowhere",)), 0),
        (Selection(text="PRICE"), 11),
        (Selection(text="100%"), 2),
        (Selection(text="1__%"), 0),
        (Selection(text="checks", states=("held",)), 0),
        (Selection(tables=("s.t",)), 0),
    ],
)
def test_letters_are_selected(session: psycopg.Connection, group: str, selection: Selection, number: int) -> None:
    """All that is given has to match, and text is no pattern."""
    write(session, group, 10)
    write(session, group, 2, 100, kind="record.checks", field="after.name", remedy="It is 100% wrong.")
    write(session, group, 1, 200, topic="u", state="held")
    assert found(session, group, selection) == number
