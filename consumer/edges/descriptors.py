"""What of the machine's open files and sockets this process holds, and may hold."""

import resource
from pathlib import Path

_HELD = Path("/proc/self/fd")
# the share of the limit from which on nothing is opened that can wait: what is left is for what can't
_NEAR = 0.9


def held() -> int | None:
    """How many, or None where the system does not say (it is not Linux)."""
    try:
        return sum(1 for _ in _HELD.iterdir())
    except OSError:
        return None


def limit() -> int:
    """How many the system lets it have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def scarce() -> bool:
    """Whether it has nearly all that it may have."""
    return (held() or 0) >= limit() * _NEAR
