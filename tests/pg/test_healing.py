"""What is put right without a hand, each made wrong on a real server; and the record of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from consumer.background.healer import Healer
from consumer.background.recording import Recorder
from consumer.composition.heard import Heard
from consumer.core.connectors import Connector
from consumer.core.flags import Flag
from consumer.core.healing import Act, RestartBudget, to_restart
from consumer.core.records import TopicPartition
from consumer.edges.postgres import healing
from consumer.edges.postgres.healing import PostgresAbandoned, PostgresHealing
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.facts import Fact, Healed
from consumer.reading.handover import Stopped
from consumer.stack.waiting import wait_until
from tests.pg.applying import Applying, Bounds
from tests.pg.conftest import Catalogs, Pools, Sinks
from tests.pg.test_busy import count, locked, moved
from tests.unit.clock import Clock

DEADLINE = 2.0
AT = TopicPartition("t", 0)


_MARK = Healed(Act.GOES_ON, "nothing", "a place in what was heard")


class Scene:
    """An apply thread of one table whose acts are heard."""

    def __init__(self, applying: Applying, sink: PostgresSink) -> None:
        self.applying = applying
        self.sink = sink
        self.heard: list[Fact] = []
        applier = applying.applier
        for part in (applier.patience, applier._holdings):
            part.tell = self.heard.append
        self._next = 1

    @property
    def acts(self) -> list[Act]:
        """What was done."""
        return [fact.act for fact in self.heard if isinstance(fact, Healed)]

    @property
    def session(self) -> psycopg.Connection:
        """The apply thread's own."""
        assert self.sink._connection is not None
        return self.sink._connection

    def offer(self) -> None:
        """One batch of one row."""
        self.applying.offer({"t": [("c", self._next, "a")]})
        self._next += 1

    def apply(self, batches: int = 1) -> None:
        """That many batches, whatever they meet: what a new session does not know is taken and read anew."""
        for _ in range(batches):
            while True:
                self._next = self.applying.take()[AT] + 1
                self.offer()
                self.heard.append(_MARK)
                told = self.applying.turns(lambda told: moved(AT, self._next - 1)(told) or self.heard[-1] is not _MARK)
                self.heard.remove(_MARK)
                if moved(AT, self._next - 1)(told):
                    break


@pytest.fixture
def clock() -> Clock:
    """What rests go by."""
    return Clock()


@pytest.fixture
def scene(session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str, clock: Clock) -> Scene:
    """It has its position."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    sink = sinks("healing", DEADLINE)
    return Scene(Applying(sink, catalogs(), schema, [AT.topic], Bounds(clock=clock)), sink)


@pytest.mark.provokes("target.session")
@pytest.mark.parametrize("statement", ["DISCARD TEMP", "DEALLOCATE ALL", "CREATE TEMP TABLE headrace_2 ()"])
def test_what_a_session_had_prepared_is_made_anew(
    session: psycopg.Connection, scene: Scene, schema: str, statement: str
) -> None:
    """Staging tables that were dropped, statements that were deallocated, a name that is taken."""
    scene.apply(8)
    assert scene.acts == []
    # the driver is not to know
    scene.session.pgconn.exec_(statement.encode())
    if statement.startswith("CREATE"):
        scene.sink._staging._tables.clear()
    scene.apply(8)

    assert scene.acts == [Act.SESSION_REBUILT]
    assert count(session, schema, "t") == 16


def test_a_session_that_is_spoilt_again_and_again_is_not_rebuilt_in_haste(scene: Scene) -> None:
    """From the second time on there is a wait, as for a server that is away."""
    waits: list[float] = []
    patience = scene.applying.applier.patience
    patience.stopping.wait = lambda seconds: bool(waits.append(seconds))
    scene.apply()
    for _ in range(4):
        scene.session.pgconn.exec_(b"CREATE TEMP TABLE headrace_1 ()")
        scene.sink._staging._tables.clear()
        scene.sink._staging._made = 0
        scene._next = scene.applying.take()[AT] + 1
        scene.offer()
        scene.applying.turns(lambda told: scene.acts != [])
        scene.heard.clear()

    assert len(waits) == 3
    assert max(waits) <= 0.2


def test_a_session_that_was_ended_is_opened_again(session: psycopg.Connection, scene: Scene, schema: str) -> None:
    """And it is said."""
    scene.apply()
    session.execute("SELECT pg_terminate_backend(%s)", (scene.session.info.backend_pid,))
    scene.apply()

    assert scene.acts == [Act.RECONNECTED]
    assert count(session, schema, "t") == 2


def test_a_table_that_is_set_aside_goes_on_when_it_can(
    server: str, session: psycopg.Connection, scene: Scene, schema: str, clock: Clock
) -> None:
    """Both are said, with how often it had stopped."""
    with locked(server, schema):
        scene.offer()
        scene.applying.turns(lambda told: any(isinstance(one, Stopped) for one in told))
        assert scene.acts == [Act.SET_ASIDE]
    # its rest is over
    clock.now += 60.0
    scene.apply()

    assert scene.acts == [Act.SET_ASIDE, Act.GOES_ON]
    assert scene.heard[-1] == Healed(Act.GOES_ON, str(AT), "after 1 stop")
    assert count(session, schema, "t") == 1


# locks of the dead


_LIVES = """
INSERT INTO headrace.workers (group_name, name, host, pid, version, state, every, partitions, queue_batches,
    queue_bytes, breakers, seen_at)
