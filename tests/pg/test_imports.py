"""Dead letters of other consumers: written once with how far their topic was read, and sent again as any letter whose
row is not known; where their headers lead is not believed before the log has shown it.
"""

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from consumer.core.failure import HeadraceError
from consumer.core.foreign import DeadRecord, Piece, Span, Stored
from consumer.core.letters import Record
from consumer.core.modes import Mode, OnTruncate
from consumer.core.records import Header, OffsetRange, RecordRef, TopicPartition
from consumer.core.search import Ending
from consumer.edges.postgres.imports import PostgresImports
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import discard, replay
from dlq.edit import edit
from dlq.foreign import recognised
from dlq.history import whole
from dlq.letters import page
from dlq.payload import Sources
from dlq.preview import Fate, Rules, preview
from dlq.selection import Selection
from tests.pg.conftest import Pools
from tests.pg.unplaced import CUT, OLD, OTHER, PARTIAL, WHOLE, Change, Scene, first_row, row

DEAD = TopicPartition("sink-dlq", 0)
ORIGIN = RecordRef(TopicPartition("shop", 1), 5)
TOLD = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def connect(origin: RecordRef) -> list[Header]:
    """Kafka Connect's headers of an origin."""
    said = {"topic": origin.at.topic, "partition": str(origin.at.partition), "offset": str(origin.offset)}
    said |= {"connector.name": "sink", "stage": "VALUE_CONVERTER", "exception.class.name": "a.b.DataException"}
    return [(f"__connect.errors.{name}", value.encode()) for name, value in said.items()]


def spring(origin: RecordRef) -> list[Header]:
    """Spring's."""
    return [
        ("kafka_dlt-original-topic", origin.at.topic.encode()),
        ("kafka_dlt-original-partition", struct.pack(">i", origin.at.partition)),
        ("kafka_dlt-original-offset", struct.pack(">q", origin.offset)),
    ]


def dead(
    offset: int,
    headers: Sequence[Header] = (),
    key: bytes | None = b"k",
    value: bytes | None = b"v",
    at: datetime | None = TOLD,
) -> DeadRecord:
    """A record of the dead-letter topic."""
    record = Record(ref=RecordRef(DEAD, offset), key=key, value=value, headers=tuple(headers))
    return DeadRecord(record=record, appended_ms=int(at.timestamp() * 1000) if at else 0)


class Reading:
    """A group that reads one partition of dead letters."""

    def __init__(self, session: psycopg.Connection, imports: PostgresImports, group: str) -> None:
        self.session, self.imports, self.group = session, imports, group

    def claim(self, end: int = 100, start: int = 0, topic_id: str = "first", seconds: float = 0.0) -> Any:
        """What is to be read."""
        return self.imports.claim({DEAD: Span(start=start, end=end, topic_id=topic_id)}, seconds)

    def store(self, *records: DeadRecord, start: int | None = None, topic_id: str = "first") -> Stored | None:
        """Write what was read."""
        start = records[0].record.ref.offset if start is None else start
        end = records[-1].record.ref.offset + 1 if records else start
        read = tuple((each, recognised(each.record)) for each in records)
        return self.imports.store(Piece(at=DEAD, topic_id=topic_id, start=start, end=end, records=read))

    def read(self, *records: DeadRecord) -> Stored:
        """Claim and write."""
        assert self.claim() is not None
        stored = self.store(*records)
        assert stored is not None
        return stored

    def letters(self) -> list[tuple[Any, ...]]:
        """By id: origin, state, family, and the place in the dead-letter topic."""
        query = (
            'SELECT topic, partition, "offset", state, imported, imported_offset FROM headrace.letters'
            " WHERE group_name = %s ORDER BY id"
        )
        return self.session.execute(query, (self.group,)).fetchall()


@pytest.fixture
def reading(session: psycopg.Connection, pools: Pools, group: str) -> Reading:
    """Nothing was read yet; up to a kilobyte is kept with a letter."""
    return Reading(session, PostgresImports(pools(), group, 1024), group)


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


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Scene:
    """A partition that is read by this group, whose row was there before."""
    return first_row(session, sink, pools(), schema, group)


def imported(scene: Scene, reading: Reading, offset: int = 0, *, value: bytes | None = None, bare: bool = False) -> int:
    """A dead letter of a record of the scene's log; returns its letter."""
    origin = RecordRef(scene.landing.at, offset)
    key, here = (None, None) if bare else scene.log[offset]
    place = reading.imports.far()[0].next_offset if reading.imports.far() else 0
    reading.read(dead(place, connect(origin), key, value or here))
    query = "SELECT max(id) FROM headrace.letters WHERE group_name = %s"
    ((letter,),) = scene.session.execute(query, (scene.group,)).fetchall()
    return int(letter)


