"""A topic whose target table gets another name: what is kept by the name goes along, whoever moves it, and once."""

from typing import Any

import psycopg
import pytest

from consumer.core.failure import Persistent, Refused
from consumer.core.target import TableName
from consumer.edges.postgres.lookup import LookingCatalog, PostgresCatalog
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.table_names import PostgresTableNames
from tests.pg.conftest import Pools
from tests.pg.landing import ID, Landing


class Scene:
    """A topic of the table `t`, with a dead letter of the row 2."""

    def __init__(self, session: psycopg.Connection, sink: PostgresSink, names: PostgresTableNames, group: str) -> None:
        self.session, self.sink, self.names, self.group = session, sink, names, group
        self.catalog: PostgresCatalog
        self.looks: LookingCatalog
        self.landing: Landing

    def ask(self, query: str) -> list[Any]:
        """Rows of the group."""
        return self.session.execute(query.encode(), (self.group,)).fetchall()

    def claims(self) -> list[Any]:
        """Tables and their topics."""
        return self.ask("SELECT table_name, topic FROM headrace.target_tables WHERE group_name = %s ORDER BY 1")

    def letters(self) -> list[Any]:
        """Their tables and states."""
        return self.ask("SELECT table_name, state FROM headrace.letters WHERE group_name = %s ORDER BY id")


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, group: str, schema: str) -> Scene:
    """As it is before."""
    session.execute(f"CREATE TABLE {schema}.t (id int8 PRIMARY KEY)".encode())
    sink.seed({})
    made = Scene(session, sink, PostgresTableNames(pools(), group), group)
    made.catalog, made.looks = PostgresCatalog(pools(), group), LookingCatalog(pools(), group)
    made.landing = Landing(sink, TableName(schema, "t"), [ID])
    query = "INSERT INTO headrace.target_tables (group_name, table_name, topic, floor) VALUES (%s, %s, %s, 7)"
    session.execute(query, (group, f"{schema}.t", made.landing.at.topic))
    pause = "INSERT INTO headrace.table_states (group_name, table_name, actor, reason) VALUES (%s, %s, 'me', 'why')"
    session.execute(pause, (group, f"{schema}.t"))
    made.landing.apply(("c", {"id": 1}), ("x", {"id": 2}))
    return made


def test_letters_claims_and_pauses_go_along_and_a_row_keeps_its_order(scene: Scene, schema: str) -> None:
    """The letter of a row is superseded by the row's next image under the new name; to move twice does no harm."""
    old, new, topic = f"{schema}.t", f"{schema}.u", scene.landing.at.topic
    scene.session.execute(f"ALTER TABLE {old} RENAME TO u".encode())
    scene.names.require_renamed(topic, new)
    for _ in range(2):
        scene.names.rename(topic, new)
    assert (scene.claims(), scene.letters()) == ([(new, topic)], [(new, "dead")])
    assert scene.ask("SELECT floor FROM headrace.target_tables WHERE group_name = %s") == [(7,)]
    assert scene.ask("SELECT table_name FROM headrace.table_states WHERE group_name = %s") == [(new,)]
    assert scene.names.topics_of([new, "no.such"]) == {topic}

    behind = Landing(scene.sink, TableName(schema, "u"), [ID])
    behind.apply(("c", {"id": 2}))
    assert scene.letters() == [(new, "superseded")]


def test_a_name_that_another_worker_has_taken_already_is_not_taken_twice(scene: Scene, schema: str) -> None:
    """It may have bound the topic anew first."""
    new, topic = f"{schema}.u", scene.landing.at.topic
    query = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, %s)"
    scene.session.execute(query, (scene.group, new, topic))
    scene.names.rename(topic, new)
    assert (scene.claims(), scene.letters()) == ([(new, topic)], [(new, "dead")])


@pytest.mark.parametrize(
    ("prepared", "said"),
    [
        pytest.param([], "which is still there, and there is no", id="it still has its name"),
        pytest.param(["CREATE TABLE {s}.u ()"], None, id="both are there"),
        pytest.param(["DROP TABLE {s}.t"], None, id="neither is"),
    ],
)
def test_rows_do_not_go_on_into_an_empty_table_while_theirs_is_there(
    scene: Scene, schema: str, prepared: list[str], said: str | None
) -> None:
    """Unless somebody has made it."""
    for statement in prepared:
        scene.session.execute(statement.format(s=schema).encode())
    if said is None:
        scene.names.require_renamed(scene.landing.at.topic, f"{schema}.u")
        return
    with pytest.raises(Refused, match=said):
        scene.names.require_renamed(scene.landing.at.topic, f"{schema}.u")
    assert scene.claims() == [(f"{schema}.t", scene.landing.at.topic)]


def test_a_table_of_another_topic_is_refused(scene: Scene, schema: str) -> None:
    """Letters of both would be of one table, and the rows of one topic go nowhere."""
    new, topic = f"{schema}.u", scene.landing.at.topic
    scene.session.execute(f"CREATE TABLE {new} ()".encode())
    query = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, 'another')"
    scene.session.execute(query, (scene.group, new))
    with pytest.raises(Refused, match="is topic another's"):
        scene.names.require_renamed(topic, new)


def test_a_table_that_another_group_writes_too_is_not_refused(scene: Scene, schema: str) -> None:
    """As with the settings of a start."""
    new, topic = f"{schema}.u", scene.landing.at.topic
    scene.session.execute(f"CREATE TABLE {new} ()".encode())
    query = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, 'another')"
    scene.session.execute(query, (f"{scene.group}-2", new))
    scene.names.require_renamed(topic, new)


