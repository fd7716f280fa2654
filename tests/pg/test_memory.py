"""What a group remembers of its topics' sources."""

import psycopg
import pytest

from consumer.core.key_schemas import BoundKey, KeySchema
from consumer.core.records import OffsetRange, TopicPartition
from consumer.edges.postgres import memory
from tests.pg.conftest import Catalogs
from tests.pg.test_actions import write

NAMES = {"db": "shop", "schema": None, "table": "orders"}
KEY = KeySchema(name="shop.orders.Key", columns=frozenset({"id", "part"}))
BOUND = BoundKey(names=NAMES, key=KEY)


def test_the_sources_names_are_kept_for_a_group_a_topic_and_a_key_schema(
    session: psycopg.Connection, catalogs: Catalogs, group: str
) -> None:
    """Any worker of the group finds them, the last ones said; nobody else does."""
    one, two = catalogs(), catalogs()
    one.remember_source("t", 1, BoundKey(names={"db": "shop", "schema": "s", "table": "old"}, key=KEY))
    one.remember_source("t", 1, BOUND)

    assert two.recall_source("t", 1) == NAMES
    assert two.recall_source("t", 2) is None
    assert two.recall_source("u", 1) is None
    session.execute("UPDATE headrace.topic_sources SET group_name = 'another' WHERE group_name = %s", (group,))
    assert two.recall_source("t", 1) is None


def test_what_is_there_already_is_not_written_again(
    session: psycopg.Connection, catalogs: Catalogs, group: str
) -> None:
    """Each start of a worker says it, so it must cost no write."""
    one = catalogs()
    one.remember_source("t", 1, BOUND)
    query = "SELECT xmin::text, xmax::text FROM headrace.topic_sources WHERE group_name = %s"
    before = session.execute(query, (group,)).fetchall()
    one.remember_source("t", 1, BOUND)

    assert session.execute(query, (group,)).fetchall() == before


def test_other_names_of_a_key_schema_stay_known(session: psycopg.Connection, catalogs: Catalogs, group: str) -> None:
    """Each once: they are those of further tables, or of one that was renamed."""
    one = catalogs()
    for table in ("a", "b", "a", "b", "b"):
        one.remember_source("t", 1, BoundKey(names={**NAMES, "table": table}, key=KEY))
    query = "SELECT names ->> 'table', jsonb_path_query_array(former, '$[*].table') FROM headrace.topic_sources"
    rows = session.execute(f"{query} WHERE group_name = %s".encode(), (group,)).fetchall()
    assert [(name, sorted(former)) for name, former in rows] == [("b", ["a", "b"])]


def test_the_keys_of_a_topic_are_kept_beside_them(session: psycopg.Connection, catalogs: Catalogs, group: str) -> None:
    """But for those that a version before has written, which are known again when they are met."""
    one, two = catalogs(), catalogs()
    one.remember_source("t", 1, BOUND)
    one.remember_source("t", 2, BoundKey(names=NAMES, key=KeySchema(name="later.Key", columns=frozenset({"id"}))))
    assert {bound.key.name for bound in two.known_keys("t")} == {KEY.name, "later.Key"}
    assert two.known_keys("u") == []

    session.execute("UPDATE headrace.topic_sources SET key_name = NULL WHERE group_name = %s", (group,))
    assert two.known_keys("t") == []
    one.remember_source("t", 1, BOUND)
    assert two.known_keys("t") == [BOUND]


@pytest.mark.parametrize(
    ("letter", "stays"),
    [
        pytest.param(None, False, id="no letter"),
        pytest.param((5, "dead"), True, id="a letter of the range"),
        pytest.param((2, "retrying"), True, id="one in front of it, which may be searched for later changes"),
        pytest.param((9, "dead"), False, id="one behind it"),
        pytest.param((5, "applied"), False, id="one that is closed"),
    ],
)
def test_a_mark_stays_as_long_as_a_letter_may_have_its_range_read_again(
    session: psycopg.Connection, group: str, letter: tuple[int, str] | None, stays: bool
) -> None:
    """Though the position is behind it, and whichever partitions a worker has: letters come back by others."""
    at = TopicPartition("grown", 0)
    session.execute(
        "INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES (%s, %s, %s, 100, 1)",
        (group, *at),
    )
    memory.mark(session, group, [OffsetRange(at, 4, 8)])
    if letter is not None:
        offset, state = letter
        write(session, group, [("one", 0, offset, "dead")])
        if state != "dead":
            closed = "now()" if state == "applied" else "NULL"
            change = f"UPDATE headrace.letters SET state = %s, closed_at = {closed} WHERE group_name = %s"
            session.execute(change.encode(), (state, group))
    assert memory.marks(session, group) == ([OffsetRange(at, 4, 8)] if stays else [])
