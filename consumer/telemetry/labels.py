"""Label values that do not grow without end."""

import threading

OTHER = "other"


class Bounded:
    """The first so many names stand for themselves, all further ones for `other`. For any thread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> str:
        if name in self._known:
            return name
        with self._lock:
            if len(self._known) < self.most:
                self._known.add(name)
        return name if name in self._known else OTHER
