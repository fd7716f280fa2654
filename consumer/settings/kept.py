"""The settings file as it was when it was taken last, in memory: what worker processes are started with.

A supervisor may have to start a worker again while somebody is writing the file. It is on no disk, since it may hold
passwords; processes that inherit it read it by its path.
"""

import os
from pathlib import Path

from consumer.settings.loading import DEFAULT_FILE, Settings, load, unreadable


class KeptFile:
    """Owned by whoever supervises; ends with the process. For Linux."""

    def __init__(self, config: Path | None) -> None:
        self._config = config
        # what was read last, and may still be refused
        self._read = os.memfd_create("headrace-settings-read", os.MFD_CLOEXEC)
        # what counts
        self.fd = os.memfd_create("headrace-settings", os.MFD_CLOEXEC)
        self._text = self._there()
        _write(self.fd, self._text)

    def load(self) -> Settings:
        """The settings as they are in the file now. Raises Refused."""
        file = self._config or DEFAULT_FILE
        if not file.is_file():
            # which may be a mistake
            self._text = b""
            return load(self._config)
        self._text = self._there()
        _write(self._read, self._text)
        return load(self._config, path_of(self._read))

    def keep(self) -> None:
        """What was loaded last counts from now on."""
        _write(self.fd, self._text)

    def _there(self) -> bytes:
        file = self._config or DEFAULT_FILE
        try:
            return file.read_bytes() if file.is_file() else b""
        except OSError as error:
            raise unreadable(file, error) from error


def path_of(fd: int) -> Path:
    """Where this process reads it, or one that has inherited it."""
    return Path(f"/proc/self/fd/{fd}")


def _write(fd: int, text: bytes) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, text, 0)
