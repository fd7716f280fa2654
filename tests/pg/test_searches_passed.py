"""Of what was passed a search takes nothing for applied that a person passed or gave up, unless it was read again."""

from collections.abc import Sequence
from dataclasses import replace

import psycopg
import pytest

from consumer.core.search import Ending
from consumer.edges.postgres.letters import prune
from consumer.edges.postgres.sink import PostgresSink
from dlq.actions import discard
from tests.pg.conftest import Pools
from tests.pg.unplaced import OTHER, WHOLE, Scene, first_row
from tests.unit.known import slice_of


@pytest.fixture
def scene(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Scene:
    """The row was there before the log begins."""
    return first_row(session, sink, pools(), schema, group)


def give_up(scene: Scene, offset: int) -> None:
    """Discard the letter of a record."""
    query = 'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = %s'
    ((letter,),) = scene.session.execute(query, (scene.group, offset)).fetchall()
    discard(scene.session, scene.group, [letter], "enough")


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("forgotten", [True, False])
def test_a_record_that_was_given_up_and_read_again_is_a_later_change(
    scene: Scene, again: bool, forgotten: bool
) -> None:
    """As its position was set back; before it is passed again it is none, however long ago it was given up."""
    scene.unknown()
    scene.unknown(WHOLE)
    scene.apply(OTHER)
    give_up(scene, 1)
    if forgotten:
        assert not prune(scene.session, scene.group, keep_hours=0, most=10)
        assert scene.states() == "0d"
    scene.learn()
    if again:
        scene.set_to(1)
        scene.read_again(1, 2)
    scene.replay()
    if not again:
        # placed while it stood behind it
        scene.set_to(1)

    assert scene.search() == [Ending.SUPERSEDED if again else Ending.CLEAR]


def test_what_was_given_up_before_it_is_read_again_is_a_later_change(scene: Scene) -> None:
    """Reading it again is what counts, not when it was given up."""
    scene.unknown()
    scene.unknown(WHOLE)
    scene.learn()
    scene.set_to(1)
    give_up(scene, 1)
    scene.read_again(1)
    scene.replay()

    assert scene.search() == [Ending.SUPERSEDED]
    assert scene.rows()[0] == (1, "new", 5)


def test_letters_of_no_row_whose_records_are_read_again_are_closed(scene: Scene) -> None:
    """Else the older one would be applied over the newer one, which would count as not applied."""
    scene.unknown()
    scene.unknown(WHOLE)
    scene.learn()
    by_hand = "UPDATE headrace.positions SET next_offset = 0, epoch = epoch + 1 WHERE group_name = %s"
    scene.session.execute(by_hand, (scene.group,))
    scene.set_to(0)
    scene.read_again(0, 1)

    assert scene.states() == "0a 1a"
    assert scene.rows()[0] == (1, "new", 5)


def test_a_letter_of_no_row_that_fails_again_stays_open(scene: Scene) -> None:
    """With all whose records are not in the log any more."""
    scene.unknown()
    scene.unknown(WHOLE)
    scene.set_to(0)
    scene.read_again(0)
    piece = replace(slice_of([], 1, scene.landing.at), end=2, epoch=scene.landing.taken.epoch)
    scene.sink.apply(scene.planned(piece))

    assert scene.states() == "0d 1d"


def test_what_a_person_has_passed_is_no_later_change(scene: Scene) -> None:
    """Nobody has applied it, so the letter has the newest of what is known."""
    scene.unknown()
    scene.pass_by(WHOLE)
    scene.apply(OTHER)
    scene.learn()
    scene.replay()
    assert scene.search() == [Ending.CLEAR]
    scene.come_back()

    assert scene.states() == "0a"
    assert scene.rows()[0] == (1, "old", 1)


def test_what_a_person_has_passed_is_a_later_change_once_it_is_read(scene: Scene) -> None:
    """As far as it is."""
    scene.unknown()
    scene.pass_by(WHOLE)
    scene.pass_by(OTHER)
    scene.learn()
    scene.set_to(1)
    scene.read_again(1)
    scene.set_to(3)
    scene.replay()

    assert scene.search() == [Ending.SUPERSEDED]


@pytest.mark.parametrize("places", [(1,), (1, 2)], ids=["set back", "and forward again"])
def test_what_was_applied_is_a_later_change_wherever_the_position_is_set(scene: Scene, places: Sequence[int]) -> None:
    """Also for a letter that is placed before it is read again."""
    scene.unknown()
    scene.apply(WHOLE)
    scene.learn()
    for place in places:
        scene.set_to(place)
    scene.replay()

    assert scene.search() == [Ending.SUPERSEDED]
