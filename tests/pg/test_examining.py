"""What an examination asks of the target: sessions that others have, for which there is no room then."""

from contextlib import ExitStack, closing

import psycopg
import pytest

from consumer.edges.postgres.examining import PostgresExamining
from consumer.edges.postgres.session import SessionSettings, connect

_REPORT = """
INSERT INTO headrace.workers (group_name, name, host, pid, version, state, every, partitions, queue_batches,
    queue_bytes, breakers)
VALUES (%s, %s, 'h', 1, '1', 'running', 5, '[]', 0, 0, '[]')
"""


@pytest.mark.parametrize(("readable", "more"), [(True, 2), (False, 0)])
def test_sessions_of_other_groups_are_others(
    server: str, session: psycopg.Connection, group: str, readable: bool, more: int
) -> None:
    """Those of the group's own workers are not: they are what room is wanted for."""
    own, theirs = f"{group}-w", f"{group}-other-w"
    for owner, name in ((group, own), (f"{group}-other", theirs)):
        session.execute(_REPORT, (owner, name))
    with closing(PostgresExamining(SessionSettings(dsn=server, worker="doctor"), group)) as target, ExitStack() as held:
        before = target.known(readable=readable).room["max_connections"]
        for name in (own, theirs, theirs):
            held.enter_context(connect(SessionSettings(dsn=server, worker=name)))
        after = target.known(readable=readable).room["max_connections"]
    assert after.others - before.others == more
    assert after.most == before.most > 0


def test_limits_of_role_and_database_count_where_there_are_any(
    server: str, session: psycopg.Connection, group: str
) -> None:
    """With the sessions that count in them."""
    with closing(PostgresExamining(SessionSettings(dsn=server, worker="doctor"), group)) as target:
        assert list(target.known(readable=True).room) == ["max_connections"]
        name = session.info.dbname
        session.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 77")
        try:
            room = target.known(readable=True).room
        finally:
            session.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
    assert room[f"the database {name}"].most == 77
    assert room[f"the database {name}"].others >= 1
