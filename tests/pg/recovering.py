"""A group whose positions, tables and recoveries are a test's."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from consumer.core.workflow import State
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.ports.desk import Note
from consumer.ports.recovering import Workflow
from tests.pg.turning_child import NEW_ID, Logs, acts

NOTE = Note("me", "ticket 1")


TOPIC = "shop.orders"


@dataclass
class Group:
    """A group with two partitions of a topic, at offsets 50 and 60."""

    session: psycopg.Connection
    server: str
    pool: TargetPool
    name: str

    def known(self, topic_id: str = NEW_ID) -> None:
        """Have them there."""
        for partition, offset in ((0, 50), (1, 60)):
            self.session.execute(
                "INSERT INTO headrace.positions (group_name, topic, partition, topic_id, next_offset, epoch) "
                "VALUES (%s, %s, %s, %s, %s, 7)",
                (self.name, TOPIC, partition, topic_id, offset),
            )
        table = (self.name, f"public.{self.name}", TOPIC)
        self.session.execute("INSERT INTO headrace.target_tables VALUES (%s, %s, %s)", table)

    def start(self, kind: str, **subject: Any) -> int:
        """A workflow."""
        with closing(PostgresRecoveries(SessionSettings(dsn=self.server, worker="desk"), self.name)) as desk:
            return desk.start(kind, {"topic": TOPIC, **subject}, NOTE)

    def taken(self, number: int, appends: Mapping[str, str] | None = None, logs: Logs | None = None) -> Workflow:
        """The workflow, when no turn is to be taken any more; the positions run on meanwhile, as a worker has them."""
        takes = PostgresWorkflows(self.pool, self.name, acts(self.name, appends or {}, logs))
        for _ in range(50):
            self.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
            turned = takes.turn(number)
            if turned is None or turned.state not in (State.PLANNED, State.RUNNING):
                break
            if turned.act == "reach" or "goal" in turned.turn.progress:
                self.work()
        with closing(PostgresRecoveries(SessionSettings(dsn=self.server, worker="desk"), self.name)) as desk:
            found = desk.workflow(number)
        assert found is not None
        return found

    def work(self) -> None:
        """A worker comes to the ends, or to where a skipped range begins."""
        first = """SELECT (s.subject ->> 'first')::int FROM headrace.workflow_steps s
            JOIN headrace.workflows w ON w.id = s.workflow_id WHERE w.group_name = %s AND s.act = 'skip'"""
        found = self.session.execute(first, (self.name,)).fetchone()
        self.session.execute(
            "UPDATE headrace.positions SET next_offset = greatest(next_offset, %s) WHERE group_name = %s",
            (found[0] if found else 100, self.name),
        )

    def stop(self, kind: str | None = "table.missing") -> None:
        """Something stops its partitions, or nothing does any more."""
        stopped = None if kind is None else Jsonb({"kind": kind})
        self.session.execute("UPDATE headrace.positions SET stopped = %s WHERE group_name = %s", (stopped, self.name))

    def set(self) -> list[tuple[int, int]]:
        """Which partitions were set by hand, and to where, in order."""
        query = """SELECT partition, (details ->> 'to')::int FROM headrace.audit
            WHERE group_name = %s AND action = 'set position' ORDER BY id"""
        return [(row[0], row[1]) for row in self.session.execute(query, (self.name,))]

    def epochs(self) -> list[int]:
        """The fences of both partitions."""
        query = "SELECT epoch FROM headrace.positions WHERE group_name = %s ORDER BY partition"
        return [row[0] for row in self.session.execute(query, (self.name,))]
