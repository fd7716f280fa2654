"""Tables that follow their source on a real server, step by step, with the rows that need it."""

from dataclasses import replace

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.rehearsing import rehearse
from consumer.edges.postgres.shapes import read_shape
from consumer.ports.refusals import ConnectionLost, Fenced, TableFault
from tests.pg.evolving_cases import BIG, CASES, SIZE, WORD, Case, c
from tests.pg.following import Scene, follow
from tests.pg.landing import ID


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_table_follows_with_the_first_row_that_needs_it(scene: Scene, case: Case) -> None:
    """The row is there, the catalog says what was planned, and nothing is left to do."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad')")
    if case.setup:
        scene.sql(f"CREATE TABLE {{t}} ({case.setup})")
    one = scene.worker()
    one.apply(scene.record(case.fields, case.row))

    expected = {name: kind.replace("{s}", scene.table.schema) for name, kind in case.then.items()}
    assert scene.columns().items() >= expected.items()
    assert len(scene.rows()) == 1
    assert scene.history() == [(step, "applied") for step in case.steps]
    steps = "least((durations ->> 'stage')::float8, (durations ->> 'apply')::float8)"
    assert scene.sql(f"SELECT {steps} > 0 FROM headrace.batches ORDER BY id DESC LIMIT 1") == [(True,)]
    # and again, by what stands in the catalog now
    assert one.plan(scene.record(case.fields, case.row, "u")).evolutions == ()


def test_rows_that_are_there_get_the_default_of_a_column_that_is_added(scene: Scene) -> None:
    """As they did at the source, which sends none of them again."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY); INSERT INTO {t} VALUES (1)")
    scene.worker().apply(scene.record([ID, c("int", default=5)], {"id": 2, "c": 7}))
    assert scene.rows() == [(1, 5), (2, 7)]


def test_a_renamed_column_keeps_its_values_and_older_rows_find_it(scene: Scene) -> None:
    """In the same batch, in any order, and in later ones."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, old text)")
    older, newer = [ID, {**WORD, "name": "old"}], [ID, {**WORD, "name": "new"}]
    one = scene.worker(follow(renamed={"old": "new"}))
    one.apply(scene.record(older, {"id": 1, "old": "first"}))
    one.apply(
        scene.record(older, {"id": 2, "old": "second"}),
        scene.record(newer, {"id": 3, "new": "third"}),
        scene.record(older, {"id": 1, "old": "changed"}, "u"),
    )
    one.apply(scene.record(older, {"id": 4, "old": "late"}), scene.record(older, {"id": 2, "old": "second"}, "d"))

    assert scene.rows() == [(1, "changed"), (3, "third"), (4, "late")]
    assert list(scene.columns()) == ["id", "new"]
    assert scene.history() == [("rename", "applied")]


def test_a_column_goes_once_and_only_where_the_source_had_it(scene: Scene) -> None:
    """A column that people added stays; so does one that came back, whatever an older schema says."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text, own text DEFAULT 'own')")
    one = scene.worker()
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    one.apply(scene.record([ID], {"id": 2}))
    assert scene.rows() == [(1, "own"), (2, "own")]

    one.apply(scene.record([ID, WORD], {"id": 3, "word": "again"}))
    one.apply(scene.record([ID], {"id": 4}))
    assert scene.rows() == [(1, "own", None), (2, "own", None), (3, "own", "again"), (4, "own", None)]
    assert [changes for changes, _ in scene.history()] == ["drop", "add"]


