"""The compare of positions is what makes a change count once, and the witnesses are able to fail without it."""

from dataclasses import replace

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .wire import Proxy
from .witness import Target
from .worker import Job, Process, Workers, eventually

Fed = tuple[Feed, Feed]


def _overtaken(at: Endpoints, fed: Fed, proxy: Proxy, workers: Workers, *words: str) -> tuple[str, Process]:
    """A worker is held in front of the lock while another one, which the group knows nothing of, does all the work.

    Each reads alone in a consumer group of its own, so both are assigned every partition of the same positions.
    """
    topics = tuple(feed.topic for feed in fed)
    # its session is not ended for being idle as long as the other one takes
    job = Job(at=at, dsn=proxy.dsn, group=fresh_name("split"), topics=topics, name="slow", deadline=50.0)
    hold = proxy.before("FOR UPDATE OF p", 2, worker="slow")
    slow = workers.child(job, "alone", *words)
    hold.wait()
    assert workers.child(replace(job, name="quick"), "alone", "current").finish() == 0
    hold.deliver()
    return job.group, slow


def test_an_overtaken_worker_writes_nothing(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers
) -> None:
    """The compare fences it, and every witness is content."""
    group, slow = _overtaken(at, fed, proxy, workers)
    slow.said("partitions fenced: another owner took them")
    assert slow.leave() == 0
    target.must_equal(group, *fed)


def test_without_the_compare_the_witnesses_notice(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers
) -> None:
    """The same sequence with the compare removed writes keys twice and moves positions back, and both are seen."""
    group, slow = _overtaken(at, fed, proxy, workers, "no-compare")
    eventually(target.double_writes, "the trigger on the once-table sees a second write")
    eventually(lambda: target.bad_ranges(group), "the trigger on the positions sees overlapping ranges")
    eventually(lambda: target.ledger_overlaps(group), "the ledger shows overlapping ranges")
    slow.kill()
