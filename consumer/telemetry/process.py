"""What any process of ours is: what runs, its threads, files, memory and disk."""

import os
import platform
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version

import confluent_kafka

from consumer.telemetry import logs, metrics
from consumer.telemetry.gauging import Sample

# a process imports this when it begins
_STARTED = time.time()


def process_samples(group: str, resident: int | None, files: tuple[int | None, int]) -> Iterator[Sample]:
    """Its samples; `resident`: bytes of memory, where they are known; `files`: open ones, and how many may be."""
    about = (version("headrace"), platform.python_version(), confluent_kafka.libversion()[0], group)
    yield Sample(metrics.BUILD, 1, about)
    yield Sample(metrics.STARTED, _STARTED)
    yield Sample(metrics.THREADS, threading.active_count())
    if resident is not None:
        yield Sample(metrics.MEMORY, resident)
    held, most = files
    if held is not None:
        yield Sample(metrics.OPEN_FILES, held)
    yield Sample(metrics.FILES_LIMIT, most)
    disk = os.statvfs(".")
    yield Sample(metrics.DISK_FREE, disk.f_bavail * disk.f_frsize)
    yield Sample(metrics.LEFT_OUT, logs.left_out())
