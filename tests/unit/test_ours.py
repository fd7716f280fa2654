"""Which connectors of a shared Kafka Connect are the group's."""

import pytest

from consumer.composition.process import ours_by
from consumer.composition.reloading import Reloading
from consumer.core.connectors import Connector
from consumer.settings.loading import Settings


def ours(*topics: str, **source: str) -> bool:
    """Whether a source that wrote these topics is known to be; the group reads `shop.public.…`."""
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "here:1", "group": "g", "topics": [r"^shop\.public\..*"]},
            "registry": {"url": "http://here:2"},
            "target": {"dsn": "host=here"},
            "source": source,
        }
    )
    connector = Connector(name="shop", kind="source", state="FAILED", topics=frozenset(topics))
    return connector.writes(ours_by(Reloading(settings, lambda: settings)))


@pytest.mark.parametrize("topic", ["__debezium-heartbeat.shop", "shop"])
def test_a_connector_that_wrote_no_row_yet_is_ours_by_its_heartbeats_and_its_changes_of_schemas(topic: str) -> None:
    """Without a snapshot, of tables that are quiet: else it would fail without a word."""
    assert ours(topic, topic_prefix="shop")
    assert not ours(topic, topic_prefix="web")
    assert not ours(topic)


def test_heartbeats_may_have_a_topic_of_another_name() -> None:
    """As its settings name it."""
    assert ours("beats", heartbeat_topic="beats")


def test_a_connector_is_ours_by_a_topic_that_is_read() -> None:
    """Whatever else it writes."""
    assert ours("shop.public.orders", "other")
    assert not ours("web.public.clicks", topic_prefix="shop")
