"""`headrace run` in one process: start, work, notice signals, leave."""

import signal
import time
from types import FrameType

import structlog

from consumer.build import build_worker, migrate_target, worker_name
from consumer.settings import Settings

log = structlog.get_logger("headrace.worker")

OK, PARTIAL = 0, 5


class Signals:
    """SIGTERM and SIGINT as a question."""

    def __init__(self) -> None:
        self.told = False
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.told = True


def run_worker(settings: Settings) -> int:
    """Work until a signal; returns the exit code."""
    signals = Signals()
    migrate_target(settings)
    name = worker_name(settings)
    log.info("worker starts", worker=name, group=settings.kafka.group)

    def until() -> bool:
        time.sleep(0.05)
        return signals.told

    build_worker(settings, name).run(until)
    log.info("worker left cleanly", worker=name)
    return OK