def said_of(scene: Scene, letter: int) -> tuple[str, str, str]:
    """State, kind and detail."""
    query = "SELECT state, kind, detail FROM headrace.letters WHERE id = %s"
    ((state, kind, detail),) = scene.session.execute(query, (letter,)).fetchall()
    return state, kind, detail


@pytest.mark.provokes("record.imported")
@pytest.mark.parametrize("bare", [False, True])
def test_one_that_is_sent_again_is_placed_searched_for_and_applied(scene: Scene, reading: Reading, bare: bool) -> None:
    """As where this group took over from the other consumer behind the record."""
    scene.skip(OLD)
    scene.apply(OTHER)
    letter = imported(scene, reading, bare=bare)
    assert said_of(scene, letter)[:2] == ("dead", "record.imported")
    found = preview(scene.session, scene.group, Selection(ids=(letter,)), Rules())
    assert dict(found.counts) == {Fate.SEARCHED: 1}
    scene.replay()
    assert scene.search() == [Ending.CLEAR]
    scene.come_back()
    assert scene.states() == "0a"
    assert scene.rows()[0] == (1, "old", 1)


def test_a_later_change_makes_it_superfluous(scene: Scene, reading: Reading) -> None:
    """Newer data are never undone."""
    scene.skip(OLD)
    scene.apply(WHOLE)
    imported(scene, reading)
    scene.replay()
    assert scene.search() == [Ending.SUPERSEDED]
    assert scene.states() == "0s"
    assert scene.rows()[0] == (1, "new", 5)


def test_dead_letters_of_others_hide_no_change_from_a_search(scene: Scene, reading: Reading) -> None:
    """What another consumer could not take, this group has applied."""
    scene.skip(OLD)
    scene.apply(WHOLE)
    imported(scene, reading, 1)
    imported(scene, reading, 0)
    scene.replay()
    assert scene.search() == [Ending.SUPERSEDED]


@pytest.mark.parametrize("later", [WHOLE, PARTIAL])
@pytest.mark.parametrize("given_up", [True, False])
def test_what_another_consumer_could_not_take_in_front_of_this_group_supersedes_nothing(
    scene: Scene, reading: Reading, later: Change, given_up: bool
) -> None:
    """Nobody has applied it, and what is given up nobody will; what stands between was applied by the other one."""
    scene.skip(OLD, later)
    imported(scene, reading)
    second = imported(scene, reading, 1)
    if given_up:
        discard(scene.session, scene.group, [second], "enough")
    scene.replay()
    assert scene.search() == [Ending.REFUSED if given_up else Ending.CLEAR]


def test_an_edit_of_it_is_applied(scene: Scene, reading: Reading) -> None:
    """What was compared with the log is the record as it was."""
    scene.skip(OLD)
    scene.apply(OTHER)
    letter = imported(scene, reading)
    patch = [{"op": "replace", "path": "/after/word", "value": "mended"}]
    sources = Sources(registry=scene.world, fetch=lambda ref, known: None)
    assert edit(scene.session, scene.group, letter, patch, "a person", sources) == ("word",)
    scene.replay()
    scene.search()
    scene.come_back()
    assert scene.rows()[0] == (1, "mended", 1)


def test_headers_that_lead_to_another_record_are_not_believed(scene: Scene, reading: Reading) -> None:
    """A topic that was made anew, a value that was written anew, a lie."""
    scene.skip(OLD)
    scene.apply(OTHER)
    letter = imported(scene, reading, value=scene.landing.record(*WHOLE)[1])
    scene.replay()
    state, kind, detail = said_of(scene, letter)
    assert (state, kind) == ("dead", "record.unplaced")
    assert detail.endswith("where its headers say that it was, another record lies")
    assert scene.rows()[0] == (1, "first", 0)


def test_a_record_that_has_left_its_log_is_not_applied(scene: Scene, reading: Reading) -> None:
    """Nor could be seen what stands behind it."""
    scene.skip(OLD)
    scene.apply(OTHER)
    letter = imported(scene, reading)
    scene.gone.add(0)
    scene.replay()
    assert said_of(scene, letter)[:2] == ("dead", "record.unplaced")
    assert scene.rows()[0] == (1, "first", 0)


