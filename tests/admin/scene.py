"""A shop with everything that an operator meets, made by the program itself; only logs and registry are a test's."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from consumer.admin.doors import Doors
from consumer.core.breaking import BreakerState, BreakerStatus
from consumer.core.checks import Rules as Checks
from consumer.core.connectors import Connector, Task
from consumer.core.decision import Undecidable
from consumer.core.doctor import finding
from consumer.core.failure import HeadraceError, failed
from consumer.core.kinds import KINDS
from consumer.core.plans import RECONCILE
from consumer.core.records import TopicPartition
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.board import PostgresBoard
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.desk import PostgresDesk
from consumer.edges.postgres.examining import PostgresExamining
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.inspection.connecting import ConnectDesk, NotedConnectors
from consumer.ports.desk import Note
from consumer.ports.presence import InHand, Report
from consumer.ports.target import Start
from consumer.ports.topics import Traits
from consumer.recovery.moving import MovedPositions, Positions
from dlq.actions import discard
from dlq.desk import LetterDesk
from dlq.difference import Weigher
from dlq.job_desk import JobDesk
from dlq.jobs import Order, create
from dlq.masking import Mask
from dlq.payload import Sources
from dlq.preview import Rules
from dlq.repairing import RepairDesk
from dlq.selection import Selection
from dlq.signals import Dialect
from dlq.source_again import Channel, SourceDesk
from tests.admin.examined import Around, examined
from tests.pg.pipeline import Pipeline
from tests.unit.world import World

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "customer", "type": ["null", "string"], "default": None},
    {"name": "status", "type": ["null", "string"], "default": None},
    {"name": "price", "type": ["null", "long"], "default": None},
    {"name": "note", "type": ["null", "string"], "default": None},
]
CANARY = "canary-4417"
HOSTILE = "<script>alert(1)</script>\"'&\u202egnp.exe\x1b[2J\u200b\U0001f600"


class Logs:
    """How far logs reach, as a test says; they answer at once."""

    def __init__(self) -> None:
        self.reach: dict[TopicPartition, int] = {}
        self.age = 42.0

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """As far as they are known."""
        return {at: self.reach[at] for at in partitions if at in self.reach}

    def known_ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The same."""
        return self.ends(partitions)

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        """None are told."""
        return {}

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def traits(self, topics: Sequence[str]) -> Mapping[str, Traits]:
        """Each has so many partitions as are known."""
        return {topic: Traits(compacted=False, partitions=self._count(topic)) for topic in topics if self._count(topic)}

    def log_start(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        """Nothing was removed yet."""
        return {at: Start(offset=0) for at in partitions}

    def _count(self, topic: str) -> int:
        return sum(at.topic == topic for at in self.reach)

    def appended(self, positions: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        """All lie there as long."""
        return {at: datetime.now(UTC).timestamp() - self.age for at in positions}


class Connect:
    """Kafka Connect with one connector that runs and one that does not; what is started again is kept.

    `away`: why it does not answer.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away: HeadraceError | None = None

    def all(self) -> Sequence[Connector]:
        """Both."""
        if self.away is not None:
            raise self.away
        why = ("org.apache.kafka.connect.errors.ConnectException",)
        return [
            Connector(name="billing-source", kind="source", state="RUNNING",
                      tasks=(Task(id=0, state="FAILED", failure=why),), topics=frozenset({"billing"})),
            Connector(name="shop-source", kind="source", state="RUNNING", tasks=(Task(id=0, state="RUNNING"),)),
        ]  # fmt: skip

    def restart(self, name: str, task: int | None = None) -> bool:
        """Those that there are."""
        self.asked.append(name)
        return any(one.name == name for one in self.all())

    def close(self) -> None:
        """Nothing is open."""


class Shop:
    """A group with a pipeline `orders`, and what is in its control schema."""

    def __init__(
        self, session: psycopg.Connection, dsn: str, group: str, schema: str, line: Pipeline, masks: Sequence[str] = ()
    ) -> None:
        self.session, self.dsn, self.group, self.schema, self.line = session, dsn, group, schema, line
        self.logs, self.connect = Logs(), Connect()
        self.around = Around(group=group, topic=line.at.topic, connectors=())
        self.masks = tuple(masks)
        # nearly all files that the process may have are open
        self.crowded = False
        # letters that pictures show, by what they are for
        self.shown: dict[str, int] = {}
        # what the source was asked for, if it can be
        self.signals_go, self.signals = True, list[bytes]()
        self.appends = ""

    @property
    def doors(self) -> Doors:
        """Desks as the program opens them, on real sessions."""
        settings = SessionSettings(dsn=self.dsn, worker="admin")
        return Doors(
            desk=lambda: closing(PostgresDesk(settings, self.group, discard)),
            control=lambda: closing(PostgresControl(settings, self.group)),
            letters=self._letters,
            jobs=self._jobs,
            connectors=self._connectors,
            doctor=self._doctor,
            survey=lambda: closing(PostgresControl(settings, self.group)),
            positions=self._positions,
            source=self._source,
            recoveries=lambda: closing(PostgresRecoveries(settings, self.group)),
            repairs=self._repairs,
            has_connect=True,
            offsets=lambda: self.logs,
            ages=lambda: self.logs,
            lane=lambda topic: topic.endswith(".retry"),
            settings=lambda: {"kafka": {"group": self.group}},
            about={"group": self.group, "version": "1"},
            crowded=lambda: self.crowded,
        )

    def bad(self, number: int, **row: Any) -> int:
        """A record that does not fit its column's rule becomes a letter, dead; returns its id."""
        given = {"id": number, "customer": "Ada", "status": "far too long a word", "price": 12, "note": None}
        self.line.apply(("c", {**given, **row}))
        ((letter,),) = self.session.execute(
            "SELECT max(id) FROM headrace.letters WHERE group_name = %s", (self.group,)
        ).fetchall()
        # whatever comes next of it, is a person's
        self.session.execute("UPDATE headrace.letters SET state = 'dead', due_at = NULL WHERE id = %s", (letter,))
        return int(letter)

    def state(self, letter: int) -> str:
        """A letter's."""
        ((state,),) = self.session.execute("SELECT state FROM headrace.letters WHERE id = %s", (letter,)).fetchall()
        return str(state)

    def audit(self) -> list[tuple[str, str, str]]:
        """Who did what, and why, oldest first."""
        query = "SELECT actor, action, reason FROM headrace.audit WHERE group_name = %s ORDER BY id"
        return [(row[0], row[1], row[2]) for row in self.session.execute(query, (self.group,))]

    def job(self, letters: Sequence[int]) -> int:
        """A job of letters that no worker has taken."""
        order = Order(
            selection=Selection(ids=tuple(letters)), rules=Rules(), expect=len(letters), said=Note("me", "ticket 1")
        )
        return create(self.session, self.group, order)

    def stop(self) -> None:
        """Its partition is stopped, as its owner would."""
        why = failed(KINDS["table.approval"], "evolver", "bind", "the table lacks a column")
        said = {"kind": why.kind, "detail": why.detail, "remedy": why.remedy}
        self.session.execute(
            "UPDATE headrace.positions SET stopped = %s WHERE group_name = %s AND topic = %s",
            (Jsonb(said), self.group, self.line.at.topic),
        )

    def plan(self) -> int:
        """A change of its table that waits for a person."""
        query = """
        INSERT INTO headrace.schema_changes
            (group_name, table_name, topic, schema_id, change, statement, why, goal, state, kind, reason, remedy)
        VALUES (%s, %s, %s, 3, 'add column', %s, 'the source has a new column gift', %s, 'planned', 'table.approval',
            'it adds a column', 'Look at it, and agree to it.') RETURNING id
        """
        table = f"{self.schema}.orders"
        said = (
            self.group,
            table,
            self.line.at.topic,
            f"ALTER TABLE {table} ADD COLUMN gift boolean",
            f"gift {self.group}",
        )
        ((number,),) = self.session.execute(query, said).fetchall()
        return int(number)

    def compared(self) -> int:
        """A comparison that has found rows which differ."""
        settings = SessionSettings(dsn=self.dsn, worker="admin")
        with closing(PostgresRecoveries(settings, self.group)) as desk:
            number = desk.start(RECONCILE, {"tables": [f"{self.schema}.orders"]}, Note("ada", "the totals look odd"))
        self.differing(number)
        done = "SET state = 'done', ended_at = now()"
        self.session.execute(f"UPDATE headrace.workflows {done} WHERE id = %s".encode(), (number,))
        self.session.execute(f"UPDATE headrace.workflow_steps {done} WHERE workflow_id = %s".encode(), (number,))
        return number

    def differing(self, number: int) -> None:
        """Rows that a comparison has found."""
        progress = {"source": "shop.orders", "key": ["id"], "rows": 41}
        update = "UPDATE headrace.workflow_steps SET progress = %s WHERE workflow_id = %s"
        self.session.execute(update, (Jsonb(progress), number))
        insert = """
        INSERT INTO headrace.differing_keys (workflow_id, step, key, verdict, columns) VALUES (%s, 1, %s, %s, %s)
        """
        for key, verdict in (("7", "missing"), ("it's", "different"), ("9", "extra")):
            columns = ["status"] if verdict == "different" else []
            self.session.execute(insert, (number, [key], verdict, columns))

    def failed_batch(self) -> int:
        """A batch that was refused and not applied since."""
        why = failed(KINDS["table.approval"], "evolver", "bind", "the table lacks a column")
        error = {"kind": why.kind, "detail": why.detail, "remedy": why.remedy, "code": "42703"}
        at, start = self.line.at, self.line.next_offset
        query = """
        INSERT INTO headrace.batches
            (group_name, state, attempt, worker, records, ranges, error, started_at, finished_at)
        VALUES (%s, 'failed', 1, 'worker-1', 20, %s, %s, clock_timestamp() - interval '1 s', clock_timestamp())
        RETURNING id
        """
        ranges = [[at.topic, at.partition, start, start + 20, 1]]
        ((number,),) = self.session.execute(query, (self.group, Jsonb(ranges), Jsonb(error))).fetchall()
        return int(number)

    def worker(self, *, away: bool = False) -> None:
        """A worker that reports itself, maybe one that does not ask the registry."""
        state = BreakerState.OPEN if away else BreakerState.CLOSED
        last = failed(KINDS["registry.away"], "registry", "get schema", "no answer within 10 s") if away else None
        breakers = [
            BreakerStatus(name="target", state=BreakerState.CLOSED, since=datetime.now(UTC), failures=0, last=None),
            BreakerStatus(name="registry", state=state, since=datetime.now(UTC), failures=3 if away else 0, last=last),
        ]
        report = Report(
            state="running", every=3600.0, partitions={self.line.at: 500},
            batch=InHand(partitions=1, records=20, seconds=0.5), queue_batches=1, queue_bytes=4096, rss_bytes=180 << 20,
            breakers=breakers,
        )  # fmt: skip
        settings = SessionSettings(dsn=self.dsn, worker="worker-1")
        with closing(PostgresBoard(settings, self.group, "1.2", CircuitBreaker("target"))) as board:
            board.report(report)

    @contextmanager
    def _letters(self) -> Iterator[LetterDesk]:
        with closing(connect(SessionSettings(dsn=self.dsn, worker="letters"))) as session:
            world = World(
                {1: self.line.keys.text, 2: self.line.values.text}, lambda name: None, address=self.line.at.topic
            )
            sources = Sources(registry=world, fetch=lambda ref, known: None, mask=Mask(self.masks))
            weigher = Weigher(self.line.planner, self.line.binder, self.line.known)
            yield LetterDesk(session, self.group, sources, lambda: weigher)

    @contextmanager
    def _connectors(self) -> Iterator[ConnectDesk]:
        with closing(PostgresControl(SessionSettings(dsn=self.dsn, worker="admin"), self.group)) as audit:
            yield NotedConnectors(self.connect, audit)

    @contextmanager
    def _doctor(self) -> Iterator[Callable[[], finding.Report]]:
        with closing(PostgresExamining(SessionSettings(dsn=self.dsn, worker="doctor"), self.group)) as target:
            self.around.connectors = self.connect.all()
            yield lambda: examined(self.around, target)

    @contextmanager
    def _positions(self) -> Iterator[Positions]:
        settings = SessionSettings(dsn=self.dsn, worker="admin")
        with closing(PostgresDesk(settings, self.group, discard)) as desk:
            yield MovedPositions(desk, lambda: self.logs)

    @contextmanager
    def _source(self) -> Iterator[SourceDesk]:
        if not self.signals_go:
            raise Undecidable("source.topic_prefix is not set, so no connector would take a signal")

        channel = Channel(dialect=Dialect.POSTGRESQL, send=self.signals.append)
        with self._letters() as letters:
            yield SourceDesk(letters.connection, letters.group, letters.sources, channel)

    @contextmanager
    def _repairs(self) -> Iterator[RepairDesk]:
        with self._source() as source:
            yield RepairDesk(source.connection, self.group, source.channel, lambda _: self.appends)

    @contextmanager
    def _jobs(self) -> Iterator[JobDesk]:
        with closing(connect(SessionSettings(dsn=self.dsn, worker="jobs"))) as session:
            yield JobDesk(session, self.group, Rules())


Shops = Callable[..., Shop]


def make_shop(
    session: psycopg.Connection,
    dsn: str,
    pool: TargetPool,
    sink: PostgresSink,
    names: tuple[str, str],
    masks: Sequence[str] = (),
) -> Shop:
    """A shop with one order that is there; `names`: group and schema."""
    group, schema = names
    columns = "id bigint PRIMARY KEY, customer text, status varchar(12), price bigint CHECK (price >= 0), note text"
    session.execute(f"CREATE TABLE {schema}.orders ({columns})")
    checks = {f"{schema}.orders": {"status": Checks(max_length=12), "customer": Checks(max_length=20)}}
    line = Pipeline(sink, PostgresCatalog(pool, group), schema, FIELDS, checks=checks)
    query = (
        "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
    )
    session.execute(query, (group, f"{schema}.orders", line.at.topic))
    line.apply(("c", {"id": 1, "customer": "Ada", "status": "paid", "price": 12, "note": "first"}))
    shop = Shop(session, dsn, group, schema, line, masks)
    shop.logs.reach[line.at] = line.next_offset
    return shop
