"""The view where there is no terminal, or a simple one: a line when a phase begins, and one now and then."""

import time

from rich.console import Console as Screen

from consumer.stack.demo.console import Console
from consumer.stack.demo.watch import Sight

_EVERY = 5.0


class Plain:
    """Writes lines; one of them, when it is there, with the address of the web console."""

    def __init__(self, screen: Screen, console: Console | None) -> None:
        self._screen = screen
        self._console = console
        self._phase = ""
        self._next = 0.0
        self._address: str | None = None

    def show(self, phase: str, sight: Sight | None) -> None:
        """The newest state; most are not worth a line."""
        self._tell_address()
        now = time.monotonic()
        if phase == self._phase and now < self._next:
            return
        self._phase, self._next = phase, now + _EVERY
        self._say(f"{phase}{_figures(sight) if sight else ''}")

    def _tell_address(self) -> None:
        address = self._console.address if self._console is not None else None
        if address != self._address:
            self._address = address
            self._say(f"first dead letter: {address}/guide   Ctrl-C ends everything")

    def _say(self, text: str) -> None:
        self._screen.print(text, highlight=False, markup=False, soft_wrap=True)


def _figures(sight: Sight) -> str:
    letters = ", ".join(f"{count} {state}" for state, count in sight.letters.by_state.items())
    away = sight.absence is not None and sight.absence.until is None
    return (
        f": {sight.applied:,} of {sight.committed:,} records applied"
        f"{f'; letters: {letters}' if letters else ''}{'; the target is away' if away else ''}"
    )
