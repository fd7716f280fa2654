"""A letter that is refused by the search for its row, as jobs of letters see it."""

import psycopg
import pytest

from consumer.core.search import next_stretch
from consumer.edges.postgres.searches import PostgresSearches
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Scene:
    """A group without letters."""
    return Scene(session, pools(), group)


def refused(pools: Pools, scene: Scene, letter: int) -> None:
    """The log does not have what stands behind the letter, whose row has become known by now."""
    query = 'UPDATE headrace.letters SET searched = "offset" + 1, search_until = "offset" + 9 WHERE id = %s'
    scene.session.execute(query, (letter,))
    searches = PostgresSearches(pools(), scene.group)
    searches.refuse(next_stretch(searches.claim(9, 5.0)))


def test_what_waited_for_a_letter_that_is_refused_is_still_sent(scene: Scene, pools: Pools) -> None:
    """It is applied without it, so its job does not say that it waits."""
    (first,) = scene.letters(row=7)
    behind = scene.letters(2, first=5, row=7)
    number = scene.start()
    scene.step()
    for letter in behind:
        scene.comes_back(letter)
    assert [scene.state(letter) for letter in behind] == ["held", "held"]
    refused(pools, scene, first)
    assert [scene.state(letter) for letter in (first, *behind)] == ["dead", "retrying", "held"]
    assert scene.ends(number) == ["dead", "sent", "sent"]
    for letter in behind:
        scene.comes_back(letter)
        scene.comes_back(letter)
    assert scene.ends(number) == ["dead", "applied", "applied"]


def test_a_delete_that_keeps_something_comes_back_behind_what_is_dead(scene: Scene, pools: Pools) -> None:
    """Where the letter that is refused was the last in front of it that may have been applied."""
    dead, first, keeps = (scene.letters(first=offset, row=7)[0] for offset in (0, 2, 4))
    scene.session.execute("UPDATE headrace.letters SET state = 'replaying' WHERE id = %s", (first,))
    held = "UPDATE headrace.letters SET state = 'held', kind = 'record.behind', operation = 'keep' WHERE id = %s"
    scene.session.execute(held, (keeps,))
    refused(pools, scene, first)
    assert [scene.state(letter) for letter in (dead, first, keeps)] == ["dead", "dead", "retrying"]


def test_a_letter_that_has_gone_on_meanwhile_is_not_refused(scene: Scene, pools: Pools) -> None:
    """Nor is what waits for it set free."""
    (first,) = scene.letters(row=7, state="replaying")
    (behind,) = scene.letters(first=5, row=7, state="held")
    query = 'UPDATE headrace.letters SET searched = "offset" + 1, search_until = "offset" + 9 WHERE id = %s'
    scene.session.execute(query, (first,))
    searches = PostgresSearches(pools(), scene.group)
    stretch = next_stretch(searches.claim(9, 5.0))
    scene.session.execute("UPDATE headrace.letters SET attempt = attempt + 1 WHERE id = %s", (first,))
    searches.refuse(stretch)
    assert [scene.state(letter) for letter in (first, behind)] == ["replaying", "held"]
