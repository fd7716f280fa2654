"""What the stack says while it works: downloads as bars and steps as lines, on stderr."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

Advance = Callable[[int], None]


class Reporter(Protocol):
    """Hears of steps and of downloads; called from several threads."""

    def say(self, text: str) -> None:
        """One step was reached."""

    def download(self, filename: str, size: int) -> AbstractContextManager[Advance]:
        """A download of so many bytes begins; the yielded function takes the size of each piece."""

    def downloads(self) -> AbstractContextManager[None]:
        """Surrounds a set of downloads."""


class Terminal:
    """Lines and bars on stderr; bars only while something is downloaded."""

    def __init__(self, quiet_steps: bool = False) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet_steps
        self._bars: Progress | None = None

    def say(self, text: str) -> None:
        """One step as one line."""
        if not self._quiet:
            self._console.print(text, highlight=False)

    @contextmanager
    def downloads(self) -> Iterator[None]:
        """Shows the bars of all downloads inside it."""
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=self._console) as bars:
            self._bars = bars
            try:
                yield
            finally:
                self._bars = None

    @contextmanager
    def download(self, filename: str, size: int) -> Iterator[Advance]:
        """One bar for one artifact, taken away when it is complete."""
        bars = self._bars
        if bars is None:
            yield lambda _: None
            return
        task = bars.add_task(filename, total=size)
        try:
            yield lambda amount: bars.advance(task, amount)
        finally:
            bars.remove_task(task)