def test_those_that_come_back_together_are_looked_at_one_by_one(scene: Scene, reading: Reading) -> None:
    """Beside letters of this group: what is not believed, and what has left its log, costs itself alone."""
    scene.skip(OLD)
    for key in (2, 3, 4):
        scene.skip(("c", row(key=key, word="there")))
    scene.unknown(("c", row(key=5, word="here")))
    letters = [imported(scene, reading, offset) for offset in (0, 2, 3)]
    letters.append(imported(scene, reading, 1, value=scene.landing.record("c", row(key=2))[1]))
    scene.gone.add(3)
    scene.learn()
    query = 'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = 4'
    ((own,),) = scene.session.execute(query, (scene.group,)).fetchall()
    assert len(replay(scene.session, scene.group, [*letters, own]).changed) == 5
    scene.come_back()
    assert [said_of(scene, letter)[:2] for letter in letters[2:]] == [("dead", "record.unplaced")] * 2
    while scene.searches.claim(100, 0):
        scene.search()
    scene.come_back()
    assert scene.states() == "0a 1d 2a 3d 4a"
    assert scene.rows() == [(1, "old", 1), (3, "there", 5), (5, "here", 5)]


def test_what_is_of_no_row_is_not_hidden_by_a_letter_beside_it(scene: Scene, reading: Reading) -> None:
    """A truncate of long ago, and a letter of this group in front of it whose turn has come."""
    scene.world.truncates[str(scene.landing.table)] = OnTruncate.APPLY
    scene.unknown(("c", row(key=5, word="here")))
    scene.apply(OTHER)
    scene.learn()
    scene.replay()
    assert scene.search() == [Ending.CLEAR]
    scene.skip(("t", row()))
    letter = imported(scene, reading, 2)
    assert replay(scene.session, scene.group, [letter]).changed == (letter,)
    scene.come_back()
    assert said_of(scene, letter)[:2] == ("dead", "record.imported")
    assert scene.rows() == [(1, "first", 0), (2, "new", 5), (5, "here", 5)]


def test_an_event_is_not_written_a_second_time(scene: Scene, reading: Reading) -> None:
    """Whether it is in the table already nobody can say."""
    scene.skip(OLD)
    letter = imported(scene, reading)
    scene.world.modes["public.orders"] = Mode.APPEND
    scene.replay()
    state, kind, detail = said_of(scene, letter)
    assert (state, kind) == ("dead", "record.imported")
    assert "it is of no single row" in detail
    assert scene.rows() == [(1, "first", 0)]


def test_a_record_that_this_group_has_not_read_is_not_sent(
    scene: Scene, reading: Reading, session: psycopg.Connection, group: str
) -> None:
    """Of another topic, or in front of the position; it is looked at, and discarded."""
    scene.log.append(scene.landing.record(*OLD))
    ahead = imported(scene, reading)
    reading.read(dead(1, connect(ORIGIN)))
    other = ahead + 1
    ids = (ahead, other)
    for rules in (Rules(), Rules(stale=True)):
        found = preview(session, group, Selection(ids=ids), rules)
        assert dict(found.counts) == {Fate.FOREIGN: 2}
        assert found.goes == 0
        assert "not read" in found.samples[Fate.FOREIGN][0].why
    assert replay(session, group, ids).left == ids
    assert discard(session, group, ids, "put right there").changed == ids


def test_a_position_that_was_set_back_meanwhile_is_waited_for(scene: Scene, reading: Reading) -> None:
    """The record comes by itself, behind those in front of it."""
    scene.skip(OLD)
    letter = imported(scene, reading)
    assert replay(scene.session, scene.group, [letter]).changed == (letter,)
    scene.session.execute("UPDATE headrace.positions SET next_offset = 0 WHERE topic = %s", (scene.landing.at.topic,))
    scene.come_back()
    state, kind, detail = said_of(scene, letter)
    assert (state, kind) == ("dead", "record.imported")
    assert detail.endswith("this group has not read its topic so far, and will apply the record itself when it does")


def test_what_fails_here_too_is_this_groups_own_letter(scene: Scene, reading: Reading) -> None:
    """Which knows its row, so that what comes behind it waits."""
    scene.apply(OTHER)
    key, value = scene.landing.record(*CUT)
    scene.log.append((key, value))
    there = imported(scene, reading, 1)
    scene.log.pop()
    scene.apply(CUT)
    assert said_of(scene, there)[0] == "superseded"
    scene.apply(PARTIAL)
    assert scene.states() == "1s 1d 2h"
