"""Comparisons that are under way while somebody has switched comparisons off."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.types.json import Jsonb

from consumer.composition.comparing import acts, comparison
from consumer.core.flags import Flag
from consumer.edges.postgres import flags
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.settings.loading import Settings
from tests.pg.comparing import NOTE, Scene, opened, unasked
from tests.pg.conftest import Pools

_WAITS = """
UPDATE headrace.workflow_steps SET progress = progress || jsonb_build_object('round', %s::jsonb) WHERE workflow_id = %s
"""


@pytest.fixture
def scene(session: psycopg.Connection, server: str, pools: Pools, group: str, schema: str) -> Iterator[Scene]:
    """Two equal tables."""
    with opened(session, server, pools(), group, schema) as made:
        made.make("id int PRIMARY KEY", "id int PRIMARY KEY")
        for side in ("{s}", "{t}"):
            made.do(f"INSERT INTO {side} SELECT generate_series(1, 1000)")
        yield made


@pytest.fixture
def takes(scene: Scene) -> PostgresWorkflows:
    """A process of the program, which takes turns."""
    sections = {
        "kafka": {"bootstrap_servers": "here:1", "group": scene.group, "topics": ["t"]},
        "registry": {"url": "http://here:2"},
        "target": {"dsn": scene.server},
        "source": {"dsn": scene.server},
    }
    settings = Settings.model_validate(sections)
    compared = comparison(lambda: settings, "a test", unasked)
    scene.opened.append(compared)
    return PostgresWorkflows(scene.pool, scene.group, acts(lambda: settings, compared, unasked))


def test_one_that_is_under_way_waits_where_it_is_until_they_are_on_again(
    scene: Scene, takes: PostgresWorkflows
) -> None:
    """It says who has done that, and why; a position that was waited for is asked for anew."""
    number = scene.start()
    assert takes.turn(number) is not None
    scene.session.execute(_WAITS, (Jsonb({"lsn": "0/0", "since": 0.0}), number))
    flags.put(scene.session, scene.group, Flag.RECONCILIATION, False, NOTE)
    held = takes.turn(number)
    assert held is not None
    assert (held.state, held.turn.progress["rows"], held.turn.progress["round"]) == ("running", 0, None)
    for said in ("reconciliation is switched off", NOTE.reason, NOTE.actor):
        assert said in held.turn.why
    assert takes.turn(number) is None, "it is not asked at once"
    flags.put(scene.session, scene.group, Flag.RECONCILIATION, None, NOTE)
    done = scene.taken(number, takes)
    assert (done.state, done.why, done.steps[0].verdict, done.steps[0].rows) == ("done", "", "equal", 1000)


def test_one_that_has_not_begun_waits_too(scene: Scene, takes: PostgresWorkflows) -> None:
    """Nothing is asked of the source."""
    number = scene.start()
    flags.put(scene.session, scene.group, Flag.RECONCILIATION, False, NOTE)
    held = takes.turn(number)
    assert held is not None
    assert "source" not in held.turn.progress
    flags.put(scene.session, scene.group, Flag.RECONCILIATION, True, NOTE)
    assert scene.taken(number, takes).state == "done"
