"""Whatever fails, is retried, replayed, edited, given up or cut off in between: rows end as their log says.

The log and the copies of letters are lists here; batches, letters, their rows and their ends are the program's own, on
a real server. A crash is the server ending the session in the middle of a transaction, at a write chosen by chance.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.applying.apart import Apart
from consumer.applying.planning import planned
from consumer.applying.rereading import Rereading
from consumer.applying.returns import Judges, Returns
from consumer.core.failure import Failure
from consumer.core.failure_kind import ErrorType
from consumer.core.letterhead import Codec
from consumer.core.markers import UNAVAILABLE
from consumer.core.policy import Budget, Policy
from consumer.core.records import RecordRef, Slice, TopicPartition, no_headers
from consumer.core.target import TableName
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.letters import Posted, Unposted
from consumer.ports.refusals import ConnectionLost, DataFault, Reconsider
from consumer.ports.target import Start
from consumer.ports.topics import Traits
from consumer.reading.handover import Work
from dlq.actions import discard, replay
from dlq.edit import NotEdited, edit
from dlq.headers import decode, encode
from dlq.payload import Sources
from tests.pg.landing import ID, Landing, rows
from tests.unit.known import planner, slice_of
from tests.unit.world import World

FIELDS = [
    ID,
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "amount", "type": "int"},
]
# A bad word is refused by a check of the table, an odd one by a trigger, after which it is retried by itself. A partial
# image says nothing of the word, so it can't put it right.
NUMBERS = count()
POLICY = Policy(budgets={ErrorType.UNKNOWN: Budget(attempts=2, waited=3600.0)}, tiers=(0.0,))
CHANGES = st.tuples(
    st.just("change"),
    st.integers(1, 2),
    st.sampled_from(["whole", "partial", "partial", "bad", "bad", "odd", "delete", "cut"]),
)
STEPS = st.one_of(
    CHANGES,
    CHANGES,
    CHANGES,
    st.tuples(st.just("batch"), st.integers(1, 6), st.integers(0, 12)),
    st.tuples(st.just("lane"), st.integers(0, 8), st.integers(1, 4)),
    st.tuples(st.sampled_from(["heal", "harm", "replay"])),
    st.tuples(st.sampled_from(["discard", "edit"]), st.integers(0, 5)),
)
_SETUP = """
CREATE SCHEMA {s};
CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text, amount int4 NOT NULL);
ALTER TABLE {s}.t ADD CONSTRAINT devilish CHECK (word NOT LIKE 'bad%');
CREATE SEQUENCE {s}.writes;
CREATE TABLE {s}.crash (at int8);
CREATE FUNCTION {s}.crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') = 'headrace {s}' AND nextval('{s}.writes') = (SELECT at FROM {s}.crash) THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NEW; END $$;
CREATE TABLE {s}.odd AS SELECT 'odd%' AS pattern;
CREATE FUNCTION {s}.odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.word LIKE (SELECT pattern FROM {s}.odd) THEN
        RAISE EXCEPTION 'odd';
    END IF;
    RETURN NEW; END $$;
CREATE TRIGGER odd BEFORE INSERT OR UPDATE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.odd();
CREATE TRIGGER crash BEFORE INSERT OR UPDATE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.crash();
CREATE TRIGGER {s}_crash BEFORE INSERT OR UPDATE ON headrace.letters
    FOR EACH ROW WHEN (NEW.group_name = '{s}') EXECUTE FUNCTION {s}.crash();
CREATE TRIGGER {s}_crash BEFORE UPDATE OF next_offset ON headrace.positions
    FOR EACH ROW WHEN (NEW.group_name = '{s}') EXECUTE FUNCTION {s}.crash();
