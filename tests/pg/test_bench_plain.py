"""The benchmark's plain reference: the same rows as Headrace's session leaves, and nothing of Headrace's."""

from collections.abc import Callable

import psycopg

from consumer.bench.plain import Plain
from tests.pg.landing import ID, Landing, rows

FIELDS = [ID, {"name": "word", "type": "string"}, {"name": "size", "type": "double"}]


def row(number: int, word: str) -> dict[str, object]:
    """One of a table with a column that is cast."""
    return {"id": number, "word": word, "size": number / 2}


def test_batches_of_prepared_rows_are_applied_in_order(
    session: psycopg.Connection, server: str, make: Callable[..., Landing], group: str
) -> None:
    """Inserts, updates and deletes; each batch is one transaction of one COPY and one statement for each write."""
    landing = make("CREATE TABLE {s}.t (id bigint PRIMARY KEY, word text, size numeric)", FIELDS)
    batches = [
        landing.plan(*(("c", row(number, "new")) for number in range(5))).writes,
        landing.plan(("u", row(1, "changed")), ("d", row(2, "")), ("c", row(7, "late"))).writes,
        landing.plan(("d", row(3, "")), ("u", row(7, "later"))).writes,
    ]
    before = session.execute("SELECT count(*) FROM headrace.batches WHERE group_name = %s", (group,)).fetchone()
    with psycopg.connect(server, autocommit=True) as connection:
        assert Plain(connection).seconds(batches) > 0
    found = [(number, word, float(size)) for number, word, size in rows(session, landing.table)]
    assert found == [(0, "new", 0.0), (1, "changed", 0.5), (4, "new", 2.0), (7, "later", 3.5)]
    after = session.execute("SELECT count(*) FROM headrace.batches WHERE group_name = %s", (group,)).fetchone()
    assert after == before


def test_a_kind_of_write_may_come_twice_in_a_batch(
    session: psycopg.Connection, server: str, make: Callable[..., Landing]
) -> None:
    """One behind the other: the second one's rows are its own."""
    landing = make("CREATE TABLE {s}.t (id bigint PRIMARY KEY, word text, size float8)", FIELDS)
    first, second = (landing.plan(("u", row(1, word))).writes for word in ("one", "two"))
    with psycopg.connect(server, autocommit=True) as connection:
        Plain(connection).seconds([[*first, *second]])
    assert rows(session, landing.table) == [(1, "two", 0.5)]
