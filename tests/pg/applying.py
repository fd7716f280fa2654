"""An apply thread, turned by hand, on a real target; each topic is applied to the table of its name.

Letters come back without Kafka.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from consumer.applying.apart import Apart
from consumer.applying.applier import Applier
from consumer.applying.attempts import Workshop
from consumer.applying.busy import Busy
from consumer.applying.dependents import Dependents
from consumer.applying.holdings import Holdings
from consumer.applying.key_turns import KeyTurns
from consumer.applying.patience import Patience, Stopping
from consumer.applying.rests import Rests
from consumer.applying.returns import Judges, Returns, TurnLimits
from consumer.applying.topic_watch import TopicWatch
from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.composition.heard import Heard
from consumer.core.backoff import Backoff
from consumer.core.failure_kind import ErrorType
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.letterhead import Codec
from consumer.core.policy import Budget, Policy, TablePolicy
from consumer.core.records import Slice, TopicPartition
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.rows import RowDecoder
from consumer.ports.letters import Unposted
from consumer.ports.target import Start, Taken
from consumer.ports.topics import Traits
from consumer.reading.ahead import Ahead
from consumer.reading.handover import Handover, Notice, Work
from dlq.headers import decode, encode
from tests.pg.landing import ID
from tests.unit.avro import Writer, envelope, event, key
from tests.unit.known import planner, slice_of
from tests.unit.world import World

# a record is tried twice more
POLICY = Policy(budgets={ErrorType.TRANSIENT: Budget(attempts=2, waited=3600.0)}, tiers=(0.001,))
FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}]


class Topics:
    """What a cluster says of topics of one partition each; none has an id, or an end that is waited for."""

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        return {}

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {}

    known_ends = ends

    def log_start(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Start]:
        return {}

    def matching(self) -> frozenset[TopicPartition]:
        return frozenset()

    def traits(self, topics: Sequence[str]) -> dict[str, Traits]:
        return {topic: Traits(compacted=False, partitions=1) for topic in topics}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is tried of letters, how often and how many may be bad.

    `patience`: seconds for which schemas are waited for. `clock`: what rests go by.
    """

    flood: FloodLimits = field(default_factory=FloodLimits)
    turn: TurnLimits = field(default_factory=TurnLimits)
    patience: float = 1.0
    policy: Policy = POLICY
    clock: Callable[[], float] = time.monotonic


USUAL = Bounds()


