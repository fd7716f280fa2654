"""Letters of other consumers' dead records, sent again: placed, searched for, applied."""

import psycopg
import pytest

from consumer.core.modes import Mode, OnTruncate
from consumer.core.records import RecordRef
from consumer.core.search import Ending
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import discard, replay
from dlq.edit import edit
from dlq.payload import Sources
from dlq.preview import Fate, Rules, preview
from dlq.selection import Selection
from tests.pg.conftest import Pools
from tests.pg.importing import ORIGIN, Reading, connect, dead
from tests.pg.unplaced import CUT, OLD, OTHER, PARTIAL, WHOLE, Change, Scene, first_row, row


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
