"""Searches in turns: what happens between them, and what is not searched."""

from dataclasses import replace

import psycopg
import pytest

from consumer.core.failure import Transient
from consumer.core.letters import State, Verdict
from consumer.core.records import RecordRef, Slice
from consumer.core.search import Ending, Seen, next_stretch
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import Reconsider, TableFault
from consumer.ports.target import Start
from dlq.edit import edit
from dlq.letters import page
from dlq.payload import Sources
from dlq.selection import Selection
from tests.pg.conftest import Pools, Sinks
from tests.pg.unplaced import CUT, OTHER, PARTIAL, WHOLE, Scene, first_row, row
from tests.unit.known import slice_of


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Scene:
    """The row was there before the log begins."""
    return first_row(session, sink, pools(), schema, group)


def test_an_edited_letter_is_placed_too(scene: Scene) -> None:
    """Once its schema is known its values can be changed; the row that it is of can't."""
    scene.unknown()
    scene.apply(OTHER)
    scene.learn()
    (letter,) = scene.sink.letters([RecordRef(scene.landing.at, 0)])
    patch = [{"op": "replace", "path": "/after/word", "value": "mended"}]
    sources = Sources(registry=scene.world, fetch=lambda ref, known: None)
    assert edit(scene.session, scene.group, letter.id, patch, "a person", sources) == ("word",)
    scene.replay()
    assert scene.search() == [Ending.CLEAR]
    scene.come_back()

    assert scene.rows()[0] == (1, "mended", 1)


def test_what_is_applied_while_the_search_goes_on_sees_the_letter(scene: Scene) -> None:
    """It is not read by the search, which ends at the position of before."""
    scene.unknown()
    scene.apply(OTHER)
    scene.learn()
    scene.replay()
    scene.apply(WHOLE)

    assert scene.states() == "0s"
    assert scene.rows()[0] == (1, "new", 5)
    assert scene.searches.claim(100, 0) == []


def test_a_search_goes_on_where_it_was(scene: Scene) -> None:
    """A letter of the same partition joins it; a doubt is kept, and a later full image settles it."""
    scene.unknown()
    scene.apply(PARTIAL)
    scene.unknown(("c", row(key=3)))
    scene.apply(OTHER, WHOLE)
    scene.learn()
    scene.replay(0)
    scene.replay(2)

    claimed = scene.searches.claim(100, 0)
    assert sorted((one.searched, one.until) for one in claimed) == [(1, 5), (3, 5)]
    assert scene.search(1) == []
    # a worker that was slower says nothing any more
    scene.searches.note(next_stretch(claimed), Seen(upto=1))
    assert {one.searched for one in scene.searches.claim(100, 0)} == {2, 3}
    assert scene.search() == []
    assert {(one.searched, one.doubt) for one in scene.searches.claim(100, 0)} == {(3, "partial"), (3, None)}
    assert sorted(ending.name for ending in scene.search()) == ["CLEAR", "SUPERSEDED"]
    scene.come_back()
    assert scene.states() == "0s 2a"
    assert scene.rows() == [(1, "new", 5), (2, "new", 5), (3, "new", 5)]


@pytest.mark.parametrize("step", ["place", "search"])
def test_letters_that_know_rows_by_other_types_are_not_passed(scene: Scene, step: str) -> None:
    """Neither is one placed beside them, nor is it searched for changes of one that would not be found."""
    scene.unknown()
    scene.apply(WHOLE, CUT)
    scene.learn()
    said = "UPDATE headrace.letters SET row_types = 'numeric' WHERE row_types IS NOT NULL AND group_name = %s"
    if step == "place":
        scene.session.execute(said, (scene.group,))
        scene.replay()
        assert scene.states() == "0d 2d"
        query = 'SELECT kind FROM headrace.letters WHERE group_name = %s AND "offset" = 0'
        assert scene.session.execute(query, (scene.group,)).fetchone() == ("table.letters",)
        return
    scene.replay()
    scene.session.execute(said, (scene.group,))
    with pytest.raises(TableFault, match=r"table\.letters"):
        scene.search()


def test_a_letter_is_placed_between_two_batches(scene: Scene, sinks: Sinks) -> None:
    """One that is under way has locked the position: it does not see the letter, and its end is not known yet."""
    scene.unknown()
    scene.learn()
    (letter,) = scene.sink.letters([RecordRef(scene.landing.at, 0)])
    write = scene.planned(slice_of(scene.log, 0, scene.landing.at)).writes[0]
    impatient = sinks("two", deadline=0.3)
    with scene.session.transaction():
        scene.session.execute("SELECT FROM headrace.positions WHERE group_name = %s FOR UPDATE", (scene.group,))
        with pytest.raises(Transient) as caught:
            impatient.place(letter, write)
    assert caught.value.failure.kind == "target.locked"


def test_what_is_searched_for_is_not_published_again(scene: Scene) -> None:
    """However long it takes."""
    scene.unknown()
    scene.apply(OTHER)
    scene.learn()
    scene.replay()
    long_ago = "due_at = now() - interval '1 h', published_at = now() - interval '1 h'"
    scene.session.execute(f"UPDATE headrace.letters SET {long_ago} WHERE group_name = %s".encode(), (scene.group,))

    assert scene.outbox.republish() == 0
    assert scene.search() == [Ending.CLEAR]
    assert [copy.head.attempt for copy in scene.outbox.claim(20, 60)] == [2]


def test_nothing_to_search_is_applied_at_once(scene: Scene) -> None:
    """The position stands right behind the letter."""
    scene.unknown()
    scene.learn()
    scene.replay()

    assert scene.states() == "0a"
    assert scene.rows() == [(1, "old", 1)]


def test_a_newer_letter_is_not_applied_when_an_older_one_becomes_known(scene: Scene) -> None:
    """Its row is looked at again in the transaction that would apply it."""
    scene.unknown()
    scene.apply(OTHER, CUT)
    # of its row there is no other one yet
    (newer,) = scene.sink.letters([RecordRef(scene.landing.at, 2)])
    assert newer.row is not None
    scene.learn()
    scene.replay(0)
    scene.session.execute("UPDATE headrace.letters SET state = 'replaying' WHERE id = %s", (newer.id,))
    verdict = Verdict(id=newer.id, attempt=newer.attempt, state=State.APPLIED)
    plan = scene.planned(slice_of([scene.landing.record(*WHOLE)], 1, scene.landing.at))
    (taken,) = scene.sink.take({scene.lane: Start(offset=0)})
    done = Slice(at=scene.lane, epoch=taken.epoch, start=taken.next_offset, end=taken.next_offset + 1)

    with pytest.raises(Reconsider):
        scene.sink.apply(replace(plan, slices=(done,), verdicts=(verdict,)))
    assert scene.rows()[0] == (1, "first", 0)


def test_a_letter_that_still_can_not_be_read_says_why(scene: Scene) -> None:
    """Sending it again without putting anything right changes nothing."""
    scene.unknown()
    scene.replay()

    query = "SELECT state, kind, attempt, searched FROM headrace.letters WHERE group_name = %s"
    assert scene.session.execute(query, (scene.group,)).fetchall() == [("dead", "record.schema_unknown", 3, None)]
    (letter,) = page(scene.session, scene.group, Selection(), most=10)
    assert (letter.attempt, letter.replays, letter.tries) == (3, 1, 2)
