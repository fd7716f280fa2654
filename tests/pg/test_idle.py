"""An apply thread without work."""

import psycopg

from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.ports.target import Taken
from consumer.reading.handover import Stopped
from tests.pg.applying import Applying
from tests.pg.conftest import Catalogs, Sinks

END = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'headrace idle'"
DECIDE = "UPDATE headrace.positions SET again_at = clock_timestamp(), stopped = NULL WHERE group_name = %s"


def test_a_session_that_was_lost_is_opened_anew_without_work(
    session: psycopg.Connection, sinks: Sinks, catalogs: Catalogs, schema: str, group: str
) -> None:
    """So that a decision about a stopped partition is heeded after the server's restart."""
    applying = Applying(sinks("idle"), catalogs(), schema, ["t"])
    at = TopicPartition("t", 0)
    applying.handover.report(Stopped(at, failed(KINDS["log.out_of_range"], "kafka", "fetch", "gone")))
    applying.turns(lambda told: any(isinstance(one, Stopped) for one in told))
    session.execute(END)
    session.execute(DECIDE, (group,))

    told = applying.turns(lambda told: any(isinstance(one, Taken) for one in told))
    assert [one.at for one in told if isinstance(one, Taken)] == [at]
