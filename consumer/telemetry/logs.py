"""Structured logs: JSON for machines, console for people. Always on stderr; stdout is data."""

import logging
import sys
from typing import Literal

import structlog


def left_out() -> int:
    """How many lines were kept out of the log."""
    return 0


def configure(level: str, form: Literal["console", "json"], **bound: object) -> None:
    """Set the process's log up, once. `bound` is on every line (worker, group)."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer()
    )
    # what the driver and its pool say by themselves is no JSON and may quote rows; their errors are translated
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
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
