"""Comparisons and recoveries of another process: the ports of `consumer.ports.recovering`."""

from collections.abc import Mapping, Sequence
from typing import Any

from consumer.core.plans import Planned
from consumer.core.steering import Steer
from consumer.ports.desk import Note
from consumer.ports.recovering import BatchRow, DifferingKey, Repair, Workflow, WorkflowSummary
from consumer.remote.client import Client
from consumer.remote.pages import Listed


class RemoteRecoveries:
    """Implements `Recoveries`. Who decided is who the token is of."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def tables(self) -> list[str]:
        return self._client.get(Listed[str], "/workflow-tables").items

    def start(self, kind: str, subject: Mapping[str, Any], note: Note) -> int:
        sent = {"kind": kind, "subject": dict(subject), "reason": note.reason}
        return self._client.do(Workflow, "/workflows", sent).id

    def planned(self, kind: str, subject: Mapping[str, Any]) -> list[Planned]:
        return self._client.do(Listed[Planned], "/workflows/preview", {"kind": kind, "subject": dict(subject)}).items

    def workflows(self, most: int, kind: str | None = None) -> list[WorkflowSummary]:
        return self._client.get(Listed[WorkflowSummary], "/workflows", {"limit": most, "kind": kind}).items

    def workflow(self, number: int) -> Workflow | None:
        return self._client.find(Workflow, f"/workflows/{number}")

    def decide(self, number: int, decision: Steer, note: Note) -> bool:
        return self._client.change(Workflow, f"/workflows/{number}/{decision}", {"reason": note.reason}) is not None

    def keys(self, number: int, note: Note, *, verdicts: Sequence[str] = (), most: int = 100) -> list[DifferingKey]:
        query = {"verdict": list(verdicts), "limit": most}
        return self._client.get(Listed[DifferingKey], f"/workflows/{number}/keys", query).items

    def rows(self, number: int, note: Note, most: int = 100) -> list[BatchRow]:
        return self._client.get(Listed[BatchRow], f"/workflows/{number}/rows", {"limit": most}).items


class RemoteRepairs:
    """Implements `Repairs`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def look(self, number: int) -> Repair:
        return self._client.get(Repair, f"/workflows/{number}/repair")

    def ask(self, number: int, expect: int, note: Note) -> Repair:
        return self._client.do(Repair, f"/workflows/{number}/repair", {"expect": expect, "reason": note.reason})
