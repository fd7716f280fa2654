"""Settings read again while it runs: what they say of tables and topics, and which topics are read.

What can't be taken is refused as a whole, with its names, and the settings of before go on. Told by a signal, or by a
person through the API or a command.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from consumer.composition.binding_settings import contracts
from consumer.core.failure import HeadraceError, Transient, told
from consumer.settings.changed import Changed, compared, differing
from consumer.settings.loading import Settings

log = structlog.get_logger("headrace.settings")

# seconds until what a signal has asked for is tried again, where time heals why it could not be done
AGAIN = 5.0
# outcomes that wait to be kept, where nobody can
_HEEDED = 16


class Reloading:
    """Holds the settings that are in force. For any thread.

    `load` reads them anew; `use` puts what has changed into force, and raises HeadraceError, with nothing changed, when
    that can't be. It is set by whoever composes.
    """

    def __init__(
        self, settings: Settings, load: Callable[[], Settings], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._clock = clock
        self.use: Callable[[Changed], None] = _nothing
        # tells whoever starts processes like this one; set by whoever knows them
        self.tell: Callable[[], None] = _nobody
        self._one = threading.Lock()
        self.settings = settings
        self._contracts = contracts(settings)
        # asked for by a signal, and not done yet
        self.asked = threading.Event()
        # when that is tried again, and whether the log was told that it waits
        self._next = 0.0
        self._waits = False
        # when a signal was heeded, on the clock that never runs back, and what came of it; emptied by whoever keeps it
        self.heeded: deque[tuple[float, str]] = deque(maxlen=_HEEDED)

    def turn(self) -> None:
        """Do what a signal has asked for; nobody asks again for what could not be done for a while."""
        if not self.asked.is_set() or self._clock() < self._next:
            return
        self.asked.clear()
        try:
            outcome = self._read()
        except Transient as error:
            self.asked.set()
            self._next = self._clock() + AGAIN
            if not self._waits:
                log.warning("settings wait to be taken; those of before go on", **told(error.failure))
            self._waits = True
            return
        self._next, self._waits = 0.0, False
        self.heeded.append((self._clock(), outcome))

    def reload_by_command(self) -> str:
        """The same, for somebody who has told this process alone."""
        outcome = self.reload()
        self.tell()
        return outcome

    def reload(self) -> str:
        """Read the settings again; says what came of it, and raises nothing."""
        try:
            return self._read()
        except Transient as error:
            return _refused(error)

    def _read(self) -> str:
        """What came of it. Raises Transient, with nothing changed, for what time heals."""
        with self._one:
            try:
                new = self._load()
                agreed = contracts(new)
                changed = compared(self.settings, new, differing(self._contracts, agreed))
                if changed != Changed(settings=changed.settings):
                    self.use(changed)
            except Transient:
                raise
            except HeadraceError as error:
                return _refused(error)
            self.settings, self._contracts = changed.settings, agreed
        log.info("settings were read again", changes=changed.words)
        return changed.words


def _refused(error: HeadraceError) -> str:
    log.error("settings are not taken; those of before go on", **told(error.failure))
    return f"refused: {error.failure.detail}"


def _nothing(changed: Changed) -> None:
    """Nobody goes by the settings yet."""


def _nobody() -> None:
    """Nobody starts others."""
