"""The field that is to blame stands with its letter, so that other fields are other groups."""

from typing import Any

import psycopg
import pytest

from consumer.core.failure import blaming, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import State, Verdict
from consumer.core.target import TableName
from consumer.edges.postgres import standing
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from dlq.groups import groups
from dlq.headers import decode, encode
from dlq.selection import Selection
from tests.pg.conftest import Pools
from tests.pg.landing import ID, Landing

FIELDS = [
    ID,
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
    {"name": "price", "type": ["null", "double"], "default": None},
]
TABLE = "CREATE TABLE {s}.t (id bigint PRIMARY KEY, word text NOT NULL, n int NOT NULL, price numeric(6, 2))"
LYING = (
    "; CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " RAISE not_null_violation USING COLUMN = NEW.word, CONSTRAINT = NEW.word; END $$;"
    " CREATE TRIGGER no BEFORE INSERT ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.no()"
)
CANARY = "canary-7725"


def row(**other: Any) -> tuple[str, dict[str, Any]]:
    """A create."""
    return "c", {"id": 1, "word": "w", "n": 1, "price": 1.0, **other}


def landed(session: psycopg.Connection, sink: PostgresSink, schema: str, setup: str = TABLE) -> Landing:
    """A table's topic, of a group that has started."""
    session.execute(setup.replace("{s}", schema).encode())
    sink.seed({})
    return Landing(sink, TableName(schema, "t"), FIELDS)


def bad(landing: Landing, sink: PostgresSink, *changes: tuple[str, dict[str, Any]]) -> None:
    """Apply changes that a table does not take, which has refused a row lately."""
    with pytest.raises(DataFault):
        sink.apply(landing.plan(row(word=None)))
    landing.apply(*changes)


def fields(session: psycopg.Connection, group: str) -> list[str]:
    """The fields of the letters, in the order of their records."""
    query = 'SELECT field FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
    return [found[0] for found in session.execute(query, (group,))]


def test_refused_rows_are_groups_by_the_field_to_blame(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str
) -> None:
    """What PostgreSQL names, and nothing where it names none."""
    landing = landed(session, sink, schema)
    bad(landing, sink, row(word=None), row(id=2, n=None), row(id=3, n=None), ("x", row(id=4)[1]))

    assert fields(session, group) == ["after.word", "after.n", "after.n", ""]
    found = {one.field: one.states for one in groups(session, group, Selection(), 9)}
    assert found == {"after.word": {"dead": 1}, "after.n": {"dead": 2}, "": {"dead": 1}}


def test_a_row_that_is_refused_alone_has_a_field_too(
    session: psycopg.Connection, sink: PostgresSink, schema: str
) -> None:
    """By the server, and by our own look at values."""
    landing = landed(session, sink, schema)
    for changed, field in (({"price": 1.234}, "after.price"), ({"n": None}, "after.n")):
        with pytest.raises(DataFault) as caught:
            sink.apply(landing.plan(row(**changed)))
        assert caught.value.failure.field == field


def test_what_a_trigger_calls_a_column_is_no_field(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str
) -> None:
    """It may be a value, as may what it calls a constraint: no word of it stands anywhere."""
    landing = landed(session, sink, schema, TABLE + LYING)
    with pytest.raises(DataFault) as caught:
        sink.apply(landing.plan(row(word=CANARY)))
    assert CANARY not in str(caught.value.failure)

    landing.apply(row(word=CANARY))
    assert fields(session, group) == [""]
    query = "SELECT l::text FROM headrace.letters l WHERE group_name = %s"
    ((letter,),) = session.execute(query, (group,)).fetchall()
    assert "record.null" in letter
    assert CANARY not in letter


@pytest.mark.parametrize("field", ["after.word", ""])
def test_copies_say_the_field(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str, pools: Pools, field: str
) -> None:
    """As a header, where there is one."""
    bad(landed(session, sink, schema), sink, row(word=None) if field else ("x", row()[1]))
    (copy,) = PostgresOutbox(pools(), group).claim(1, 60)
    headers = dict(encode(copy.head, copy.headers))
    assert headers.get("headrace.field", b"") == field.encode()
    assert decode(list(headers.items())).field == field


def test_a_letter_that_fails_again_has_the_new_field(
    session: psycopg.Connection, sink: PostgresSink, schema: str, group: str
) -> None:
    """With the rest of its failure, and so another group."""
    bad(landed(session, sink, schema), sink, row(word=None))
    mine = "UPDATE headrace.letters SET state = 'replaying' WHERE group_name = %s RETURNING id"
    ((letter,),) = session.execute(mine, (group,)).fetchall()
    why = blaming(failed(KINDS["record.null"], "postgres", "upsert", "refused", code="23502"), "after.n")
    assert standing.settle(session, [Verdict(id=letter, attempt=1, state=State.DEAD, failure=why)])

    assert fields(session, group) == ["after.n"]
    assert [(one.field, one.states) for one in groups(session, group, Selection(), 9)] == [("after.n", {"dead": 1})]
