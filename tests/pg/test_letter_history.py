"""One letter in full: how it failed before, who did what with it, and what stands in front of and behind it."""

import psycopg
import pytest

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.letters import State, Verdict
from consumer.core.target import TableName
from consumer.edges.postgres import standing
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.letters import prune
from consumer.edges.postgres.sink import PostgresSink
from dlq.edit import edit
from dlq.history import whole
from tests.pg.landing import Landing
from tests.pg.lettered import opened
from tests.pg.test_actions import write
from tests.pg.words import CANARY, FIELDS, SOURCES, WORD, Bad, last

CHECK = failed(KINDS["record.check"], "postgres", "upsert", "refused again", code="23514")
NULL = failed(KINDS["record.null"], "postgres", "upsert", "no value", code="23502")


def test_ways_in_which_a_letter_failed_before_are_kept(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """Each once, with how often and when; the last one is the letter's own."""
    letter = bad()
    for attempt, failure in enumerate((CHECK, CHECK, NULL), 1):
        session.execute("UPDATE headrace.letters SET state = 'retrying' WHERE id = %s", (letter,))
        verdict = Verdict(id=letter, attempt=attempt, state=State.DEAD, failure=failure)
        assert standing.settle(session, [verdict])
    found = whole(session, group, letter)
    assert found is not None
    assert (found.letter.kind, found.letter.attempt) == ("record.null", 4)
    assert [(one.kind, one.code, one.times) for one in found.failures] == [
        ("record.check", "", 1),
        ("record.check", "23514", 2),
    ]
    assert all(one.first_at <= one.last_at <= found.letter.failed_at for one in found.failures)


@pytest.mark.parametrize("foreign_keys", ["origin", "replica"])
def test_what_is_kept_of_a_letter_goes_with_it(
    session: psycopg.Connection, bad: Bad, group: str, foreign_keys: str
) -> None:
    """Also where no foreign key deletes it."""
    letter = bad()
    session.execute("UPDATE headrace.letters SET state = 'retrying' WHERE id = %s", (letter,))
    assert standing.settle(session, [Verdict(id=letter, attempt=1, state=State.DEAD, failure=CHECK)])
    session.execute("UPDATE headrace.letters SET closed_at = now() - interval '2 h' WHERE id = %s", (letter,))
    session.execute("SELECT set_config('session_replication_role', %s, false)", (foreign_keys,))
    assert not prune(session, group, 1.0, 10)
    for name in ("letter_bytes", "letter_failures"):
        query = f"SELECT count(*) FROM headrace.{name} WHERE letter_id = %s"
        assert session.execute(query.encode(), (letter,)).fetchone() == (0,)
    assert whole(session, group, letter) is None


def test_edits_are_told_by_their_columns(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """Values are not in it."""
    letter = bad()
    edit(session, group, letter, WORD, "ann", SOURCES)
    found = whole(session, group, letter)
    assert found is not None
    assert [(one.who, one.columns) for one in found.edits] == [("ann", ("after.word",))]
    assert found.kept is not None
    assert found.kept.edited == found.kept.value - len(CANARY) + len("good")  # type: ignore[operator]
    assert CANARY not in str(found)
    assert "good" not in str(found)


def test_letters_of_the_row_are_named(session: psycopg.Connection, group: str) -> None:
    """Those in front, as far as they are open, and those that wait behind."""
    places = (("closed", 0, 1, "applied"), ("front", 0, 2, "dead"), ("held", 0, 3, "held"),
              ("mine", 0, 4, "held"), ("behind", 0, 5, "held"), ("whole", 0, 6, "retrying"))  # fmt: skip
    ids = write(session, group, places)
    found = whole(session, group, ids["mine"])
    assert found is not None
    assert [one.id for one in found.older] == [ids["front"], ids["held"]]
    assert [one.id for one in found.followers] == [ids["behind"]]


def test_decisions_are_named_newest_first(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """Those about this letter."""
    letter = bad()
    insert = "INSERT INTO headrace.audit (group_name, actor, action, reason, letters) VALUES (%s, 'ann', %s, 'why', %s)"
    for action, ids in (("replay", [letter]), ("discard", [letter + 1]), ("edit", [letter + 1, letter])):
        session.execute(insert, (group, action, ids))
    found = whole(session, group, letter)
    assert found is not None
    assert [(one.actor, one.action, one.reason) for one in found.decisions] == [
        ("ann", "edit", "why"),
        ("ann", "replay", "why"),
    ]


def test_a_pointer_has_no_bytes(session: psycopg.Connection, server: str, word_table: TableName, group: str) -> None:
    """And says so."""
    with opened(server, group, LetterBounds(inline_bytes=10)) as sink:
        Landing(sink, word_table, FIELDS).apply(("x", {"id": 1, "word": "long" * 10}))
    found = whole(session, group, last(session, group))
    assert found is not None
    assert found.kept is None
    assert found.placed


def test_nobody_elses_letter_is_shown(session: psycopg.Connection, bad: Bad, sink: PostgresSink) -> None:
    """A group has its own."""
    assert whole(session, "somebody-else", bad()) is None
