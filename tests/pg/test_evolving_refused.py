"""Changes of tables that have to wait, or that the target does not take; and two workers at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from consumer.core.plan import Plan
from consumer.planner import BadRecord
from consumer.ports.refusals import NotChanged, TableBusy, TableFault
from tests.pg.conftest import Pools, Sinks
from tests.pg.evolving_cases import BIG, SIZE, WORD
from tests.pg.following import EVERYTHING, Follower, Scene, Source, follow
from tests.pg.landing import ID

KEYED = "CREATE TABLE {t} (id int8 PRIMARY KEY)"
ROW = {"id": 1, "word": "w"}


@contextmanager
def holding(server: str, statement: str) -> Iterator[None]:
    """A transaction of somebody else that has done this."""
    with psycopg.connect(server) as other:
        other.execute(statement.encode())
        yield
        other.rollback()


def impatient(worker: Follower) -> None:
    """It waits for tables a moment only."""
    worker.sink._changer = replace(worker.sink._changer, lock_timeout=0.1)


@pytest.mark.provokes("target.locked")
def test_a_table_that_others_use_is_waited_for_a_short_time(scene: Scene, server: str) -> None:
    """Then its batch is given up as a whole; the next attempt makes the change, and its rows wait as long as ever."""
    scene.sql(KEYED)
    scene.sql(
        """
        CREATE FUNCTION {s}.note() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN NEW.word := current_setting('lock_timeout'); RETURN NEW; END $$;
        CREATE TRIGGER note BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {s}.note()
        """
    )
    one = scene.worker()
    plan = one.plan(scene.record([ID, WORD], ROW))
    impatient(one)
    with holding(server, f"SELECT * FROM {scene.table}"), pytest.raises(TableBusy) as caught:
        one.sink.apply(plan)
    assert caught.value.failure.kind == "target.locked"
    assert caught.value.table == scene.table
    assert list(scene.columns()) == ["id"]

    one.sink.apply(plan)
    assert scene.rows() == [(1, "30s")]


def test_a_change_waits_for_the_worker_that_makes_one(scene: Scene, server: str) -> None:
    """Not longer than for anybody else."""
    one = scene.worker()
    plan = one.plan(scene.record([ID, WORD], ROW))
    impatient(one)
    lock = f"SELECT pg_advisory_xact_lock(hashtextextended('headrace table {scene.table}', 0))"
    with holding(server, lock), pytest.raises(TableBusy):
        one.sink.apply(plan)
    one.sink.apply(plan)
    assert scene.rows() == [(1, "w")]


def test_two_workers_that_meet_a_new_schema_at_once_change_the_table_once(
    scene: Scene, sinks: Sinks, pools: Pools, group: str
) -> None:
    """Each applies its own rows, whoever is first; a table that is not there is made once too."""
    sources = [scene.source, Source(scene.table)]
    sources[1].topic, sources[1].at = scene.source.topic, scene.source.at._replace(partition=1)
    workers = [
        Follower(sinks(name), pools(worker=name), group, source, follow(**{c.value: "auto" for c in EVERYTHING}))
        for name, source in zip(("one", "two"), sources, strict=True)
    ]
    for fields in ([ID, SIZE], [ID, BIG, WORD]):
        plans = []
        for number, (one, source) in enumerate(zip(workers, sources, strict=True)):
            row = {"id": number, "size": number, "word": "w"}
            plans.append(one.plan(source.record(fields, "u", {field["name"]: row[field["name"]] for field in fields})))
        assert all(plan.evolutions for plan in plans)
        together(workers, plans)

    assert scene.rows() == [(0, 0, "w"), (1, 1, "w")]
    assert scene.columns() == {"id": "bigint NOT NULL", "size": "bigint", "word": "text"}
    assert scene.history() == [("create", "applied"), ("add", "applied"), ("widen", "applied")]


def together(workers: list[Follower], plans: list[Plan]) -> None:
    """All apply at the same time."""
    start = threading.Barrier(len(workers))
    done = []

    def work(one: Follower, plan: Plan) -> None:
        start.wait(10)
        done.append(one.sink.apply(plan))

    threads = [threading.Thread(target=work, args=each) for each in zip(workers, plans, strict=True)]
    for thread in threads:
        thread.start()
    for thread, one, plan in zip(threads, workers, plans, strict=True):
        thread.join(30)
        one.next_offset = plan.slices[0].end
        one.binder.forget(one.name)
    assert len(done) == len(workers)


def test_a_table_that_was_changed_meanwhile_is_looked_at_again(scene: Scene) -> None:
    """What was planned for it as it was is not done to it as it is."""
    scene.sql(KEYED)
    one = scene.worker()
    plan = one.plan(scene.record([ID, WORD], ROW))
    scene.sql("ALTER TABLE {t} ADD COLUMN word varchar(1)")
    with pytest.raises(TableFault) as caught:
        one.sink.apply(plan)
    assert caught.value.failure.kind == "table.shape"
    assert "changed" in caught.value.failure.detail
    one.binder.forget(scene.table)
    one.apply(scene.record([ID, WORD], ROW))
    assert scene.history() == []


@pytest.mark.provokes("table.schema")
def test_a_change_that_the_target_does_not_take_stops_the_table_with_the_statement(scene: Scene) -> None:
    """Here a view uses the column; the rows are not touched, and the reason is kept."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, size int4); CREATE VIEW {s}.v AS SELECT size FROM {t}")
    one = scene.worker()
    with pytest.raises(NotChanged) as caught:
        one.apply(scene.record([ID, BIG], {"id": 1, "size": 1 << 40}))
    failure = caught.value.failure
    assert (failure.kind, failure.code) == ("table.schema", "0A000")
    assert f'ALTER TABLE "{scene.table.schema}"."t" ALTER COLUMN "size" TYPE bigint' in failure.remedy
    assert scene.history() == [("widen", "refused")]
    assert scene.sql("SELECT error ->> 'code' FROM headrace.schema_changes WHERE table_name = '{t}'") == [("0A000",)]

    scene.sql("DROP VIEW {s}.v")
    one.binder.forget(scene.table)
    one.apply(scene.record([ID, BIG], {"id": 1, "size": 1 << 40}))
    assert scene.history() == [("widen", "applied")]


