"""What fails again and again in a loop is told each time, and said in the log when there is something new to say."""

import structlog
from structlog.testing import capture_logs

from consumer.background.cadence import Failing
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.ports.facts import Fact


def error(kind: str, detail: str) -> Transient:
    """A question that failed so."""
    return Transient(failed(KINDS[kind], "kafka", "list offsets", detail))


def test_what_fails_is_said_again_when_it_is_of_another_kind_or_had_worked() -> None:
    """Each kind has a remedy of its own: that of the first would send a person to the wrong place for days."""
    told: list[Fact] = []
    with capture_logs() as lines:
        failing = Failing(structlog.get_logger(), "lag is not known")
        for kind in ("kafka.away", "kafka.away", "kafka.refused", "kafka.refused", "kafka.away"):
            failing.failed(error(kind, f"try {len(told)}"), told.append)
        failing.over()
        failing.failed(error("kafka.away", f"try {len(told)}"), told.append)
    assert len(told) == 6
    assert [(line["kind"], line["reason"]) for line in lines] == [
        ("kafka.away", "try 0"),
        ("kafka.refused", "try 2"),
        ("kafka.away", "try 4"),
        ("kafka.away", "try 5"),
    ]
