"""What a person agreed to stays agreed to, whatever else is planned, and by whom."""

import pytest

from consumer.core.failure import HeadraceError
from consumer.planning.planner import BadRecord
from consumer.ports.target import Retention
from tests.pg.conftest import Pools, Sinks
from tests.pg.evolving_cases import SIZE, WORD, c, enum
from tests.pg.following import Fields, Follower, Scene, Source, follow
from tests.pg.landing import ID

MORE = {**WORD, "name": "more"}


def agree(scene: Scene) -> None:
    """As `headrace schema apply` does."""
    scene.sql("UPDATE headrace.schema_changes SET state = 'approved' WHERE state = 'planned' AND table_name = '{t}'")


def stops(worker: Follower, *records: tuple[bytes, bytes]) -> str:
    """The partition waits for a person; returns for what."""
    with pytest.raises(BadRecord, match=r"table\.approval") as caught:
        worker.plan(*records)
    return caught.value.failure.detail


def test_all_steps_of_a_schema_are_planned_together(scene: Scene) -> None:
    """What is made by itself is not among them; one word of a person is enough."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text)")
    one = scene.worker(follow(add="approve", drop="approve", default="auto"))
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    record = scene.record([ID, SIZE], {"id": 2, "size": 1})
    said = stops(one, record)
    assert ("size: expected a column" in said, "word: expected no such column" in said) == (True, True)
    assert scene.history() == [("add", "planned"), ("drop", "planned")]
    agree(scene)
    one.apply(record)
    assert list(scene.columns()) == ["id", "size"]
    assert scene.history() == [("add", "applied"), ("drop", "applied")]


def test_a_step_that_waits_holds_up_those_that_do_not(scene: Scene) -> None:
    """A column is not relaxed for the sake of a drop that nobody agreed to."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text NOT NULL)")
    one = scene.worker(follow(add="auto", drop="approve"))
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    stops(one, scene.record([ID, SIZE], {"id": 2, "size": 1}))
    one.apply(scene.record([ID, WORD], {"id": 2, "word": "w"}))
    assert scene.columns() == {"id": "bigint NOT NULL", "word": "text NOT NULL"}
    assert scene.history() == [("drop", "planned")]


def test_two_workers_that_meet_different_labels_do_not_undo_each_others(
    scene: Scene, sinks: Sinks, pools: Pools, group: str
) -> None:
    """Both labels wait, both are agreed to, and each comes with its rows; nothing is planned twice."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c {s}.mood)")
    how = follow(label="approve")
    other = Source(scene.table)
    other.topic, other.at = scene.source.topic, scene.source.at._replace(partition=1)
    one, two = scene.worker(how), Follower(sinks("two"), pools(worker="two"), group, other, how)
    fields: Fields = [ID, c(enum("sad"))]
    first, second = scene.record(fields, {"id": 1, "c": "new"}), other.record(fields, "c", {"id": 2, "c": "newer"})
    for _ in range(2):
        stops(one, first)
        stops(two, second)
    assert scene.history() == [("label", "planned")] * 2
    agree(scene)
    # who has nothing strange finds that the table fits its schema
    scene.worker(how, "three").plan(scene.record(fields, {"id": 3, "c": "sad"}))
    for _ in range(2):
        one.plan(first)
        two.plan(second)
    one.take()
    one.apply(first)
    two.apply(second)
    assert scene.rows() == [(1, "new"), (2, "newer")]
    assert scene.history() == [("label", "applied")] * 2


def test_a_label_that_somebody_adds_by_hand_is_not_planned_any_more(scene: Scene) -> None:
    """Whoever binds its table next sees it."""
    scene.sql("CREATE TYPE {s}.mood AS ENUM ('sad'); CREATE TABLE {t} (id int8 PRIMARY KEY, c {s}.mood)")
    fields: Fields = [ID, c(enum("sad"))]
    stops(scene.worker(follow(label="approve")), scene.record(fields, {"id": 1, "c": "new"}))
    scene.sql("ALTER TYPE {s}.mood ADD VALUE 'new'")
    scene.worker(follow(label="approve"), "two").plan(scene.record(fields, {"id": 3, "c": "sad"}))
    assert scene.history() == [("label", "superseded")]


def test_schemas_that_wait_for_the_same_step_wait_for_one(scene: Scene) -> None:
    """Both are agreed to before either is made; they are made by one batch."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY)")
    one = scene.worker(follow())
    first = scene.record([ID, SIZE], {"id": 2, "size": 1})
    second = scene.record([ID, SIZE, MORE], {"id": 3, "size": 1, "more": "m"})
    stops(one, first)
    stops(one, second)
    assert scene.history() == [("add", "planned")] * 2
    agree(scene)
    one.apply(first, second)
    assert scene.rows() == [(2, 1, None), (3, 1, "m")]
    assert scene.history() == [("add", "applied")] * 2


def test_nothing_is_noted_anew_however_often_a_plan_is_looked_at(scene: Scene) -> None:
    """Also where the target does not take it."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, size int4); CREATE VIEW {s}.v AS SELECT size FROM {t}")
    one = scene.worker()
    record = scene.record([ID, {**SIZE, "type": "long"}, WORD], {"id": 1, "size": 1, "word": "w"})
    for _ in range(3):
        with pytest.raises(HeadraceError):
            one.apply(record)
        one.binder.forget(None)
    assert scene.history() == [("add", "refused"), ("widen", "refused")]


def test_what_came_to_its_end_is_deleted_after_its_time(scene: Scene) -> None:
    """What waits stays, and so does what another group has."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text)")
    one = scene.worker(follow(add="auto", drop="approve"))
    for number in (1, 2):
        one.apply(scene.record([ID, WORD, SIZE], {"id": number, "word": "w", "size": 1}))
    stops(one, scene.record([ID, SIZE], {"id": 3, "size": 1}))
    scene.sql("UPDATE headrace.schema_changes SET applied_at = applied_at - interval '2 h', planned_at = 'epoch'")
    assert not one.sink.prune(Retention(changes=3.0)).more
    assert scene.history() == [("add", "applied"), ("drop", "planned")]
    scene.sql(
        """
        INSERT INTO headrace.schema_changes
            (group_name, table_name, topic, schema_id, change, statement, why, goal, state)
        SELECT 'other', table_name, topic, schema_id, change, statement, why, goal, 'superseded'
        FROM headrace.schema_changes WHERE table_name = '{t}' AND state = 'applied';
        UPDATE headrace.schema_changes SET planned_at = 'epoch'
        """
    )
    one.sink.prune(Retention(changes=1.0))
    assert scene.history() == [("drop", "planned"), ("add", "superseded")]
