"""Whatever fails, is retried, replayed, edited, given up, taken over or cut off in between: each row's changes are
applied in the order of their log, and each record ends in exactly one state.

Two workers have partitions of a topic and of its retry topic, and take them from each other. They work at the same
time, in threads of their own, while a person decides about letters. A crash is the server ending a worker's session in
the middle of a transaction, at a write chosen by chance. Where two of them meet is not repeated by a seed.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core.markers import UNAVAILABLE
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import discard, replay
from dlq.edit import NotEdited, edit
from dlq.payload import Sources
from tests.pg.changing_hands import POLICY, Fact, Hand, Logs
from tests.pg.landing import rows
from tests.pg.order_judge import CLOSED, Judge, Said, rows_of
from tests.unit.world import World

NUMBERS = count()
PARTITIONS, LANES = 3, 2
KINDS = ["whole", *["partial"] * 4, "bad", "bad", "odd", "odd", "delete", "cut"]
CHANGES = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(KINDS)), max_size=6)
PARTS = st.sets(st.integers(0, PARTITIONS - 1), min_size=1)
WORK = st.one_of(
    st.tuples(st.just("batch"), PARTS, st.integers(1, 6)),
    st.tuples(st.just("letters"), st.integers(0, LANES - 1), st.integers(1, 4)),
    st.tuples(st.just("take"), PARTS),
)
DECISIONS = st.tuples(st.sampled_from(["heal", "harm", "replay", "discard", "edit", "nothing"]), st.integers(0, 5))
TURNS = st.tuples(st.lists(WORK, max_size=3), st.lists(WORK, max_size=3), DECISIONS, st.integers(0, 12))
# rounds after which every letter has come to its end
MOST = 30
_SETUP = """
CREATE SCHEMA {s};
CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text, amount int4 NOT NULL);
ALTER TABLE {s}.t ADD CONSTRAINT devilish CHECK (word NOT LIKE 'bad%');
CREATE TABLE {s}.history (n bigint GENERATED ALWAYS AS IDENTITY, id int8, op text, amount int4);
CREATE FUNCTION {s}.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO {s}.history (id, op, amount) VALUES (coalesce(NEW.id, OLD.id), TG_OP, coalesce(NEW.amount, OLD.amount));
    RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.note();
CREATE SEQUENCE {s}.writes;
CREATE TABLE {s}.crash (at int8);
CREATE FUNCTION {s}.crash() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') LIKE 'headrace {s}.%'
    AND nextval('{s}.writes') = (SELECT at FROM {s}.crash) THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
    END IF;
    RETURN NEW; END $$;
