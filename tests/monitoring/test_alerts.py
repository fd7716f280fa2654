"""Each alert, provoked on real servers: it comes to Prometheus and Alertmanager, and goes when it is put right."""

from collections.abc import Callable

import pytest

from consumer.alerts.rules import ALERTS

from .provoking import PROVOKED
from .scene import Scene


def test_every_alert_is_provoked() -> None:
    """None is believed unseen."""
    assert list(PROVOKED) == [alert.name for alert in ALERTS]


@pytest.mark.usefixtures("noted")
def test_an_alert_is_heard_and_ends(stage: Callable[[], Scene], alert: str) -> None:
    """With its labels and words; and no longer than what it tells of."""
    scene = stage()
    with PROVOKED[alert](scene) as labels:
        scene.is_told(alert, labels)
    scene.is_over(alert)
