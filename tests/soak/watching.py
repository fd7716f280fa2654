"""What the worker that stays holds while all around it breaks, and whether it gets more."""

import csv
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import psycopg

from consumer.bench.repeating import Repeating

from .ground import Ground

_EVERY = 2.0
# seconds without any position that moves, while records come
STUCK = 90.0
# of all samples, those that are left out: libraries fill their caches
_WARM = 0.2
_POSITIONS = "SELECT coalesce(sum(next_offset), 0) FROM headrace.positions WHERE group_name = %s"
_SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'headrace stays-%'
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """`rss` in megabytes."""

    at: float
    rss: float
    files: int
    threads: int
    sessions: int | None


@dataclass(frozen=True, slots=True)
class Growth:
    """A measure in the first third and in the last, and how much more the last may be."""

    name: str
    first: float
    last: float
    allowed: float

    @property
    def leaks(self) -> bool:
        """Whether it is more."""
        return self.last > self.first + self.allowed

    def __str__(self) -> str:
        return f"{self.name}: {self.first:.1f} in the first third, {self.last:.1f} in the last"


class Watching(Repeating):
    """Looks every two seconds, until the context is left."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(_EVERY)
        self._ground = ground
        self._began = time.monotonic()
        self.samples: list[Sample] = []
        self.stuck_since = time.monotonic()
        self._position = -1

    def keep(self, file: Path) -> None:
        """Write all samples down, to be looked at."""
        with file.open("w", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(field.name for field in fields(Sample))
            rows.writerows(astuple(sample) for sample in self.samples)

    @property
    def still(self) -> float:
        """Seconds since a position moved."""
        return time.monotonic() - self.stuck_since

    def growths(self) -> list[Growth]:
        """What must not grow."""
        kept = self.samples[int(len(self.samples) * _WARM) :]
        third = max(1, len(kept) // 3)
        first, last = kept[:third], kept[-third:]
        rss = statistics.median(each.rss for each in first)
        return [
            # noise of an allocator, and of what was just read
            Growth("resident megabytes", rss, statistics.median(each.rss for each in last), 10.0 + rss * 0.1),
            _growth("open files", [each.files for each in first], [each.files for each in last], 5),
            _growth("threads", [each.threads for each in first], [each.threads for each in last], 3),
            _growth("sessions of the target", _known(first), _known(last), 2),
        ]

    def slope(self) -> float:
        """Megabytes an hour by which resident memory grows, by the least squares."""
        kept = self.samples[int(len(self.samples) * _WARM) :]
        return statistics.linear_regression([each.at for each in kept], [each.rss for each in kept]).slope * 3600

    def turn(self) -> None:
        """Look once."""
        # the target may be away: then sessions are not known
        sessions = None
        with suppress(psycopg.Error):
            sessions = self._asked()
        with suppress(OSError):
            self.samples.append(self._sampled(time.monotonic() - self._began, sessions))

    def _asked(self) -> int:
        with psycopg.connect(self._ground.target.dsn, connect_timeout=2, autocommit=True) as session:
            session.execute("SET statement_timeout = '2s'")
            ((position,),) = session.execute(_POSITIONS, (self._ground.job.group,)).fetchall()
            if position != self._position:
                self._position, self.stuck_since = position, time.monotonic()
            ((sessions,),) = session.execute(_SESSIONS).fetchall()
        return int(sessions)

    def _sampled(self, at: float, sessions: int | None) -> Sample:
        place = Path(f"/proc/{self._ground.stays.pid}")
        status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line)
        return Sample(
            at=at,
            rss=int(status["VmRSS"].split()[0]) / 1024,
            files=len(list((place / "fd").iterdir())),
            threads=int(status["Threads"]),
            sessions=sessions,
        )


def _known(samples: Sequence[Sample]) -> list[int]:
    return [each.sessions for each in samples if each.sessions is not None] or [0]


def _growth(name: str, first: Sequence[int], last: Sequence[int], allowed: float) -> Growth:
    # a client of Kafka has a thread and a socket more for each broker that it has to look for again: of what comes and
    # goes so, what is there in the quietest moments says whether all of it goes
    return Growth(name, _floor(first), _floor(last), allowed)


def _floor(values: Sequence[int]) -> float:
    return float(sorted(values)[len(values) // 10])