def test_a_change_that_the_empty_copy_does_not_take_is_not_tried_with_rows(scene: Scene) -> None:
    """A generated column uses the one that is to become wider."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, size int4, twice int4 GENERATED ALWAYS AS (size * 2) STORED)")
    with pytest.raises(BadRecord) as caught:
        scene.worker().plan(scene.record([ID, BIG], {"id": 1, "size": 1}))
    assert caught.value.failure.kind == "table.schema"


def test_a_change_that_takes_too_long_is_for_a_person(scene: Scene) -> None:
    """All rows are held against a constraint again, and that takes longer than a batch may."""
    scene.sql(
        """
        CREATE FUNCTION {s}.slow(int8) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN PERFORM pg_sleep(0.5); RETURN true; END $$;
        CREATE TABLE {t} (id int8 PRIMARY KEY, size int4);
        INSERT INTO {t} SELECT g, g FROM generate_series(1, 4) g;
        ALTER TABLE {t} ADD CONSTRAINT slow CHECK ({s}.slow(size))
        """
    )
    one = scene.worker(deadline=1.0)
    with pytest.raises(NotChanged) as caught:
        one.apply(scene.record([ID, BIG], {"id": 9, "size": 1}))
    assert caught.value.failure.kind == "table.schema"
    assert "target.batch_deadline" in caught.value.failure.detail
    assert scene.columns()["size"] == "integer"


@pytest.mark.provokes("table.privilege")
def test_a_table_of_others_is_not_changed(scene: Scene, pools: Pools, group: str, server: str) -> None:
    """The role says so before any row, with what the owner can do."""
    scene.sql(KEYED)
    scene.sql(
        """
        CREATE ROLE {s}_guest LOGIN PASSWORD 'guest'; GRANT USAGE ON SCHEMA {s}, headrace TO {s}_guest;
        GRANT ALL ON ALL TABLES IN SCHEMA headrace TO {s}_guest; GRANT ALL ON {t} TO {s}_guest
        """
    )
    guest = psycopg.conninfo.make_conninfo(server, user=f"{scene.table.schema}_guest", password="guest")
    one = Follower(scene.worker().sink, pools(dsn=guest), group, scene.source, follow(add="auto"))
    with pytest.raises(BadRecord) as caught:
        one.apply(scene.record([ID, WORD], ROW))
    assert caught.value.failure.kind == "table.privilege"
    assert 'ADD COLUMN "word" text' in caught.value.failure.remedy
    assert scene.history() == [("add", "refused")]
