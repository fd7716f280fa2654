"""Changes of tables that have to wait, or that the target does not take; and two workers at once."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from consumer.core.plan import Plan
from consumer.planning.planner import BadRecord
from consumer.ports.refusals import ConnectionLost, NotChanged, TableBusy, TableFault, TooSlow
from consumer.stack.waiting import wait_until
from tests.pg.conftest import Pools, Sinks
from tests.pg.evolving_cases import BIG, SIZE, WORD, c, enum
from tests.pg.following import EVERYTHING, Follower, Scene, Source, follow
from tests.pg.landing import ID
from tests.unit.semantic import decimal

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


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_xact_lock(hashtextextended('headrace table {t}', 0))",
        "ALTER TYPE {s}.mood ADD VALUE 'other'",
    ],
)
def test_a_label_waits_no_longer_than_other_changes(scene: Scene, server: str, statement: str) -> None:
    """And what is in its way is its own table's matter."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c {s}.mood)")
    one = scene.worker()
    plan = one.plan(scene.record([ID, c(enum("sad"))], {"id": 1, "c": "new"}))
    impatient(one)
    said = statement.replace("{t}", str(scene.table)).replace("{s}", scene.table.schema)
    with holding(server, said), pytest.raises(TableBusy) as caught:
        one.sink.apply(plan)
    assert (caught.value.table, caught.value.failure.kind) == (scene.table, "target.locked")
    one.sink.apply(plan)
    assert scene.rows() == [(1, "new")]


def test_a_session_that_is_ended_in_front_of_a_change_is_a_lost_one(scene: Scene, session: psycopg.Connection) -> None:
    """Whichever statement notices it, so that it is opened anew."""
    scene.sql(KEYED)
    one = scene.worker()
    plan = one.plan(scene.record([ID, WORD], ROW))
    ended = one.sink._session()
    session.execute("SELECT pg_terminate_backend(%s)", (ended.info.backend_pid,))
    with pytest.raises(ConnectionLost):
        one.sink._changer.change(ended, plan.evolving())


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


def test_a_table_that_is_changed_while_it_is_waited_for_is_looked_at_again(scene: Scene, server: str) -> None:
    """Nothing of a person's change is undone, which would round what is there."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, c numeric(5,2)); INSERT INTO {t} VALUES (1, 1.25)")
    fields, one = [ID, c(decimal(12, 4))], scene.worker()
    plan = one.plan(scene.record(fields, {"id": 2, "c": Decimal("2.0625")}))
    with psycopg.connect(server) as person, ThreadPoolExecutor(1) as thread:
        person.execute(f"ALTER TABLE {scene.table} ALTER c TYPE numeric(20,6)".encode())
        person.execute(f"UPDATE {scene.table} SET c = 1.234567".encode())
        applied = thread.submit(one.sink.apply, plan)
        waits = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        asked = (person.info.backend_pid,)
        assert wait_until(lambda: applied.done() or scene.session.execute(waits, asked).rowcount == 1, 20)
        person.commit()
        with pytest.raises(TableFault, match="has been changed"):
            applied.result(20)
    assert scene.rows() == [(1, Decimal("1.234567"))]

    one.binder.forget(scene.table)
    one.apply(scene.record(fields, {"id": 2, "c": Decimal("2.0625")}))
    assert scene.rows() == [(1, Decimal("1.234567")), (2, Decimal("2.0625"))]
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


SLOW = """
CREATE FUNCTION {s}.slow(int8) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM pg_sleep(1.0); RETURN true; END $$;
CREATE TABLE {t} (id int8 PRIMARY KEY, a int4, b int4, d int4);
INSERT INTO {t} SELECT g, g, g, g FROM generate_series(1, 2) g;
ALTER TABLE {t} ADD CONSTRAINT a CHECK ({s}.slow(a)), ADD CONSTRAINT b CHECK ({s}.slow(b)),
    ADD CONSTRAINT d CHECK ({s}.slow(d))
