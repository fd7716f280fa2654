"""A partition whose log is a list, a group that reads it, and letters that come back with any row."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from consumer.applying.apart import Apart
from consumer.applying.rereading import Rereading
from consumer.applying.returns import Judges, Returns
from consumer.binding.known import KnownBindings
from consumer.core.decision import Decision
from consumer.core.letterhead import Codec
from consumer.core.letters import Record, State
from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import Plan
from consumer.core.policy import Policy
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.search import Ending, Seen, doubted, next_stretch, seen
from consumer.core.target import TableName
from consumer.edges.postgres.desk import PostgresDesk
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.searches import PostgresSearches
from consumer.edges.postgres.sink import PostgresSink
from consumer.planning.unbound import Unbound
from consumer.ports.desk import Note
from consumer.ports.letters import Posted
from consumer.ports.refusals import DataFault, Reconsider
from consumer.ports.target import Start
from consumer.ports.topics import Traits
from dlq.actions import discard, replay
from dlq.headers import decode, encode
from tests.pg.landing import ID, Landing, rows
from tests.unit.avro import framed
from tests.unit.known import planner, slice_of
from tests.unit.world import World

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}, {"name": "amount", "type": "int"}]
# schemas that nobody knows at first
LATE = (7, 8)
NEVER = 9
Change = tuple[str, dict[str, Any]]


def row(key: int = 1, word: str = "new", amount: int = 5) -> dict[str, Any]:
    """One of the table's."""
    return {"id": key, "word": word, "amount": amount}


OLD = ("c", row(word="old", amount=1))
WHOLE = ("u", row())
DELETE = ("d", row())
PARTIAL = ("u", row(word=UNAVAILABLE, amount=9))
# its key says which row it is of, once another record has said which table
CUT = ("x", row())
OTHER = ("c", row(key=2))
# nobody will ever read it
NONSENSE: Change = ("nonsense", {})
_IMPORTED = """INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component,
    operation, detail, remedy, imported, imported_topic, imported_partition, imported_offset, published_attempt)
    VALUES (%s, %s, %s, %s, 'dead', 'record.imported', 'persistent', 'c', 'o', 'd', 'r', 'connect', 'dlq', 0, 0, 1)"""


