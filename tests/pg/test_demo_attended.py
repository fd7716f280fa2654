"""Whether somebody works on the demonstration's letters, by what is written down."""

import psycopg
import pytest

from consumer.stack.demo.letters import at_work
from consumer.stack.demo.line import GROUP

_DONE = """
INSERT INTO headrace.audit (group_name, actor, action, topic, partition, reason, happened_at)
VALUES (%s, 'somebody', 'letter.content', 'demo.shop.orders', 0, '', now() - make_interval(secs => %s))
"""


@pytest.mark.parametrize(("group", "seconds", "works"), [(GROUP, 60, True), (GROUP, 180, False), ("other", 1, False)])
def test_somebody_is_at_work_for_a_while_after_what_they_did(
    session: psycopg.Connection, group: str, seconds: int, works: bool
) -> None:
    """In this group, and a moment ago."""
    with session.transaction(force_rollback=True):
        session.execute(_DONE, [group, seconds])
        assert at_work(session) is works