class Applying:
    """Owns the first partition of each topic; topics are `schema.table`."""

    def __init__(
        self,
        sink: PostgresSink,
        catalog: PostgresCatalog,
        schema: str,
        topics: Sequence[str],
        bounds: Bounds = USUAL,
    ) -> None:
        self.sink = sink
        self._keys, self._values = Writer(key([ID])), Writer(envelope(FIELDS))
        self.schemas = {1: self._keys.text, 2: self._values.text}
        world = World(self.schemas, lambda name: None)
        cluster: Any = Topics()
        known = KnownBindings()
        sources = Sources(registry=world, catalog=catalog, offsets=cluster, rows=RowDecoder())
        binder = Binder(known, sources, BinderSettings(template=schema + ".{topic}", create=False))
        # what letters lack is asked for when a test says so
        self.ahead = Ahead(binder, bounds.patience)
        judges = Judges(codec=Codec(encode=encode, decode=decode), policy=bounds.policy)
        self.handover = Handover(max_bytes=1 << 30, max_batches=100)
        apart = Apart(planner(known, policy=bounds.policy), binder, self.ahead.fetched)
        # no letter here only points to its record
        returns = Returns(sink, apart, None, judges, bounds.turn)
        # everything is on until a test says otherwise
        self.heard = returns.switches = Heard()
        returns.slow = Rests(bounds.clock, together=True)
        patience = Patience(sink, CircuitBreaker("target"), Backoff(first=0.05, most=0.2))
        shop = Workshop(
            planner=planner(known, policy=bounds.policy),
            binder=binder,
            fetch=lambda wanted: {},
            returns=returns,
            flood=FloodGuard(bounds.flood),
            busy=Busy(sink.settings.batch_deadline, bounds.clock),
            dependents=Dependents(sink, cluster),
            keys=KeyTurns(sink, cluster),
        )
        holdings = Holdings(sink, TopicWatch(cluster), self.handover, patience, TablePolicy())
        # of a topic nothing is known any more
        self.forget = binder.forget_topic
        self.applier = Applier(sink, shop, self.handover, holdings, patience)
        self._places = [TopicPartition(topic, 0) for topic in topics]
        self._taken: dict[TopicPartition, Taken] = {}
        self._ends: dict[TopicPartition, int] = {}
        # what came back last, by partition
        self._came: dict[TopicPartition, Slice] = {}
        sink.seed({})
        self.take()

    def take(self) -> dict[TopicPartition, int]:
        """Become the owner of all partitions, anew if need be; returns their positions."""
        self.handover.ask(self._places)
        self.applier.turn(0)
        self._taken |= {one.at: one for one in self.handover.notices() if isinstance(one, Taken)}
        self._ends = {at: one.next_offset for at, one in self._taken.items()}
        return dict(self._ends)

    def offer(self, changes: Mapping[str, Sequence[tuple[str, int, str]]], schema: int = 2) -> None:
        """Hand one batch over: by topic its changes, each an operation, an id and a word; `schema`: of the values."""
        slices = []
        for topic, given in changes.items():
            at = TopicPartition(topic, 0)
            records = [self._record(schema, *change) for change in given]
            slices.append(slice_of(records, self._ends[at], at, epoch=self._taken[at].epoch))
            self._ends[at] = slices[-1].end
        self.handover.offer(Work(slices=tuple(slices)))

    def come_back(self, outbox: PostgresOutbox, *lanes: str, reverse: bool = False) -> int:
        """Hand all copies that are to be published over as records of retry topics, by turns; where the first ends."""
        copies = outbox.claim(1000, 0.0)[:: -1 if reverse else 1]
        pieces = [self._lane(lane, copies[number :: len(lanes)]) for number, lane in enumerate(lanes)]
        self._came |= {piece.at: piece for piece in pieces}
        self.handover.offer(Work(slices=tuple(pieces), lane=True))
        return pieces[0].end

    def come_again(self, lane: str) -> None:
        """Take a retry topic's partition anew, and hand over what it has not passed yet of what came back last."""
        at = TopicPartition(lane, 0)
        self.handover.ask([at])
        self.applier.turn(0)
        (taken,) = [one for one in self.handover.notices() if isinstance(one, Taken)]
        came = self._came[at]
        rest = came.tail(sum(offset < taken.next_offset for offset in came.offsets))
        self.handover.offer(Work(slices=(replace(rest, epoch=taken.epoch),), lane=True))

    def _lane(self, lane: str, copies: Sequence[Unposted]) -> Slice:
        at = TopicPartition(lane, 0)
        headers = [tuple(encode(copy.head, copy.headers)) for copy in copies]
        start = self._ends[at]
        records = [(copy.key, copy.value) for copy in copies]
        piece = slice_of(records, start, at, epoch=self._taken[at].epoch)
        self._ends[at] = piece.end
        return replace(piece, headers=lambda offset: headers[offset - start])

    def turns(self, done: Callable[[list[Notice]], bool], seconds: float = 60.0) -> list[Notice]:
        """Turn until that is so of what the reader was told; returns it, also when it never was."""
        told: list[Notice] = []
        until = time.monotonic() + seconds
        # a wait for the target is cut short then
        alarm = threading.Timer(seconds, lambda: self.applier.patience.drain(time.monotonic()))
        alarm.start()
        try:
            while not done(told) and time.monotonic() < until:
                self.applier.turn(0.05)
                told += self.handover.notices()
        except Stopping:
            pass
        finally:
            alarm.cancel()
        return told

    def _record(self, schema: int, op: str, number: int, word: str) -> tuple[bytes, bytes]:
        row = {"id": number, "word": word}
        shown = (row, None) if op == "d" else (None, row)
        return self._keys.framed(1, {"id": number}), self._values.framed(schema, event(op, *shown))