def test_a_topic_of_several_tables_is_refused(scene: Scene, schema: str) -> None:
    """Which of them is meant is not known."""
    query = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, %s)"
    scene.session.execute(query, (scene.group, f"{schema}.v", scene.landing.at.topic))
    with pytest.raises(Refused, match="several tables"):
        scene.names.require_renamed(scene.landing.at.topic, f"{schema}.u")


@pytest.mark.parametrize("claimed", [False, True], ids=["the first claim", "it was claimed without them before"])
@pytest.mark.parametrize("gone", ["ALTER TABLE {s}.t RENAME TO u", "DROP TABLE {s}.t"])
def test_a_restart_with_another_name_brings_what_was_kept_by_one_that_is_gone(
    scene: Scene, schema: str, gone: str, claimed: bool
) -> None:
    """As reading the settings again does: a row's letter is superseded by the row's next image."""
    new, topic = f"{schema}.u", scene.landing.at.topic
    scene.session.execute(gone.format(s=schema).encode())
    if claimed:
        query = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, %s)"
        scene.session.execute(query, (scene.group, new, topic))
    for _ in range(2):
        assert scene.catalog.claim_table(TableName(schema, "u"), topic) == topic
    assert (scene.claims(), scene.letters()) == ([(new, topic)], [(new, "dead")])
    assert scene.ask("SELECT table_name FROM headrace.table_states WHERE group_name = %s") == [(new,)]

    scene.session.execute(f"CREATE TABLE IF NOT EXISTS {new} (id int8 PRIMARY KEY)".encode())
    behind = Landing(scene.sink, TableName(schema, "u"), [ID])
    behind.apply(("c", {"id": 2}))
    assert scene.letters() == [(new, "superseded")]


@pytest.mark.provokes("table.renamed")
@pytest.mark.parametrize("prepared", ["SELECT", "CREATE TABLE {s}.u (id int8 PRIMARY KEY)"])
def test_rows_do_not_go_on_in_another_table_while_theirs_is_there(scene: Scene, schema: str, prepared: str) -> None:
    """Neither are letters brought; who only looks is told the same, and the table of before is the topic's still."""
    topic = scene.landing.at.topic
    scene.session.execute(prepared.format(s=schema).encode())
    for catalog in (scene.catalog, scene.looks):
        with pytest.raises(Persistent, match=f"{schema}.t") as caught:
            catalog.claim_table(TableName(schema, "u"), topic)
        assert caught.value.failure.kind == "table.renamed"
        assert catalog.claim_table(TableName(schema, "t"), topic) == topic
    assert (scene.claims(), scene.letters()) == ([(f"{schema}.t", topic)], [(f"{schema}.t", "dead")])


@pytest.mark.parametrize("left", ["CREATE VIEW {s}.t AS SELECT * FROM {s}.u", "CREATE INDEX t ON {s}.u (id)"])
def test_what_is_no_table_has_no_rows_that_would_be_left_behind(scene: Scene, schema: str, left: str) -> None:
    """A view keeps the old name for those who read it."""
    new, topic = f"{schema}.u", scene.landing.at.topic
    for statement in ("ALTER TABLE {s}.t RENAME TO u", left):
        scene.session.execute(statement.format(s=schema).encode())
    assert scene.catalog.claim_table(TableName(schema, "u"), topic) == topic
    assert (scene.claims(), scene.letters()) == ([(new, topic)], [(new, "dead")])


def test_who_only_looks_brings_nothing(scene: Scene, schema: str) -> None:
    """It sees what a worker would do."""
    topic = scene.landing.at.topic
    scene.session.execute(f"ALTER TABLE {schema}.t RENAME TO u".encode())
    assert scene.looks.claim_table(TableName(schema, "u"), topic) == topic
    assert scene.looks.claim_table(TableName(schema, "t"), "another") == topic
    assert (scene.claims(), scene.letters()) == ([(f"{schema}.t", topic)], [(f"{schema}.t", "dead")])


def test_a_worker_that_knows_the_name_of_before_alone_makes_no_table_of_it(scene: Scene, schema: str) -> None:
    """Whenever it was started: the topic's rows are in the one that has the new name."""
    new, topic = f"{schema}.u", scene.landing.at.topic
    scene.session.execute(f"ALTER TABLE {schema}.t RENAME TO u".encode())
    scene.names.rename(topic, new)
    with pytest.raises(Persistent, match=new):
        scene.catalog.claim_table(TableName(schema, "t"), topic)
    assert scene.claims() == [(new, topic)]


@pytest.mark.parametrize("dotted", ["schema", "name"])
def test_a_name_with_a_dot_is_looked_for_as_a_whole(scene: Scene, schema: str, dotted: str) -> None:
    """What is there is not taken for gone."""
    name = TableName(schema, "a.b") if dotted == "name" else TableName(f"{schema}.a", "b")
    scene.session.execute(f'CREATE SCHEMA IF NOT EXISTS "{name.schema}"'.encode())
    scene.session.execute(f'CREATE TABLE "{name.schema}"."{name.name}" (id int8 PRIMARY KEY)'.encode())
    scene.catalog.claim_table(name, "dotted")
    with pytest.raises(Persistent, match=r"a\.b"):
        scene.catalog.claim_table(TableName(schema, "c"), "dotted")
