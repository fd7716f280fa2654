"""A worker without its threads: batches of a log that is a list, and copies of letters, for partitions that it may have
lost to another one. Batches, letters, their rows and their ends are the program's own, on a real server.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from consumer.applying.apart import Apart
from consumer.applying.planning import planned
from consumer.applying.rereading import Rereading
from consumer.applying.returns import Judges, Returns
from consumer.core.failure import Failure, Transient
from consumer.core.failure_kind import ErrorType
from consumer.core.letterhead import Codec
from consumer.core.markers import UNAVAILABLE
from consumer.core.policy import Budget, Policy
from consumer.core.records import RecordRef, Slice, TopicPartition, no_headers
from consumer.core.target import TableName
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.letters import Posted, Unposted
from consumer.ports.refusals import ConnectionLost, DataFault, Fenced, Reconsider
from consumer.ports.target import Start, Taken
from consumer.ports.topics import Traits
from consumer.reading.handover import Work
from dlq.headers import decode, encode
from tests.pg.landing import ID, Landing
from tests.unit.known import planner, slice_of
from tests.unit.world import World

FIELDS = [
    ID,
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "amount", "type": "int"},
]
# A bad word is refused by a check of the table, an odd one by a trigger, after which it is retried by itself. A partial
# image says nothing of the word, so it can't put it right.
POLICY = Policy(budgets={ErrorType.UNKNOWN: Budget(attempts=2, waited=3600.0)}, tiers=(0.0,))
_OPS = {"delete": "d", "cut": "x"}
_TOGETHER = 20
# tries of what another session is in the way of, or what a crash has cut off
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Fact:
    """One record: a change of a row. `amount` is its offset, so that the table says which change it has."""

    key: int
    kind: str
    offset: int

    @property
    def op(self) -> str:
        """Its operation; `x` is an image that is cut."""
        return _OPS.get(self.kind, "u")

    @property
    def row(self) -> dict[str, Any]:
        """Its image."""
        word = UNAVAILABLE if self.kind == "partial" else f"{self.kind} {self.offset}"
        return {"id": self.key, "word": word, "amount": self.offset}


@dataclass(slots=True)
class Logs:
    """The logs of a topic's partitions, and those of the retry topic, to which workers add."""

    facts: dict[int, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    copies: dict[int, list[Unposted]] = field(default_factory=lambda: defaultdict(list))
    lock: Lock = field(default_factory=Lock)


@dataclass
class Hand:
    """One worker. `partitions`: of the topic, and of the retry topic. `room`: as the sink's."""

    sink: PostgresSink
    pool: TargetPool
    group: str
    logs: Logs
    room: int = 0
    taken: dict[TopicPartition, Taken] = field(default_factory=dict)
    places: dict[TopicPartition, int] = field(default_factory=dict)
    fenced: int = 0

    def __post_init__(self) -> None:
        self.sink.seed({})
        self.landing = Landing(self.sink, TableName(self.group, "t"), FIELDS)
        found = PostgresCatalog(self.pool, self.group).read_table(self.landing.table)
        schemas = {1: self.landing.keys.text, 2: self.landing.values.text}
        world = World(schemas, lambda _: found, {self.landing.at.topic: Traits(compacted=False, partitions=1)})
        self.binder = world.binder(self.landing.known)
        self.planner = planner(self.landing.known, policy=POLICY)
        self.outbox = PostgresOutbox(self.pool, self.group, ())
        self.origins = KafkaOrigins(KafkaSettings(bootstrap_servers="127.0.0.1:1", group="g", topics=()))
        judges = Judges(codec=Codec(encode=encode, decode=decode), policy=POLICY)
        self.returns = Returns(self.sink, Apart(self.planner, self.binder), Rereading(self.origins, world), judges)

    def topic(self, number: int) -> TopicPartition:
        """A partition of the topic."""
        return TopicPartition(self.landing.at.topic, number)

    def lane(self, number: int) -> TopicPartition:
        """A partition of the retry topic."""
        return TopicPartition(f"{self.group}.retry.1", number)

    def take(self, wanted: Sequence[TopicPartition]) -> None:
        """Own partitions from now on, whoever had them."""
        for part in self.sink.take({at: Start(offset=0) for at in wanted}):
            self.taken[part.at], self.places[part.at] = part, part.next_offset

    def batch(self, numbers: Sequence[int], most: int) -> None:
        """Apply the next records of those partitions of which this worker thinks that they are its own."""
        self._tried(lambda: self._batch([self.topic(number) for number in numbers], most))

    def publish(self) -> None:
        """Publish copies of letters. Nobody else is kept from publishing the same ones."""
        for copy in self.outbox.claim(_TOGETHER, 0):
            place, offset = copy.id % 2, 0
            if copy.state.value in {"retrying", "replaying"}:
                with self.logs.lock:
                    offset = len(self.logs.copies[place])
                    self.logs.copies[place].append(copy)
            at = Posted(id=copy.id, attempt=copy.head.attempt, topic=self.lane(0).topic, partition=place, offset=offset)
            self.outbox.confirm([at])

    def come_back(self, number: int, together: int) -> None:
        """Work on the next copies in a partition of the retry topic."""
        self._tried(lambda: self._come_back(self.lane(number), together))

    def close(self) -> None:
        """Close its client."""
        self.origins.close()

    def _batch(self, wanted: Sequence[TopicPartition], most: int) -> None:
        pieces = [piece for at in wanted if at in self.taken and (piece := self._piece(at, most)) is not None]
        refused: dict[RecordRef, Failure] = {}
        while pieces:
            work = Work(slices=tuple(pieces), refused=refused)
            try:
                # letters that came back may have had the topic bound anew
                plan = planned(work, self.planner, self.binder, lambda wanted: {})
                self.sink.apply(plan, {piece.at: self.room for piece in pieces})
            except Reconsider as found:
                refused = {ref: why for ref, why in {**refused, **found.refused}.items() if ref not in found.freed}
                continue
            except Fenced:
                self._lost([piece.at for piece in pieces])
                return
            self.places |= {piece.at: piece.end for piece in pieces}
            return

    def _come_back(self, at: TopicPartition, together: int) -> None:
        if at not in self.taken:
            return
        first = self.places[at]
        copies = self.logs.copies[at.partition][first : first + together]
        if not copies:
            return
        heads = {first + place: copy for place, copy in enumerate(copies)}
        piece = Slice(
            at=at, epoch=self.taken[at].epoch, start=first, end=first + len(copies), offsets=list(heads),
            keys=[copy.key for copy in copies], values=[copy.value for copy in copies],
            headers=lambda offset: tuple(encode(heads[offset].head, heads[offset].headers)),
        )  # fmt: skip
        try:
            self.returns.work([piece])
        except Fenced:
            self._lost([at])
            return
        # it may have found no time for all of them
        (now,) = (one for one in self.sink.stored() if one.at == at)
        if now.epoch == self.taken[at].epoch:
            self.places[at] = now.next_offset

    def _piece(self, at: TopicPartition, most: int) -> Slice | None:
        start = self.places[at]
        facts = self.logs.facts[at.partition][start : start + most]
        if not facts:
            return None
        piece = slice_of([self.landing.record(fact.op, fact.row) for fact in facts], start, at, self.taken[at].epoch)
        return replace(piece, start=start, headers=no_headers)

    def _lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Somebody else has them by now."""
        self.fenced += 1
        for at in partitions:
            self.taken.pop(at, None)

    def _tried(self, act: Callable[[], None]) -> None:
        """Do it, in spite of lost sessions and of who is in the way."""
        lost = False
        for _ in range(_TRIES):
            try:
                if lost:
                    self.sink.open()
                    self.take(list(self.taken))
                    lost = False
                act()
                return
            except ConnectionLost:
                lost = True
            except (DataFault, Transient):
                continue
        raise AssertionError("it can't be done at all")