"""
WIDE = [ID, *({"name": name, "type": "long"} for name in "abd")]
WIDE_ROW = {"id": 9, "a": 1, "b": 1, "d": 1}


def test_a_change_that_takes_too_long_is_for_a_person(scene: Scene) -> None:
    """All its steps have one deadline, here three of 2 s each. It is not tried again until somebody agrees."""
    scene.sql(SLOW)
    one = scene.worker(deadline=3.0)
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(TooSlow) as slow:
            one.apply(scene.record(WIDE, WIDE_ROW))
        assert time.monotonic() - started < 5.5
        assert slow.value.failure.kind == "table.approval"
        assert "target.batch_deadline" in slow.value.failure.detail
        assert scene.columns()["a"] == "integer"
        assert scene.history() == [("widen", "planned")] * 3
        # neither is the table held again, nor does another worker try
        for worker in (one, scene.worker(name="two")):
            worker.binder.forget(scene.table)
            with pytest.raises(BadRecord, match="longer") as waits:
                worker.plan(scene.record(WIDE, WIDE_ROW))
            assert waits.value.failure.kind == "table.approval"
        one.take()
        scene.sql("UPDATE headrace.schema_changes SET state = 'approved' WHERE table_name = '{t}'")


def test_all_changes_of_a_batch_have_one_deadline(scene: Scene) -> None:
    """The first of two schemas' fits into it, and then there is too little left for the other's."""
    scene.sql(SLOW)
    one = scene.worker(deadline=3.0)
    first = [ID, *({"name": name, "type": kind} for name, kind in zip("abd", ["long", "int", "int"], strict=True))]
    with pytest.raises(TooSlow):
        one.apply(scene.record(first, WIDE_ROW), scene.record(WIDE, {**WIDE_ROW, "id": 10}))
    assert scene.history() == [("widen", "planned")] * 3
    assert scene.columns()["a"] == "integer"


@pytest.mark.provokes("table.approval")
def test_a_change_that_took_too_long_may_be_made_by_hand(scene: Scene) -> None:
    """Then nothing waits any more."""
    scene.sql(SLOW)
    one = scene.worker(deadline=3.0)
    with pytest.raises(TooSlow):
        one.apply(scene.record(WIDE, WIDE_ROW))
    scene.sql("ALTER TABLE {t} DROP CONSTRAINT a, DROP CONSTRAINT b, DROP CONSTRAINT d")
    scene.sql("ALTER TABLE {t} ALTER a TYPE int8, ALTER b TYPE int8, ALTER d TYPE int8")
    one.binder.forget(scene.table)
    one.apply(scene.record(WIDE, WIDE_ROW))
    assert scene.history() == [("widen", "superseded")] * 3


def test_a_table_is_written_anew_once_for_all_its_steps(scene: Scene) -> None:
    """However many columns change."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, old int4, b int4, c int4); INSERT INTO {t} VALUES (1, 1, 1, 1)")
    scene.sql(
        """
        CREATE TABLE {s}.rewrites (t text);
        CREATE FUNCTION {s}.note() RETURNS event_trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO {s}.rewrites VALUES (pg_event_trigger_table_rewrite_oid()::regclass::text); END $$;
        CREATE EVENT TRIGGER {s}_note ON table_rewrite EXECUTE FUNCTION {s}.note()
        """
    )
    try:
        how = follow(renamed={"old": "a"}, **{change.value: "auto" for change in EVERYTHING})
        fields = [ID, *({"name": name, "type": "long"} for name in "abc"), WORD]
        scene.worker(how).apply(scene.record(fields, {"id": 2, "a": 2, "b": 2, "c": 2, "word": "w"}))
    finally:
        scene.sql("DROP EVENT TRIGGER {s}_note")
    assert scene.sql("SELECT count(*) FROM {s}.rewrites WHERE t LIKE '%.t'") == [(1,)]
    assert scene.rows() == [(1, 1, 1, 1, None), (2, 2, 2, 2, "w")]


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