@dataclass
class Scene:
    """A partition with its log, and a group that reads it."""

    session: psycopg.Connection
    sink: PostgresSink
    pool: TargetPool
    group: str
    landing: Landing
    log: list[tuple[bytes, bytes]] = field(default_factory=list)
    # offsets of records that have left it
    gone: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.known = KnownBindings()
        self.searches = PostgresSearches(self.pool, self.group)
        self.outbox = PostgresOutbox(self.pool, self.group, ())
        self.lane = TopicPartition(f"{self.group}.retry.1", 0)
        found = PostgresCatalog(self.pool, self.group).read_table(self.landing.table)
        schemas = {1: self.landing.keys.text, 2: self.landing.values.text}
        traits = {self.landing.at.topic: Traits(compacted=False, partitions=1)}
        self.world = World(schemas, lambda _: found, traits)

    def unknown(self, change: Change = OLD) -> None:
        """The next record has schemas that nobody knows."""
        if change == NONSENSE:
            self._append((framed(NEVER, b""), framed(NEVER, b"")))
            return
        key, value = self.landing.record(*change)
        self._append((framed(LATE[0], key[5:]), framed(LATE[1], value[5:])))

    def learn(self) -> None:
        """From now on they are known."""
        self.world.schemas |= {LATE[0]: self.landing.keys.text, LATE[1]: self.landing.values.text}
        self.known.forget_topic(self.landing.at.topic)

    def apply(self, *changes: Change) -> None:
        """More records, each a batch."""
        for change in changes:
            self._append(self.landing.record(*change))

    def beside(self, change: Change, *, grown: bool) -> None:
        """A batch of another partition of the topic, which it had always or got when this one had records."""
        other = TopicPartition(self.landing.at.topic, self.landing.at.partition + 1)
        wait_for = {str(self.landing.at.partition): 1} if grown else None
        (taken,) = self.sink.take({other: Start(offset=0, wait_for=wait_for)})
        piece = slice_of([self.landing.record(*change)], 0, other)
        self._write(replace(piece, epoch=taken.epoch))

    def set_to(self, offset: int, discarded_from: int | None = None) -> None:
        """A person sets the position, and the partition is taken anew."""
        decision = Decision(next_offset=offset, topic_id=None, discarded_from=discarded_from)
        with closing(PostgresDesk(self.sink.settings, self.group, discard)) as desk:
            desk.move(self.landing.at, lambda held, letters: decision, Note(actor="a person", reason="again"))
        (self.landing.taken,) = self.sink.take({self.landing.at: Start(offset=0)})

    def read_again(self, *offsets: int) -> None:
        """Records that were read before, each a batch."""
        for offset in offsets:
            piece = slice_of([self.log[offset]], offset, self.landing.at)
            self.sink.apply(self.planned(replace(piece, epoch=self.landing.taken.epoch)))

    def fail_again(self, offset: int) -> None:
        """A record that was read before, and is refused this time."""
        piece = slice_of([self.log[offset]], offset, self.landing.at)
        self._write(replace(piece, epoch=self.landing.taken.epoch))

    def import_letter(self, offset: int) -> None:
        """A dead letter of another consumer."""
        self.session.execute(_IMPORTED, (self.group, *self.landing.at, offset))

    def skip(self, *changes: Change) -> None:
        """The next records, which stand in front of the place where this group begins."""
        self.log += [self.landing.record(*change) for change in changes]
        self.session.execute("DELETE FROM headrace.positions WHERE group_name = %s", (self.group,))
        (self.landing.taken,) = self.sink.take({self.landing.at: Start(offset=len(self.log))})

    def pass_by(self, change: Change) -> None:
        """The next record, which a person has the position pass without applying it."""
        self.log.append(self.landing.record(*change))
        self.set_to(len(self.log))

    def _append(self, record: tuple[bytes, bytes]) -> None:
        self.log.append(record)
        piece = slice_of([record], len(self.log) - 1, self.landing.at)
        self._write(replace(piece, epoch=self.landing.taken.epoch))

    def _write(self, piece: Slice) -> None:
        """Apply a batch; what is refused of it becomes letters."""
        refused: dict[Any, Any] = {}
        while True:
            try:
                self.sink.apply(self.planned(piece, refused))
                return
            except Reconsider as found:
                refused |= found.refused
            except DataFault as fault:
                # of one record
                refused |= {RecordRef(piece.at, offset): fault.failure for offset in piece.offsets}

    def planned(self, piece: Slice, refused: Mapping[Any, Any] | None = None) -> Plan:
        """The plan of records, with bindings made when they are missing."""
        while True:
            try:
                return planner(self.known).plan([piece], refused)
            except Unbound as unbound:
                self.world.binder(self.known).bind(unbound.wanted)

    def replay(self, offset: int = 0) -> None:
        """Send the letter of a record again, and bring its copy back."""
        query = 'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = %s'
        ((letter,),) = self.session.execute(query, (self.group, offset)).fetchall()
        assert replay(self.session, self.group, [letter]).changed == (letter,)
        self.come_back()

    def come_back(self) -> None:
        """Copies are published, confirmed, and come back together."""
        copies = self.outbox.claim(20, 60)
        self.outbox.confirm(
            [
                Posted(id=copy.id, attempt=copy.head.attempt, topic=self.lane.topic, partition=0, offset=number)
                for number, copy in enumerate(copies)
            ]
        )
        back = [copy for copy in copies if copy.state in (State.RETRYING, State.REPLAYING)]
        if back:
            self._work([tuple(encode(copy.head, copy.headers)) for copy in back])

    def _work(self, headers: Sequence[Any]) -> None:
        (taken,) = self.sink.take({self.lane: Start(offset=0)})
        first = taken.next_offset
        end = first + len(headers)
        nothing = [None] * len(headers)
        piece = Slice(
            at=self.lane, epoch=taken.epoch, start=first, end=end, offsets=range(first, end), keys=nothing,
            values=nothing, headers=lambda offset: headers[offset - first],
        )  # fmt: skip
        judges = Judges(codec=Codec(encode=encode, decode=decode), policy=Policy())
        again: Any = self
        returns = Returns(
            self.sink, Apart(planner(self.known), self.world.binder(self.known)), Rereading(again, again), judges
        )
        done = returns.work([piece])
        assert (done.waits, done.left) == ({}, ())

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Those of topics that were never made anew."""
        return dict.fromkeys(topics, "first")

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def fetch(self, ref: RecordRef) -> Record | None:
        """A record of the log, read at its origin."""
        if ref.at != self.landing.at or ref.offset >= len(self.log) or ref.offset in self.gone:
            return None
        key, value = self.log[ref.offset]
        return Record(ref=ref, key=key, value=value)

    def search(self, most: int = 100, *, incomplete: bool = False) -> list[Ending]:
        """Read the next records for what is searched; how that ends."""
        stretch = next_stretch(self.searches.claim(100, 0))
        if not stretch.reads:
            return list(self.searches.note(stretch, Seen(upto=stretch.end)).values())
        end = min(stretch.end, stretch.start + most)
        every = range(stretch.start, end)
        passed = self.searches.passed(self.landing.at, every)
        applied = set(every) - passed.waiting - passed.noted - passed.unsure
        found = seen(self.planned(self._piece(applied, stretch.start, end)), end, incomplete=incomplete)
        for offsets, readable in ((passed.noted, True), (passed.unsure, False)):
            found = doubted(found, self.planned(self._piece(offsets, stretch.start, end)), readable=readable)
        return list(self.searches.note(stretch, found).values())

    def _piece(self, offsets: Collection[int], start: int, end: int) -> Slice:
        kept = sorted(offsets)
        piece = slice_of([self.log[offset] for offset in kept], start, self.landing.at)
        return replace(piece, end=end, offsets=kept)

    def states(self) -> str:
        """Offset and first letter of each letter's state, in order."""
        query = 'SELECT "offset", state FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
        return " ".join(f"{offset}{state[0]}" for offset, state in self.session.execute(query, (self.group,)))

    def rows(self) -> list[tuple[Any, ...]]:
        """The table's."""
        return rows(self.session, self.landing.table)


def first_row(session: psycopg.Connection, sink: PostgresSink, pool: TargetPool, schema: str, group: str) -> Scene:
    """One whose row was there before the log begins."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, amount int)")
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 'first', 0)")
    sink.seed({})
    return Scene(session, sink, pool, group, Landing(sink, TableName(schema, "t"), FIELDS))
