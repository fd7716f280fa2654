"""Tables of several priorities in one worker: critical changes pass a backlog of bulk ones, which goes on as well."""

import time
from collections.abc import Callable

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers, eventually

BACKLOG = 1_000
_SLOW = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END'"


def test_critical_changes_pass_a_bulk_backlog_that_goes_on_all_the_same(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """A trigger makes each bulk row cost 5 ms. Critical ones are there long before the backlog is, and while they wait
    longer than they should it is said which tables are held back, and why."""
    bulk, critical = fresh_feed("heavy", 1), fresh_feed("vital", 1)
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("priorities"),
        topics=(bulk.topic, critical.topic),
        tables={"public.heavy": {"priority": "bulk"}, "public.vital": {"priority": "critical"}},
        # a goal that no batch of so slow a table keeps
        sections={"priorities": {"latency_goal": 0.05, "turn_every": 2, "calm": 0.2}},
    )
    bulk.send("c", 1, "made", 1)
    critical.send("c", 1, "made", 1)
    for feed in (bulk, critical):
        feed.flush()
    assert workers.run(job, "--until-current").finish() == 0
    target.do(_SLOW)
    target.do("CREATE TRIGGER slow BEFORE INSERT ON heavy FOR EACH ROW EXECUTE FUNCTION slow()")
    for key in range(2, BACKLOG):
        bulk.send("c", key, "later", key)
    bulk.flush()

    worker = workers.run(job)
    eventually(lambda: target.ask("SELECT count(*) > 1 FROM heavy")[0][0], "the backlog is begun")
    began = time.monotonic()
    for key in range(2, 12):
        critical.send("c", key, "now", key)
        critical.flush()
        eventually(lambda: target.ask("SELECT max(id) FROM vital") == [(key,)], "it passes the backlog", 20)  # noqa: B023
    took = time.monotonic() - began
    (unlike,) = target.ask("SELECT count(*) < %s FROM heavy", BACKLOG - 1)
    assert unlike == (True,), f"the backlog was applied first, in {took:.1f} s"
    assert worker.lines("tables are held back")

    # nobody starves
    eventually(lambda: target.ask("SELECT count(*) FROM heavy") == [(BACKLOG - 1,)], "the backlog is applied", 60)
    assert worker.leave() == 0
