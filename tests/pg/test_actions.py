"""What a person does with letters: given up, with what waits for them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from consumer.stack.waiting import wait_until
from dlq.actions import discard

_LETTER = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy,
    table_name, digest_a, digest_b
) VALUES (%s, 'grown', %s, %s, %s, 'record.check', 'persistent', 'test', 'test', 'd', 'r', 's.t', 1, 1)
RETURNING id
"""


def write(session: psycopg.Connection, group: str, places: Sequence[tuple[str, int, int, str]]) -> dict[str, int]:
    """Letters of one row, in the order in which they failed; their ids by name."""
    ids = {}
    for name, partition, offset, state in places:
        ((ids[name],),) = session.execute(_LETTER, (group, partition, offset, state)).fetchall()
    return ids


def test_what_waits_in_another_partition_is_given_up_too(session: psycopg.Connection, group: str) -> None:
    """A key moves when its topic grows; offsets of two partitions say nothing about each other."""
    places = (("older", 0, 3, "held"), ("front", 0, 50, "dead"), ("behind", 1, 7, "held"), ("last", 1, 8, "held"))
    ids = write(session, group, places)
    done = discard(session, group, [ids["front"]], "known nonsense")

    assert done.changed == (ids["front"], ids["behind"], ids["last"])
    query = "SELECT state FROM headrace.letters WHERE id = %s"
    assert session.execute(query, (ids["older"],)).fetchone() == ("held",)


@pytest.mark.parametrize("state", ["retrying", "dead", "replaying"])
def test_what_waits_for_another_letter_is_not_given_up(session: psycopg.Connection, group: str, state: str) -> None:
    """A full image behind the letter may still be applied, and with it what waits for that one."""
    places = (("front", 0, 3, "dead"), ("waits", 0, 4, "held"), ("whole", 0, 5, state), ("behind", 0, 6, "held"))
    ids = write(session, group, places)

    assert discard(session, group, [ids["front"]], "known nonsense").changed == (ids["front"], ids["waits"])
    assert discard(session, group, [ids["whole"]], "as well").changed == (ids["whole"], ids["behind"])


def test_what_a_batch_puts_behind_a_letter_meanwhile_is_given_up_with_it(
    server: str, session: psycopg.Connection, group: str
) -> None:
    """The batch holds the letter in front until it commits; nothing would set free what it leaves behind that."""
    ids = write(session, group, [("front", 0, 3, "dead")])
    with psycopg.connect(server) as batch, ThreadPoolExecutor(1) as thread:
        batch.execute("SELECT FROM headrace.letters WHERE id = %s FOR UPDATE", (ids["front"],))
        with psycopg.connect(server) as person:
            done = thread.submit(discard, person, group, [ids["front"]], "known nonsense")
            waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
            pid = person.info.backend_pid
            assert wait_until(lambda: done.done() or session.execute(waits, (pid,)).fetchone() is not None, 20)
            late = write(batch, group, [("late", 0, 4, "held")])
            batch.commit()
            assert done.result(20).changed == (ids["front"], late["late"])
