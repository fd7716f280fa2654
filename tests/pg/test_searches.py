"""Letters whose row became known only when they came back: placed, searched for, and brought to their end.

The log is a list here; the real one, and the thread that reads it, are in `tests/real/engine/test_searches.py`.
"""

from collections.abc import Collection
from typing import Any

import psycopg
import pytest

from consumer.applying.apart import Apart
from consumer.applying.letter_plans import LetterPlans
from consumer.applying.rereading import Rereading
from consumer.background.searcher import Searcher
from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.records import OffsetRange, RecordRef, Slice
from consumer.core.search import Ending
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import Reconsider
from consumer.stack.waiting import wait_until
from dlq.actions import replay
from tests.pg.conftest import Pools
from tests.pg.landing import Landing
from tests.pg.searched_log import Log
from tests.pg.unplaced import CUT, DELETE, FIELDS, OTHER, PARTIAL, WHOLE, Change, Scene, first_row, row
from tests.unit.known import planner
from tests.unit.semantic import VARIABLE, unscaled


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Scene:
    """The row was there before the log begins."""
    return first_row(session, sink, pools(), schema, group)


@pytest.mark.parametrize(
    ("later", "ending", "states", "found"),
    [
        ([OTHER], Ending.CLEAR, "0a", (1, "old", 1)),
        ([WHOLE], Ending.SUPERSEDED, "0s", (1, "new", 5)),
        ([PARTIAL, WHOLE], Ending.SUPERSEDED, "0s", (1, "new", 5)),
        ([DELETE], Ending.SUPERSEDED, "0s", None),
        ([PARTIAL], Ending.REFUSED, "0d", (1, "first", 9)),
        # what is not applied is no later change, and its turn comes after the letter's
        ([CUT], Ending.CLEAR, "0a 1d", (1, "old", 1)),
        ([OTHER, CUT], Ending.CLEAR, "0a 2d", (1, "old", 1)),
    ],
)
def test_what_was_passed_decides(
    scene: Scene, later: list[Change], ending: Ending, states: str, found: tuple[Any, ...] | None
) -> None:
    """A later full image or delete makes the letter superfluous; an image without all columns must not be undone."""
    scene.unknown()
    scene.apply(*later)
    scene.learn()
    scene.replay()
    assert scene.states().startswith("0r")

    assert scene.search() == [ending]
    scene.come_back()
    assert scene.states() == states
    assert next((row for row in scene.rows() if row[0] == 1), None) == found
    assert scene.searches.claim(100, 0) == []


