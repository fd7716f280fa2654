"""What letters hold, shown: from beside the letter or from the topic, whatever it is, and never what is masked."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from consumer.applying.rereading import Rereading
from consumer.core.letters import Record
from consumer.core.records import RecordRef
from consumer.core.target import TableName
from consumer.core.wording import HIDDEN
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.origins import KafkaOrigins
from consumer.edges.postgres.aside import LetterBounds
from dlq.edit import edit
from dlq.masking import Mask
from dlq.payload import LARGEST_SHOWN, Fetch, Sources, payload
from tests.light.broker import Broker
from tests.pg.landing import Landing
from tests.pg.lettered import opened
from tests.pg.words import AWAY, CANARY, FIELDS, REGISTRY, SOURCES, WORD, Bad, last

LONG = {"id": 1, "word": CANARY * 1000}


def nowhere(ref: RecordRef, known: str | None) -> Record | None:
    """No record is read here."""
    raise AssertionError("its bytes are here")


KEPT = Sources(registry=REGISTRY, fetch=nowhere)


def test_a_kept_record_is_decoded(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """Key and value, with bytes and schema ids; nothing of it is in what a log would say."""
    found = payload(session, group, bad(), KEPT)
    assert found is not None
    assert (found.found, found.key.values, found.key.schema_id) == ("kept", {"id": 1}, 1)
    assert found.value.values is not None
    assert found.value.values["after"] == {"id": 1, "word": CANARY}
    assert found.value.values["op"] == "c"
    assert bytes.fromhex(found.value.hexadecimal or "").endswith(b"c\0")
    assert CANARY not in repr(found)


def test_what_was_edited_is_shown_and_what_it_was(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """The original when asked for."""
    letter = bad()
    edit(session, group, letter, WORD, "ann", SOURCES)
    words = []
    for original in (False, True):
        found = payload(session, group, letter, KEPT, original=original)
        assert found is not None
        assert found.value.values is not None
        words.append((found.found, found.value.values["after"]["word"]))
    assert words == [("edited", "good"), ("kept", CANARY)]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"", "found 0 bytes"),
        (b'{"a": 1}', "found JSON"),
        (b"\xff\xfe\0\x1b[2J", "found a first byte that is not zero"),
        (b"\0\0\0\0\x09abc", "its schema can't be had"),
        (b"\0\0\0\0\x02\x04", "does not decode"),
        (b"\0\0\0\0\x02" + b"\xff" * 20_000, "does not decode"),
    ],
)
def test_what_does_not_decode_says_why(
    session: psycopg.Connection, bad: Bad, group: str, value: bytes, problem: str
) -> None:
    """In words, with its bytes."""
    letter = bad()
    session.execute("UPDATE headrace.letter_bytes SET value = %s WHERE letter_id = %s", (value, letter))
    found = payload(session, group, letter, KEPT)
    assert found is not None
    assert problem in found.value.problem
    assert found.value.size == len(value)
    shown, _, more = (found.value.hexadecimal or "").partition("…")
    assert bytes.fromhex(shown) == value[:LARGEST_SHOWN]
    assert bool(more) == (len(value) > LARGEST_SHOWN)


def test_a_cut_record_is_shown_as_far_as_it_goes(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """With the field at which it breaks."""
    found = payload(session, group, bad("x"), KEPT)
    assert found is not None
    assert (found.value.field, found.value.values["after"]["word"]) == ("ts_ms", CANARY)


def test_a_tombstone_has_no_value(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """And nothing is wrong with that."""
    letter = bad()
    session.execute("UPDATE headrace.letter_bytes SET value = NULL WHERE letter_id = %s", (letter,))
    found = payload(session, group, letter, KEPT)
    assert found is not None
    assert (found.value.size, found.value.problem) == (None, "")


def test_a_registry_that_is_away_leaves_the_bytes(session: psycopg.Connection, bad: Bad, group: str) -> None:
    """And says so."""
    found = payload(session, group, bad(), Sources(registry=AWAY, fetch=nowhere))
    assert found is not None
    assert "schema can't be had" in found.value.problem
    assert found.value.hexadecimal


def test_what_is_masked_never_leaves(session: psycopg.Connection, bad: Bad, group: str, word_table: TableName) -> None:
    """Neither as a value nor as bytes, nor in headers."""
    letter = bad()
    headers = '[["h", "Y2FuYXJ5"], ["none", null]]'
    session.execute("UPDATE headrace.letter_bytes SET headers = %s WHERE letter_id = %s", (headers, letter))
    masked = Sources(registry=REGISTRY, fetch=nowhere, mask=Mask([f"{word_table}.word"]))
    found = payload(session, group, letter, masked)
    assert found is not None
    assert found.value.values is not None
    assert found.value.values["after"] == {"id": 1, "word": HIDDEN}
    assert (found.value.hexadecimal, found.key.hexadecimal) == (None, None)
    assert found.headers == (("h", HIDDEN), ("none", None))
    plain = payload(session, group, letter, KEPT)
    assert plain is not None
    assert plain.headers == (("h", "canary"), ("none", None))


@pytest.fixture
def pointer(session: psycopg.Connection, server: str, group: str, word_table: TableName) -> Iterator[Landing]:
    """The topic of a letter that only points to its record."""
    with opened(server, group, LetterBounds(inline_bytes=10)) as sink:
        landing = Landing(sink, word_table, FIELDS)
        landing.apply(("x", LONG))
        yield landing


def fetching(broker: Broker, group: str) -> Rereading:
    """Reads records of the broker."""
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap, group=group, topics=(), request_timeout=5)
    return Rereading(KafkaOrigins(settings), KafkaOffsets(settings))


def test_a_pointers_record_is_read_at_its_origin(session: psycopg.Connection, pointer: Landing, group: str) -> None:
    """As it lies there; when it is gone, that is said."""
    broker = Broker()
    key, value = pointer.record("c", LONG)
    broker.create(pointer.at.topic, [value, value], pointer.at.partition + 1, [key, key])
    with closing(fetching(broker, group)) as origins:
        fetch: Fetch = origins.fetch
        found = payload(session, group, last(session, group), Sources(registry=REGISTRY, fetch=fetch))
        assert found is not None
        assert found.found == "origin"
        assert found.value.values is not None
        assert str(found.value.values["after"]["word"]).startswith(CANARY * 10)
        broker.delete_before(pointer.at.topic, 1, pointer.at.partition)
        gone = payload(session, group, last(session, group), Sources(registry=REGISTRY, fetch=fetch))
        assert gone is not None
        assert (gone.found, gone.value.size) == ("gone", None)
        assert "not in its topic any more" in gone.value.problem


def test_of_another_group_nothing_is_shown(session: psycopg.Connection, bad: Bad) -> None:
    """Not even that it is there."""
    assert payload(session, "somebody-else", bad(), KEPT) is None
