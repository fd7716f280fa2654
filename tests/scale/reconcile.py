"""One flipped cell among a million rows, found and named while the table is written: `python -m tests.scale.reconcile`.

Ends with 1 when it takes a minute or more, when another row is called different, or when one is that is not.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from consumer.stack.options import ALL_PARTS
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.real.engine.shelf import Shelf, shelf
from tests.real.engine.witness import TEMPLATE, Target, create_database, make_template
from tests.real.engine.worker import Job, Workers, eventually

MOST = 60.0
_COUNT = "SELECT count(*) FROM public.shelf"
_THERE = "SELECT to_regclass('public.shelf')::text"


def compared(workers: Workers, job: Job) -> tuple[float, dict[str, Any]]:
    """How long a comparison took, and what came of it."""
    began = time.monotonic()
    process = workers.command(job, "reconcile", "start", "public.shelf", "--reason", "measured", "--output", "json")
    process.finish(600)
    text = process.text()
    (found,) = json.loads(text[text.index("[\n") : text.rindex("]") + 1])
    return time.monotonic() - began, found


def measured(source: Shelf, target: Target, workers: Workers, rate: int) -> int:
    """The exit code."""
    screen, failed = Console(), False
    job = source.job(target)
    began = time.monotonic()
    workers.run(job)
    eventually(lambda: target.ask(_THERE) == [("shelf",)], "the table is there", 300)
    eventually(lambda: target.ask(_COUNT) == [(source.rows,)], "the snapshot is applied", 900)
    screen.print(f"{source.rows} rows are there after {time.monotonic() - began:.0f} s")
    with source.load(rate):
        for round_ in range(3):
            if round_:
                # one that the load leaves alone
                flipped = source.rows // 20 * 10 + 7 + 10 * round_
                target.do(f"UPDATE public.shelf SET price = price + 0.01 WHERE id = {flipped}")
            before = source.changed
            took, found = compared(workers, job)
            (table,) = found["results"]
            query = f"""SELECT key, verdict, columns FROM headrace.differing_keys
                WHERE workflow_id = {round_ + 1} AND verdict <> 'moving'"""
            keys = target.ask(query)
            screen.print(
                f"{table['verdict']} in {took:.1f} s: {table['rows']} rows compared, {source.changed - before} written "
                f"meanwhile; {keys}"
            )
            failed |= took >= MOST or len(keys) != round_
    return int(failed)


def main() -> None:
    """Parse what was asked for, and do it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=1_000, help="rows written a second")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder, Stack.open(Path(folder) / "stack", ALL_PARTS, None, Terminal()) as stack:
        at = stack.endpoints
        make_template(at.target_dsn)
        target = Target(create_database(at.target_dsn, "compared", TEMPLATE))
        workers = Workers(Path(folder))
        try:
            with shelf(at, asked.rows) as source:
                code = measured(source, target, workers, asked.rate)
        finally:
            workers.kill_all()
    sys.exit(code)


if __name__ == "__main__":
    main()
