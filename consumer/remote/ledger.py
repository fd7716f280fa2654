"""Batches, positions, schema changes and the audit of another process: `Desk` and `Positions`."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.core.decision import Decision, Held, LogNow
from consumer.core.records import TopicPartition
from consumer.ports.desk import Approved, Batch, Born, Checkpoint, Deed, Moved, Note, Page, Position, SchemaChange
from consumer.recovery.moving import Looked, Wish
from consumer.remote.client import Client
from consumer.remote.pages import Listed, Partition, Partitions

# partitions that are named at once
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _WholeBatch:
    batch: Batch
    checkpoints: list[Checkpoint]
    letters: list[Born]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreed:
    changes: list[int]
    partitions: list[Partition]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outlook:
    held: Held
    log: LogNow
    decision: Decision


class RemoteDesk:
    """Implements `consumer.ports.desk.Desk`. Who decided is who the token is of."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def batches(self, page: Page) -> list[Batch]:
        query = {"state": page.state, "topic": page.topic, "since": page.since, "before": page.before}
        return self._client.get(Listed[Batch], "/batches", {**query, "limit": page.most}).items

    def batch(self, number: int) -> Batch | None:
        found = self._batch(number)
        return found.batch if found else None

    def checkpoints(self, number: int) -> list[Checkpoint]:
        found = self._batch(number)
        return found.checkpoints if found else []

    def letters_of(self, number: int, most: int) -> list[Born]:
        found = self._batch(number)
        return found.letters[:most] if found else []

    def positions(self, topic: str | None, *, stopped: bool, most: int) -> list[Position]:
        query = {"topic": topic, "stopped": stopped, "limit": most}
        return self._client.get(Listed[Position], "/positions", query).items

    def schema_changes(self, table: str | None, *, waiting: bool, most: int) -> list[SchemaChange]:
        query = {"table": table, "waiting": waiting, "limit": most}
        return self._client.get(Listed[SchemaChange], "/schema-changes", query).items

    def approve(self, changes: Sequence[int], note: Note) -> Approved:
        body = {"changes": list(changes), "reason": note.reason}
        done = self._client.do(_Agreed, "/schema-changes/approve", body)
        return Approved(changes=done.changes, partitions=[part.at for part in done.partitions])

    def retry(self, partitions: Sequence[TopicPartition], note: Note) -> list[TopicPartition]:
        asked: list[TopicPartition] = []
        for first in range(0, len(partitions), _AT_ONCE):
            named = [at._asdict() for at in partitions[first : first + _AT_ONCE]]
            done = self._client.do(Partitions, "/positions/retry", {"partitions": named, "reason": note.reason})
            asked += [part.at for part in done.partitions]
        return asked

    def deeds(self, *, actor: str | None, action: str | None, before: int | None, most: int) -> list[Deed]:
        query = {"actor": actor, "action": action, "before": before, "limit": most}
        return self._client.get(Listed[Deed], "/audit", query).items

    def _batch(self, number: int) -> _WholeBatch | None:
        return self._client.find(_WholeBatch, f"/batches/{number}")


class RemotePositions:
    """Implements `consumer.recovery.moving.Positions`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def look(self, wish: Wish) -> Looked | None:
        found = self._client.find(_Outlook, "/positions/outlook", _wished(wish))
        if found is None:
            return None
        return Looked(wish=wish, held=found.held, log=found.log, decision=found.decision)

    def move(self, looked: Looked, note: Note) -> Moved:
        expected = {"expect": looked.decision.next_offset, "anew": looked.decision.anew}
        return self._client.do(Moved, "/positions/set", {**_wished(looked.wish), **expected, "reason": note.reason})


def _wished(wish: Wish) -> dict[str, object]:
    return {**wish.at._asdict(), "to": wish.to, "discard_letters": wish.discard_letters}
