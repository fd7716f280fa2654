"""Letters of a topic that has its schema ids in headers: looked at, edited, and with their bytes as they lay there."""

from base64 import b64encode
from dataclasses import replace

import psycopg
import pytest
from psycopg.types.json import Jsonb

from consumer.core.frames import Frames
from consumer.core.schema_ref import SchemaIds
from dlq.edit import NotEdited, edit
from dlq.image import read_image
from dlq.payload import payload
from dlq.schemas import of_letter, schema_of
from tests.pg.words import CANARY, SOURCES, VALUES, WORD, Bad

HEADERS = replace(SOURCES, frames=Frames(SchemaIds.HEADERS))


@pytest.fixture
def letter(session: psycopg.Connection, bad: Bad) -> int:
    """Its key's schema has the number 1, its value's 2."""
    number = bad()
    ids = {f"apicurio.{part}.globalId": said.to_bytes(8, "big") for part, said in (("key", 1), ("value", 2))}
    headers = Jsonb([[name, b64encode(said).decode()] for name, said in ids.items()])
    session.execute(
        "UPDATE headrace.letter_bytes SET key = substring(key FROM 6), value = substring(value FROM 6), headers = %s"
        " WHERE letter_id = %s",
        (headers, number),
    )
    return number


def test_a_letter_is_shown_by_what_its_headers_say(session: psycopg.Connection, letter: int, group: str) -> None:
    """Its size is that of the record; for who takes its ids to be in front it is what was found."""
    found = payload(session, group, letter, HEADERS)
    assert found is not None
    assert found.key.values == {"id": 1}
    assert found.value.values is not None
    assert found.value.values["after"] == {"id": 1, "word": CANARY}
    assert (found.key.schema_id, found.value.schema_id, found.value.problem) == (1, 2, "")
    size = session.execute("SELECT length(value) FROM headrace.letter_bytes WHERE letter_id = %s", (letter,)).fetchone()
    assert size == (found.value.size,)

    plain = payload(session, group, letter, SOURCES)
    assert plain is not None
    assert "in headers (apicurio.key.globalId)" in plain.key.problem
    # a create begins with a zero byte: it has no row before it
    assert plain.value.values is None


def test_an_edited_record_has_no_frame_either(session: psycopg.Connection, letter: int, group: str) -> None:
    """It is what the lane reads, with the headers that the original has."""
    with pytest.raises(NotEdited, match="zero byte and a schema id"):
        edit(session, group, letter, WORD, "ann", SOURCES)
    assert edit(session, group, letter, WORD, "ann", HEADERS) == ("word",)
    second = [{"op": "replace", "path": "/after/word", "value": "better"}]
    assert edit(session, group, letter, second, "ann", HEADERS) == ("word",)

    query = "SELECT value, edited FROM headrace.letter_bytes WHERE letter_id = %s"
    ((value, edited),) = session.execute(query, (letter,)).fetchall()
    assert read_image(bytes(5) + value, VALUES).values == {"id": 1, "word": CANARY}
    assert read_image(bytes(5) + edited, VALUES).values == {"id": 1, "word": "better"}


def test_its_schema_is_found_for_words(session: psycopg.Connection, letter: int, group: str) -> None:
    """By the first bytes and the headers alone."""
    _, ref = of_letter(session, group, letter, HEADERS.frames)
    assert ref is not None
    assert schema_of(session, HEADERS.registry, ref).text == VALUES
    assert of_letter(session, group, letter, SOURCES.frames)[1] != ref
