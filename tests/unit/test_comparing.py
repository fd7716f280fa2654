"""What processes compare by their settings; nothing is opened for it."""

import pytest

from consumer.composition.comparing import comparison
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.ports.reconcile import NotComparable
from consumer.settings.loading import Settings

TABLE = "public.readings"
SECTIONS = {
    "kafka": {"bootstrap_servers": "here:1", "group": "g", "topics": ["t"]},
    "registry": {"url": "http://here:2"},
    "target": {"dsn": "host=here"},
    "source": {"dsn": "host=there"},
}


def settings(**table: object) -> Settings:
    """Of a table."""
    return Settings.model_validate({**SECTIONS, "tables": {TABLE: table}})


def offsets() -> KafkaOffsets:
    """Nobody asks for them."""
    raise AssertionError


@pytest.mark.parametrize("mode", ["append", "history", "match"])
def test_a_table_that_would_have_rows_twice_is_not_compared_nor_rebuilt(mode: str) -> None:
    """Each row that the source sends again is one more."""
    compared = comparison(lambda: settings(mode=mode), "a test", offsets)
    with pytest.raises(NotComparable, match=f"mode is {mode}"):
        compared.sides(TABLE)
