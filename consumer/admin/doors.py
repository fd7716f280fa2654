"""What the API and the console open: desks on database sessions of their own, so many at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

from consumer.admin.costs import CostGuard, ExportLimits
from consumer.admin.problems import Busy
from consumer.core.doctor.finding import Report
from consumer.inspection.connecting import ConnectDesk
from consumer.ports.control import Control, Surveyed
from consumer.ports.desk import Desk
from consumer.ports.identity import Provider
from consumer.ports.recovering import Recoveries, Repairs
from consumer.ports.topics import Ages, LogEnds
from consumer.recovery.moving import Positions
from dlq.desk import LetterDesk
from dlq.job_desk import JobDesk
from dlq.source_again import SourceDesk

T = TypeVar("T")
Opens = Callable[[], AbstractContextManager[T]]

# seconds that a request waits for the others
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """How each desk is opened. `settings`: what may be shown of them; `about`: group, version and the like.
    `reload`: reads them again, and says what came of it; `close`: ends what is kept for the next question.
    `trace_url`: where a trace is seen, by its `{trace_id}`.

    `provider`: who people log in at, if there is such a one. `free`, `steering`, `exporting`: places for questions, for
    decisions about what runs, and for exports.
    `lane`: whether a topic is of letters that come back.
    `crowded`: whether there is no room for what a question opens.
    """

    desk: Opens[Desk]
    positions: Opens[Positions]
    control: Opens[Control]
    survey: Opens[Surveyed]
    letters: Opens[LetterDesk]
    jobs: Opens[JobDesk]
    source: Opens[SourceDesk]
    recoveries: Opens[Recoveries]
    repairs: Opens[Repairs]
    connectors: Opens[ConnectDesk]
    doctor: Opens[Callable[[], Report]]
    offsets: Callable[[], LogEnds]
    ages: Callable[[], Ages]
    lane: Callable[[str], bool]
    has_connect: bool
    settings: Callable[[], dict[str, Any]]
    about: dict[str, str]
    trace_url: str = ""
    provider: Provider | None = None
    reload: Callable[[], str] = lambda: "nothing is read again here"
    close: Callable[[], None] = lambda: None
    free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(8))
    steering: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))
    exporting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))
    exports: ExportLimits = field(default_factory=ExportLimits)
    crowded: Callable[[], bool] = lambda: False
    costs: CostGuard = field(default_factory=CostGuard)

    @contextmanager
    def through(self, door: Opens[T], *, steering: bool = False) -> Iterator[T]:
        """What is behind a door, once there is room. Raises Busy, and whatever the door raises.

        `steering`: it pauses, resumes or ends something, which no costly question of others may keep from happening.
        """
        if self.crowded():
            raise Busy("this process has nearly all files and sockets open that it may have (ulimit -n)")
        places = self.steering if steering else self.free
        if not places.acquire(timeout=_PATIENCE):
            raise Busy("too many ask at once")
        # what is asked of letters, jobs and the source may cost much; the rest never waits for that
        costly = not steering and door in (self.letters, self.jobs, self.source)
        try:
            with self.costs.asking() if costly else nullcontext(), door() as opened:
                yield opened
        finally:
            places.release()