VALUES (%s, %s, 'h', 1, '1', 'running', 0.2, '[]', 0, 0, '[]', clock_timestamp() - make_interval(secs => %s))
"""


@contextmanager
def stuck(server: str, worker: str, schema: str) -> Iterator[psycopg.Connection]:
    """A session in the middle of a COPY, as of a worker whose machine is gone, that has locked a row."""
    session = connect(SessionSettings(dsn=server, worker=worker, batch_deadline=600))
    try:
        session.execute("BEGIN")
        session.execute(f"UPDATE {schema}.t SET word = 'mine' WHERE id = 1".encode())
        session.pgconn.exec_(f"COPY {schema}.t FROM STDIN".encode())
        yield session
    finally:
        session.close()


@contextmanager
def waiting(server: str, name: str, schema: str) -> Iterator[int]:
    """A session that waits for the row, and its backend."""
    session = psycopg.connect(server, application_name=name, autocommit=True)
    try:
        session.pgconn.send_query(f"UPDATE {schema}.t SET word = 'b' WHERE id = 1".encode())
        yield session.info.backend_pid
    finally:
        session.pgconn.finish()


def test_locks_of_a_dead_worker_are_released_when_ours_wait_for_them(
    server: str, session: psycopg.Connection, pools: Pools, schema: str, group: str
) -> None:
    """Proven by silence, and by a session that does nothing; others' are left alone, and those in nobody's way."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 'a')")
    session.execute(_LIVES, (group, "dead", 60.0))
    abandoned = PostgresAbandoned(pools(), group)
    with stuck(server, "dead", schema):
        _until(session, _STILL, "headrace dead", 1.1)
        with waiting(server, "psql", schema) as pid:
            _until(session, _BLOCKED, pid)
            assert abandoned.release() == []
        with waiting(server, "headrace other", schema) as pid:
            _until(session, _BLOCKED, pid)
            session.execute("UPDATE headrace.workers SET seen_at = clock_timestamp() WHERE name = 'dead'")
            assert abandoned.release() == []
            session.execute("UPDATE headrace.workers SET seen_at = seen_at - interval '1 minute' WHERE name = 'dead'")
            assert abandoned.release() == ["dead"]
            _until(session, _FREE, pid)


_BLOCKED = "SELECT cardinality(pg_blocking_pids(%s)) = 1"
_FREE = "SELECT cardinality(pg_blocking_pids(%s)) = 0"
_STILL = """
SELECT bool_and(state_change < clock_timestamp() - make_interval(secs => %s))
FROM pg_stat_activity WHERE application_name = %s
"""


def _until(session: psycopg.Connection, query: str, *values: Any) -> None:
    asked = values[::-1]
    assert wait_until(lambda: session.execute(query.encode(), asked).fetchone() == (True,), 30)


# the record


def test_acts_are_kept_and_the_same_within_a_minute_is_one(
    session: psycopg.Connection, pools: Pools, group: str
) -> None:
    """With its number; another reason is another act, and so is one that comes later."""
    recorder = Recorder(PostgresHealing(pools(), group, "w-1"), keep_hours=1.0)
    often, once = Healed(Act.RECONNECTED, "target", "target.connection"), Healed(Act.SET_ASIDE, str(AT), "table.shape")
    for _ in range(2):
        for fact in (often, once, often):
            recorder.tell(fact)
        recorder.turn(0.0)
    session.execute("UPDATE headrace.healing SET last_at = last_at - interval '2 minutes'")
    recorder.tell(once)
    recorder.close()

    found = healing.read(session, group, 10)
    assert [(one.act, one.subject, one.detail, one.times, one.worker) for one in found] == [
        ("set aside", str(AT), "table.shape", 1, "w-1"),
        ("set aside", str(AT), "table.shape", 2, "w-1"),
        ("reconnected", "target", "target.connection", 4, "w-1"),
    ]
    session.execute("UPDATE headrace.healing SET last_at = last_at - interval '2 hours' WHERE times > 1")
    recorder._next_prune = 0.0
    recorder.turn(0.0)
    assert [one.times for one in healing.read(session, group, 10)] == [1]


