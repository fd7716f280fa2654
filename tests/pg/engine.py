"""A worker's apply side on a real server: its binder, planner, applier and target, fed from logs that are lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from consumer.applying.apart import Apart
from consumer.applying.applier import Applier
from consumer.applying.attempts import Workshop
from consumer.applying.busy import Busy
from consumer.applying.dependents import Dependents
from consumer.applying.holdings import Holdings
from consumer.applying.key_turns import KeyTurns
from consumer.applying.returns import Judges, Returns
from consumer.applying.topic_watch import TopicWatch
from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.core.failure import Failure
from consumer.core.failure_kind import ErrorType
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.letterhead import Codec
from consumer.core.letters import State
from consumer.core.policy import Budget, Policy, TablePolicy
from consumer.core.records import Header, Slice, TopicPartition
from consumer.core.target import TableName
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.rows import RowDecoder
from consumer.ports.letters import Posted
from consumer.ports.target import Start, Taken
from consumer.ports.topics import Traits
from consumer.reading.handover import Dropped, Handover, Later, Moved, Stopped, Work
from dlq.headers import decode, encode
from tests.pg.landing import rows
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.known import planner
from tests.unit.numbered import Numbered
from tests.unit.patient import patient

POLICY = Policy(budgets={ErrorType.TRANSIENT: Budget(attempts=9, waited=3600.0)}, tiers=(0.0,))
NEW_KEY, OLD_KEY = "__debezium.newkey", "__debezium.oldkey"
Row = Mapping[str, Any]
# tries of one batch and its parts: more of them are no end in sight
MOST_TRIES = 1000


@dataclass
class Log:
    """One partition: keys, values and headers by offset."""

    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    headers: list[tuple[Header, ...]] = field(default_factory=list)


class Topics:
    """Implements the ports that ask of topics, for one topic."""

    def __init__(self, topic: str, partitions: int, *, compacted: bool) -> None:
        self.logs = {TopicPartition(topic, number): Log() for number in range(partitions)}
        self.compacted = compacted

    def matching(self) -> frozenset[TopicPartition]:
        return frozenset(self.logs)

    def initial(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        return {at: Start(offset=0) for at in partitions}

    log_start = initial

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {at: len(self.logs[at].values) for at in partitions if at in self.logs}

    known_ends = ends

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        return dict.fromkeys(topics, "id")

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def traits(self, topics: Sequence[str]) -> Mapping[str, Traits]:
        return {topic: Traits(compacted=self.compacted, partitions=len(self.logs)) for topic in topics}


@dataclass
class Schemas(Numbered):
    """Implements the registry's port."""

    known: dict[int, str]

    def schema(self, schema_id: int) -> str:
        return self.known[schema_id]


