"""Structured logs: JSON for machines, console for people. Always on stderr; stdout is data."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from consumer.core.failure import told, unforeseen

log = structlog.get_logger("headrace.log")

# events that are told apart; ours are constants, so there are never so many
_EVENTS = 1000


@dataclass(slots=True)
class _Window:
    """A second of one event."""

    second: int
    lines: int = 0
    left: int = 0


class Sampling:
    """Lets so many lines of one event through in a second. For any thread. `total`: lines that were left out."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.total = 0
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._lock = threading.Lock()

    def __call__(self, _: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """The line, with how many like it were left out before. Raises DropEvent for one too many."""
        if method == "debug":
            # whoever asks for these wants all of them
            return line
        with self._lock:
            window = self._window(str(line.get("event")))
            window.lines += 1
            if window.lines > self.most:
                window.left += 1
                self.total += 1
                raise structlog.DropEvent
            left, window.left = window.left, 0
        return {**line, "left_out": left} if left else line

    def left(self) -> dict[str, int]:
        """What was left out of seconds that are over and nobody was told of, by event; told now."""
        second = int(self._clock())
        with self._lock:
            found = {event: w.left for event, w in self._windows.items() if w.left and w.second != second}
            for event in found:
                self._windows[event].left = 0
        return found

    def _window(self, event: str) -> _Window:
        second = int(self._clock())
        if event not in self._windows and len(self._windows) >= _EVENTS:
            event = "other"
        window = self._windows.setdefault(event, _Window(second))
        if window.second != second:
            window.second, window.lines = second, 0
        return window


_SAMPLING = Sampling(20)


def left_out() -> int:
    """How many lines were kept out of the log since the start."""
    return _SAMPLING.total


def say_left_out() -> None:
    """Say of events that have calmed down how many lines were left out."""
    for event, lines in _SAMPLING.left().items():
        log.warning("lines left out", of=event, left_out=lines)


# on every line
_BOUND: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def only_warnings() -> None:
    """Until a process sets its log up: what is worth a warning, for people, on stderr as it is at that moment.

    The library's own default is everything, on stdout.
    """
    _hear_of_ends()
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            _worth_a_warning,
            *_BOUND,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(),
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _worth_a_warning(_: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if method in ("debug", "info"):
        raise structlog.DropEvent
    return line


def configure(level: str, form: Literal["console", "json"], burst: int = 20, **bound: object) -> None:
    """Set the process's log up, once. `bound` is on every line (worker, group); `burst`: as in `Sampling`."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer()
    )
    _SAMPLING.most = burst
    # what the driver and its pool say by themselves is no JSON and may quote rows; their errors are translated
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    # the web server of the admin process says what ended a request in all its words
    logging.getLogger("uvicorn.error").addFilter(_wordless)
    _hear_of_ends()
    structlog.configure(
        processors=[
            _SAMPLING,
            *_BOUND,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)


def _hear_of_ends() -> None:
    # whoever put something else there, as tests do, hears of them already
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _ended


def _ended(what: threading.ExceptHookArgs) -> None:
    """In place of the interpreter's traceback, whose last line may quote rows."""
    if what.exc_type is not SystemExit:
        name = what.thread.name if what.thread else "unknown"
        log.error("thread ended", **told(unforeseen("worker", name, what.exc_value)))


def _wordless(said: logging.LogRecord) -> bool:
    """Whether the web server may say it as it is; where it would quote an error, that is said here."""
    error = said.exc_info[1] if said.exc_info else None
    if error is None:
        return True
    log.error("request ended", **told(unforeseen("admin", "answer", error)))
    return False
