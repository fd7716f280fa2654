"""A table is compared with its source while it is written: what differs is found, and nothing else."""

import json
from typing import Any

from consumer.stack.options import Endpoints

from .shelf import shelf
from .witness import Target
from .worker import Job, Process, Workers, eventually

ROWS = 3_000
_COUNT = "SELECT count(*) FROM public.shelf"


def told(process: Process) -> dict[str, Any]:
    """What the command wrote as JSON, between what else is in its log."""
    text = process.text()
    (found,) = json.loads(text[text.index("[\n") : text.rindex("]") + 1])
    return dict(found)


def compared(workers: Workers, job: Job) -> tuple[int, dict[str, Any]]:
    """The exit code of a comparison, and what came of the table."""
    process = workers.command(job, "reconcile", "start", "public.shelf", "--reason", "a test", "--output", "json")
    code = process.finish()
    found = told(process)
    assert found["state"] == "done", process.text()
    return code, found["results"][0]


def test_a_table_that_is_written_meanwhile_is_compared(at: Endpoints, target: Target, workers: Workers) -> None:
    """Under load nothing is called different; a flipped cell, a row less and a row more are, killed or not."""
    with shelf(at, ROWS) as source:
        job = source.job(target, range_rows=500, rounds=2)
        workers.run(job)
        eventually(lambda: _there(target) and target.ask(_COUNT) == [(ROWS,)], "the snapshot is applied")
        with source.load(200):
            code, found = compared(workers, job)
            moving = target.ask("SELECT key[1]::int, verdict FROM headrace.differing_keys ORDER BY 1")
            # any that is written may be, whenever it was looked at; those that are left alone may not
            assert {verdict for _, verdict in moving} <= {"moving"}, moving
            assert not [key for key, _ in moving if int(str(key)) <= ROWS and int(str(key)) % 10 == 7], moving
            assert (code, found["verdict"]) == ((5, "not sure") if moving else (0, "equal")), found
            assert (found["left_out"], len(found["columns"])) == ({}, 15)

            target.do("UPDATE public.shelf SET price = price + 0.01 WHERE id = 1777")
            target.do("DELETE FROM public.shelf WHERE id = 57")
            target.do("INSERT INTO public.shelf (id, word) VALUES (-7, 'extra')")
            # a process that is killed leaves what it knows to the next, here the worker
            killed = workers.command(job, "reconcile", "start", "--detach", "--reason", "a test")
            assert killed.finish() == 0
            went_on = workers.command(job, "reconcile", "wait", "2", "--output", "json")
            eventually(lambda: target.ask("SELECT count(*) FROM headrace.differing_keys") != [(0,)], "it has begun")
            went_on.kill()
            over = "SELECT state FROM headrace.workflows WHERE id = 2"
            eventually(lambda: target.ask(over) == [("done",)], "a worker goes on with it")
        keys = """SELECT key[1], verdict, columns FROM headrace.differing_keys
            WHERE workflow_id = 2 AND verdict <> 'moving' ORDER BY 1"""
        assert target.ask(keys) == [("-7", "extra", []), ("1777", "different", ["price"]), ("57", "missing", [])]


def _there(target: Target) -> bool:
    return target.ask("SELECT to_regclass('public.shelf')::text") == [("shelf",)]
