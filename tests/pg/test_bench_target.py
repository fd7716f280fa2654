"""What the benchmark says of a run's rows: they are the source's, or they are not."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from consumer.bench import target, workload
from consumer.bench.rig import Rig
from consumer.bench.scenario import Dataset, Mix
from consumer.bench.shapes import WIDE
from consumer.bench.store import Store
from consumer.stack.options import Endpoints
from consumer.stack.progress import Terminal

_DATASET = Dataset(name="bench_same", shape=WIDE, tables=("t001", "t002"), mix=Mix(inserts=50, updates=60, deletes=5))


@pytest.fixture
def rig(session: psycopg.Connection, server: str, tmp_path: Path) -> Iterator[Rig]:
    """A source and a target in which the same events have been applied."""
    session.execute("CREATE DATABASE bench_source")
    source = psycopg.conninfo.make_conninfo(server, dbname="bench_source")
    for dsn in (source, server):
        with psycopg.connect(dsn, autocommit=True) as connection:
            workload.create_tables(connection, _DATASET)
            workload.run(connection, _DATASET)
    yield Rig(
        endpoints=Endpoints(source_dsn=source, target_dsn=server),
        pids={},
        store=Store(tmp_path),
        scratch=tmp_path,
        reporter=Terminal(quiet_steps=True),
    )
    session.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(_DATASET.name)))
    session.execute("DROP DATABASE bench_source WITH (FORCE)")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("SELECT", True),
        ("UPDATE {} SET active = NOT active WHERE id = 7", False),
        ("UPDATE {} SET due = NULL WHERE id = (SELECT min(id) FROM {} WHERE due IS NOT NULL)", False),
        ("UPDATE {} SET title = CASE id WHEN 7 THEN 'b' ELSE 'a' END WHERE id IN (7, 8)", False),
        ("DELETE FROM {} WHERE id = 7", False),
        ("INSERT INTO {} (id, event) VALUES (1000, 1)", False),
    ],
    ids=["as it is", "a cell flipped", "a cell lost", "two cells changed", "a row dropped", "a row added"],
)
def test_rows_are_right_when_each_cell_of_each_row_is(
    session: psycopg.Connection, rig: Rig, change: str, same: bool
) -> None:
    """In the last table as in the first, and never by a sum of two mistakes."""
    table = sql.SQL(change).format(*[workload.name(_DATASET, "t002")] * change.count("{}"))
    session.execute(table)
    assert target.same(rig, _DATASET) is same
