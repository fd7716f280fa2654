"""Labels of enums that follow their source on a real server, with the rows that bring them."""

import psycopg
import pytest

from consumer.binding.evolver import Following
from consumer.core.checks import Rules
from consumer.core.evolution import Follow
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.planning.planner import BadRecord
from consumer.ports.refusals import DataFault
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.evolving_cases import c, enum
from tests.pg.following import EVERYTHING, Scene, follow
from tests.pg.landing import ID

MOOD = "CREATE TYPE {s}.mood AS ENUM ('sad', 'glad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c {s}.mood)"
SAD = [ID, c(enum("sad", "glad"))]


def labels(scene: Scene) -> list[str]:
    """Those of the type, in their order."""
    return [row[0] for row in scene.sql("SELECT unnest(enum_range(NULL::{s}.mood))::text")]


def test_labels_have_the_places_that_they_have_at_the_source(scene: Scene) -> None:
    """So that comparisons and sorting are the same, in whatever order rows bring them. Others are not added."""
    scene.sql(MOOD)
    one = scene.worker()
    fields = [ID, c(enum("awful", "sad", "so-so", "it's ok", "glad", "high", "higher"))]
    for number, label in enumerate(["high", "it's ok", "awful", "so-so"]):
        one.apply(scene.record(fields, {"id": number, "c": label}))
    assert labels(scene) == ["awful", "sad", "so-so", "it's ok", "glad", "high"]


def test_a_label_with_a_comma_is_one_label(scene: Scene) -> None:
    """PostgreSQL's connector joins labels by commas as they are, so its list can't be read; the row says what it is."""
    scene.sql(MOOD)
    one = scene.worker()
    fields = [ID, c(enum("sad", "glad", "good,or not", "new"))]
    one.apply(scene.record(fields, {"id": 1, "c": "good,or not"}))
    one.apply(scene.record(fields, {"id": 2, "c": "new"}))
    assert labels(scene) == ["sad", "glad", "new", "good,or not"]


@pytest.mark.parametrize(
    "bad", ["a\0b", "x" * 64, "\u00e9" * 32, ""], ids=["zero byte", "long", "long in bytes", "empty"]
)
def test_what_can_be_no_label_costs_its_record(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str, bad: str
) -> None:
    """It is a value that does not fit, as without following; the type is left alone, and the table goes on."""
    engine = following(session, sink, pools, schema, group)
    for number, label in enumerate(["sad", bad, "glad"]):
        engine.change("c", {"id": number, "c": label})
    engine.run()
    assert engine.stopped == {}
    assert engine.rows(session) == [(0, "sad"), (2, "glad")]
    assert [offset for _, offset, _, _ in engine.letters(session)] == [1]
    assert session.execute(f"SELECT enum_range(NULL::{schema}.mood)::text".encode()).fetchone() == ("{sad,glad}",)


def test_a_value_that_breaks_a_check_is_no_label(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str
) -> None:
    """Labels can't be taken back, so checks come first."""
    rules = {f"{schema}.t": {"c": Rules(allowed=("sad", "glad", "new"))}}
    engine = following(session, sink, pools, schema, group, checks=rules)
    for number, label in enumerate(["new", "typo"]):
        engine.change("c", {"id": number, "c": label})
    engine.run()
    assert engine.rows(session) == [(0, "new")]
    assert engine.letters(session) == [(0, 1, "dead", "record.checks")]
    assert session.execute(f"SELECT enum_range(NULL::{schema}.mood)::text".encode()).fetchone() == ("{sad,glad,new}",)


def following(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str, **options: object
) -> Engine:
    """A worker whose table has an enum and follows in everything."""
    name = TableName(schema, "t")
    session.execute(MOOD.replace("{s}", schema).replace("{t}", str(name)).encode())
    how = Following(others=Follow(answers=EVERYTHING))
    return Engine(sink, pools(), group, name, SAD, following=how, **options)


def test_a_label_is_in_no_message(scene: Scene) -> None:
    """It is a value of a row; it stands where a person agrees to it, and nowhere else."""
    scene.sql(MOOD)
    for word in ("refuse", "approve"):
        with pytest.raises(BadRecord) as caught:
            scene.worker(follow(label=word)).plan(scene.record(SAD, {"id": 1, "c": "secret"}))
        said = caught.value.failure
        assert "secret" not in f"{said.detail} {said.remedy}"
    said = scene.sql("SELECT statement, kind, reason, remedy FROM headrace.schema_changes WHERE table_name = '{t}'")
    assert ["secret" in str(text) for text in said[0]] == [True, False, False, False]


def test_a_label_that_no_schema_lists_comes_with_its_first_row(scene: Scene) -> None:
    """Behind the others, since nobody says where it stands. Where labels are kept, it is a value that is refused."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad', 'glad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c {s}.mood)")
    fields = [ID, c(["null", enum("sad", "glad")])]
    one = scene.worker()
    one.apply(scene.record(fields, {"id": 1, "c": "sad"}))
    one.apply(scene.record(fields, {"id": 2, "c": None}), scene.record(fields, {"id": 3, "c": "new"}))
    one.apply(scene.record(fields, {"id": 4, "c": "newer"}))
    assert [row[0] for row in scene.sql("SELECT unnest(enum_range(NULL::{s}.mood))::text")] == [
        "sad", "glad", "new", "newer"
    ]  # fmt: skip
    assert scene.rows() == [(1, "sad"), (2, None), (3, "new"), (4, "newer")]
    assert scene.history() == [("label", "applied")] * 2
    # what is known needs no second look
    assert one.plan(scene.record(fields, {"id": 5, "c": "new"})).evolutions == ()

    keeping = scene.worker(follow(), "two")
    with pytest.raises(DataFault, match=r"record\.value"):
        keeping.apply(scene.record(fields, {"id": 6, "c": "newest"}))


def test_a_label_that_a_person_wants_to_see_waits_with_its_rows(scene: Scene) -> None:
    """As any other change."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c {s}.mood)")
    one = scene.worker(follow(label="approve"))
    fields = [ID, c(enum("sad"))]
    one.apply(scene.record(fields, {"id": 1, "c": "sad"}))
    for _ in range(2):
        with pytest.raises(BadRecord, match=r"table\.approval"):
            one.plan(scene.record(fields, {"id": 2, "c": "new"}))
    assert scene.history() == [("label", "planned")]
