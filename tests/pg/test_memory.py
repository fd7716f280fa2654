"""What a group remembers of its topics' sources."""

import psycopg

from consumer.core.key_schemas import BoundKey, KeySchema
from tests.pg.conftest import Catalogs

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
