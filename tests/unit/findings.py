"""What findings come to, by check, and a server that does not answer."""

from collections.abc import Sequence

from consumer.core.doctor.finding import Finding, Level, worst
from consumer.core.failure import failed
from consumer.core.kinds import KINDS

AWAY = failed(KINDS["kafka.away"], "kafka", "ask", "nobody answers")


def told(findings: Sequence[Finding]) -> dict[str, str]:
    """What is not ok or skipped, by check: the worst level of its lines."""
    found: dict[str, list[Level]] = {}
    for one in findings:
        assert one.level in (Level.OK, Level.SKIPPED) or one.remedy, f"{one.check} says not what to do"
        found.setdefault(one.check, []).append(one.level)
    return {name: worst(levels).value for name, levels in found.items() if worst(levels) is not Level.OK}
