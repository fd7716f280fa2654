"""Letters that are waited for until a group is current."""

import psycopg
import pytest

from consumer.core.flags import Flag
from consumer.core.letters import State
from consumer.core.records import TopicPartition
from consumer.edges.postgres import flags
from consumer.edges.postgres.lookup import PostgresOverview
from consumer.ports.desk import Note
from consumer.ports.target import Underway
from tests.pg.conftest import Pools

AT = TopicPartition("t", 0)
LETTER = """
INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component, operation,
    detail, remedy, attempt, published_attempt, closed_at)
VALUES (%s, 't', 0, %s, %s, 'record.check', 'persistent', 'c', 'o', 'd', 'r', 2, %s,
    CASE WHEN %s = 'applied' THEN now() END)
"""


@pytest.mark.parametrize(
    ("state", "unpublished", "waited"),
    [
        *((state, unpublished, True) for state in ("retrying", "replaying") for unpublished in (False, True)),
        ("dead", True, True),
        ("dead", False, False),
        ("held", True, False),
        ("applied", True, False),
    ],
)
def test_letters_that_are_tried_again_or_to_be_published_are_under_way(
    session: psycopg.Connection, pools: Pools, group: str, state: str, unpublished: bool, waited: bool
) -> None:
    """Those of records in front of the end, of this group, counted together."""
    for number, whose in enumerate((group, group, group, f"{group}'s other")):
        session.execute(LETTER, (whose, 8 + number, state, 2 - unpublished, state))
    found = PostgresOverview(pools(), group).underway({AT: 10, TopicPartition("t", 1): 100})
    expected = Underway(at=AT, kind="record.check", state=State(state), unpublished=unpublished, letters=2)
    assert found == ([expected] if waited else [])


def test_letters_that_were_tried_often_are_told_apart(session: psycopg.Connection, pools: Pools, group: str) -> None:
    """Of those that wait for other rows nothing more is to be expected of what is there."""
    for offset in (8, 9):
        session.execute(LETTER, (group, offset, "retrying", 0, "retrying"))
    session.execute('UPDATE headrace.letters SET attempt = "offset" WHERE group_name = %s', (group,))
    found = PostgresOverview(pools(), group).underway({AT: 10})
    assert [(one.often, one.letters) for one in found] == [(False, 1), (True, 1)]


def test_flags_that_are_off_are_known(session: psycopg.Connection, pools: Pools, group: str) -> None:
    """By those who wait for what they keep."""
    overview = PostgresOverview(pools(), group)
    before = overview.off()
    assert Flag.RETRY_LANE not in before
    flags.put(session, group, Flag.RETRY_LANE, False, Note("me@here", "a flood"))
    assert overview.off() == {*before, Flag.RETRY_LANE}
