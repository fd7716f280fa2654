"""How a worker is a member of its group, by its settings."""

from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from consumer.edges.kafka.config import KafkaSettings, consumer_config, is_incremental

_HEARTBEAT, _SESSION, _ASSIGNOR = "heartbeat.interval.ms", "session.timeout.ms", "partition.assignment.strategy"


def _config(client: Mapping[str, str]) -> dict[str, object]:
    return consumer_config(KafkaSettings(bootstrap_servers="k:1", group="g", topics=("t",), client=client))


@pytest.mark.parametrize(
    ("client", "heartbeat", "incremental"),
    [
        ({}, 500, True),
        ({"group.instance.id": "one"}, 500, True),
        ({_HEARTBEAT: "3000"}, "3000", True),
        ({_ASSIGNOR: "range"}, 500, False),
        # the broker says how often
        ({"group.protocol": "consumer"}, None, True),
        ({"group.protocol": "consumer", _HEARTBEAT: "100", _SESSION: "6000", _ASSIGNOR: "range"}, None, True),
    ],
)
def test_members_of_the_older_protocols_ask_twice_a_second(
    client: Mapping[str, str], heartbeat: object, incremental: bool
) -> None:
    """Whether the group rebalances, as settings say otherwise; KIP-848 has no such settings at the client."""
    config = _config(client)
    assert config.get(_HEARTBEAT) == heartbeat
    assert is_incremental(config) is incremental
    assert (config.keys() & {_SESSION, _ASSIGNOR} == set()) is ("group.protocol" in client)


def test_settings_that_the_protocol_does_not_know_are_not_left_out_without_a_word() -> None:
    """Whoever set them would wait for what they say."""
    with capture_logs() as said:
        _config({"group.protocol": "consumer", _HEARTBEAT: "100", _SESSION: "6000"})
        _config({"group.protocol": "consumer"})
        _config({_SESSION: "6000"})
    assert [line["settings"] for line in said] == [[_HEARTBEAT, _SESSION]]
