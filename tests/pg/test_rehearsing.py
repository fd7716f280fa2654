"""Plans that are tried on an empty copy of their table: what it does not copy, and tables that others hold."""

import threading
import time

import psycopg
import pytest
from structlog.testing import capture_logs

from consumer.core.steps import AddColumn, NewColumn, RenameColumn
from consumer.core.target import TableName
from consumer.edges.postgres.catalog import read_table
from consumer.edges.postgres.rehearsing import rehearse
from consumer.planning.planner import BadRecord
from tests.pg.evolving_cases import WORD, c, enum
from tests.pg.following import Scene, follow
from tests.pg.landing import ID
from tests.pg.test_evolving_refused import KEYED, holding

NOTE = """
CREATE FUNCTION {s}.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at := 'epoch'; RETURN NEW; END $$;
CREATE TRIGGER note BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION {s}.note()
"""


def test_a_column_that_a_trigger_fills_is_no_obstacle_to_a_change(scene: Scene) -> None:
    """The copy has no triggers, and the column is NOT NULL there without anything that fills it."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, at text NOT NULL)" + f";{NOTE}")
    scene.worker(follow(add="auto")).apply(scene.record([ID, WORD], {"id": 2, "word": "w"}))
    assert scene.rows() == [(2, "epoch", "w")]


def test_what_may_be_done_with_a_table_is_what_may_be_done_with_the_table(
    session: psycopg.Connection, schema: str
) -> None:
    """An index that was never finished is none, and a renamed column is the same one."""
    table = TableName(schema, "t")
    session.execute(f"CREATE TABLE {table} (a int4 NOT NULL, b int4 NOT NULL UNIQUE)".encode())
    session.execute(f"INSERT INTO {table} VALUES (1, 1), (1, 2)".encode())
    with pytest.raises(psycopg.errors.UniqueViolation):
        session.execute(f"CREATE UNIQUE INDEX CONCURRENTLY broken ON {table} (a)".encode())
    there = read_table(session, table)
    assert there is not None
    new = AddColumn(NewColumn(name="c", types=("text",)))
    found = rehearse(session, table, [RenameColumn("b", "x"), RenameColumn("x", "y"), new], 2.0)
    assert there.unique == (frozenset({"b"}),)
    assert found.table.unique == (frozenset({"y"}),)


@pytest.mark.provokes("table.busy")
def test_a_table_that_others_hold_costs_its_own_partitions(scene: Scene, server: str) -> None:
    """It is waited for a short time, and who asks the binder for other things waits no longer."""
    scene.sql(KEYED)
    one = scene.worker(follow(add="auto"))
    caught: list[BadRecord] = []

    def plan() -> None:
        with pytest.raises(BadRecord) as found:
            one.plan(scene.record([ID, WORD], {"id": 1, "word": "w"}))
        caught.append(found.value)

    with holding(server, f"LOCK TABLE {scene.table} IN ACCESS EXCLUSIVE MODE"):
        started = time.monotonic()
        thread = threading.Thread(target=plan)
        thread.start()
        thread.join(60.0)
        assert not thread.is_alive()
        assert time.monotonic() - started < 20.0
    assert caught[0].failure.kind == "table.busy"
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    assert scene.rows() == [(1, "w")]


@pytest.mark.parametrize(
    ("kind", "column", "value"),
    [
        pytest.param(c(enum("sad", "new"), default="new"), "{s}.mood", "sad", id="a label that is not there"),
        pytest.param(c("boolean", default=True), "int4", True, id="another type"),
        pytest.param(c("string", default="soon"), "int4", "5", id="a text that is no number"),
    ],
)
def test_a_default_that_its_column_does_not_take_is_left_out(
    scene: Scene, kind: dict[str, object], column: str, value: object
) -> None:
    """No row rests on it. That is said once, and other changes are made as ever."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c " + column + ")")
    one = scene.worker(follow(default="auto", add="auto", label="auto"))
    with capture_logs() as logs:
        for number, fields in enumerate([[ID, kind], [ID, kind, WORD], [ID, kind]]):
            row = {"id": number, "c": value, "word": "w"}
            one.apply(scene.record(fields, {field["name"]: row[field["name"]] for field in fields}))
    assert [(each["event"], each["column"]) for each in logs] == [("default is not followed", "c")]
    assert [row[0] for row in scene.rows()] == [0, 1, 2]
    assert scene.history() == [("add", "applied")]


INET = c({"type": "string", "connect.parameters": {"__debezium.source.column.type": "INET"}}, default="")


@pytest.mark.parametrize("there", [True, False], ids=["added", "created"])
def test_a_default_that_a_new_column_does_not_take_is_left_out(scene: Scene, there: bool) -> None:
    """The column is made without it; other defaults are taken, and what is planned names none that was left out."""
    if there:
        scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY)")
    one = scene.worker(follow(default="auto", add="auto", create="auto"))
    fields = [ID, INET, {"name": "word", "type": "string", "default": "none"}]
    with capture_logs() as logs:
        one.apply(scene.record(fields, {"id": 1, "c": "10.0.0.1", "word": "w"}))
        one.apply(scene.record(fields, {"id": 2, "c": "10.0.0.2", "word": "w"}))
    scene.sql("INSERT INTO {t} (id) VALUES (3)")

    assert [(each["event"], each["column"]) for each in logs] == [("default is not followed", "c")]
    assert sorted(map(str, scene.rows()))[-1] == "(3, None, 'none')"


def test_a_default_that_is_a_label_follows_when_the_label_is_there(scene: Scene) -> None:
    """With the next look at the table."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c {s}.mood)")
    one = scene.worker(follow(default="auto", label="auto"))
    fields = [ID, c(enum("sad", "new"), default="new")]
    for number in range(2):
        one.apply(scene.record(fields, {"id": number, "c": "new"}))
    assert scene.history() == [("label", "applied"), ("default", "applied")]
