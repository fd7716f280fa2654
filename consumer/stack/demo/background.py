"""What a demonstration does beside its view: on a thread that is told to stop and waited for."""

import threading
from collections.abc import Callable


class Background:
    """A thread for one piece of work. `stopping` is set when it shall end; the work looks at it between its steps."""

    # seconds that a step may take
    LONGEST = 60.0

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the step at hand."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(self.LONGEST)
