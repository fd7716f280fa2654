"""SIGKILL from outside at named points: afterwards the target equals the model, each key written once."""

from dataclasses import replace

import pytest

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .wire import BATCH_COMMIT, COPY_DATA, COPY_DONE, MOVE, Proxy
from .witness import Target
from .worker import Job, Workers

Fed = tuple[Feed, Feed]

_LOCK = "FOR UPDATE OF p"
_LEDGER = r"UPDATE headrace.batches\s+SET state = 'applied'"
_TAKE = r"epoch = p\.epoch \+ 1"

# name: side, statement, how many such statements pass before
_BATCH = {
    "before BEGIN": ("before", "^BEGIN", 6),
    "staging table created": ("after", "^CREATE TEMP TABLE", 1),
    "COPY asked for": ("before", "^COPY", 3),
    "in COPY": ("before", COPY_DATA, 4),
    "COPY ended": ("after", COPY_DONE, 3),
    "before the lock": ("before", _LOCK, 2),
    "positions locked": ("after", _LOCK, 2),
    "rows deleted": ("after", "^DELETE FROM", 1),
    "rows upserted": ("after", "^INSERT INTO .public.*ON CONFLICT", 2),
    "staging cleared": ("after", "^TRUNCATE", 2),
    "constraints checked": ("after", "^SET CONSTRAINTS", 2),
    "positions moved": ("after", MOVE, 2),
    "ledger written": ("after", _LEDGER, 2),
    "COMMIT not sent": ("before", BATCH_COMMIT, 3),
    "COMMIT not answered": ("after", BATCH_COMMIT, 3),
}
_TAKING = {
    "before the first start is noted": ("before", "INSERT INTO headrace.groups", 0),
    "before the taking": ("before", _TAKE, 0),
    "taken, not committed": ("after", _TAKE, 0),
    "taken, COMMIT not answered": ("after", "^COMMIT", 1),
}
WIRE = {**{f"batch: {name}": p for name, p in _BATCH.items()}, **{f"take: {name}": p for name, p in _TAKING.items()}}

# where tables are made and changed with their first rows, and the changes that are not there if it ends there
_ANY = {"create", "add"}
CHANGING = {
    "before a table is made": ("before", "^CREATE TABLE .public", 0, {"create"}),
    "table made": ("after", "^CREATE TABLE .public", 0, {"create"}),
    "before a column is added": ("before", "^ALTER TABLE .public", 0, {"add"}),
    "column added": ("after", "^ALTER TABLE .public", 0, {"add"}),
    "change noted": ("after", "INSERT INTO headrace.schema_changes", 0, _ANY),
    "change and rows written": ("after", MOVE, 0, _ANY),
    "COMMIT not answered": ("after", BATCH_COMMIT, 0, set[str]()),
}

# points of the test's own child program, and how many calls pass before
INSIDE = {
    "batch: planned-not-queued": 3,
    "batch: queued": 3,
    "batch: dequeued": 4,
    "batch: applied-not-told": 9,
    "batch: before-group-commit": 2,
    "batch: after-group-commit": 2,
    "take: assigned": 0,
    "take: asked-to-take": 0,
    "take: taken-not-sought": 2,
    "take: sought": 2,
}


def job_of(at: Endpoints, dsn: str, fed: Fed, name: str = "w") -> Job:
    """A worker over both topics; a static member, so that its successor need not wait for its session to end."""
    topics = tuple(feed.topic for feed in fed)
    return Job(at=at, dsn=dsn, group=fresh_name("kill"), topics=topics, name=name, client={"group.instance.id": "one"})


@pytest.mark.parametrize("point", WIRE)
def test_killed_at_a_statement(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers, point: str
) -> None:
    """A worker held at a statement and killed there has done all of a batch or nothing of it."""
    side, pattern, skip = WIRE[point]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, skip)
    job = job_of(at, proxy.dsn, fed)
    victim = workers.run(job)
    hold.wait()
    victim.kill()
    hold.discard()
    workers.until_current(job)
    target.must_equal(job.group, *fed)


@pytest.mark.parametrize("point", CHANGING)
def test_killed_while_a_table_is_changed(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers, point: str
) -> None:
    """One table is not there, the other lacks a column: each is changed once, with its first rows or not at all."""
    target.do("DROP TABLE public.churn; ALTER TABLE public.once DROP COLUMN amount")
    side, pattern, skip, missing = CHANGING[point]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, skip)
    job = replace(job_of(at, proxy.dsn, fed), evolution={"add": "auto"})
    victim = workers.run(job)
    hold.wait()
    victim.kill()
    hold.discard()
    made = "SELECT change, state FROM headrace.schema_changes ORDER BY change"
    committed = {row[0] for row in target.ask(made)}
    assert not committed & missing
    assert missing or committed
    workers.until_current(job)
    target.must_equal(job.group, *fed)
    assert target.ask(made) == [("add", "applied"), ("create", "applied")]


@pytest.mark.parametrize("point", ["batch: in COPY", "batch: positions moved", "batch: ledger written"])
def test_killed_while_batches_have_grown(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers, point: str
) -> None:
    """Few keys that change often make batches of many more records than rows."""
    side, pattern, skip = WIRE[point]
    hold = (proxy.before if side == "before" else proxy.after)(pattern, skip)
    job = replace(job_of(at, proxy.dsn, fed), max_rows=20, growth=20)
    victim = workers.run(job)
    hold.wait()
    victim.kill()
    hold.discard()
    workers.until_current(job)
    target.must_equal(job.group, *fed)
    assert max(map(int, (str(row[0]) for row in target.ask("SELECT records FROM headrace.batches")))) > job.max_rows


def test_a_commit_that_arrives_after_the_death_counts_once(
    at: Endpoints, fed: Fed, target: Target, proxy: Proxy, workers: Workers
) -> None:
    """The bytes of COMMIT were on their way when the worker died; its successor waits for them and goes on behind."""
    hold = proxy.before(BATCH_COMMIT, 3)
    job = job_of(at, proxy.dsn, fed)
    victim = workers.run(job)
    hold.wait()
    victim.kill()
    successor = workers.run(job, "--until-current")
    successor.said("worker starts")
    hold.deliver()
    assert successor.finish() == 0, successor.text()
    target.must_equal(job.group, *fed)


@pytest.mark.parametrize("point", INSIDE)
def test_killed_between_statements(at: Endpoints, fed: Fed, target: Target, workers: Workers, point: str) -> None:
    """The test's own child program stops between two steps of the real worker and is killed there."""
    name = point.split(": ")[1]
    job = job_of(at, target.dsn, fed)
    victim = workers.child(job, name, str(INSIDE[point]))
    victim.told(f"paused {name}")
    victim.kill()
    workers.until_current(job)
    target.must_equal(job.group, *fed)
