"""The last line against leftovers: ends what still runs in a data directory when its owner is gone.

Run as a plain script in isolated mode beside every stack: it waits for the end of its standard input, which only the
owner holds open, and then sweeps. It has a process of its own also because it takes other users' ids. Parts are known
by two facts together: the working directory lies in the data directory, and the program is one of ours. A stopped
process, which no parent-death signal but SIGKILL would end, is found as well, and so are PostgreSQL's backends, which
leave the process group of their postmaster.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence

_GRACE_SECONDS = 3.0
_INTERVAL = 0.05


def leftovers(data_dir: str, programs: Sequence[str]) -> list[int]:
    """The ids of processes that work in the data directory and run a program from these directories."""
    root = os.path.realpath(data_dir)
    return [pid for pid in _all_pids() if _inside(pid, "cwd", (root,)) and _inside(pid, "exe", programs)]


def sweep(data_dir: str, programs: Sequence[str], grace: float = _GRACE_SECONDS) -> int:
    """Ends all leftovers, after a time in which they may end by themselves; gives how many were killed."""
    deadline = time.monotonic() + grace
    while (found := leftovers(data_dir, programs)) and time.monotonic() < deadline:
        for pid in found:
            _signal(pid, signal.SIGCONT)
        time.sleep(_INTERVAL)
    killed = 0
    while found := leftovers(data_dir, programs):
        for pid in found:
            killed += _signal(pid, signal.SIGKILL)
        time.sleep(_INTERVAL)
    return killed


def main() -> None:
    """Waits for the owner's end, then sweeps: `sweep.py DATA_DIR PROGRAM_DIR…`."""
    os.setsid()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    sweep(sys.argv[1], sys.argv[2:])


def _all_pids() -> list[int]:
    own = os.getpid()
    return [pid for name in os.listdir("/proc") if name.isdigit() and (pid := int(name)) != own]


def _inside(pid: int, link: str, roots: Sequence[str]) -> bool:
    try:
        place = _read(f"/proc/{pid}", link)
    except OSError:
        # Gone meanwhile, a zombie, or another user's that we may not be: in no case one of ours to end.
        return False
    place = place.removesuffix(" (deleted)")
    return any(place == root or place.startswith(root + os.sep) for root in roots)


def _read(process: str, link: str) -> str:
    place = os.path.join(process, link)
    try:
        return os.readlink(place)
    except PermissionError:
        if os.geteuid() != 0:
            raise
    # a container's root may not look into the processes of PostgreSQL's user, but may be that user
    owner, group = os.stat(process), os.getegid()
    try:
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        return os.readlink(place)
    finally:
        os.seteuid(0)
        os.setegid(group)


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
