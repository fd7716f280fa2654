"""Records read again at their origin, as long as that is the topic in which they were read first.

A topic that was deleted and made anew has other records at the same offsets. Its id tells; it is asked for before and
after the reading, since it may be made anew meanwhile.
"""

from consumer.core.letters import Record
from consumer.core.records import OffsetRange, RecordRef, Slice
from consumer.ports.topics import Offsets, Origins


class Rereading:
    """Owns the reader of origins; used by one thread. `known`: the id of the topic whose position is stored, if any."""

    def __init__(self, origins: Origins, offsets: Offsets) -> None:
        self._origins = origins
        self._offsets = offsets

    def fetch(self, ref: RecordRef, known: str | None) -> Record | None:
        """The record, or None when it is gone. Raises Transient."""
        if self._is_another(ref.at.topic, known):
            return None
        record = self._origins.fetch(ref)
        return None if self._is_another(ref.at.topic, known) else record

    def read(self, wanted: OffsetRange, most: int, known: str | None) -> Slice | None:
        """As `Origins.read`; None also when the topic is gone, or another one. Raises Transient."""
        if self._is_another(wanted.at.topic, known):
            return None
        piece = self._origins.read(wanted, most)
        return None if self._is_another(wanted.at.topic, known) else piece

    def close(self) -> None:
        """Close the reader."""
        self._origins.close()

    def _is_another(self, topic: str, known: str | None) -> bool:
        now = self._offsets.topic_ids([topic]).get(topic)
        return now is None or known not in (None, now)
