"""How long a schema id is waited for that the registry does not know. Times are arguments, in seconds."""

from collections.abc import Hashable

# a topic whose ids were waited for in vain rests for so many times the grace
_REST = 10.0
# ids that are waited for at a time
_MOST = 1000


class Grace:
    """Each id of a topic has `seconds` since it was first met: a registry's replica may be behind.

    A flood of ids that nobody will ever know must not cost the grace for each of them. So after one of them was waited
    for in vain, new ones of its topic are not, for ten times as long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[tuple[str, Hashable], float] = {}
        self._rests: dict[str, float] = {}

    def left(self, topic: str, what: Hashable, now: float) -> float:
        """The seconds that are left for it; 0 when it is not waited for (any more)."""
        since = self._since.get((topic, what))
        if since is None:
            return self._first(topic, what, now)
        left = since + self._seconds - now
        if left <= 0:
            del self._since[topic, what]
            self._rests[topic] = now + self._seconds * _REST
        return max(0.0, left)

    def _first(self, topic: str, what: Hashable, now: float) -> float:
        # those that became known are not asked for again
        self._since = {key: since for key, since in self._since.items() if now < since + 2 * self._seconds}
        if now < self._rests.get(topic, now) or len(self._since) >= _MOST or not self._seconds:
            return 0.0
        self._since[topic, what] = now
        return self._seconds
