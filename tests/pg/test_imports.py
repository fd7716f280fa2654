"""Dead letters of other consumers: written once with how far their topic was read, and sent again as any letter whose
row is not known; where their headers lead is not believed before the log has shown it.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from consumer.core.failure import HeadraceError
from consumer.core.foreign import Stored
from consumer.core.records import NO_TOPIC_ID, OffsetRange, RecordRef
from dlq.actions import discard
from dlq.history import whole
from dlq.letters import page
from dlq.selection import Selection
from tests.pg.importing import DEAD, ORIGIN, TOLD, Reading, connect, dead, spring


def test_letters_and_how_far_was_read_are_one(reading: Reading, session: psycopg.Connection, group: str) -> None:
    """Dead, unplaced and of the origin that the headers say; the bytes with all headers; nobody publishes a copy."""
    headers = [("__debezium.context", b"x"), *connect(ORIGIN), ("twice", b"\xff"), ("twice", None)]
    assert reading.read(dead(0, headers), dead(1, ())) == Stored(at=DEAD, letters=2, known=0)
    assert reading.letters() == [
        ("shop", 1, 5, "dead", "connect", 0),
        ("sink-dlq", 0, 1, "dead", "unknown", 1),
    ]
    query = (
        "SELECT l.kind, l.component, l.code, l.table_name, l.digest_a, l.failed_at, l.published_attempt >= l.attempt,"
        " b.key, b.value, jsonb_array_length(b.headers) FROM headrace.letters l"
        " JOIN headrace.letter_bytes b ON b.letter_id = l.id WHERE l.group_name = %s ORDER BY l.id LIMIT 1"
    )
    assert session.execute(query, (group,)).fetchall() == [
        ("record.imported", "connect", "DataException", None, None, TOLD, True, b"k", b"v", len(headers))
    ]
    (far,) = reading.imports.far()
    assert (far.next_offset, far.letters, far.known, far.lost) == (2, 2, 0, 0)
    last, first = page(session, group, Selection(kinds=("record.imported",)), most=10)
    assert (first.imported, last.imported) == ("connect", "unknown")
    found = whole(session, group, first.id)
    assert found is not None
    assert found.found == ("sink-dlq", 0, 0)


def test_what_somebody_else_has_read_meanwhile_is_not_written(reading: Reading) -> None:
    """As by a reader that was stopped and woken, or one of an earlier topic of that name."""
    reading.read(dead(0), dead(1))
    assert reading.store(dead(0), dead(1)) is None
    assert reading.store(dead(0), dead(1), dead(2), start=0) is None
    assert reading.store(dead(2), topic_id="second") is None
    assert len(reading.letters()) == 2
    assert reading.imports.far()[0].next_offset == 2


def test_two_readers_of_one_piece_write_it_once(reading: Reading) -> None:
    """Whoever is second finds it written."""
    assert reading.claim() is not None
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: reading.store(dead(0), dead(1)), range(4)))
    assert sorted(0 if one is None else one.letters for one in done) == [0, 0, 0, 2]
    assert len(reading.letters()) == 2


def test_a_transaction_that_is_undone_moves_nothing(reading: Reading, session: psycopg.Connection) -> None:
    """What can't be written stays to be read."""
    assert reading.claim() is not None
    session.execute("ALTER TABLE headrace.letter_bytes ADD CONSTRAINT no_way CHECK (value <> 'refused')")
    try:
        with pytest.raises(HeadraceError):
            reading.store(dead(0), dead(1, value=b"refused"))
    finally:
        session.execute("ALTER TABLE headrace.letter_bytes DROP CONSTRAINT no_way")
    assert reading.letters() == []
    assert reading.imports.far()[0].next_offset == 0
    assert reading.store(dead(0), dead(1, value=b"refused")) == Stored(at=DEAD, letters=2, known=0)


def test_a_partition_is_read_by_one_at_a_time(reading: Reading) -> None:
    """For as long as its claim lasts; what is written gives it back at once."""
    found = reading.claim(end=7, seconds=60)
    assert (found.wanted, found.topic_id) == (OffsetRange(DEAD, 0, 7), "first")
    assert reading.claim(end=7, seconds=60) is None
    assert reading.store(dead(0)) is not None
    assert reading.claim(end=7, seconds=0).wanted == OffsetRange(DEAD, 1, 7)
    assert reading.claim(end=7, seconds=0).wanted == OffsetRange(DEAD, 1, 7)
    assert reading.claim(end=1) is None
    assert reading.imports.claim({}, 60) is None