"""


@dataclass
class Run:
    """One group, one partition with its log, one retry topic."""

    session: psycopg.Connection
    sink: PostgresSink
    pool: TargetPool
    name: str
    log: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    edited: set[int] = field(default_factory=set)
    room: int = 0

    def __post_init__(self) -> None:
        self.sink.seed({})
        self.landing = Landing(self.sink, TableName(self.name, "t"), FIELDS)
        found = PostgresCatalog(self.pool, self.name).read_table(self.landing.table)
        schemas = {1: self.landing.keys.text, 2: self.landing.values.text}
        traits = {self.landing.at.topic: Traits(compacted=False, partitions=1)}
        self.world = World(schemas, lambda _: found, traits)
        self.outbox = PostgresOutbox(self.pool, self.name, ())
        self.origins = KafkaOrigins(KafkaSettings(bootstrap_servers="127.0.0.1:1", group="g", topics=()))
        judges = Judges(codec=Codec(encode=encode, decode=decode), policy=POLICY)
        self.binder = self.world.binder(self.landing.known)
        self.planner = planner(self.landing.known, policy=POLICY)
        self.returns = Returns(self.sink, Apart(self.planner, self.binder), Rereading(self.origins, self.world), judges)
        self.lane = TopicPartition(f"{self.name}.retry.1", 0)
        self.take()

    def take(self) -> None:
        """Own both partitions anew, as after any loss of the session."""
        starts = {self.landing.at: Start(offset=0), self.lane: Start(offset=0)}
        self.taken = {part.at: part for part in self.sink.take(starts)}

    # what may happen

    def change(self, key: int, kind: str) -> None:
        offset = len(self.log)
        row = {"id": key, "word": f"{kind} {offset}", "amount": offset}
        op = {"delete": "d", "cut": "x"}.get(kind, "u")
        if kind == "partial":
            row["word"] = UNAVAILABLE
        self.log.append((key, op, row))

    def batch(self, most: int, crash: int = 0) -> None:
        """The next records; `crash`: at which write the session ends, 0 for none."""
        self._crash_at(crash)
        refused: dict[RecordRef, Failure] = {}
        tries = 0
        while (piece := self._next(most)) is not None:
            try:
                # letters that came back may have had the topic bound anew
                work = Work(slices=(piece,), refused=refused)
                plan = planned(work, self.planner, self.binder, lambda wanted: {})
                self.sink.apply(plan, {self.landing.at: self.room})
                break
            except Reconsider as found:
                refused = {ref: why for ref, why in {**refused, **found.refused}.items() if ref not in found.freed}
            except DataFault:
                tries += 1
                assert tries < 3
            except ConnectionLost:
                self._reopen()
        self._crash_at(0)

    def copies(self, crash: int = 0, together: int = 20) -> None:
        """Copies of letters are published, confirmed, and come back, so many at a time."""
        self._crash_at(crash)
        claimed = self.outbox.claim(20, 0)
        for copy in claimed:
            posted = Posted(id=copy.id, attempt=copy.head.attempt, topic=self.lane.topic, partition=0, offset=0)
            self.outbox.confirm([posted])
        back = [copy for copy in claimed if copy.state.value in ("retrying", "replaying")]
        for first in range(0, len(back), together):
            self._come_back(back[first : first + together])
        self._crash_at(0)

    def _come_back(self, copies: Sequence[Unposted]) -> None:
        while True:
            part = self.taken[self.lane]
            heads = {part.next_offset + place: copy for place, copy in enumerate(copies)}
            piece = Slice(
                at=self.lane, epoch=part.epoch, start=part.next_offset, end=part.next_offset + len(copies),
                offsets=list(heads), keys=[copy.key for copy in copies], values=[copy.value for copy in copies],
                headers=lambda offset, heads=heads: tuple(encode(heads[offset].head, heads[offset].headers)),
            )  # fmt: skip
            try:
                turn = self.returns.work([piece])
                assert turn.waits == {}
                self.take()
                if not turn.left:
                    return
            except ConnectionLost:
                self._reopen()

    def heal(self) -> None:
        self.session.execute(f"ALTER TABLE {self.name}.t DROP CONSTRAINT IF EXISTS devilish")
        self.session.execute(f"DELETE FROM {self.name}.odd")

    def harm(self) -> None:
        self.heal()
        self.session.execute(
            f"ALTER TABLE {self.name}.t ADD CONSTRAINT devilish CHECK (word NOT LIKE 'bad%%') NOT VALID"
        )
        self.session.execute(f"INSERT INTO {self.name}.odd VALUES ('odd%%')")

    def again(self) -> None:
        replay(self.session, self.name, [number for number, _ in self._dead()])

    def give_up(self, which: int) -> None:
        if dead := self._dead():
            discard(self.session, self.name, [dead[which % len(dead)][0]], "enough")

    def mend(self, which: int) -> None:
        """A dead letter gets another word."""
        if dead := self._dead():
            number, offset = dead[which % len(dead)]
            patch = [{"op": "replace", "path": "/after/word", "value": "mended"}]
            sources = Sources(registry=self.world, fetch=lambda ref, known: None)
            try:
                edit(self.session, self.name, number, patch, "a person", sources)
            except NotEdited:
                return
            self.edited.add(offset)

    # the end

    def settle(self) -> None:
        """Everything is read, everything dead is sent again with its cause gone, as often as that changes anything."""
        self.heal()
        before: object = None
        while before != (before := (self.fates(), self.sink.stored()[0].next_offset)):
            while self._next(9) is not None:
                self.batch(9)
            self.copies()
            self.again()
            self.copies()

    def fates(self) -> dict[int, list[str]]:
        """States of the letters by offset."""
        query = 'SELECT "offset", state FROM headrace.letters WHERE group_name = %s AND topic = %s ORDER BY id'
        found: dict[int, list[str]] = {}
        for offset, state in self.session.execute(query, (self.name, self.landing.at.topic)):
            found.setdefault(offset, []).append(state)
        return found

    def model(self) -> dict[int, tuple[str | None, int]]:
        """The log applied one by one, without what was given up, superseded or could never be applied."""
        fates = self.fates()
        table: dict[int, tuple[str | None, int]] = {}
        # partial images of rows that are not there: fine only where a whole change follows
        orphans: set[int] = set()
        for offset, (key, op, row) in enumerate(self.log):
            if fates.get(offset, ["applied"]) != ["applied"]:
                continue
            word = "mended" if offset in self.edited else row["word"]
            amount = row["amount"]
            if word == UNAVAILABLE:
                if key in table:
                    table[key] = (table[key][0], amount)
                else:
                    orphans.add(key)
                continue
            orphans.discard(key)
            if op == "d":
                table.pop(key, None)
            else:
                table[key] = (word, amount)
        assert not orphans
        return table

    def lost(self) -> list[int]:
        """Superseded letters of which no later change of their row says all that they said."""
        fates = self.fates()
        said = {key: offset for offset, (key, _, row) in enumerate(self.log) if self._whole(offset, row, fates)}
        return [at for at, states in fates.items() if states == ["superseded"] and said.get(self.log[at][0], -1) < at]

    def _whole(self, offset: int, row: dict[str, Any], fates: dict[int, list[str]]) -> bool:
        return row["word"] != UNAVAILABLE and fates.get(offset, ["applied"]) == ["applied"]

    def _dead(self) -> list[tuple[int, int]]:
        query = "SELECT id, \"offset\" FROM headrace.letters WHERE group_name = %s AND state = 'dead' ORDER BY id"
        return self.session.execute(query, (self.name,)).fetchall()

    def _next(self, most: int) -> Slice | None:
        part = self.taken[self.landing.at]
        start = next(one.next_offset for one in self.sink.stored() if one.at == self.landing.at)
        records = [self.landing.record(op, row) for _, op, row in self.log[start : start + most]]
        if not records:
            return None
        piece = slice_of(records, start, self.landing.at)
        return Slice(
            at=piece.at, epoch=part.epoch, start=start, end=piece.end, offsets=piece.offsets, keys=piece.keys,
            values=piece.values, headers=no_headers, size=piece.size,
        )  # fmt: skip

    def _crash_at(self, write: int) -> None:
        self.session.execute(f"DELETE FROM {self.name}.crash")
        if write:
            # a sequence is not rolled back, so that a crash comes once
            self.session.execute(
                f"INSERT INTO {self.name}.crash SELECT last_value + %s FROM {self.name}.writes", (write,)
            )

    def _reopen(self) -> None:
        self.sink.open()
        self.take()


def run(server: str, session: psycopg.Connection) -> Iterator[Run]:
    """A new group and table, gone afterwards."""
    name = f"any{next(NUMBERS)}"
    session.execute(_SETUP.format(s=name))
    options = SessionSettings(dsn=server, worker=name)
    try:
        with (
            closing(PostgresSink(options, name, policy=POLICY)) as sink,
            closing(TargetPool(replace(options, worker="pool"), CircuitBreaker("target"))) as pool,
        ):
            sink.open()
            made = Run(session, sink, pool, name)
            with closing(made.origins):
                yield made
    finally:
        for table in ("letters", "positions"):
            session.execute(f"DROP TRIGGER IF EXISTS {name}_crash ON headrace.{table}")


ACTS = {"lane": "copies", "replay": "again", "discard": "give_up", "edit": "mend"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=5, max_size=30), st.integers(0, 3))
def test_rows_end_as_their_log_says(
    server: str, session: psycopg.Connection, steps: Sequence[tuple[Any, ...]], room: int
) -> None:
    """Each record ends in exactly one state, and what was applied was applied in the log's order.

    `room`: letters of refused rows that a batch may write without being planned anew.
    """
    for made in run(server, session):
        made.room = room
        for what, *how in steps:
            getattr(made, ACTS.get(what, what))(*how)
        made.settle()

        fates = made.fates()
        assert all(len(states) == 1 for states in fates.values()), fates
        assert {key: (word, amount) for key, word, amount in rows(session, made.landing.table)} == made.model()
        ended = {state for (state,) in fates.values()}
        assert ended <= {"applied", "superseded", "discarded", "dead", "held"}, fates
        assert not made.lost(), fates