@pytest.fixture
def numbers(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Scene:
    """A scene whose rows have a number of any length, too."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text, amount int, v numeric)")
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 'first', 0), (2, 'other', 0)")
    sink.seed({})
    fields = [*FIELDS, {"name": "v", "type": ["null", VARIABLE]}]
    return Scene(session, sink, pools(), group, Landing(sink, TableName(schema, "t"), fields))


@pytest.mark.parametrize(("number", "ending", "states"), [(5, Ending.SUPERSEDED, "0s"), (None, Ending.REFUSED, "0d")])
def test_a_doubtful_null_of_another_row_says_nothing_of_a_letter(
    numbers: Scene, number: int | None, ending: Ending, states: str
) -> None:
    """Though both rows are one write: only what has a doubtful null itself may leave something of its old row."""

    def told(key: int, of: int | None) -> dict[str, Any]:
        return row(key=key) | {"v": None if of is None else {"scale": 0, "value": unscaled(of)}}

    numbers.unknown(("c", told(1, 9)))
    numbers.apply(("u", told(1, number)), ("u", told(2, None if number else 5)))
    numbers.learn()
    numbers.replay()

    assert numbers.search() == [ending]
    assert numbers.states() == states


@pytest.mark.provokes("record.unplaced")
def test_what_the_log_can_not_show_is_not_applied(scene: Scene) -> None:
    """Of a compacted topic with missing records; what came to wait for the letter meanwhile goes on without it."""
    scene.unknown()
    scene.apply(OTHER)
    scene.learn()
    scene.replay()
    scene.apply(PARTIAL)
    assert scene.states() == "0r 2h"
    assert scene.search(incomplete=True) == [Ending.REFUSED]
    scene.come_back()

    assert scene.states() == "0d 2a"
    assert scene.rows()[0] == (1, "first", 9)
    query = "SELECT kind, detail, remedy, digest_a FROM headrace.letters WHERE group_name = %s AND state = 'dead'"
    ((kind, detail, remedy, digest),) = scene.session.execute(query, (scene.group,)).fetchall()
    assert (kind, digest) == ("record.unplaced", None)
    assert detail.endswith(
        "offset 0: compaction has removed records behind it, and a delete of its row may be among them"
    )
    assert remedy.startswith("Ask the source for the row again")


@pytest.mark.parametrize(
    ("later", "missing", "topic_id", "said"),
    [
        ([OTHER], (), "first", "None"),
        ([OTHER], (), "second", "have left the log, or belong to a topic that was made anew"),
        ([OTHER, OTHER], (1,), "first", "compaction has removed records behind it"),
        ([OTHER, WHOLE], (1,), "first", "None"),
        # its letter is gone, as after letters.keep_closed_hours
        ([OTHER, CUT], (), "first", "a record behind it can't be read"),
    ],
)
def test_what_the_searcher_makes_of_a_log(
    scene: Scene, later: list[Change], missing: Collection[int], topic_id: str, said: str
) -> None:
    """It reads a stretch, or is told that it can't, and says so in the letter's row."""
    scene.unknown()
    scene.apply(*later)
    scene.session.execute('DELETE FROM headrace.letters WHERE group_name = %s AND "offset" > 0', (scene.group,))
    known_id = "UPDATE headrace.positions SET topic_id = 'first' WHERE group_name = %s"
    scene.session.execute(known_id.encode(), (scene.group,))
    scene.learn()
    scene.replay()
    log: Any = Log(scene, missing, topic_id)
    origins, binder = Rereading(log, log), scene.world.binder(scene.known)
    searcher = Searcher(scene.searches, origins, log, planner(scene.known), binder)

    assert wait_until(lambda: searcher.turn(0.05) or scene.searches.claim(1, 0) == [], 20)
    query = "SELECT CASE WHEN state = 'dead' THEN detail END FROM headrace.letters WHERE group_name = %s"
    ((detail,),) = scene.session.execute(query, (scene.group,)).fetchall()
    assert said in str(detail)


def test_a_search_ends_at_a_log_that_can_not_be_read(scene: Scene) -> None:
    """Damaged records stay damaged; a server that is away is waited for."""
    scene.unknown()
    scene.apply(OTHER)
    scene.learn()
    scene.replay()
    log: Any = Log(scene, topic_id="first")
    kinds = iter(["kafka.away", "log.unreadable"])

    def read(wanted: OffsetRange, most: int) -> Slice:
        raise Transient(failed(KINDS[next(kinds)], "kafka", "fetch records", "no"))

    log.read = read
    searcher = Searcher(scene.searches, Rereading(log, log), log, planner(scene.known), scene.world.binder(scene.known))
    searcher.CLAIM = searcher._cadence._again = 0.1
    assert wait_until(lambda: searcher.turn(0.05) or scene.states() == "0d", 20)
    assert next(kinds, None) is None
    query = "SELECT detail FROM headrace.letters WHERE group_name = %s AND state = 'dead'"
    ((detail,),) = scene.session.execute(query, (scene.group,)).fetchall()
    assert "a record behind it can't be read" in detail


def test_as_much_is_read_at_a_time_as_may_be_planned(scene: Scene) -> None:
    """Small batches are no reason to search for ever."""
    scene.unknown()
    scene.apply(*[("c", row(key=10 + n)) for n in range(7)])
    scene.learn()
    scene.replay()
    log: Any = Log(scene)
    binder = scene.world.binder(scene.known)
    searcher = Searcher(scene.searches, Rereading(log, log), log, planner(scene.known, most=3), binder)
    searcher.CLAIM = searcher.AGAIN = 0.1

    assert wait_until(lambda: searcher.turn(0.05) or scene.come_back() or scene.states() == "0a", 20)


@pytest.mark.parametrize(("goes_on", "placed"), [(True, 3), (False, 1)])
def test_letters_are_placed_as_long_as_there_is_time(scene: Scene, goes_on: bool, placed: int) -> None:
    """Each is a transaction that may wait for a lock; at least one is."""
    refs = [RecordRef(scene.landing.at, offset) for offset in range(3)]
    for number in range(3):
        scene.unknown(("c", row(key=10 + number)))
    scene.learn()
    query = "SELECT id FROM headrace.letters WHERE group_name = %s"
    ids = [found[0] for found in scene.session.execute(query, (scene.group,)).fetchall()]
    assert len(replay(scene.session, scene.group, ids, most=3).changed) == 3
    again: Any = scene
    plans = LetterPlans(
        scene.sink, Apart(planner(scene.known), scene.world.binder(scene.known)), Rereading(again, again)
    )
    asked = []

    def told() -> bool:
        asked.append(1)
        return goes_on

    with pytest.raises(Reconsider):
        plans.plan(scene.sink.letters(refs), goes_on=told)
    assert sum(letter.row is not None for letter in scene.sink.letters(refs)) == placed
    assert asked


@pytest.mark.provokes("record.unplaced")
@pytest.mark.parametrize(
    ("grown", "partitions", "later", "states"),
    [
        pytest.param(True, 2, 100, "0d", id="grown since"),
        pytest.param(True, 2, 0, "0a", id="grown long before"),
        pytest.param(False, 2, 100, "0a", id="never grown"),
        pytest.param(False, 3, 100, "0d", id="grown, which nobody has noticed"),
    ],
)
@pytest.mark.parametrize("behind", [[OTHER], []], ids=["others behind it", "nothing behind it"])
def test_a_topic_that_has_grown_may_have_later_changes_elsewhere(
    scene: Scene, behind: list[Change], grown: bool, partitions: int, later: int, states: str
) -> None:
    """What is applied from another partition is not undone, and the letter says why it is not applied."""
    scene.unknown()
    scene.apply(*behind)
    scene.beside(WHOLE, grown=grown)
    scene.learn()
    scene.replay()
    assert scene.states() == "0r"
    log: Any = Log(scene, (), partitions=partitions, compacted=False, later=later)
    searcher = Searcher(scene.searches, Rereading(log, log), log, planner(scene.known), scene.world.binder(scene.known))
    searcher.CLAIM = 0.1

    assert wait_until(lambda: searcher.turn(0.05) or scene.come_back() or scene.states() == states, 20)
    if states == "0d":
        assert scene.rows()[0] == (1, "new", 5)
        query = "SELECT kind, detail FROM headrace.letters WHERE group_name = %s"
        ((kind, detail),) = scene.session.execute(query, (scene.group,)).fetchall()
        assert kind == "record.unplaced"
        assert "more partitions" in detail


def test_a_later_change_of_its_own_partition_decides_in_a_topic_that_has_grown(scene: Scene) -> None:
    """It is newer, wherever others are."""
    scene.unknown()
    scene.apply(WHOLE)
    scene.beside(OTHER, grown=True)
    scene.learn()
    scene.replay()

    assert scene.search() == [Ending.SUPERSEDED]