def test_a_column_stays_as_long_as_rows_still_have_it(scene: Scene) -> None:
    """Rows of both schemas in one batch, older ones in front and behind; it goes with the first batch without any."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text NOT NULL)")
    one = scene.worker()
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    one.apply(
        scene.record([ID, WORD], {"id": 2, "word": "w"}),
        scene.record([ID], {"id": 3}),
        scene.record([ID, WORD], {"id": 4, "word": "w"}),
    )
    assert scene.rows() == [(1, "w"), (2, "w"), (3, None), (4, "w")]
    one.apply(scene.record([ID], {"id": 5}))
    assert scene.rows() == [(1,), (2,), (3,), (4,), (5,)]
    assert [changes for changes, _ in scene.history()] == ["relax", "drop"]


def test_nothing_is_left_of_a_change_whose_batch_is_not_committed(scene: Scene) -> None:
    """Of an overtaken worker's, and of one whose rows are refused at the end."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY)")
    one = scene.worker()
    plan = one.plan(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    with pytest.raises(Fenced):
        one.sink.apply(replace(plan, slices=(replace(plan.slices[0], epoch=99),)))
    scene.sql(
        """
        CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE CONSTRAINT TRIGGER no AFTER INSERT ON {t} DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION {s}.no()
        """
    )
    with pytest.raises(Exception, match=r"record\.trigger"):
        one.sink.apply(plan)
    assert list(scene.columns()) == ["id"]
    assert scene.history() == []

    scene.sql("DROP TRIGGER no ON {t}")
    one.sink.apply(plan)
    assert scene.rows() == [(1, "w")]


def test_a_session_that_dies_between_change_and_commit_leaves_nothing(scene: Scene) -> None:
    """The next one makes the change with the same rows."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY)")
    scene.sql(
        """
        CREATE FUNCTION {s}.die() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
        CREATE TRIGGER die AFTER INSERT ON {t} EXECUTE FUNCTION {s}.die()
        """
    )
    one = scene.worker()
    plan = one.plan(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    with pytest.raises(ConnectionLost):
        one.sink.apply(plan)
    assert list(scene.columns()) == ["id"]
    assert scene.history() == []

    scene.sql("DROP TRIGGER die ON {t}")
    one.sink.open()
    one.sink.apply(plan)
    assert scene.rows() == [(1, "w")]


def test_what_is_prepared_and_staged_follows(scene: Scene) -> None:
    """Statements that the server has prepared, and staging tables of the old columns, are no obstacle."""
    scene.sql("CREATE TABLE {t} (id int8, size int4)")
    one = scene.worker()
    for number in range(8):
        one.apply(scene.record([ID, SIZE], {"id": number, "size": number}))
    for number in range(8):
        one.apply(scene.record([ID, BIG, WORD], {"id": number, "size": number << 40, "word": "w"}, "u"))
    for number in range(8, 16):
        one.apply(scene.record([ID, SIZE], {"id": number, "size": number}))

    expected = [(number, number << 40 if number < 8 else number, "w" if number < 8 else None) for number in range(16)]
    assert scene.rows() == expected


def test_another_workers_bindings_follow_too(scene: Scene) -> None:
    """What it planned for the table as it was is refused once, and right after one more look."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text)")
    how = follow(renamed={"word": "term"})
    two = scene.worker(how, "two")
    two.plan(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    scene.worker(how).apply(scene.record([ID, {**WORD, "name": "term"}], {"id": 2, "term": "t"}))
    two.take()
    with pytest.raises(TableFault):
        two.apply(scene.record([ID, WORD], {"id": 3, "word": "w"}))
    two.binder.forget(scene.table)
    two.apply(scene.record([ID, WORD], {"id": 3, "word": "w"}))
    assert scene.rows() == [(2, "t"), (3, "w")]


def test_a_rehearsal_touches_nothing_and_tells_all(session: psycopg.Connection, schema: str) -> None:
    """Of tables with all that PostgreSQL knows, parts and generated columns too."""
    table = TableName(schema, "t")
    session.execute(
        f"""
        CREATE TABLE {table} (
            id int8 GENERATED ALWAYS AS IDENTITY, part int4, size int4 DEFAULT 3,
            twice int8 GENERATED ALWAYS AS (part * 2) STORED, word text COLLATE "C" NOT NULL CHECK (word <> ''),
            PRIMARY KEY (id, part)
        ) PARTITION BY HASH (part);
        CREATE TABLE {schema}.t0 PARTITION OF {table} FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE INDEX ON {table} (lower(word))
        """.encode()
    )
    found = rehearse(session, table, [], 2.0)
    assert found.shape == read_shape(session, table)
    assert found.table.name == table
    assert found.table.unique == (frozenset({"id", "part"}),)
    assert [column.name for column in found.table.columns] == ["id", "part", "size", "twice", "word"]
    assert session.execute("SELECT count(*) FROM pg_class WHERE relname = 'headrace_rehearsal'").fetchone() == (0,)


def test_what_triggers_and_domains_do_is_left_to_them(scene: Scene) -> None:
    """A column that a trigger fills keeps its NOT NULL; that of a domain is not the column's."""
    scene.sql(
        """
        CREATE DOMAIN {s}.d AS text NOT NULL;
        CREATE TABLE {t} (id int8 PRIMARY KEY, at timestamptz NOT NULL, c {s}.d);
        CREATE FUNCTION {s}.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := now(); RETURN NEW; END $$;
        CREATE TRIGGER note BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {s}.note()
        """
    )
    one = scene.worker()
    plan = one.apply(scene.record([ID, c(["null", "string"])], {"id": 1, "c": "x"}))
    assert plan.evolutions == ()