def test_reading_begins_where_the_log_begins(reading: Reading) -> None:
    """Of a topic that is made anew again; what had left the log before is counted."""
    assert reading.claim(start=3).wanted.start == 3
    assert reading.store(dead(3)) is not None
    assert reading.claim(start=10).wanted.start == 10
    assert reading.imports.far()[0].lost == 6
    assert reading.claim(start=0, topic_id="second").wanted.start == 0
    assert reading.store(dead(0), topic_id="second") is not None
    assert reading.imports.far()[0].lost == 6
    assert [row[5] for row in reading.letters()] == [3, 0]


def test_a_topic_that_gets_an_id_is_read_on(reading: Reading) -> None:
    """Brokers that were replaced by newer ones tell one of each topic, and for a while some do and some do not."""
    assert reading.claim(topic_id=NO_TOPIC_ID).wanted.start == 0
    assert reading.store(dead(0), topic_id=NO_TOPIC_ID) is not None
    for topic_id in ("first", NO_TOPIC_ID, "first"):
        assert reading.claim(topic_id=topic_id).wanted.start == 1
    # retention has come up meanwhile
    assert reading.claim(topic_id=NO_TOPIC_ID, start=3).wanted.start == 3
    assert reading.imports.far()[0].lost == 2


def test_a_record_is_one_letter_however_often_it_is_dead(reading: Reading) -> None:
    """Other bytes under the same origin are another record: it stands under its own place, and says so."""
    stored = reading.read(
        dead(0, connect(ORIGIN)),
        dead(1, connect(ORIGIN)),
        dead(2, spring(ORIGIN), value=b"other"),
        dead(3, connect(ORIGIN), key=None, value=None),
    )
    assert (stored.letters, stored.known) == (2, 2)
    assert reading.letters() == [("shop", 1, 5, "dead", "connect", 0), ("sink-dlq", 0, 2, "dead", "spring", 2)]
    query = "SELECT detail FROM headrace.letters WHERE group_name = %s AND imported = 'spring'"
    ((detail,),) = reading.session.execute(query, (reading.group,)).fetchall()
    assert detail.endswith("; the record that its headers name has an open letter with other bytes")
    # as after somebody had set the reading back
    reading.session.execute("UPDATE headrace.imports SET next_offset = 0 WHERE group_name = %s", (reading.group,))
    assert reading.read(dead(0, connect(ORIGIN)), dead(2, spring(ORIGIN), value=b"other")).letters == 0


def test_a_letter_that_was_closed_opens_a_new_one(reading: Reading, session: psycopg.Connection) -> None:
    """It failed again there."""
    reading.read(dead(0, connect(ORIGIN)))
    ((letter,),) = session.execute("SELECT id FROM headrace.letters WHERE group_name = %s", (reading.group,)).fetchall()
    discard(session, reading.group, [letter], "known")
    assert reading.read(dead(1, connect(ORIGIN))).letters == 1
    assert [row[3] for row in reading.letters()] == ["discarded", "dead"]


def test_a_letter_without_a_body_points_to_its_origin(reading: Reading, session: psycopg.Connection) -> None:
    """As share groups write them; and one that is too large does, too. Without an origin it is what it is."""
    reading.read(
        dead(0, connect(ORIGIN), key=None, value=None),
        dead(1, connect(RecordRef(ORIGIN.at, 6)), value=b"v" * 2000),
        dead(2, (), key=None, value=None),
    )
    query = (
        "SELECT b.letter_id IS NULL FROM headrace.letters l LEFT JOIN headrace.letter_bytes b ON b.letter_id = l.id"
        " WHERE l.group_name = %s ORDER BY l.id"
    )
    assert [row[0] for row in session.execute(query, (reading.group,))] == [True, True, False]


@pytest.mark.parametrize("told", [None, datetime(9000, 1, 1, tzinfo=UTC)])
def test_a_time_that_can_not_be_is_now(reading: Reading, session: psycopg.Connection, told: datetime | None) -> None:
    """Producers choose their records' times."""
    reading.read(dead(0, at=told))
    query = "SELECT first_failed_at, failed_at FROM headrace.letters WHERE group_name = %s"
    ((first, last),) = session.execute(query, (reading.group,)).fetchall()
    assert abs(last - datetime.now(UTC)) < timedelta(minutes=1)
    assert first == last