class Engine:
    """Reads a topic of one table and applies it, in batches of any size."""

    def __init__(
        self,
        sink: PostgresSink,
        pool: TargetPool,
        group: str,
        table: TableName,
        fields: Sequence[Mapping[str, Any]],
        identity: Sequence[str] = ("id",),
        **options: Any,
    ) -> None:
        self.table, self.identity = table, identity
        self.values, self.keys = Writer(envelope(fields)), Writer(key([f for f in fields if f["name"] in identity]))
        self.topics = Topics(str(table), options.pop("partitions", 1), compacted=options.pop("compacted", False))
        self.at = list(self.topics.logs)
        self.stopped: dict[TopicPartition, Failure] = {}
        self.lsn = 0
        # schemas of other tables, by id
        self._others: Mapping[int, str] = options.pop("others", {})
        self._sink, self._pool, self._group = sink, pool, group
        self._settings = BinderSettings(template=str(table), **options)
        self.start()

    def start(self) -> None:
        """As a new worker does."""
        known = KnownBindings()
        registry = Schemas({1: self.keys.text, 2: self.values.text, **self._others})
        catalog = PostgresCatalog(self._pool, self._group)
        sources = Sources(registry=registry, catalog=catalog, offsets=self.topics, rows=RowDecoder())
        plans, binder = planner(known, policy=POLICY), Binder(known, sources, self._settings)
        nowhere = KafkaOrigins(KafkaSettings(bootstrap_servers="127.0.0.1:1", group="g", topics=()))
        self._returns = Returns(
            self._sink, Apart(plans, binder), nowhere, Judges(codec=Codec(encode=encode, decode=decode), policy=POLICY)
        )
        shop = Workshop(
            planner=plans,
            binder=binder,
            fetch=lambda wanted: {},
            returns=None,
            flood=FloodGuard(FloodLimits(percent=100)),
            busy=Busy(self._sink.settings.batch_deadline),
            dependents=Dependents(self._sink, self.topics),
            keys=KeyTurns(self._sink, self.topics),
        )
        self._handover = Handover(max_bytes=1 << 30, max_batches=1000)
        patience, self._tries = patient(self._sink), 0
        patience.beat = self._try
        watch = TopicWatch(self.topics, binder.look_again)
        holdings = Holdings(self._sink, watch, self._handover, patience, TablePolicy())
        self._applier = Applier(self._sink, shop, self._handover, holdings, patience)
        self._places: dict[TopicPartition, tuple[int, int]] = {}
        self.stopped.clear()
        self._handover.ask(self.at)

    # what is written

    def change(self, op: str, row: Row, *, partition: int = 0, moving: bool = False, before: Row | None = None) -> None:
        """A change; `moving`: it is a half of a row's that gets another key. `before`: the image before an update."""
        self.lsn += 1
        shown = (row, None) if op == "d" else (before, row)
        identity = {name: row[name] for name in self.identity}
        headers = ((NEW_KEY if op == "d" else OLD_KEY, b"{}"),) if moving else ()
        value = self.values.framed(2, event(op, *shown, lsn=self.lsn))
        self.raw(self.keys.framed(1, identity) if self.identity else None, value, partition, headers)

    def read_later(self, row: Row, *, partition: int = 0) -> None:
        """An incremental snapshot's read."""
        identity = {name: row[name] for name in self.identity}
        self.raw(self.keys.framed(1, identity), self.values.framed(2, event("r", None, row, lsn=None)), partition)

    def images(self, op: str, before: Row | None, after: Row | None) -> None:
        """A change without a key; of a delete there is no image behind."""
        self.lsn += 1
        shown = (before, None) if op == "d" else (before, after)
        self.raw(None, self.values.framed(2, event(op, *shown, lsn=self.lsn)))

    def move(self, old: Row, new: Row, *, partitions: tuple[int, int] = (0, 0), tombstone: bool = True) -> None:
        """A changed key: both halves say the same place in the source's log."""
        self.change("d", old, partition=partitions[0], moving=True)
        if tombstone:
            self.tombstone(old, partitions[0], ((NEW_KEY, b"{}"),))
        self.lsn -= 1
        self.change("c", new, partition=partitions[1], moving=True)

    def damaged(self, row: Row, *, partition: int = 0) -> None:
        """A change that does not decode."""
        self.change("u", row, partition=partition)
        values = self.topics.logs[self.at[partition]].values
        values[-1] = (values[-1] or b"")[:-1]

    def tombstone(self, row: Row, partition: int = 0, headers: tuple[Header, ...] = ()) -> None:
        """A tombstone of the row's key; it has the headers of the delete in front of it."""
        self.raw(self.keys.framed(1, {name: row[name] for name in self.identity}), None, partition, headers)

    def truncate(self, partition: int = 0, *, key: Row | None = None) -> None:
        """A truncate as Debezium writes it: without key and images; or one with a key."""
        self.lsn += 1
        self.raw(
            None if key is None else self.keys.framed(1, key),
            self.values.framed(2, event("t", lsn=self.lsn)),
            partition,
        )

    def raw(
        self, raw_key: bytes | None, value: bytes | None, partition: int = 0, headers: tuple[Header, ...] = ()
    ) -> None:
        """Any record."""
        log = self.topics.logs[self.at[partition]]
        log.keys.append(raw_key)
        log.values.append(value)
        log.headers.append(headers)

    # what is applied

    def run(self, size: int = 1000, order: Sequence[int] = (), rounds: int = 100_000) -> None:
        """Apply everything in batches of so many records, of the partitions in this order; or so many batches."""
        for _ in range(rounds):
            self._turns()
            work = self._batch(size, [self.at[number] for number in order] or self.at)
            if work is None:
                return
            self._tries = 0
            self._handover.offer(work)
        self._turns()

    def come_back(self) -> None:
        """What waits to be tried again comes back through the lane, once each."""
        outbox, lane = PostgresOutbox(self._pool, self._group, ()), TopicPartition(f"{self._group}.retry.1", 0)
        for copy in outbox.claim(100, 0):
            outbox.confirm([Posted(id=copy.id, attempt=copy.head.attempt, topic=lane.topic, partition=0, offset=0)])
            if copy.state in (State.RETRYING, State.REPLAYING):
                (part,) = self._sink.take({lane: Start(offset=0)})
                start = part.next_offset
                log = Log([copy.key], [copy.value], [tuple(encode(copy.head, copy.headers))])
                piece = replace(_slice(lane, part.epoch, 0, 1, log), start=start, end=start + 1, offsets=[start])
                assert self._returns.work([replace(piece, headers=lambda _, log=log: log.headers[0])]).waits == {}

    def _try(self) -> None:
        self._tries += 1
        assert self._tries < MOST_TRIES, "a batch is planned anew without end"

    def _turns(self) -> None:
        """Until nobody has anything to do or to say."""
        while True:
            self._applier._next_look = 0.0
            self._applier.turn(0)
            said = self._handover.notices()
            for notice in said:
                self._hear(notice)
            if not said and not self._handover._anything():
                return

    def _hear(self, notice: object) -> None:
        if isinstance(notice, Taken):
            self._places[notice.at] = (notice.epoch, notice.next_offset)
        elif isinstance(notice, Moved):
            for at, end in notice.positions.items():
                self._places[at] = (self._places[at][0], end)
        elif isinstance(notice, Stopped):
            self.stopped[notice.at] = notice.failure
            self._places.pop(notice.at, None)
        elif isinstance(notice, Later):
            self._places.pop(notice.at, None)
            self._handover.ask([notice.at])
        elif isinstance(notice, Dropped):
            self._handover.ask(notice.partitions)

    def _batch(self, size: int, partitions: Sequence[TopicPartition]) -> Work | None:
        slices = []
        for at in partitions:
            if at in self._places and size:
                epoch, start = self._places[at]
                log = self.topics.logs[at]
                end = min(len(log.values), start + size)
                if end > start:
                    slices.append(_slice(at, epoch, start, end, log))
                    size -= end - start
        return Work(slices=tuple(slices)) if slices else None

    # what is to be seen

    def rows(self, session: psycopg.Connection) -> list[tuple[Any, ...]]:
        """The table."""
        return rows(session, self.table)

    def letters(self, session: psycopg.Connection) -> list[tuple[int, int, str, str]]:
        """Partition, offset, state and kind of each letter."""
        query = """
            SELECT partition, "offset", state, kind FROM headrace.letters WHERE topic = %s ORDER BY partition, "offset"
        """
        return session.execute(query, (self.at[0].topic,)).fetchall()


def _slice(at: TopicPartition, epoch: int, start: int, end: int, log: Log) -> Slice:
    keys, values = log.keys[start:end], log.values[start:end]
    return Slice(
        at=at,
        epoch=epoch,
        start=start,
        end=end,
        offsets=range(start, end),
        keys=keys,
        values=values,
        headers=log.headers.__getitem__,
        size=sum(len(raw or b"") for raw in (*keys, *values)),
    )
