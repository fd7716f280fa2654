"""Edits of letters: the original stays, the edited record is what a replay sends, every patch is kept."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from consumer.core.failure import Persistent
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.target import TableName
from consumer.edges.postgres import letter_bytes
from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.standing import read
from dlq.actions import replay
from dlq.edit import NotEdited, edit, editable
from dlq.image import read_image
from dlq.masking import Mask
from tests.pg.landing import Landing
from tests.pg.lettered import opened
from tests.pg.words import AWAY, CANARY, FIELDS, KEYS, REGISTRY, SOURCES, VALUES, WORD, Bad, last
from tests.unit.world import World


def kept(session: psycopg.Connection, letter: int) -> tuple[Any, ...]:
    """Value, edited value and edits of a letter."""
    query = "SELECT value, edited, edit FROM headrace.letter_bytes WHERE letter_id = %s"
    row = session.execute(query, (letter,)).fetchone()
    assert row is not None
    return row


def test_edits_follow_one_another_and_the_original_stays(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """The second begins with what the first left; both patches are kept, with who and when, in their order."""
    letter = bad()
    original = kept(session, letter)[0]
    assert editable(session, group, letter, SOURCES).values == {"id": 1, "word": CANARY}
    assert edit(session, group, letter, WORD, "ann", SOURCES) == ("word",)
    second = [
        {"op": "test", "path": "/after/word", "value": "good"},
        {"op": "replace", "path": "/after/word", "value": "better"},
    ]
    assert edit(session, group, letter, second, "ben", SOURCES) == ("word",)

    value, edited, edits = kept(session, letter)
    assert value == original
    assert edited[:5] == original[:5]
    assert read_image(edited, VALUES).values == {"id": 1, "word": "better"}
    assert [(each["who"], each["patch"]) for each in edits] == [("ann", WORD), ("ben", second)]
    assert edits[0]["at"] < edits[1]["at"]


def test_an_empty_patch_changes_nothing(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """Byte for byte."""
    letter = bad()
    assert edit(session, group, letter, [], "ann", SOURCES) == ()
    value, edited, _ = kept(session, letter)
    assert edited == value


def test_a_replay_takes_the_edited_record(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """As the lane reads it; the letter can't be edited any more then."""
    letter = bad()
    edit(session, group, letter, WORD, "ann", SOURCES)
    assert replay(session, group, [letter]).changed == (letter,)
    query = 'SELECT topic, partition, "offset" FROM headrace.letters WHERE id = %s'
    ((topic, partition, offset),) = session.execute(query, (letter,)).fetchall()
    standing = read(session, group, [RecordRef(TopicPartition(topic, partition), offset)])
    (record,) = letter_bytes.read(session, standing)
    assert record.value == kept(session, letter)[1]
    with pytest.raises(NotEdited, match="is replaying"):
        edit(session, group, letter, WORD, "ann", SOURCES)


def test_schemas_that_were_kept_need_no_registry(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """What is not kept either is the registry's failure."""
    letter = bad()
    with pytest.raises(Persistent):
        edit(session, group, letter, WORD, "ann", replace(SOURCES, registry=AWAY))
    insert = "INSERT INTO headrace.schemas (registry, id, schema) VALUES ('away', %s, %s) ON CONFLICT DO NOTHING"
    for number, text in ((1, KEYS), (2, VALUES)):
        session.execute(insert, (number, text))
    try:
        assert edit(session, group, letter, WORD, "ann", replace(SOURCES, registry=AWAY)) == ("word",)
    finally:
        session.execute("DELETE FROM headrace.schemas WHERE registry = 'away'")


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ([{"op": "replace", "path": "/after/id", "value": 2}], "after.id: it says which row this is"),
        ([{"op": "remove", "path": "/after/id"}], "after.id: it is missing"),
        ([{"op": "replace", "path": "/op", "value": "d"}], "must lie under /after/"),
        ([{"op": "replace", "path": "/after/word", "value": 7}], "after.word: it is text"),
        ([{"op": "test", "path": "/after/word", "value": "x"}], "operation 1 (test of after.word): the value is"),
    ],
)  # fmt: skip
def test_what_an_edit_may_not_change(session: psycopg.Connection, bad: Bad, group: str, patch: Any, said: str) -> None:
    """Nothing is written, and no value is said."""
    letter = bad()
    with pytest.raises(NotEdited) as caught:
        edit(session, group, letter, patch, "ann", SOURCES)
    assert said in str(caught.value)
    assert CANARY not in str(caught.value)
    assert kept(session, letter)[1:] == (None, None)


