"""A process that takes turns of a workflow, and kills itself at a point of one: DSN GROUP WORKFLOW TURN POINT."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing

import psycopg

from consumer.core.records import TopicPartition
from consumer.core.workflow import Task, Turn
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.moves import PositionActs
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.renaming import RenamingActs
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.workflows import Act, PostgresWorkflows
from consumer.ports.target import Start
from consumer.ports.topics import Traits
from dlq.actions import discard

POINTS = ("in front of the act", "behind the act", "behind the commit")
END, NEW_ID = 100, "new"


class Logs:
    """Two partitions of 100 records; the first 10 are gone. Implements what acts ask of `Moments`."""

    def ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """All end alike."""
        return dict.fromkeys(partitions, END)

    def log_start(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        """All begin alike."""
        return {at: Start(offset=10) for at in partitions}

    def since(self, partitions: Sequence[TopicPartition], moment: float) -> Mapping[TopicPartition, int]:
        """The offset is the minute of the day."""
        return dict.fromkeys(partitions, int(moment // 60 % 1440))

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str]:
        """The topic of now."""
        return dict.fromkeys(topics, NEW_ID)

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def traits(self, topics: Sequence[str]) -> Mapping[str, Traits]:
        """Two partitions."""
        return dict.fromkeys(topics, Traits(compacted=False, partitions=2))


def acts(group: str, appends: Mapping[str, str], logs: Logs | None = None) -> dict[str, Act]:
    """The program's acts on these logs."""
    renaming = RenamingActs(group, 1.0, lambda table, to: True)
    moves = PositionActs(group, lambda: logs or Logs(), lambda table: appends.get(table, ""), discard)
    return {
        "move": moves.move,
        "skip": moves.skip,
        "reach": moves.reach,
        "erase": moves.erase,
        "rename": renaming.rename,
        "settings": renaming.settings,
        "unpause": renaming.unpause,
    }


def _killing(act: Act, point: str) -> Act:
    def killed(connection: psycopg.Connection, task: Task) -> Turn:
        if point == POINTS[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        turn = act(connection, task)
        if point == POINTS[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        return turn

    return killed


def take_turns(dsn: str, pool: TargetPool, group: str, plain: dict[str, Act], words: Sequence[str]) -> None:
    """Take turns up to the one that is not survived, by WORKFLOW TURN POINT; end with 3 when there is no such one."""
    workflow, turn, point = words
    deadly = {name: _killing(act, point) for name, act in plain.items()}
    for number in range(int(turn) + 1):
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (workflow,))
        last = number == int(turn)
        if PostgresWorkflows(pool, group, deadly if last else plain).turn(int(workflow)) is None:
            sys.exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Take turns of what sets positions."""
    dsn, group, *words = sys.argv[1:]
    with closing(TargetPool(SessionSettings(dsn=dsn, worker="child"), CircuitBreaker("t"), PoolLimits(size=1))) as pool:
        take_turns(dsn, pool, group, acts(group, {}), words)


if __name__ == "__main__":
    main()
