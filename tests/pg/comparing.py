"""A source's table and a target's on one server, compared by the program; the connector between is a test's."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.workflow import State, Task, Turn
from consumer.edges.postgres.differing import PostgresKeys
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.reconcile import PostgresComparison, TableRules
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.source import SourceSettings
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.ports.desk import Note
from consumer.ports.reconcile import Came, Mark
from consumer.ports.recovering import Step, Workflow
from consumer.ports.topics import Moments
from consumer.recovery.reconciling import Limits, Reconciling

NOTE = Note("me", "ticket 1")
LIMITS = Limits(range_rows=100, rate=1e9, settle=0.1, patience=5.0, rounds=3)


@dataclass
class Connector:
    """What is known of the connector, as a test says; `on_look` runs when it is asked."""

    state: Came = Came.CONFIRMED
    confirmed: str = ""
    on_look: Callable[[], None] = lambda: None

    def came(self, _: Mark) -> tuple[Came, str]:
        """As it is said."""
        self.on_look()
        return self.state, self.confirmed

    def ends(self, _: str) -> Mapping[int, int]:
        """Nothing is waited for."""
        return {}

    def reached(self, _: str, __: Mapping[int, int]) -> bool:
        """At once."""
        return True


@dataclass
class Scene:
    """Tables `theirs.t` and `ours.t` of a test, and what is known of how the one became the other."""

    session: psycopg.Connection
    server: str
    pool: TargetPool
    group: str
    theirs: str
    ours: str
    rules: TableRules = field(default_factory=TableRules)
    limits: Limits = LIMITS
    connector: Connector = field(default_factory=Connector)
    opened: list[PostgresComparison] = field(default_factory=list)

    def close(self) -> None:
        """What processes opened."""
        for each in self.opened:
            each.close()

    @property
    def table(self) -> str:
        """The target's."""
        return f"{self.ours}.t"

    def make(self, source: str, target: str, columns: Mapping[str, str] | None = None) -> None:
        """Both tables, of these columns; `columns`: which of the source's are which of the target's."""
        for schema, said in ((self.theirs, source), (self.ours, target)):
            self.session.execute(f"CREATE TABLE {schema}.t ({said})".encode())
        self.know(columns or {name: name for name in self.columns(self.theirs)})

    def know(self, columns: Mapping[str, str], name: str = "t") -> None:
        """Have the control schema know the table."""
        names = Jsonb({"db": "d", "schema": self.theirs, "table": name})
        topic, table = f"{self.theirs}.{name}", f"{self.ours}.{name}"
        self.session.execute("INSERT INTO headrace.target_tables VALUES (%s, %s, %s)", (self.group, table, topic))
        self.session.execute("INSERT INTO headrace.topic_sources VALUES (%s, %s, 1, %s)", (self.group, topic, names))
        self.session.cursor().executemany(
            "INSERT INTO headrace.source_columns VALUES (%s, %s, %s, %s, 1)",
            [(self.group, table, one, other) for one, other in columns.items()],
        )

    def columns(self, schema: str) -> list[str]:
        """Of a side."""
        query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
        return [row[0] for row in self.session.execute(query, (f"{schema}.t",))]

    def do(self, statement: str) -> None:
        """One statement; {s} is the source's table, {t} the target's."""
        self.session.execute(statement.replace("{s}", f"{self.theirs}.t").replace("{t}", self.table).encode())

    def desk(self) -> PostgresRecoveries:
        """For people."""
        return PostgresRecoveries(SessionSettings(dsn=self.server, worker="desk"), self.group)

    def comparison(self) -> PostgresComparison:
        """Both sides of tables, opened by a process."""
        made = PostgresComparison(
            SessionSettings(dsn=self.server, worker="compares"),
            SourceSettings(dsn=self.server),
            self.group,
            lambda _: self.rules,
            lambda *_: {},
        )
        self.opened.append(made)
        return made

    def workflows(self) -> PostgresWorkflows:
        """A process of its own, which takes turns."""
        moments = iter(range(10_000))
        comparison = self.comparison()
        reconciling = Reconciling(comparison.sides, self.connector, self.limits, lambda: next(moments) / 10)

        def act(session: psycopg.Connection, task: Task) -> Turn:
            return reconciling.turn(task, PostgresKeys(session, task.workflow, task.step))

        return PostgresWorkflows(self.pool, self.group, {"reconcile": act})

    def start(self, table: str = "") -> int:
        """A comparison of the table, or of another one."""
        desk = self.desk()
        try:
            return desk.start("reconcile", {"tables": [table or self.table]}, NOTE)
        finally:
            desk.close()

    def taken(self, number: int, workflows: PostgresWorkflows | None = None) -> Workflow:
        """The workflow, when no turn of it is to be taken any more."""
        takes = workflows or self.workflows()
        for _ in range(2_000):
            self.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
            turned = takes.turn(number)
            if turned is None or turned.state not in (State.PLANNED, State.RUNNING):
                break
        desk = self.desk()
        try:
            found = desk.workflow(number)
        finally:
            desk.close()
        assert found is not None
        return found

    def compared(self) -> Step:
        """The table, compared."""
        workflow = self.taken(self.start())
        assert workflow.state == "done", (workflow.state, workflow.why)
        (step,) = workflow.steps
        return step

    def found(self, step: Step) -> dict[tuple[str, ...], tuple[str, tuple[str, ...]]]:
        """What is said of keys: the verdict, and the columns that differ."""
        query = """SELECT k.key, k.verdict, k.columns FROM headrace.differing_keys k
            JOIN headrace.workflows w ON w.id = k.workflow_id WHERE w.group_name = %s AND k.step = %s"""
        rows = self.session.execute(query, (self.group, step.number)).fetchall()
        return {tuple(row[0]): (row[1], tuple(row[2])) for row in rows}


@contextmanager
def opened(session: psycopg.Connection, server: str, pool: TargetPool, group: str, schema: str) -> Iterator[Scene]:
    """A scene of two schemas without tables, closed afterwards."""
    session.execute(f"CREATE SCHEMA {schema}_source".encode())
    made = Scene(session, server, pool, group, f"{schema}_source", schema)
    try:
        yield made
    finally:
        made.close()


def unasked() -> Moments:
    """Stands for logs at which nobody looks."""
    raise AssertionError
