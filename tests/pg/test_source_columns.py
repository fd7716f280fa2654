"""Columns that are the source's, and columns of the table that never were or are not any more: only the first go."""

from dataclasses import replace

import pytest

from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.checks import Rules
from consumer.planning.planner import BadRecord
from tests.pg.evolving_cases import SIZE, WORD
from tests.pg.following import Follower, Scene, follow
from tests.pg.landing import ID

KEYED = "CREATE TABLE {t} (id int8 PRIMARY KEY)"
MORE = {**WORD, "name": "more"}


def mapped(scene: Scene, mapping: TableMapping, worker: Follower | None = None) -> Follower:
    """A worker with these settings of the table, or one that has got them."""
    worker = worker or scene.worker()
    worker.binder._settings = replace(worker.binder._settings, mappings={str(scene.table): mapping})
    worker.binder.forget(None)
    return worker


def test_columns_are_known_as_soon_as_they_are_made(scene: Scene) -> None:
    """Of a table that is created, and of one that gets more; nobody has to look at the table again for it."""

    def known() -> dict[str, str]:
        query = "SELECT source_name, target_name FROM headrace.source_columns WHERE table_name = %s"
        return dict(scene.session.execute(query, (str(scene.table),)).fetchall())

    one = scene.worker(follow(add="auto"))
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    assert known() == {"id": "id", "word": "word"}
    one.apply(scene.record([ID, WORD, SIZE], {"id": 2, "word": "w", "size": 2}))
    assert known() == {"id": "id", "word": "word", "size": "size"}


def test_a_constant_of_the_settings_is_not_the_sources(scene: Scene) -> None:
    """Not even where it has the name of a column that is left out."""
    scene.sql(KEYED)
    constants = TableMapping(constants={"region": "eu", "word": "ours"}, exclude=frozenset({"word"}))
    one = mapped(scene, constants)
    for number in range(2):
        one.apply(scene.record([ID, WORD], {"id": number, "word": "theirs"}))
    mapped(scene, TableMapping(), one)
    one.apply(scene.record([ID, SIZE], {"id": 2, "size": 2}))
    assert list(scene.columns()) == ["id", "region", "word", "size"]
    assert scene.rows() == [(0, "eu", "ours", None), (1, "eu", "ours", None), (2, None, None, 2)]


def test_a_column_that_the_settings_rename_leaves_its_old_one_alone(scene: Scene) -> None:
    """The source has it still; and once that has it no more, the table's newer one goes."""
    scene.sql(KEYED)
    one = scene.worker()
    for name in ("a", "b"):
        mapped(scene, TableMapping(columns={"word": ColumnMapping(rename=name)}), one)
        for number in range(2):
            one.apply(scene.record([ID, WORD], {"id": number, "word": f"in {name}"}, "u"))
    one.apply(scene.record([ID, WORD, SIZE], {"id": 2, "word": "in b", "size": 1}))
    assert scene.rows()[0] == (0, "in a", "in b", None)

    one.apply(scene.record([ID, SIZE, MORE], {"id": 3, "size": 1, "more": "m"}))
    one.apply(scene.record([ID, SIZE, MORE], {"id": 4, "size": 1, "more": "m"}))
    assert list(scene.columns()) == ["id", "a", "size", "more"]


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_column_with_the_name_of_one_that_was_dropped_is_not_the_sources(scene: Scene, by_hand: bool) -> None:
    """Whoever dropped it."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text)")
    one = scene.worker(follow(add="auto")) if by_hand else scene.worker()
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    if by_hand:
        scene.sql("ALTER TABLE {t} DROP COLUMN word")
    one.apply(scene.record([ID], {"id": 2}))
    assert list(scene.columns()) == ["id"]
    scene.sql("ALTER TABLE {t} ADD COLUMN word text DEFAULT 'mine'")
    two = scene.worker(name="two")
    two.apply(scene.record([ID], {"id": 3}))
    two.apply(scene.record([ID, SIZE], {"id": 4, "size": 1}))
    assert list(scene.columns()) == ["id", "word", "size"]


def test_a_column_with_the_old_name_of_a_renamed_one_is_not_the_sources(scene: Scene) -> None:
    """And the renamed one goes when the source has it no more, whatever it was called."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text)")
    answers = dict.fromkeys(("add", "drop"), "auto")
    one = scene.worker(follow(renamed={"word": "term"}, **answers))
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    one.apply(scene.record([ID, {**WORD, "name": "term"}], {"id": 2, "term": "t"}))
    scene.sql("ALTER TABLE {t} ADD COLUMN word text DEFAULT 'mine'")
    two = scene.worker(follow(**answers), "two")
    two.apply(scene.record([ID, {**WORD, "name": "term"}, SIZE], {"id": 3, "term": "t", "size": 1}))
    two.apply(scene.record([ID, {**WORD, "name": "term"}, SIZE], {"id": 4, "term": "t", "size": 1}))
    assert list(scene.columns()) == ["id", "term", "word", "size"]
    two.apply(scene.record([ID, SIZE], {"id": 5, "size": 1}))
    assert list(scene.columns()) == ["id", "word", "size"]


def test_settings_of_a_column_that_went_are_no_mistake(scene: Scene) -> None:
    """They may be taken out when somebody has the time; of a column that never was they are."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text)")
    one = mapped(scene, TableMapping(columns={"word": ColumnMapping(mask="m")}))
    one.binder._settings = replace(one.binder._settings, checks={str(scene.table): {"word": Rules(max_length=9)}})
    one.apply(scene.record([ID, WORD], {"id": 1, "word": "w"}))
    for number in (2, 3):
        one.apply(scene.record([ID], {"id": number}))
    assert scene.columns() == {"id": "bigint NOT NULL"}
    mapped(scene, TableMapping(columns={"wrod": ColumnMapping(mask="m")}), one)
    with pytest.raises(BadRecord, match=r"table\.settings"):
        one.plan(scene.record([ID], {"id": 4}))
