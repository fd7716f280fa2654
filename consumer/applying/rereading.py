"""Records read again at their origin, as long as that is the topic in which they were read first.

A topic that was deleted and made anew has other records at the same offsets. Its id tells; it is asked for before and
after the reading, since it may be made anew meanwhile.
"""

import time
from collections.abc import Callable

from consumer.core.failure import Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.records import OffsetRange, RecordRef, Slice
from consumer.ports.topics import Offsets, Origins

# seconds after which a topic that is not there still is believed to be gone: a broker that has just started knows none
BELIEVED = 5.0


class Rereading:
    """Owns the reader of origins; used by one thread. `known`: the id of the topic whose position is stored, if any.

    `believed`: seconds between the first and the last answer by which a topic is taken to be gone; before, Transient is
    raised.
    """

    def __init__(
        self,
        origins: Origins,
        offsets: Offsets,
        believed: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._origins = origins
        self._offsets = offsets
        self._believed = believed
        self._clock = clock
        # since when topics are not there
        self._absent: dict[str, float] = {}

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
        ids = self._offsets.topic_ids([topic])
        if topic in ids:
            self._absent.pop(topic, None)
            return None not in (known, ids[topic]) and known != ids[topic]
        since = self._absent.setdefault(topic, self._clock())
        if self._clock() - since < self._believed:
            raise Transient(failed(KINDS["kafka.no_topic"], "kafka", "read again", f"topic {topic} is not there"))
        return True
