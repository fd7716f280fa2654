"""What bindings rest on changes while an apply thread runs: by settings that are read again, or by a flag."""

import threading

import psycopg

from consumer.core.records import TopicPartition
from consumer.ports.target import Taken
from consumer.stack.waiting import wait_until
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Sinks

AT = TopicPartition("t", 0)


def test_a_batch_that_was_planned_before_the_change_is_not_applied_behind_it(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str
) -> None:
    """Not even if the thread waited for that very batch when the change was asked for; it is read again."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    applying = Applying(sinks("anew"), catalogs(), schema, [AT.topic])
    changed: list[str] = []

    def meanwhile() -> None:
        wait_until(applying.handover.hungry, 10)
        applying.applier.bind_anew(lambda: changed.append("once"), [AT.topic])
        applying.offer({AT.topic: [("c", 1, "planned before")]})

    other = threading.Thread(target=meanwhile)
    other.start()
    applying.applier.turn(10)
    other.join()
    assert changed == ["once"]
    assert session.execute(f"SELECT * FROM {schema}.t".encode()).fetchall() == []
    assert [(one.at, one.next_offset) for one in applying.handover.notices() if isinstance(one, Taken)] == [(AT, 0)]
