"""When a process began, as no clock tells it: the machine's boot, and the kernel's ticks since."""

from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# what stands behind the name, which may hold anything, begins with field 3
_STATE, _STARTED = 3 - 3, 22 - 3


def birth(pid: int) -> str:
    """What tells a process from a later one with its id; a step of the clock changes nothing about it.

    Raises OSError when there is none with this id.
    """
    return f"{_BOOT.read_text().strip()}/{_fields(pid)[_STARTED]}"


def is_zombie(pid: int) -> bool:
    """True when it has ended and nobody has asked how. Raises OSError when there is none with this id."""
    return _fields(pid)[_STATE] == "Z"


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
