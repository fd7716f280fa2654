"""Ways out for thousands of letters of one row: each of its letters is looked at once, and not once for each other."""

from collections.abc import Iterator

import psycopg
import pytest

from consumer.core.jobs import JobKind
from dlq.actions import discard
from dlq.preview import Fate, Rules
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene

MANY = 6_000


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Iterator[Scene]:
    """A group whose row 7 has many dead letters; people's statements have a second."""
    scene = Scene(session, pools(), group)
    scene.letters(MANY, row=7)
    session.execute("SET statement_timeout = '1s'")
    yield scene
    session.execute("RESET statement_timeout")


def test_they_are_looked_at_for_a_job(scene: Scene) -> None:
    """Each is behind those in front of it, all of which go."""
    assert dict(scene.look().counts) == {Fate.ELIGIBLE: MANY}


def test_the_oldest_that_does_not_go_is_in_front_of_all_others(scene: Scene) -> None:
    """It is named."""
    ((first,),) = scene.session.execute(
        'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = 2', (scene.group,)
    ).fetchall()
    scene.session.execute("UPDATE headrace.letters SET replays = 3 WHERE id = %s", (first,))
    looked = scene.look()
    assert dict(looked.counts) == {Fate.ELIGIBLE: 2, Fate.OVER_CAP: 1, Fate.BLOCKED: MANY - 3}
    assert all(str(first) in sample.why for sample in looked.samples[Fate.BLOCKED])


def test_a_job_sends_them(scene: Scene) -> None:
    """A step has the time of a batch, of which this is a part."""
    first = scene.start()
    scene.rested(first)
    scene.jobs._pool.ask(lambda connection: connection.execute("SET statement_timeout = '1s'"))
    stepped = scene.step()
    assert stepped is not None
    assert (stepped.job, stepped.acted) == (first, 500)


def test_they_are_given_up(scene: Scene) -> None:
    """Some at a time, as a job does."""
    query = 'SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY "offset" LIMIT 500'
    ids = [row[0] for row in scene.session.execute(query, (scene.group,))]
    assert len(discard(scene.session, scene.group, ids, "nobody wants them").changed) == 500
    assert scene.look(rules=Rules(kind=JobKind.DISCARD)).counts[Fate.ELIGIBLE] == MANY - 500
