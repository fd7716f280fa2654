"""The view where there is no terminal: a line when a phase begins, and one now and then."""

import time

from rich.console import Console

from consumer.stack.demo.watch import Sight

_EVERY = 5.0


class Plain:
    """Writes lines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase = ""
        self._next = 0.0

    def show(self, phase: str, sight: Sight | None) -> None:
        """The newest state; most are not worth a line."""
        now = time.monotonic()
        if phase == self._phase and now < self._next:
            return
        self._phase, self._next = phase, now + _EVERY
        self._console.print(f"{phase}{_figures(sight) if sight else ''}", highlight=False, soft_wrap=True)


def _figures(sight: Sight) -> str:
    letters = ", ".join(f"{count} {state}" for state, count in sight.letters.by_state.items())
    away = sight.absence is not None and sight.absence.until is None
    return (
        f": {sight.applied:,} of {sight.committed:,} records applied"
        f"{f'; letters: {letters}' if letters else ''}{'; the target is away' if away else ''}"
    )
