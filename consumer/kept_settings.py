"""The settings file as it was when it was taken last, in memory: what worker processes are started with.

A supervisor may have to start a worker again while somebody is writing the file. It is on no disk, since it may hold
passwords; processes that inherit it read it by its path.
"""

import os
from pathlib import Path

from consumer.settings import DEFAULT_FILE


class KeptFile:
    """Owned by whoever supervises; closed with the process."""

    def __init__(self, config: Path | None) -> None:
        self._file = config or DEFAULT_FILE
        self.fd = os.memfd_create("headrace-settings", os.MFD_CLOEXEC)
        self.keep(self.text())

    @property
    def path(self) -> Path:
        """Where this process reads it."""
        return path_of(self.fd)

    def text(self) -> bytes:
        """What is in the file now; nothing where there is none."""
        return self._file.read_bytes() if self._file.is_file() else b""

    def keep(self, text: bytes) -> None:
        """This is what counts from now on."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, text, 0)


def path_of(fd: int) -> Path:
    """Where a process that has inherited it reads it."""
    return Path(f"/proc/self/fd/{fd}")
