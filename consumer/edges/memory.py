"""What of the machine's memory this process holds."""

import os
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident() -> int | None:
    """Bytes, or None where the system does not say (it is not Linux)."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
