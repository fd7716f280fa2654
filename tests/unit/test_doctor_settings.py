"""What `headrace doctor` makes of settings that are against one another, and of ports."""

from dataclasses import replace

import pytest

from consumer.core.doctor import settings
from tests.unit.findings import told


@pytest.mark.parametrize(
    ("client", "wanted"),
    [
        ({}, {}),
        ({"max.poll.interval.ms": "120000"}, {"settings.poll": "warn"}),
        ({"session.timeout.ms": "6000"}, {"settings.session": "warn"}),
        ({"session.timeout.ms": "400000"}, {"settings.session": "warn"}),
        ({"group.protocol": "consumer", "session.timeout.ms": "6000"}, {}),
    ],
)
def test_times_of_settings(client: dict[str, str], wanted: dict[str, str]) -> None:
    """Against one another, with librdkafka's defaults."""
    assert told(settings.settings(settings.chosen(client, stall=120, registry=10))) == wanted


def test_a_registry_that_may_take_too_long() -> None:
    """It would end the worker."""
    assert told(settings.settings(settings.chosen({}, stall=120, registry=120))) == {"settings.answers": "warn"}


FREE = settings.Port(address="127.0.0.1:1", free=True)
TAKEN = settings.Port(address="127.0.0.1:1", free=False, why="Address already in use")


@pytest.mark.parametrize(
    ("telemetry", "admin", "wanted"),
    [
        (FREE, FREE, {}),
        (None, replace(TAKEN, ours=True), {}),
        (TAKEN, FREE, {"settings.telemetry_port": "warn"}),
        (FREE, TAKEN, {"settings.admin_port": "fail"}),
    ],
)
def test_ports(telemetry: settings.Port | None, admin: settings.Port, wanted: dict[str, str]) -> None:
    """Another program's are in the way."""
    assert told(settings.ports(settings.Ports(telemetry=telemetry, admin=admin))) == wanted
