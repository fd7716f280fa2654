"""Recoveries while the table is written, with every process killed in the steps that a look meets: the target equals
the source.
"""

import signal
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from consumer.stack.options import Endpoints
from tests.real.engine.shelf import Shelf, shelf
from tests.real.engine.witness import Target
from tests.real.engine.worker import Job, Process, Workers, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
ROWS = 3_000
_COUNT = "SELECT count(*) FROM public.shelf"
_THERE = "SELECT to_regclass('public.shelf')::text"
_STEP = "SELECT number FROM headrace.workflow_steps WHERE workflow_id = %s AND state = 'running'"
_STATE = "SELECT state FROM headrace.workflows WHERE id = %s"
_ROWS = "SELECT count(*), md5(string_agg(id || ':' || word || ':' || price, ',' ORDER BY id)) FROM public.shelf"


def applied(target: Target, source: Shelf) -> None:
    """The target has the snapshot."""
    eventually(lambda: target.ask(_THERE) == [("shelf",)], "the table is there", 120)
    eventually(lambda: target.ask(_COUNT) == [(source.rows,)], "the snapshot is applied", 120)


def killed_in_each_step(workers: Workers, job: Job, target: Target, workflow: int, worker: Process) -> set[int]:
    """Kill whatever takes turns whenever another step is met, until it is over; returns the steps."""
    seen: set[int] = set()

    def next_step() -> bool:
        steps = {int(str(row[0])) for row in target.ask(_STEP, workflow)}
        return bool(steps - seen) or target.ask(_STATE, workflow) not in ([("running",)], [("planned",)])

    while True:
        eventually(next_step, f"a step behind {sorted(seen)}", 240)
        now = {int(str(row[0])) for row in target.ask(_STEP, workflow)} - seen
        if not now:
            return seen
        seen |= now
        worker.send(signal.SIGKILL)
        worker.finish()
        worker = workers.run(job)


def rebuilt(workers: Workers, job: Job, worker: Process, target: Target) -> set[int]:
    """The table, rebuilt by workers that are killed; returns the steps in which they were."""
    made = workers.command(job, "recover", "rebuild", "public.shelf", "--detach", "--yes", "--reason", "a test")
    assert made.finish() == 0, made.text()
    return killed_in_each_step(workers, job, target, 1, worker)


def rewound(workers: Workers, job: Job, worker: Process, target: Target) -> set[int]:
    """The topic, applied again from a time when it was not there."""
    before = datetime.now(UTC) - timedelta(hours=1)
    words = ("--to", before.isoformat(), "--compare", "--detach", "--yes", "--reason", "a test")
    made = workers.command(job, "recover", "rewind", job.topics[0], *words)
    assert made.finish() == 0, made.text()
    return killed_in_each_step(workers, job, target, 1, worker)


def damaged(target: Target) -> None:
    """Rows that are lost, changed and added by hand."""
    target.do("DELETE FROM public.shelf WHERE id % 3 = 0")
    target.do("UPDATE public.shelf SET price = 0 WHERE id % 5 = 0")
    target.do("INSERT INTO public.shelf (id, word, price) SELECT -n, 'extra', 1 FROM generate_series(1, 700) n")


def lost(target: Target) -> None:
    """Rows that are lost and changed."""
    target.do("DELETE FROM public.shelf WHERE id % 3 = 0")
    target.do("UPDATE public.shelf SET price = 0 WHERE id % 5 = 0")


# at least in how many steps they are killed: one that is over between two looks is not met
CASES = {"rebuild": (damaged, rebuilt, 2), "rewind": (lost, rewound, 1)}


@pytest.mark.parametrize("name", CASES)
def test_a_table_is_equal_again_whatever_is_killed(at: Endpoints, target: Target, workers: Workers, name: str) -> None:
    """While it is written, and the workers are killed in as many steps as that."""
    hurt, recover, steps = CASES[name]
    with shelf(at, ROWS) as source:
        job = source.job(target, range_rows=500, rate=3000)
        worker = workers.run(job)
        applied(target, source)
        hurt(target)
        with source.load(100):
            seen = recover(workers, job, worker, target)
        assert target.ask(_STATE, 1) == [("done",)]
        assert len(seen) >= steps
        with psycopg.connect(source.dsn) as there:
            theirs = [tuple(row) for row in there.execute(_ROWS).fetchall()]
        eventually(lambda: target.ask(_ROWS) == theirs, "both are equal", 60)
