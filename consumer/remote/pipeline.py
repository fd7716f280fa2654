"""Workers, tables, lag and Kafka Connect of another process: `Control`, `Lags` and `ConnectDesk`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consumer.core.connectors import Connector
from consumer.core.failure import Failure, Transient, failed
from consumer.core.flags import Flag, FlagSet
from consumer.core.healing import Healing
from consumer.core.kinds import KINDS
from consumer.core.lag import Going, Lag
from consumer.core.pausing import Paused, Subject
from consumer.core.records import TopicPartition
from consumer.core.trend import Trend
from consumer.inspection.lagging import Seen
from consumer.ports.control import Command, Switched, TableState, Worker
from consumer.ports.desk import Note
from consumer.remote.client import Client
from consumer.remote.pages import Listed, Partition

# where what a worker is told has a path of its own
_PATHS = {"reset breaker": "/breakers/reset", "drain": "/workers/drain", "reload": "/workers/reload"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    topic: str
    partition: int
    tables: list[str]
    position: int
    end: int | None
    records: int | None
    seconds: float | None
    going: Going
    why: str
    remedy: str
    trend: Trend | None = None

    @property
    def lag(self) -> Lag:
        return Lag(
            at=TopicPartition(self.topic, self.partition),
            tables=self.tables,
            position=self.position,
            end=self.end,
            records=self.records,
            seconds=self.seconds,
            going=self.going,
            why=self.why,
            remedy=self.remedy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lagging:
    at: datetime | None
    items: list[_Part]
    logs: Failure | None
    connect: Failure | None
    missed: Failure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    table: str | None
    topic: str
    parts: list[_Part]
    letters: int
    dead: int
    batch: int | None
    applied_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Switched:
    pause: Paused
    partitions: list[Partition]
    changed: bool

    @property
    def switched(self) -> Switched:
        return Switched(pause=self.pause, partitions=[part.at for part in self.partitions], changed=self.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flag:
    set: FlagSet | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _FlagSwitched:
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Connectors:
    there: bool
    at: datetime | None
    items: list[Connector]
    failure: Failure | None


class RemoteControl:
    """Implements `consumer.ports.control.Control`. Who decided is who the token is of."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def workers(self) -> list[Worker]:
        return self._client.get(Listed[Worker], "/workers").items

    def tables(self) -> list[TableState]:
        return [
            TableState(
                table=one.table,
                topic=one.topic,
                parts=[part.lag for part in one.parts],
                letters=one.letters,
                dead=one.dead,
                batch=one.batch,
                applied_at=one.applied_at,
            )
            for one in self._client.get(Listed[_Table], "/tables").items
        ]

    def pauses(self) -> list[Paused]:
        return self._client.get(Listed[Paused], "/pauses").items

    def pause(self, subject: Subject, note: Note) -> Switched | None:
        done = self._client.change(_Switched, "/pauses", _of(subject, note))
        return done.switched if done else None

    def resume(self, subject: Subject, note: Note) -> Switched | None:
        done = self._client.change(_Switched, "/pauses/end", _of(subject, note))
        return done.switched if done else None

    def flags(self) -> list[FlagSet]:
        return [flag.set for flag in self._client.get(Listed[_Flag], "/flags").items if flag.set is not None]

    def set_flag(self, flag: Flag, on: bool | None, note: Note) -> bool:
        body: dict[str, object] = {"flag": flag.value, "reason": note.reason}
        path = "/flags/reset" if on is None else "/flags"
        return self._client.do(_FlagSwitched, path, body if on is None else body | {"on": on}).changed

    def tell(self, action: str, subject: str, workers: Sequence[str], note: Note) -> list[int]:
        body: dict[str, object] = {"workers": list(workers), "reason": note.reason}
        if subject:
            body["breaker"] = subject
        return [told.id for told in self._client.do(Listed[Command], _PATHS[action], body).items]

    def healed(self, most: int) -> list[Healing]:
        return self._client.get(Listed[Healing], "/healing", {"most": most}).items

    def told(self, commands: Sequence[int]) -> list[Command]:
        return self._client.get(Listed[Command], "/commands", {"id": list(commands)}).items


class RemoteLags:
    """Implements `consumer.inspection.lagging.Lags` by the server's last look, some seconds old."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def look(self, topic: str | None) -> Seen | None:
        found = self._client.get(_Lagging, "/lag", {"topic": topic})
        if found.at is None:
            raise Transient(found.missed or _not_yet("the logs"))
        if not found.items:
            return None
        return Seen(
            at=found.at,
            lags=[part.lag for part in found.items],
            logs=found.logs,
            connect=found.connect,
            missed=found.missed,
            trends={part.lag.at: part.trend for part in found.items if part.trend is not None},
        )


class RemoteConnect:
    """Implements `consumer.inspection.connecting.ConnectDesk` by the server's last look."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def all(self) -> Sequence[Connector] | None:
        found = self._client.get(_Connectors, "/connectors")
        if not found.there:
            return None
        if found.failure is not None or found.at is None:
            raise Transient(found.failure or _not_yet("Kafka Connect"))
        return found.items

    def restart(self, name: str, task: int | None, note: Note) -> bool:
        body = {"connector": name, "task": task, "reason": note.reason}
        return self._client.change(dict[str, object], "/connectors/restart", body) is not None


def _not_yet(what: str) -> Failure:
    return failed(KINDS["server.away"], "server", "ask", f"it has not looked at {what} yet")


def _of(subject: Subject, note: Note) -> dict[str, object]:
    named: dict[str, object] = {"table": subject.table, "topic": subject.topic, "partition": subject.partition}
    return {name: value for name, value in (named | {"reason": note.reason}).items() if value is not None}
