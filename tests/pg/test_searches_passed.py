"""What a person passed or gave up is a later change for no search, and none goes over it, unless it was read again."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from consumer.core.search import Ending
from consumer.edges.postgres.letters import prune
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.target import Start
from dlq.actions import discard
from tests.pg.conftest import Pools
from tests.pg.unplaced import CUT, NONSENSE, OTHER, PARTIAL, WHOLE, Change, Scene, first_row
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
    """As its position was set back; before it is passed again nobody knows, however long ago it was given up."""
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

    assert scene.search() == [Ending.SUPERSEDED if again else Ending.REFUSED]


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


@pytest.mark.parametrize("change", [WHOLE, PARTIAL])
def test_over_what_a_person_has_passed_nothing_is_applied(scene: Scene, change: Change) -> None:
    """The source has a newer row, so it is asked for that: the letter is kept for a person."""
    scene.unknown()
    scene.pass_by(change)
    scene.apply(OTHER)
    scene.learn()
    scene.replay()
    assert scene.search() == [Ending.REFUSED]

    assert scene.states() == "0d"
    query = "SELECT detail FROM headrace.letters WHERE group_name = %s"
    ((detail,),) = scene.session.execute(query, (scene.group,)).fetchall()
    assert "was perhaps not applied" in detail
    assert scene.rows()[0] == (1, "first", 0)


@pytest.mark.parametrize(("later", "ending"), [(OTHER, Ending.CLEAR), (NONSENSE, Ending.CLEAR), (CUT, Ending.REFUSED)])
def test_what_was_passed_stands_in_no_way_of_other_rows(scene: Scene, later: Change, ending: Ending) -> None:
    """Also where nobody can read of which row it is: it could not have been applied either."""
    scene.unknown()
    scene.unknown(later)
    give_up(scene, 1)
    scene.learn()
    scene.replay()

    assert scene.search() == [ending]


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


@pytest.mark.parametrize("several", [False, True], ids=["one partition", "several"])
@pytest.mark.parametrize("places", [(1,), (1, 2)], ids=["set back", "and forward again"])
def test_what_was_applied_is_a_later_change_wherever_the_position_is_set(
    scene: Scene, places: Sequence[int], several: bool
) -> None:
    """Also for a letter that is placed before it is read again."""
    scene.unknown()
    scene.apply(WHOLE)
    if several:
        scene.beside(OTHER, grown=False)
    scene.learn()
    for place in places:
        scene.set_to(place)
    scene.replay()

    assert scene.search() == [Ending.SUPERSEDED]


@pytest.mark.parametrize("given_up", [False, True])
def test_what_was_applied_and_is_refused_when_it_is_read_again_is_a_later_change(scene: Scene, given_up: bool) -> None:
    """Whatever becomes of the letter that it is now."""
    scene.unknown()
    scene.apply(WHOLE)
    scene.learn()
    scene.set_to(1)
    scene.session.execute(f"ALTER TABLE {scene.landing.table} ADD CHECK (amount <> 5) NOT VALID".encode())
    scene.fail_again(1)
    assert scene.states() == "0d 1d"
    if given_up:
        give_up(scene, 1)
    scene.replay()

    assert scene.search() == [Ending.SUPERSEDED]


def test_what_was_passed_and_came_from_another_consumer_is_nothing_to_go_over(scene: Scene) -> None:
    """It is applied by now, though it stands among what was passed."""
    scene.unknown()
    scene.pass_by(WHOLE)
    scene.import_letter(1)
    scene.replay(1)
    scene.come_back()
    assert scene.states() == "0d 1a"
    scene.learn()
    scene.replay()

    assert scene.search() == [Ending.REFUSED]
    assert scene.rows()[0] == (1, "new", 5)


def test_letters_are_closed_when_a_position_that_was_deleted_begins_anew(scene: Scene) -> None:
    """All is read again then."""
    scene.unknown()
    scene.unknown(WHOLE)
    scene.learn()
    scene.session.execute("DELETE FROM headrace.positions WHERE group_name = %s", (scene.group,))
    (scene.landing.taken,) = scene.sink.take({scene.landing.at: Start(offset=0)})
    scene.read_again(0, 1)

    assert scene.states() == "0a 1a"
    assert scene.rows()[0] == (1, "new", 5)


def test_nobody_gives_up_what_is_being_read_again(server: str, scene: Scene) -> None:
    """It would stay noted as not applied. Whoever is about to do so is waited for."""
    scene.unknown()
    scene.unknown(WHOLE)
    scene.learn()
    scene.set_to(1)
    query = 'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = 1'
    ((letter,),) = scene.session.execute(query, (scene.group,)).fetchall()
    with ThreadPoolExecutor(1) as threads, psycopg.connect(server) as person:
        # one transaction, which stays open
        person.execute("SELECT")
        discard(person, scene.group, [letter], "enough")
        reading = threads.submit(scene.read_again, 1)
        waits = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        while not scene.session.execute(waits, (person.info.backend_pid,)).rowcount:
            assert not reading.done()
        person.commit()
        reading.result(30)

    assert scene.session.execute("SELECT FROM headrace.unapplied WHERE group_name = %s", (scene.group,)).rowcount == 0
    scene.replay()
    assert scene.search() == [Ending.SUPERSEDED]


@pytest.mark.parametrize("cut", [1, 2])
def test_in_front_of_a_place_where_a_log_was_cut_nothing_counts_as_applied(scene: Scene, cut: int) -> None:
    """What was passed there stays in the log, or the cut lies further in front, where nobody knows."""
    scene.unknown()
    scene.log += [scene.landing.record(*change) for change in (WHOLE, OTHER)]
    scene.set_to(3)
    scene.set_to(2, discarded_from=cut)
    scene.learn()
    scene.replay()

    assert scene.search() == [Ending.REFUSED]
    assert scene.states() == "0d"
