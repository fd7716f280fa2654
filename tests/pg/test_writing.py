"""How a table that refused rows is written, and for how long."""

from contextlib import nullcontext

import psycopg
import pytest

from consumer.core.plan import Plan
from consumer.edges.postgres.writing import Writer
from consumer.ports.refusals import DataFault
from tests.pg.landing import rows
from tests.pg.searching import Make, filled, made, row

BATCHES = 32
SETUP = "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text, n int4 CHECK (n >= 0))"


def careful(plan: Plan) -> Writer:
    """One that has just seen the table refuse a row."""
    writer = Writer(5.0)
    writer.take_care(plan.writes, None)
    return writer


@pytest.mark.parametrize("held", [BATCHES - 1, BATCHES])
def test_care_is_taken_for_so_many_batches(server: str, make: Make, held: int) -> None:
    """Then the table is written at once again, and a refusal is one of the whole write."""
    plan = make(SETUP).plan(*made(row(1), row(2, n=-1)))
    writer = careful(plan)
    for _ in range(held):
        writer.committed()
    with nullcontext() if held < BATCHES else pytest.raises(DataFault), filled(server, plan) as (connection, (staged,)):
        assert list(writer.write(connection, staged)) == [1]


@pytest.mark.parametrize("there", [False, True], ids=["new rows", "a row that is there"])
@pytest.mark.parametrize("care", [False, True], ids=["at once", "looked for"])
def test_no_savepoint_is_left_behind(server: str, make: Make, there: bool, care: bool) -> None:
    """However the plain INSERT ends; and the rows are there."""
    landing = make(SETUP + ("; INSERT INTO {s}.t VALUES (2, 'old', 0)" if there else ""))
    plan = landing.plan(*made(row(1), row(2)))
    writer = careful(plan) if care else Writer(5.0)
    with filled(server, plan) as (connection, (staged,)):
        assert writer.write(connection, staged) == {}
        assert rows(connection, landing.table) == [(1, "w", 0), (2, "w", 0)]
        connection.execute("SAVEPOINT before")
        with pytest.raises(psycopg.errors.InvalidSavepointSpecification):
            connection.execute("RELEASE SAVEPOINT plain")
        connection.execute("ROLLBACK TO SAVEPOINT before")
