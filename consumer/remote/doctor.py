"""What another process finds: its report, as the API tells it."""

from dataclasses import dataclass
from datetime import datetime

from consumer.core.doctor.finding import Finding, Report
from consumer.remote.client import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class _Examination:
    at: datetime
    seconds: float
    findings: list[Finding]


class RemoteDoctor:
    """Examines there."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self) -> Report:
        found = self._client.get(_Examination, "/doctor")
        return Report(at=found.at, seconds=found.seconds, findings=found.findings)