def test_what_can_not_be_kept_now_is_kept_later(server: str, pools: Pools, group: str) -> None:
    """Nothing is lost while the target is away, and nothing is kept without bound."""
    recorder = Recorder(PostgresHealing(pools(dsn="host=127.0.0.1 port=1 dbname=x user=x"), group, "w"), keep_hours=1.0)
    for number in range(1_100):
        recorder.tell(Healed(Act.SET_ASIDE, f"t [{number}]", "table.shape"))
    recorder.turn(0.0)
    recorder._record = PostgresHealing(pools(), group, "w")
    recorder.close()

    with psycopg.connect(server) as session:
        assert len(healing.read(session, group, 2_000)) == 1_000
    assert recorder._dropped == 0


# connectors


class Connect:
    """Kafka Connect whose connector fails as often as it is started."""

    def __init__(self) -> None:
        self.restarted: list[str] = []
        self.asked = 0

    def all(self) -> list[Connector]:
        """One failed and one that runs."""
        self.asked += 1
        return [
            Connector(name=name, kind="source", state=state, topics=frozenset({"shop.a"}))
            for name, state in (("a", "FAILED"), ("b", "RUNNING"))
        ]

    def restart(self, name: str, task: int | None = None) -> bool:
        """Note it."""
        self.restarted.append(name)
        return True

    def close(self) -> None:
        """Nothing is held."""


def test_a_connector_that_fails_again_and_again_is_given_up(
    session: psycopg.Connection, pools: Pools, group: str
) -> None:
    """The budget is counted in the record, so it holds whoever does it, also after a restart."""
    session.execute(_LIVES, (group, "me", 0.0))
    pool = pools()
    recorder = Recorder(PostgresHealing(pool, group, "me"), keep_hours=1.0)
    connect_, heard = Connect(), []
    for _ in range(8):
        # a new process each time
        healer = Healer(PostgresAbandoned(pool, group), connect_, RestartBudget(most=3, first=0.0), "me", every=0.0)
        healer.reads = "shop.a".__eq__
        healer.tell = lambda fact: (recorder.tell(fact), heard.append(fact))
        for _ in range(4):
            healer.turn(0.0)
        recorder.turn(0.0)

    assert connect_.restarted == ["a", "a", "a"]
    assert Healed(Act.TASK_GIVEN_UP, "a", "it failed again after 3 restarts") in heard
    other = Healer(PostgresAbandoned(pool, group), connect_, RestartBudget(most=9, first=0.0), "other", every=0.0)
    other.reads = "shop.a".__eq__
    for _ in range(4):
        other.turn(0.0)
    assert len(connect_.restarted) == 3, "only one worker of the group does it"


def test_kafka_connect_is_not_asked_while_its_watch_is_switched_off(
    session: psycopg.Connection, pools: Pools, group: str
) -> None:
    """Nothing of a connector is started again then; the flag is asked for at each look."""
    session.execute(_LIVES, (group, "me", 0.0))
    heard, connect_ = Heard(), Connect()
    healer = Healer(PostgresAbandoned(pools(), group), connect_, RestartBudget(most=3, first=0.0), "me", every=0.0)
    healer.switches, healer.reads = heard, "shop.a".__eq__
    asked = []
    for off in ({Flag.CONNECT_WATCH}, set()):
        heard.learn(off)
        for _ in range(4):
            healer.turn(0.0)
        asked.append((connect_.asked > 0, connect_.restarted != []))
    assert asked == [(False, False), (True, True)]


def test_only_sources_that_are_known_to_write_what_is_read_are_started_again() -> None:
    """Kafka Connect may be shared: others' connectors are their own, and so may be one whose topics nobody tells."""
    found = [
        Connector(name=name, kind=kind, state="FAILED", topics=frozenset(topics))
        for name, kind, topics in (
            ("ours", "source", ("shop.a", "shop.z")),
            ("others", "source", ("web.clicks",)),
            ("a sink of ours", "sink", ("shop.a",)),
            ("not known", "source", ()),
        )
    ]
    tried = {one.name: [100.0, 200.0, 300.0] for one in found}
    due, _ = to_restart(found, {}, RestartBudget(most=3), "shop.a".__eq__)
    _, given_up = to_restart(found, tried, RestartBudget(most=3), "shop.a".__eq__)
    assert [[one.name for one in each] for each in (due, given_up)] == [["ours"], ["ours"]]


@pytest.mark.parametrize(
    ("tried", "due"),
    [([], True), ([5.0], False), ([11.0], True), ([12.0, 50.0], False), ([21.0, 50.0], True), ([3700.0], True),
     ([100.0, 200.0, 300.0], False), ([100.0, 200.0, 3601.0], True)],
)  # fmt: skip
def test_each_restart_waits_twice_as_long_and_there_are_so_many_in_an_hour(tried: list[float], due: bool) -> None:
    """As the budget has it."""
    assert RestartBudget(most=3).due(tried) is due
