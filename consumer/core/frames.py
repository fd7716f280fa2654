"""One form for all that is read: five bytes, then the Avro datum, wherever its topic has the ids of schemas.

Where they are elsewhere than in front of the datum, a frame is put there that stands for what was found: a byte of 1
and a number, which means something in this process alone. What is kept, copied or shown is the record as it was.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from consumer.core.framing import FRAME, LONG_FRAME, MAGIC, in_front, in_headers
from consumer.core.letters import Record
from consumer.core.records import Header, Slice
from consumer.core.schema_ref import Foreign, SchemaIds, SchemaRef, Space

_OURS = b"\1"
_SPACES = {SchemaIds.GLOBAL: Space.GLOBAL_IDS, SchemaIds.CONTENT: Space.CONTENT_IDS}

Said = SchemaRef | Foreign | None
_Put = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """Records in the one form; one entry a record in each. Equal headers are one object."""

    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[tuple[Header, ...]]


@dataclass(frozen=True, slots=True)
class _Front:
    """What a frame stands for, and the bytes that it has replaced."""

    said: Said
    bytes: bytes = b""


class Frames:
    """Implements `consumer.core.records.Framing`, for any thread. Grows by one entry for each id that is met."""

    def __init__(
        self,
        default: SchemaIds = SchemaIds.PREFIX,
        by_topic: Mapping[str, SchemaIds] | None = None,
        is_letters: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        """`is_letters`: the topics of the group's own letters, whose records are copies and are not read so."""
        self._default = default
        self._by_topic = by_topic or {}
        self._is_letters = is_letters
        self._adding = threading.Lock()
        self._fronts: list[_Front] = []
        self._frames: dict[_Front, bytes] = {}

    def of(self, topic: str) -> SchemaIds:
        """Where a topic has its ids."""
        ids = self._by_topic.get(topic, self._default)
        return SchemaIds.PREFIX if ids is not SchemaIds.PREFIX and self._is_letters(topic) else ids

    def ref(self, frame: bytes) -> Said:
        return self._fronts[int.from_bytes(frame[1:FRAME], "big")].said

    def bare(self, raw: bytes) -> bytes:
        if raw[:1] != _OURS:
            return raw
        return self._fronts[int.from_bytes(raw[1:FRAME], "big")].bytes + raw[FRAME:]

    def framed(
        self,
        topic: str,
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        headers: Sequence[tuple[Header, ...]],
    ) -> Framed:
        """Records of a topic that has its ids elsewhere than in four bytes in front."""
        puts = self._puts(self.of(topic))
        known: dict[tuple[Header, ...], tuple[tuple[Header, ...], _Put, _Put]] = {}
        found = Framed(keys=[], values=[], headers=[])
        for key, value, each in zip(keys, values, headers, strict=True):
            here = known.get(each)
            if here is None:
                here = known[each] = (each, *puts(each))
            same, put_key, put_value = here
            found.headers.append(same)
            found.keys.append(None if key is None else put_key(key))
            found.values.append(None if value is None else put_value(value))
        return found

    def piece(self, piece: Slice) -> Slice:
        """A slice in the one form."""
        if piece.framing is not None or self.of(piece.at.topic) is SchemaIds.PREFIX:
            return piece
        headers = [piece.headers(offset) for offset in piece.offsets]
        found = self.framed(piece.at.topic, piece.keys, piece.values, headers)
        return replace(piece, keys=found.keys, values=found.values, framing=self)

    def record(self, record: Record) -> tuple[Record, "Frames | None"]:
        """A record in the one form, with who framed it; None where it is as it was."""
        topic = record.ref.at.topic
        if self.of(topic) is SchemaIds.PREFIX:
            return record, None
        found = self.framed(topic, [record.key], [record.value], [record.headers])
        return replace(record, key=found.keys[0], value=found.values[0]), self

    def _puts(self, ids: SchemaIds) -> Callable[[tuple[Header, ...]], tuple[_Put, _Put]]:
        """What puts frames in front of keys and values, by their headers."""
        if ids is SchemaIds.HEADERS:
            return lambda headers: (self._by_header("key", headers), self._by_header("value", headers))
        put = self._by_front(_SPACES[ids])
        return lambda headers: (put, put)

    def _by_header(self, part: str, headers: tuple[Header, ...]) -> _Put:
        """Where headers say nothing, as in front of a change of converters, a frame that is there is its own."""
        said = in_headers(part, headers)
        frame = self._frame(_Front(said))
        if said is not None:
            return frame.__add__
        own = bytes([MAGIC])
        return lambda raw: raw if raw[:1] == own else frame + raw

    def _by_front(self, space: Space) -> _Put:
        known: dict[bytes, tuple[bytes, int]] = {}

        def put(raw: bytes) -> bytes:
            found = known.get(raw[:LONG_FRAME])
            if found is None:
                said = in_front(space, raw)
                front = _Front(None) if said is None else _Front(said, raw[:LONG_FRAME])
                found = known[raw[:LONG_FRAME]] = self._frame(front), len(front.bytes)
            frame, cut = found
            return frame + raw[cut:]

        return put

    def _frame(self, front: _Front) -> bytes:
        found = self._frames.get(front)
        if found is None:
            with self._adding:
                found = self._frames.get(front)
                if found is None:
                    self._fronts.append(front)
                    found = _OURS + (len(self._fronts) - 1).to_bytes(FRAME - 1, "big")
                    self._frames[front] = found
        return found