CREATE TABLE {s}.odd AS SELECT 'odd%' AS pattern;
CREATE FUNCTION {s}.odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT NEW.word LIKE pattern OR NEW.amount % 5 = 2 FROM {s}.odd) THEN
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
class Scene:
    """Two workers, the logs that they read, and a person."""

    session: psycopg.Connection
    name: str
    logs: Logs
    hands: tuple[Hand, Hand]
    threads: ThreadPoolExecutor

    def __post_init__(self) -> None:
        landing = self.hands[0].landing
        self.registry = World({1: landing.keys.text, 2: landing.values.text}, lambda _: None)
        self.said: dict[int, list[Said]] = {number: [] for number in range(PARTITIONS)}
        self.judge = Judge(self.session, self.name, landing.at.topic, self.said)
        self.hands[0].take([self.hands[0].topic(0), self.hands[0].topic(1), self.hands[0].lane(0)])
        self.hands[1].take([self.hands[1].topic(2), self.hands[1].lane(1)])

    # what may happen

    def change(self, key: int, kind: str) -> None:
        """One more record, in the partition of its key."""
        number = key % PARTITIONS
        fact = Fact(key, kind, len(self.logs.facts[number]))
        self.logs.facts[number].append(fact)
        word = None if fact.row["word"] == UNAVAILABLE else fact.row["word"]
        self.said[number].append(Said(key, fact.op if fact.op == "d" else "u", word, fact.offset))

    def turn(self, first: Sequence[Any], second: Sequence[Any], decision: tuple[str, int], crash: int) -> None:
        """Both workers do something at the same time, and a person decides; `crash`: at which write a session ends."""
        self._crash_at(crash)
        work = zip(self.hands, (first, second), strict=True)
        doing = [self.threads.submit(self._work, hand, todo) for hand, todo in work if todo]
        self.decide(*decision)
        for one in doing:
            one.result(60)
        self._crash_at(0)

    def decide(self, what: str, which: int) -> None:
        """As a person does; `which` of the dead letters."""
        acts: dict[str, Callable[[], None]] = {
            "heal": self._heal,
            "harm": self._harm,
            "replay": lambda: self._replay(self._dead()),
            "discard": lambda: self._discard(self._dead()[which : which + 1]),
            "edit": lambda: self._edit(self._dead()[which : which + 1]),
        }
        acts.get(what, lambda: None)()

    # the end

    def settle(self) -> None:
        """All is read by one worker, and every letter comes to its end: what fails although its cause is gone is edited
        or given up, in turns.
        """
        (last, _) = self.hands
        self._heal()
        last.take([*map(last.topic, range(PARTITIONS)), *map(last.lane, range(LANES))])
        for _ in range(MOST):
            self._work_off(last)
            before = self.judge.fates()
            self._replay(self._dead())
            self._work_off(last)
            if not self._open():
                return
            if self.judge.fates() == before:
                dead = self._dead()
                self._edit(dead[::2])
                self._replay(dead[::2])
                self._discard(dead[1::2] or [one for one in dead if one[1:] not in self.judge.edited])
        raise AssertionError(f"letters are open for ever: {self.judge.fates()}")

    def _work_off(self, hand: Hand) -> None:
        """Everything that is there, and what comes of it."""
        before: object = None
        while before != (before := (self.judge.fates(), dict(hand.places))):
            hand.batch(range(PARTITIONS), 9)
            hand.publish()
            for number in range(LANES):
                hand.come_back(number, 20)

    def _work(self, hand: Hand, todo: Sequence[Any]) -> None:
        for what, *how in todo:
            if what == "batch":
                hand.batch(sorted(how[0]), how[1])
            elif what == "take":
                hand.take(
                    [*map(hand.topic, sorted(how[0])), *(hand.lane(number) for number in how[0] if number < LANES)]
                )
            else:
                hand.publish()
                hand.come_back(*how)

    # people

    def _heal(self) -> None:
        self.session.execute(f"ALTER TABLE {self.name}.t DROP CONSTRAINT IF EXISTS devilish")
        self.session.execute(f"DELETE FROM {self.name}.odd")

    def _harm(self) -> None:
        self._heal()
        self.session.execute(
            f"ALTER TABLE {self.name}.t ADD CONSTRAINT devilish CHECK (word NOT LIKE 'bad%%') NOT VALID"
        )
        self.session.execute(f"INSERT INTO {self.name}.odd VALUES ('odd%%')")

    def _replay(self, dead: Sequence[tuple[int, int, int]]) -> None:
        replay(self.session, self.name, [number for number, *_ in dead], most=2 * MOST)

    def _discard(self, dead: Sequence[tuple[int, int, int]]) -> None:
        if dead:
            discard(self.session, self.name, [number for number, *_ in dead], "enough")

    def _edit(self, dead: Sequence[tuple[int, int, int]]) -> None:
        """A dead letter gets another word."""
        patch = [{"op": "replace", "path": "/after/word", "value": "mended"}]
        sources = Sources(registry=self.registry, fetch=lambda ref, known: None)
        for number, partition, offset in dead:
            try:
                edit(self.session, self.name, number, patch, "a person", sources)
            except NotEdited:
                continue
            self.judge.edited.add((partition, offset))

    def _dead(self) -> list[Any]:
        query = 'SELECT id, partition, "offset" FROM headrace.letters WHERE group_name = %s AND state = %s ORDER BY id'
        return self.session.execute(query, (self.name, "dead")).fetchall()

    def _open(self) -> bool:
        return any(state not in CLOSED for states in self.judge.fates().values() for state in states)

    def _crash_at(self, write: int) -> None:
        self.session.execute(f"DELETE FROM {self.name}.crash")
        if write:
            # a sequence is not rolled back, so that a crash comes once
            self.session.execute(
                f"INSERT INTO {self.name}.crash SELECT last_value + %s FROM {self.name}.writes", (write,)
            )


def scenes(server: str, session: psycopg.Connection, room: int) -> Iterator[Scene]:
    """A new group and table, gone afterwards."""
    name = f"any{next(NUMBERS)}"
    session.execute(_SETUP.format(s=name))
    logs = Logs()
    try:
        with ExitStack() as opened:
            hands: list[Hand] = []
            for number in range(2):
                options = SessionSettings(dsn=server, worker=f"{name}.{number}")
                sink = opened.enter_context(closing(PostgresSink(options, name, policy=POLICY)))
                pool = TargetPool(replace(options, worker="pool"), CircuitBreaker("target"))
                sink.open()
                hands.append(
                    opened.enter_context(closing(Hand(sink, opened.enter_context(closing(pool)), name, logs, room)))
                )
            threads = opened.enter_context(ThreadPoolExecutor(2))
            yield Scene(session, name, logs, (hands[0], hands[1]), threads)
    finally:
        for table in ("letters", "positions"):
            session.execute(f"DROP TRIGGER IF EXISTS {name}_crash ON headrace.{table}")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CHANGES, TURNS), min_size=6, max_size=18), st.integers(0, 3))
def test_rows_follow_their_log_whoever_applies_it(
    server: str, session: psycopg.Connection, steps: Sequence[tuple[Any, Any]], room: int
) -> None:
    """Each record ends in exactly one state, all of them counted, and every row's history is in the log's order.

    `room`: letters of refused rows that a batch may write without being planned anew.
    """
    for scene in scenes(server, session, room):
        for changes, turn in steps:
            for change in changes:
                scene.change(*change)
            scene.turn(*turn)
        scene.settle()

        judge = scene.judge
        fates = judge.fates()
        assert all(len(states) == 1 for states in fates.values()), fates
        assert judge.out_of_order() == []
        assert rows_of(rows(session, scene.hands[0].landing.table)) == judge.model()
        assert judge.lost() == []
        assert judge.unaccounted() == []
