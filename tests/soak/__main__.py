"""`python -m tests.soak`: so many minutes of faults, then what must hold; else exit code 1, with the seed."""

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from .breaking import broken, warm
from .ground import Ground, ground
from .judging import Wrong, kept_interventions, recorded, recovered, verify
from .load import SteadyLoad
from .plan import Fault, plan
from .watching import STUCK, Watching

_RATE = 8.8
_QUIET = 10.0


def main() -> int:
    """The exit code."""
    given = _arguments()
    seed = time.time_ns() // 1000 % 1_000_000 if given.seed is None else given.seed
    faults = plan(seed, given.minutes, given.rate)
    total = sum(2 if fault.beside else 1 for fault in faults)
    print(f"seed {seed}: {total} faults in {given.minutes:g} minutes")
    print(f"again: make soak MINUTES={given.minutes:g} SEED={seed}", flush=True)
    place = Path(tempfile.mkdtemp(prefix="headrace-soak-"))
    passed = False
    try:
        with ground(place, seed) as opened:
            _soak(opened, faults, seed)
        passed = True
    except AssertionError as error:
        print(error)
    finally:
        if passed:
            shutil.rmtree(place, ignore_errors=True)
        print(f"passed: seed {seed}" if passed else f"FAILED: seed {seed}; logs are in {place}/logs", flush=True)
    return 0 if passed else 1


def _soak(opened: Ground, faults: Sequence[Fault], seed: int) -> None:
    opened.begin()
    opened.stays.said("partitions taken")
    began = time.monotonic()
    with ExitStack() as watched:
        with SteadyLoad(opened.once, opened.churn, seed):
            warm(opened)
            watching = watched.enter_context(Watching(opened))
            _all(opened, faults, watching)
        print(f"faults are over after {time.monotonic() - began:.0f} s", flush=True)
        print(f"all is applied {recovered(opened):.1f} s later", flush=True)
        threading.Event().wait(_QUIET)
        told = kept_interventions(opened)
    watching.keep(opened.logs / "samples.csv")
    _say_growth(watching)
    print(f"put right by the worker that stays: {_counted(told)}")
    print(f"put right by all: {_counted(recorded(opened))}", flush=True)
    codes = opened.leave()
    if any(codes.values()):
        raise Wrong(f"exit codes: {codes}")
    verify(opened)
    if leaks := [str(growth) for growth in watching.growths() if growth.leaks]:
        raise Wrong(f"it leaks: {'; '.join(leaks)}")


def _all(opened: Ground, faults: Sequence[Fault], watching: Watching) -> None:
    began, still, kinds = time.monotonic(), threading.Event(), Counter[str]()
    for fault in faults:
        still.wait(max(0.0, began + fault.at - time.monotonic()))
        kinds.update([fault.kind, *([fault.beside.kind] if fault.beside else [])])
        print(f"{time.monotonic() - began:7.1f} s  {_words(fault)}", flush=True)
        with broken(opened, fault, still):
            pass
        _require_alive(opened, watching)
    print(f"faults: {_counted(kinds)}", flush=True)


def _require_alive(opened: Ground, watching: Watching) -> None:
    if opened.stays.code is not None:
        raise Wrong(f"the worker that stays has ended with {opened.stays.code}:\n{opened.stays.text()[-3000:]}")
    if opened.service.code is not None:
        raise Wrong(f"the service has ended with {opened.service.code}:\n{opened.service.text()[-3000:]}")
    if watching.still > STUCK:
        raise Wrong(f"no position has moved for {watching.still:.0f} s: {opened.target.stopped(opened.job.group)}")


def _words(fault: Fault) -> str:
    words = f"{fault.number} {fault.kind}" + (f" for {fault.lasts:.1f} s" if fault.lasts else "")
    return f"{words}; and {_words(fault.beside)}" if fault.beside else words


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _say_growth(watching: Watching) -> None:
    for growth in watching.growths():
        print(growth)
    print(f"memory grows by {watching.slope():.1f} MB an hour", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long faults come (default: 60)")
    parser.add_argument("--rate", type=float, default=_RATE, help=f"faults a minute, at least (default: {_RATE})")
    parser.add_argument("--seed", type=int, help="a seed to replay")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
