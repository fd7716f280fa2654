"""What of the machine's memory this process holds, and may hold."""

import os
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


def limit() -> int | None:
    """Bytes that the container may hold, or None where there is no limit or the system does not say."""
    for file in _CGROUPS:
        try:
            bytes_ = int(file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        return bytes_ if bytes_ < _NO_LIMIT else None
    return None
