"""Key changes whose columns are dropped or renamed at the source meanwhile."""

from typing import Any

from consumer.core.markers import UNAVAILABLE
from consumer.core.writes import Action
from tests.pg.evolving_cases import WORD
from tests.pg.following import Scene, follow
from tests.pg.landing import ID

DOC = {"name": "doc", "type": ["null", "string"], "default": None}
OLDER = [ID, WORD, DOC]


def halves(scene: Scene, row: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The row goes on with a key that is ten more; its document is not in the log."""
    return [
        scene.record(OLDER, {**row, "doc": None}, "d"),
        scene.record(OLDER, {**row, "id": row["id"] + 10, "doc": UNAVAILABLE}),
    ]


def test_a_column_that_a_key_change_needs_goes_behind_it(scene: Scene) -> None:
    """A batch has a key change of the older schema, and rows of one without the column."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text, doc text)")
    one = scene.worker()
    one.apply(scene.record(OLDER, {"id": 1, "word": "w", "doc": "large"}))
    plan = one.apply(
        *halves(scene, {"id": 1, "word": "w"}), scene.record([ID, WORD], {"id": 3, "word": "x"}), moving=True
    )
    assert {Action.KEEP, Action.TAKE} <= {write.action for write in plan.writes}
    assert scene.rows() == [(3, "x", None), (11, "w", "large")]

    one.apply(scene.record([ID, WORD], {"id": 4, "word": "y"}))
    assert list(scene.columns()) == ["id", "word"]


def test_a_column_that_is_renamed_between_the_halves_of_a_key_change_is_found(scene: Scene) -> None:
    """Rows of another partition may be first with the new name."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, word text, doc text)")
    one = scene.worker(follow(renamed={"doc": "text"}))
    one.apply(scene.record(OLDER, {"id": 1, "word": "w", "doc": "large"}))
    delete, create = halves(scene, {"id": 1, "word": "w"})
    one.apply(delete, moving=True)
    one.apply(scene.record([ID, WORD, {**DOC, "name": "text"}], {"id": 5, "word": "x", "text": "new"}))
    one.apply(create)
    assert scene.rows() == [(5, "x", "new"), (11, "w", "large")]
