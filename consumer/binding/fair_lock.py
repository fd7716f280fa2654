"""A lock that nobody keeps to himself by asking for it again at once."""

import threading


class FairLock:
    """For one thread at a time; who waits goes in front of who comes later."""

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._held = threading.Lock()

    def __enter__(self) -> None:
        # who waits for the lock stands in the door, so that nobody else gets past
        with self._door:
            self._held.acquire()

    def __exit__(self, *_: object) -> None:
        self._held.release()
