"""What of a table is compared by its settings, also by those that came when it was filled already."""

from collections.abc import Iterator
from typing import Any, ClassVar

import polars as pl
import psycopg
import pytest

from consumer.composition import binding_settings
from consumer.composition.comparing import rules
from consumer.core.transform import Named
from consumer.settings.loading import Settings
from tests.pg.comparing import Scene, opened
from tests.pg.conftest import Pools

COLUMNS = "id int PRIMARY KEY, word text, secret text"


class Upper:
    """A transform of the column."""

    made_from: ClassVar = {"secret": ("secret",)}

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """In capitals."""
        return rows.with_columns(pl.col("secret").str.to_uppercase())


@pytest.fixture
def scene(session: psycopg.Connection, server: str, pools: Pools, group: str, schema: str) -> Iterator[Scene]:
    """Two tables that differ in a column that the table got once."""
    with opened(session, server, pools(), group, schema) as made:
        made.make(COLUMNS, COLUMNS)
        made.do("INSERT INTO {s} VALUES (1, 'w', 'new')")
        made.do("INSERT INTO {t} VALUES (1, 'w', 'old')")
        yield made


LATER: dict[str, tuple[dict[str, Any], str]] = {
    "excluded": ({"exclude": ["secret"]}, "the target does not get it"),
    "not included": ({"include": ["id", "word"]}, "the target does not get it"),
    "a constant": ({"constants": {"secret": "old"}}, "a constant in the target"),
    "made": ({"transform": "upper"}, "made by a transform"),
    "masked": ({"columns": {"secret": {"mask": "***"}}}, "masked in the target"),
}


@pytest.mark.parametrize("name", LATER)
def test_a_column_that_the_table_does_not_get_any_more_is_not_compared(
    scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it had its values when it was filled."""
    monkeypatch.setattr(binding_settings, "load_transform", lambda name: Named(name=name, call=Upper()))
    said, why = LATER[name]
    sections = {
        "kafka": {"bootstrap_servers": "here:1", "group": scene.group, "topics": ["t"]},
        "registry": {"url": "http://here:2"},
        "target": {"dsn": scene.server},
        "tables": {scene.table: said},
    }
    scene.rules = rules(Settings.model_validate(sections), scene.table)
    step = scene.compared()
    assert (step.verdict, step.progress["left_out"]) == ("equal", {"secret": why})
