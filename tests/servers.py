"""The servers that all processes of one run of tests share: the first that needs them has them started, and they end
when the last process that used them is gone, however it went.

As a program: `python -m tests.servers <directory>` is the process that owns them.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

from consumer.stack.options import Endpoints
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from consumer.stack.waiting import wait_until
from tests.real.engine.witness import make_template

# seconds; a busy machine may be many times slower than this one
_STARTED = 400.0
_ENDED = 120.0
# those that this process began: they may outlive it
_OWNERS: list[subprocess.Popen[bytes]] = []


@contextmanager
def shared(place: Path) -> Iterator[Endpoints]:
    """Where they answer; they stay at least until the context is left."""
    with _locked(place / "users", fcntl.LOCK_SH):
        with _locked(place / "starting", fcntl.LOCK_EX):
            if not _told(place).exists():
                _start(place)
        yield Endpoints(**json.loads(_told(place).read_text()))


def ended(place: Path) -> bool:
    """Whether nothing runs any more; waits until it is so. For who uses them no longer."""
    return wait_until(lambda: _alone(place), _ENDED)


def _start(place: Path) -> None:
    with (place / "log").open("ab") as log:
        owner = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", str(place)], stdout=log, stderr=log, start_new_session=True
        )
    _OWNERS.append(owner)
    wait_until(lambda: _told(place).exists() or owner.poll() is not None, _STARTED)
    assert _told(place).exists(), (place / "log").read_text()


def _alone(place: Path) -> bool:
    try:
        with _locked(place / "users", fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
    except BlockingIOError:
        return False


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    # a lock goes with the process that has it
    with closing(os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR), "rb")) as file:
        fcntl.flock(file, how)
        yield


def _told(place: Path) -> Path:
    return place / "endpoints.json"


def _tell(place: Path, endpoints: Endpoints) -> None:
    whole = place / "endpoints.new"
    whole.write_text(json.dumps(asdict(endpoints)))
    whole.rename(_told(place))


def main(place: Path) -> None:
    """Own them until nobody is left."""
    with Stack.open(place / f"stack-{os.getpid()}", progress=Terminal(quiet_steps=True)) as stack:
        make_template(stack.endpoints.target_dsn)
        _tell(place, stack.endpoints)
        with _locked(place / "users", fcntl.LOCK_EX):
            # who comes now finds none, and starts others when these are gone
            _told(place).unlink()
            stack.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
