"""Dead letters of others that are of one record, and those that only point to theirs."""

from dataclasses import replace

import psycopg
import pytest

from consumer.core.failure import Persistent
from consumer.core.foreign import Stored
from consumer.core.records import RecordRef
from consumer.core.search import Ending
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import discard
from dlq.headers import encode
from tests.pg.conftest import Pools
from tests.pg.importing import DEAD, ORIGIN, Reading, connect, dead
from tests.pg.unplaced import OLD, OTHER, Scene, first_row
from tests.unit.test_headers import HEAD


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Scene:
    """A partition that is read by this group, whose row was there before."""
    return first_row(session, sink, pools(), schema, group)


@pytest.mark.parametrize("large", [False, True])
def test_a_copy_of_another_group_that_points_to_its_record_is_applied_from_there(
    scene: Scene, reading: Reading, large: bool
) -> None:
    """It has the record's key, if that is not too large, and no value, which is no tombstone."""
    scene.skip(OLD)
    scene.apply(OTHER)
    origin = RecordRef(scene.landing.at, 0)
    headers = encode(replace(HEAD, origin=origin, pointer=True, keyless=large), ())
    key = None if large else scene.log[0][0]
    assert reading.read(dead(0, headers, key, None), dead(1, headers, key, None)).letters == 1
    query = "SELECT count(*) FROM headrace.letters l JOIN headrace.letter_bytes b ON b.letter_id = l.id"
    assert scene.session.execute(f"{query} WHERE l.group_name = %s", (scene.group,)).fetchone() == (0,)
    scene.replay()
    assert scene.search() == [Ending.CLEAR]
    scene.come_back()
    assert (scene.states(), scene.rows()[0]) == ("0a", (1, "old", 1))


def test_a_copy_that_points_to_a_record_is_the_same_where_its_key_is(reading: Reading) -> None:
    """As far as both are known; what has another key was another record."""
    pointing = encode(replace(HEAD, origin=ORIGIN, pointer=True), ())
    stored = reading.read(
        dead(0, connect(ORIGIN)),
        dead(1, pointing, value=None),
        dead(2, pointing, key=None, value=None),
        dead(3, pointing, key=b"other", value=None),
    )
    assert (stored.letters, stored.known) == (2, 2)
    assert [row[2] for row in reading.letters()] == [5, 3]


def test_a_record_that_is_too_large_to_be_kept_is_one_letter(reading: Reading) -> None:
    """Its letter has no bytes to be compared; what is kept in full is of another record, as far as anyone can see."""
    large = b"v" * 2000
    stored = reading.read(
        dead(0, connect(ORIGIN), value=large),
        dead(1, connect(ORIGIN), value=large),
        dead(2, connect(ORIGIN), value=b"other"),
    )
    assert (stored.letters, stored.known) == (2, 1)
    assert [row[2] for row in reading.letters()] == [5, 2]


def test_a_large_record_is_not_that_of_a_letter_with_other_bytes(reading: Reading) -> None:
    """It is compared where that is possible."""
    stored = reading.read(dead(0, connect(ORIGIN)), dead(1, connect(ORIGIN), value=b"v" * 2000))
    assert (stored.letters, stored.known) == (2, 0)


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.provokes("record.imported")
def test_a_record_whose_place_is_that_of_an_open_letter_is_waited_for(
    reading: Reading, session: psycopg.Connection, group: str, anew: bool
) -> None:
    """Of a topic that was made anew, or because of headers that lead there: it is read when that letter is closed."""
    reading.read(dead(0, () if anew else connect(RecordRef(DEAD, 3))))
    start, topic = (0, "second") if anew else (1, "first")
    assert reading.claim(topic_id=topic).wanted.start == start
    new = [dead(offset, (), value=b"other %d" % offset) for offset in range(start, 4)]
    for _ in range(2):
        with pytest.raises(Persistent, match="open letter") as refused:
            reading.store(*new, topic_id=topic)
    ((letter, state),) = session.execute("SELECT id, state FROM headrace.letters WHERE group_name = %s", (group,))
    assert f"letter {letter}" in refused.value.failure.remedy
    assert state == "dead"

    discard(session, group, [letter], "known")
    assert reading.store(*new, topic_id=topic) == Stored(at=DEAD, letters=len(new), known=0)
    assert reading.imports.far()[0].next_offset == 4


def test_a_record_that_stands_under_its_own_place_is_known_when_it_is_read_again(reading: Reading) -> None:
    """As after somebody had set the reading back: it has its letter."""
    records = [dead(0, connect(ORIGIN)), dead(1, connect(ORIGIN), value=b"other"), dead(2, ()), dead(3, (), None, None)]
    assert reading.read(*records).letters == 4
    reading.session.execute("UPDATE headrace.imports SET next_offset = 0 WHERE group_name = %s", (reading.group,))
    assert reading.read(*records) == Stored(at=DEAD, letters=0, known=4)
