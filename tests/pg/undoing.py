"""Batches of one table that are applied by the program itself, and taken back by it; only the logs are a test's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from consumer.applying.apart import Apart
from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.composition.undo_acts import UndoActs
from consumer.composition.undoing import Undoing
from consumer.core.frames import Frames
from consumer.core.framing import Datum
from consumer.core.records import OffsetRange, Slice
from consumer.core.steering import Steer
from consumer.core.workflow import State
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.workflows import Act, PostgresWorkflows
from consumer.edges.rows import RowDecoder
from consumer.ports.desk import Note
from consumer.ports.recovering import Workflow
from consumer.ports.topics import Traits
from tests.pg.pipeline import Pipeline
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.known import planner, slice_of
from tests.unit.world import World

NOTE = Note("me", "ticket 1")
FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "price", "type": ["null", "double"], "default": None},
]
Row = Mapping[str, Any]
Change = tuple[str, Row | None, Row | None]


@dataclass
class Log:
    """Implements what reading again asks of Kafka: all that was written, from `start` on."""

    records: list[tuple[bytes, bytes | None]] = field(default_factory=list)
    start: int = 0
    compacted: bool = False

    def read(self, wanted: OffsetRange, most: int, known: str | None) -> Slice | None:
        """A piece of it."""
        if wanted.start < self.start:
            return None
        end = min(wanted.end, wanted.start + min(most, 3))
        return replace(slice_of(self.records[wanted.start : end], wanted.start, wanted.at), end=end)

    def traits(self, topics: Sequence[str]) -> dict[str, Traits]:
        """One topic's."""
        return dict.fromkeys(topics, Traits(compacted=self.compacted, partitions=1))


class Line(Pipeline):
    """A pipeline whose changes have both images."""

    log: Log

    def record(self, op: str, before: Row | None, after: Row | None = None) -> tuple[bytes, bytes | None]:
        row = after or before or {}
        identity = self.keys.framed(1, {"id": row["id"]})
        if op == "t":
            return identity, None
        return identity, self.values.framed(2, event(op, before, after, lsn=len(self.log.records)))

    def batch(self, *changes: Change) -> int:
        """Apply changes in one batch; returns how many records the log has then."""
        self.apply(*changes)
        self.log.records += [self.record(*change) for change in changes]
        return len(self.log.records)


@dataclass
class Scene:
    """A table with a group, whose batches are taken back."""

    session: psycopg.Connection
    server: str
    group: str
    schema: str
    sink: PostgresSink
    pool: TargetPool
    whole: bool | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    look: Callable[[], None] = lambda: None
    line: Line = field(init=False)

    def begin(self, *, compacted: bool = False, **settings: Any) -> Line:
        """The topic, whose table is made by its first row."""
        self.settings = settings
        catalog = PostgresCatalog(self.pool, self.group)
        self.line = Line(self.sink, catalog, self.schema, FIELDS, compacted=compacted, **settings)
        self.line.log = Log(compacted=compacted)
        return self.line

    def rows(self) -> list[tuple[Any, ...]]:
        """The table."""
        return self.session.execute(f"SELECT id, word, price FROM {self.schema}.orders ORDER BY id".encode()).fetchall()

    def newest(self) -> int:
        """The batch that was applied last."""
        query = "SELECT max(id) FROM headrace.batches WHERE group_name = %s AND state = 'applied'"
        return int(self.session.execute(query, (self.group,)).fetchall()[0][0])

    def start(self, batch: int | None = None, *, apply: bool = False) -> int:
        """Have a batch looked at, the newest one if no other is named."""
        with self._desk() as desk:
            return desk.start("undo", {"batch": batch or self.newest(), "apply": apply}, NOTE)

    def taken(self, number: int) -> Workflow:
        """The workflow, when no turn is to be taken any more."""
        takes = PostgresWorkflows(self.pool, self.group, self.acts())
        for _ in range(10):
            turned = takes.turn(number)
            if turned is None or turned.state not in (State.PLANNED, State.RUNNING):
                break
        return self.found(number)

    def found(self, number: int) -> Workflow:
        """The workflow as it is."""
        with self._desk() as desk:
            found = desk.workflow(number)
        assert found is not None
        return found

    def resume(self, number: int) -> Workflow:
        """Agree to it."""
        with self._desk() as desk:
            desk.decide(number, Steer.RESUME, NOTE)
        return self.taken(number)

    def listed(self, number: int) -> list[tuple[int, str, str]]:
        """Key, effect and obstacle of each row that was looked at, by key."""
        with self._desk() as desk:
            rows = desk.rows(number, NOTE)
        return sorted((int(row.key.get("id", -1)), row.effect, row.why) for row in rows)

    def acts(self) -> dict[str, Act]:
        """The program's acts on this log."""
        how = BinderSettings(template=f"{self.schema}.{{table}}", **self.settings)
        return acts(Ground(self.pool, self.group, self.line.at.topic, self.line.log, how, self.whole, self.look))

    def _desk(self) -> closing[PostgresRecoveries]:
        return closing(PostgresRecoveries(SessionSettings(dsn=self.server, worker="desk"), self.group))


@dataclass(frozen=True)
class Ground:
    """What the acts work on."""

    pool: TargetPool
    group: str
    topic: str
    log: Log
    how: BinderSettings
    whole: bool | None = None
    look: Callable[[], None] = lambda: None


def acts(ground: Ground) -> dict[str, Act]:
    """The program's acts."""
    texts = {1: Writer(key(FIELDS[:1])).text, 2: Writer(envelope(FIELDS)).text}

    @contextmanager
    def opened(connection: psycopg.Connection) -> Iterator[Undoing]:
        world = World(texts, lambda name: None, address=ground.topic)
        world.topics[ground.topic] = Traits(compacted=ground.log.compacted, partitions=1)
        known = KnownBindings()
        catalog = PostgresCatalog(ground.pool, ground.group)
        sources = Sources(registry=world, catalog=catalog, offsets=world, rows=RowDecoder())
        with closing(Binder(known, sources, ground.how)) as binder:
            yield Undoing(
                origins=ground.log,
                offsets=ground.log,
                frames=Frames(),
                schema=lambda datum: texts[_id(datum)],
                apart=Apart(planner(known), binder),
                look=ground.look,
            )

    def whole(sources: Mapping[str, str]) -> dict[str, bool]:
        return {} if ground.whole is None else dict.fromkeys(sources, ground.whole)

    made = UndoActs(ground.group, opened, whole)
    return {"look": made.look, "undo": made.undo}


def _id(datum: Datum) -> int:
    assert datum.ref is not None
    return datum.ref.number