@pytest.mark.parametrize("guess", [CANARY, "another word"])
def test_a_masked_column_is_written_unseen(
    session: psycopg.Connection, bad: Bad, group: str, word_table: TableName, guess: str
) -> None:
    """Whether what is written was there before, nothing says; nor does it of a key."""
    letter = bad()
    masked = replace(SOURCES, mask=Mask([f"{word_table}.word", f"{word_table}.id"]))
    patch = [{"op": "replace", "path": "/after/word", "value": guess}]
    assert edit(session, group, letter, patch, "ann", masked) == ("word",)
    for number in (1, 2):
        with pytest.raises(NotEdited, match="it says which row this is"):
            edit(session, group, letter, [{"op": "replace", "path": "/after/id", "value": number}], "ann", masked)
    with pytest.raises(NotEdited, match="is masked"):
        edit(session, group, letter, [{"op": "test", "path": "/after/word", "value": guess}], "ann", masked)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE headrace.letters SET state = 'retrying' WHERE id = %s", "is retrying. Only dead letters"),
        ("UPDATE headrace.letters SET group_name = 'other' WHERE id = %s", "there is no letter"),
        ("UPDATE headrace.letter_bytes SET value = NULL WHERE letter_id = %s", "is a tombstone"),
        ("UPDATE headrace.letter_bytes SET value = '' WHERE letter_id = %s", "does not begin with a zero byte"),
        ("UPDATE headrace.letter_bytes SET key = NULL WHERE letter_id = %s", "does not begin with a zero byte"),
    ],
)
def test_which_letters_can_not_be_edited(
    session: psycopg.Connection, bad: Bad, group: str, statement: str, said: str
) -> None:
    """Each is told with what to do instead."""
    letter = bad()
    session.execute(statement.encode(), (letter,))
    with pytest.raises(NotEdited) as caught:
        edit(session, group, letter, WORD, "ann", SOURCES)
    assert said in str(caught.value)


@pytest.mark.parametrize(("op", "said"), [("x", "does not decode"), ("d", "as that of a delete")])
def test_what_has_no_row_can_not_be_edited(
    session: psycopg.Connection, bad: Bad, group: str, op: str, said: str
) -> None:
    """A record that is cut, and a delete."""
    with pytest.raises(NotEdited) as caught:
        edit(session, group, bad(op), WORD, "ann", SOURCES)
    assert said in str(caught.value)
    assert "Ask the source" in caught.value.remedy


def test_a_pointer_has_no_bytes_to_edit(
    session: psycopg.Connection, server: str, word_table: TableName, group: str
) -> None:
    """The record is where it was."""
    with opened(server, group, LetterBounds(inline_bytes=10)) as sink:
        Landing(sink, word_table, FIELDS).apply(("x", {"id": 1, "word": "long" * 10}))
    with pytest.raises(NotEdited, match="only points to its record"):
        edit(session, group, last(session, group), WORD, "ann", SOURCES)


@pytest.mark.parametrize(
    "meanwhile",
    [
        "UPDATE headrace.letters SET state = 'replaying' WHERE id = %s",
        "UPDATE headrace.letters SET attempt = attempt + 1 WHERE id = %s",
        "UPDATE headrace.letter_bytes SET edit = '[{}]' WHERE letter_id = %s",
    ],
)
def test_a_letter_that_moves_meanwhile_is_not_edited(
    session: psycopg.Connection, bad: Bad, group: str, meanwhile: str
) -> None:
    """While the schema was asked for, somebody sent it again or edited it too."""
    letter = bad()

    class Slow(World):
        def schema(self, schema_id: int) -> str:
            session.execute(meanwhile.encode(), (letter,))
            return super().schema(schema_id)

    slow = replace(SOURCES, registry=Slow(schemas=REGISTRY.schemas, table=lambda name: None))
    with pytest.raises(NotEdited, match="changed meanwhile"):
        edit(session, group, letter, WORD, "ann", slow)
    assert kept(session, letter)[1] is None


def test_an_edit_says_who_made_it(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """Without it nothing is looked at."""
    with pytest.raises(NotEdited, match="who made it"):
        edit(session, group, bad(), WORD, " ", SOURCES)
