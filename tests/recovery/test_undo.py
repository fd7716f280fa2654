"""Batches of a real source taken back while workers are killed in each step of it: the table is as it was."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumer.stack.options import Endpoints
from tests.faults.log import log_ends
from tests.real.engine.shelf import Shelf, shelf
from tests.real.engine.wire import Hold, Proxy
from tests.real.engine.witness import Target
from tests.real.engine.worker import Job, Process, Workers, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
ROWS = 400
_COUNT = "SELECT count(*) FROM public.shelf"
_THERE = "SELECT to_regclass('public.shelf')::text"
_STATE = "SELECT state, why FROM headrace.workflows WHERE id = %s"
_ROWS = "SELECT * FROM public.shelf ORDER BY id"
_BATCHES = "SELECT id FROM headrace.batches WHERE state = 'applied' AND records > 0 ORDER BY id DESC"
# updates, deletes with their tombstones, inserts, and updates once more
_CHANGES = 100 + 2 * 40 + 30 + 53
_HURT = """
UPDATE public.shelf SET word = 'wrong', price = price * 2, note = '{{"wrong": true}}', how = NULL WHERE id % 4 = 0;
DELETE FROM public.shelf WHERE id % 10 = 1;
INSERT INTO public.shelf (id, word) SELECT n, 'surplus' FROM generate_series({0} + 1, {0} + 30) n;
UPDATE public.shelf SET word = word || '!' WHERE id % 8 = 0
"""


def applied(workers: Workers, job: Job, target: Target, source: Shelf) -> Process:
    """A worker that has applied the snapshot."""
    worker = workers.run(job)
    eventually(lambda: target.ask(_THERE) == [("shelf",)], "the table is there", 120)
    eventually(lambda: target.ask(_COUNT) == [(source.rows,)], "the snapshot is applied", 120)
    return worker


def hurt(workers: Workers, job: Job, target: Target, source: Shelf, worker: Process) -> tuple[Process, list[int]]:
    """One transaction at the source, applied in few batches; these, the newest first, and who has applied them."""
    before = target.ask(_BATCHES)
    assert worker.leave() == 0
    written = sum(log_ends(job.at.kafka, job.topics).values())
    source.do(_HURT.format(source.rows))
    eventually(lambda: sum(log_ends(job.at.kafka, job.topics).values()) == written + _CHANGES, "it is captured", 90)
    worker = workers.run(job)
    done = "SELECT count(*) FROM public.shelf WHERE word = 'wrong!' OR left(word, 7) = 'surplus'"
    eventually(lambda: target.ask(done) == [(ROWS // 8 + 30,)], "the change is applied", 60)
    gone = "SELECT count(*) FROM public.shelf WHERE mod(id, 10) = 1 AND id < 400"
    eventually(lambda: target.ask(gone) == [(0,)], "the deletes too", 60)
    return worker, [int(str(row[0])) for row in target.ask(_BATCHES) if row not in before]


def begun(workers: Workers, job: Job, batch: int, *words: str) -> int:
    """Have a batch taken back; the workflow's number."""
    words = ("--detach", "--yes", "--reason", "a test", "--output", "json", *words)
    made = workers.command(job, "recover", "undo", str(batch), *words)
    assert made.finish() == 0, made.text()
    return int(told(made)[0]["number"])


def over(target: Target, number: int) -> tuple[object, ...]:
    """Its state and why, once it takes no more turns."""
    eventually(lambda: target.ask(_STATE, number)[0][0] in ("done", "stopped"), "it is over", 90)
    return target.ask(_STATE, number)[0]


def told(process: Process) -> list[dict[str, Any]]:
    """What a command wrote as JSON."""
    text = process.text()
    return list(json.loads(text[text.index("[\n") : text.rindex("]") + 1]))


POINTS: tuple[Callable[[Proxy], Hold], ...] = (
    lambda proxy: proxy.before("COPY headrace.undo_rows"),
    lambda proxy: proxy.before("SET CONSTRAINTS ALL IMMEDIATE"),
    lambda proxy: proxy.after("COPY headrace.undo_rows", skip=1),
    lambda proxy: proxy.after("SET CONSTRAINTS ALL IMMEDIATE"),
    lambda proxy: proxy.after("INSERT INTO headrace.audit"),
)
"""Where a worker is killed: as rows are written down, tried, written down once more, changed, and that is noted."""


def test_batches_are_taken_back_whatever_is_killed(at: Endpoints, target: Target, workers: Workers) -> None:
    """The newest first, by hand; workers are killed at each statement that matters."""
    with shelf(at, ROWS) as source:
        source.do("ALTER TABLE public.shelf REPLICA IDENTITY FULL")
        job = source.job(target)
        worker = applied(workers, job, target, source)
        before = target.ask(_ROWS)
        worker, batches = hurt(workers, job, target, source, worker)
        worker.leave()
        first, *others = batches
        number = begun(workers, job, first, "--apply")
        for point in POINTS:
            with Proxy(target.dsn) as proxy:
                hold = point(proxy)
                worker = workers.run(replace(job, dsn=proxy.dsn))
                hold.wait(90)
                worker.kill()
        worker = workers.run(job)
        assert over(target, number) == ("done", "")
        for batch in others:
            number = begun(workers, job, batch, "--apply")
            assert over(target, number) == ("done", "")
        assert target.ask(_ROWS) == before
        notes = "SELECT count(*) FROM headrace.audit WHERE action = 'take batch back'"
        assert target.ask(notes) == [(len(batches),)]


WHY_NOT = {
    "restore": {"its update has no before image"},
    "insert": {"its before image is not a whole row"},
    # some were updated by the next batch
    "delete": {"", "it was written since"},
}


@pytest.mark.parametrize("asked", [True, False])
def test_a_source_without_whole_old_rows_is_refused(
    at: Endpoints, target: Target, workers: Workers, asked: bool
) -> None:
    """Whether it can be asked or only its records say so: of updates and deletes nothing is known; inserts are."""
    with shelf(at, ROWS) as source:
        job = source.job(target)
        if not asked:
            job = replace(job, source={name: value for name, value in job.source.items() if name != "dsn"})
        _, batches = hurt(workers, job, target, source, applied(workers, job, target, source))
        after = target.ask(_ROWS)
        effects: dict[str, set[str]] = {}
        # more may not be open at a time
        for batch in batches[:8]:
            number = begun(workers, job, batch, "--apply")
            assert over(target, number)[0] == "stopped"
            rows = workers.command(job, "recover", "rows", str(number), "--output", "json", "--limit", "1000")
            assert rows.finish() == 0, rows.text()
            for row in told(rows):
                effects.setdefault(row["effect"], set()).add(row["why"].partition(":")[0])
        assert all(effects[effect] <= WHY_NOT[effect] for effect in effects), effects
        assert effects["restore"]
        assert target.ask(_ROWS) == after
