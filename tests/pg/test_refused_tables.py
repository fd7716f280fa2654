"""Several tables that refuse rows of one batch."""

import psycopg

from consumer.ports.facts import Fact, Numbered
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Sinks

_BATCHES = "SELECT state, records FROM headrace.batches WHERE group_name = %s ORDER BY id"
_LETTERS = "SELECT count(*) FROM headrace.letters WHERE group_name = %s"


def test_they_are_all_found_in_its_third_try(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str, group: str
) -> None:
    """However many they are; the batch stays whole, and the next one is applied at once."""
    topics = [f"t{number}" for number in range(6)]
    for topic in topics:
        session.execute(f"CREATE TABLE {schema}.{topic} (id bigint PRIMARY KEY, word text CHECK (word <> 'bad'))")
    facts: list[Fact] = []
    sink = sinks()
    sink.tell = facts.append
    applying = Applying(sink, catalogs(), schema, topics)
    applying.offer({topic: [("c", 1, "bad"), ("c", 2, "good")] for topic in topics})
    applying.turns(lambda _: session.execute(_LETTERS, (group,)).fetchone() == (6,))

    tries = [type(fact).__name__ for fact in facts if not isinstance(fact, Numbered)]
    assert tries == ["Undone", "Undone", "Committed"]
    applying.offer({topic: [("c", 3, "bad")] for topic in topics})
    applying.turns(lambda _: session.execute(_LETTERS, (group,)).fetchone() == (12,))
    tries = [type(fact).__name__ for fact in facts if not isinstance(fact, Numbered)]
    assert tries == ["Undone", "Undone", "Committed", "Committed"], "they are written so that such rows are found"
    assert session.execute(_BATCHES, (group,)).fetchall() == [("applied", 12), ("applied", 6)]
    for topic in topics:
        assert session.execute(f"SELECT id FROM {schema}.{topic}".encode()).fetchall() == [(2,)]
