"""What the stack needs to know of a part: how to prepare it, start it, and tell that it is ready."""

from collections.abc import Callable
from typing import Protocol

from consumer.stack.process import Command

Run = Callable[[Command], None]


class Part(Protocol):
    """One server of the stack. All methods may be called again after a stop."""

    @property
    def name(self) -> str:
        """The part's name."""

    def prepare(self, run: Run) -> None:
        """Writes its files; `run` takes a program to its end and raises when that fails."""

    def command(self) -> Command:
        """How to start the server."""

    def ready(self) -> bool:
        """One probe, bounded in time: True when the server does its work."""
