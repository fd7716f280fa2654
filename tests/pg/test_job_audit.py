"""What a job did with a letter stays on record."""

import psycopg

from consumer.core.jobs import JobKind
from consumer.edges.postgres.jobs import prune
from dlq.history import whole
from dlq.preview import Rules
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene


def test_a_letter_names_who_had_it_sent_also_when_the_job_is_gone(
    session: psycopg.Connection, pools: Pools, group: str
) -> None:
    """And why; a letter that was given up with the one in front of it does so too."""
    scene = Scene(session, pools(), group)
    (sent,) = scene.letters()
    number = scene.start()
    scene.rest([sent])
    first, behind = (scene.letters(first=offset, row=7, state=state)[0] for offset, state in ((5, "dead"), (6, "held")))
    given_up = scene.start(rules=Rules(kind=JobKind.DISCARD))
    scene.rest([])
    session.execute("UPDATE headrace.jobs SET ended_at = 'epoch' WHERE group_name = %s", (group,))
    while prune(session, group, 1.0, 100):
        pass
    assert session.execute("SELECT FROM headrace.jobs WHERE group_name = %s", (group,)).fetchall() == []
    for letter, action, job in (
        (sent, "replay letters", number),
        (first, "discard letters", given_up),
        (behind, "discard letters", given_up),
    ):
        found = whole(session, group, letter)
        assert found is not None
        (decided,) = found.decisions
        assert (decided.actor, decided.action, decided.reason) == ("me@here", action, "ticket 1")
        query = "SELECT details FROM headrace.audit WHERE group_name = %s AND letters @> ARRAY[%s::bigint]"
        assert session.execute(query, (group, letter)).fetchall() == [({"job": job},)]
