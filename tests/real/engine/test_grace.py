"""A registry whose replica is behind: an id that it does not know yet costs time, and only its own partition's."""

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .replica import Replica
from .witness import Target
from .worker import Job, Workers, eventually


@pytest.mark.parametrize("becomes_known", [True, False])
def test_an_unknown_id_is_waited_for(
    at: Endpoints, target: Target, workers: Workers, replica: Replica, becomes_known: bool
) -> None:
    """Other topics flow meanwhile. What becomes known is applied, the rest becomes letters when the time is over."""
    late, other = Feed(at, "once", fresh_name("once")), Feed(at, "churn", fresh_name("churn"))
    late.create(10)
    other.churn(30, seed=5)
    replica.behind = int.from_bytes(late.encode("c", 1, {"id": 1, "label": "x", "amount": 1})[1:5], "big")
    grace = 60.0 if becomes_known else 2.0
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("grace"),
        topics=(late.topic, other.topic),
        registry_url=replica.url,
        grace=grace,
    )
    worker = workers.run(job)
    if becomes_known:
        worker.said("partition waits")
        eventually(lambda: target.reached(job.group, other), "the other topic is applied")
        assert target.rows("once") == {}
        replica.behind = None
    eventually(lambda: target.reached(job.group, late, other), "everything is passed")
    letters = target.ask("SELECT kind, count(*) FROM headrace.letters WHERE group_name = %s GROUP BY 1", job.group)

    assert letters == ([] if becomes_known else [("record.schema_unknown", 10)])
    assert {line["topic"] for line in worker.lines("partition waits")} == {late.topic}
    assert worker.lines("partition stopped") == []
    assert worker.leave() == 0
