"""Workers join and leave under load, eagerly and cooperatively; nothing is lost and nothing counts twice."""

from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .load import Load, random_seed
from .witness import Target
from .worker import Job, Workers, eventually

_CYCLES = 4


def _job(at: Endpoints, target: Target, feeds: tuple[Feed, Feed], strategy: str) -> Job:
    topics = tuple(feed.topic for feed in feeds)
    client = {"partition.assignment.strategy": strategy}
    return Job(at=at, dsn=target.dsn, group=fresh_name("rebalance"), topics=topics, name="stays", client=client)


def comes_and_goes(job: Job, target: Target, workers: Workers, guest: str, *, killed: bool) -> None:
    """A second worker joins the job's, which is named `stays`, until it leaves or is killed: two rebalances."""
    second = workers.run(replace(job, name=guest))
    eventually(lambda: len(_owners(target, job.group)) == 2, "both own partitions")
    if killed:
        second.kill()
    else:
        assert second.leave() == 0
    eventually(lambda: _owners(target, job.group) == {"stays"}, "the one that stays owns all again")


def _owners(target: Target, group: str) -> set[str]:
    query = "SELECT DISTINCT split_part(owner, '-', 1) FROM headrace.positions WHERE group_name = %s"
    return {str(row[0]) for row in target.ask(query, group)}


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_joining_and_leaving_under_load(at: Endpoints, target: Target, workers: Workers, strategy: str) -> None:
    """Eight rebalances; the last guest is killed, so that its partitions come back by the session's end."""
    feeds = Feed(at, "once", fresh_name("once"), 4), Feed(at, "churn", fresh_name("churn"), 4)
    job = _job(at, target, feeds, strategy)
    stays = workers.run(job)
    stays.said("partitions taken")
    with Load(*feeds, random_seed()):
        for cycle in range(_CYCLES):
            comes_and_goes(job, target, workers, f"guest{cycle}", killed=cycle == _CYCLES - 1)
    eventually(lambda: target.reached(job.group, *feeds), "everything is applied")
    assert stays.leave() == 0
    target.must_equal(job.group, *feeds)
