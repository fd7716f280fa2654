"""What `headrace doctor` finds, from here."""

from datetime import datetime

from pydantic import BaseModel

from consumer.admin.asking import Examined
from consumer.admin.roles import needs, router
from consumer.core.doctor.finding import Finding, Level
from consumer.core.roles import Role

routes = router(tags=["process"])


class Examination(BaseModel):
    """A report. `worst`: the level that stands for all of it; what was skipped is no worse than ok."""

    at: datetime
    seconds: float
    worst: Level
    findings: list[Finding]


@routes.get("/doctor")
@needs(Role.VIEWER)
def doctor(checkup: Examined) -> Examination:
    """Look at settings, target, Kafka, registry and Kafka Connect; a report of the last 15 seconds is told again."""
    found = checkup.report()
    return Examination(at=found.at, seconds=found.seconds, worst=found.worst, findings=list(found.findings))
