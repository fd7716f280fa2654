"""What of the machine's memory this process holds, and may hold."""

import os
from collections.abc import Sequence
from pathlib import Path

_STATM = Path("/proc/self/statm")
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# what the older form says where there is no limit
_NO_LIMIT = 1 << 60


def resident() -> int | None:
    """Bytes, or None where the system does not say (it is not Linux)."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def shared(processes: int, files: Sequence[Path] = _CGROUPS) -> int | None:
    """Bytes that each of so many processes may hold beside this one, or None where nothing bounds them together."""
    whole = limit(files)
    return None if whole is None else max(whole - (resident() or 0), 0) // processes


def limit(files: Sequence[Path] = _CGROUPS) -> int | None:
    """Bytes that the container may hold, or None where there is no limit or the system does not say."""
    for file in files:
        try:
            bytes_ = int(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        return bytes_ if bytes_ < _NO_LIMIT else None
    return None
