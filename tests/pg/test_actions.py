"""What a person does with letters: given up, with what waits for them."""

import psycopg

from dlq.actions import discard

_LETTER = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy,
    table_name, digest_a, digest_b
) VALUES (%s, 'grown', %s, %s, %s, 'record.check', 'persistent', 'test', 'test', 'd', 'r', 's.t', 1, 1)
RETURNING id
"""


def test_what_waits_in_another_partition_is_given_up_too(session: psycopg.Connection, group: str) -> None:
    """A key moves when its topic grows; offsets of two partitions say nothing about each other."""
    places = (("older", 0, 3, "held"), ("front", 0, 50, "dead"), ("behind", 1, 7, "held"), ("last", 1, 8, "held"))
    ids = {}
    for name, partition, offset, state in places:
        row = session.execute(_LETTER, (group, partition, offset, state)).fetchone()
        assert row is not None
        ids[name] = row[0]
    done = discard(session, group, [ids["front"]], "known nonsense")

    assert done.changed == (ids["front"], ids["behind"], ids["last"])
    query = "SELECT state FROM headrace.letters WHERE id = %s"
    assert session.execute(query, (ids["older"],)).fetchone() == ("held",)
