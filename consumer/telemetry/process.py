"""What any process of ours is: what runs, its threads, files, memory and disk."""

import os
import platform
import resource
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import confluent_kafka

from consumer.telemetry import logs, metrics
from consumer.telemetry.gauging import Sample

_FILES = Path("/proc/self/fd")
# a process imports this when it begins
_STARTED = time.time()


def process_samples(group: str, resident: int | None) -> Iterator[Sample]:
    """Its samples; `resident`: bytes of memory, where they are known."""
    about = (version("headrace"), platform.python_version(), confluent_kafka.libversion()[0], group)
    yield Sample(metrics.BUILD, 1, about)
    yield Sample(metrics.STARTED, _STARTED)
    yield Sample(metrics.THREADS, threading.active_count())
    if resident is not None:
        yield Sample(metrics.MEMORY, resident)
    files = _open_files()
    if files is not None:
        yield Sample(metrics.OPEN_FILES, files)
    yield Sample(metrics.FILES_LIMIT, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    disk = os.statvfs(".")
    yield Sample(metrics.DISK_FREE, disk.f_bavail * disk.f_frsize)
    yield Sample(metrics.LEFT_OUT, logs.left_out())


def _open_files() -> int | None:
    try:
        return sum(1 for _ in _FILES.iterdir())
    except OSError:
        # the system does not say (it is not Linux)
        return None
