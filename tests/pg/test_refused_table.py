"""Letters whose table is refused as a whole when they come back."""

import psycopg

from consumer.edges.postgres.outbox import PostgresOutbox
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Pools, Sinks

LANE = "retry"
LETTER = "SELECT state, kind, attempt FROM headrace.letters WHERE group_name = %s"
AGO = "UPDATE headrace.letters SET first_failed_at = first_failed_at - interval '3 days' WHERE group_name = %s"
RAISE = """CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation'; END $$;
CREATE TRIGGER no BEFORE INSERT ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.no()"""


def test_what_a_refused_table_costs_its_letters_is_time(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, pools: Pools, schema: str, group: str
) -> None:
    """They use no attempts and no hours up: once the table is put right, there are as many as there were."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    session.execute(RAISE.format(s=schema).encode())
    applying = Applying(sinks(), catalogs(), schema, ["t", LANE])
    outbox = PostgresOutbox(pools(), group)
    applying.offer({"t": [("c", 1, "word")]})
    applying.turns(lambda _: bool(session.execute(LETTER, (group,)).fetchall()))

    def tried_again() -> tuple[str, str, int]:
        before = session.execute(LETTER, (group,)).fetchone()
        applying.come_back(outbox, LANE)
        applying.turns(lambda _: session.execute(LETTER, (group,)).fetchone() != before)
        ((state, kind, attempt),) = session.execute(LETTER, (group,)).fetchall()
        return state, kind, attempt

    session.execute(f"ALTER TABLE {schema}.t RENAME TO away")
    assert [tried_again()[:2] for _ in range(4)] == [("retrying", "table.missing")] * 4
    session.execute(f"ALTER TABLE {schema}.away RENAME TO t")
    session.execute(AGO, (group,))
    assert [tried_again(), tried_again()] == [("retrying", "record.reference", 6), ("dead", "record.reference", 7)]
