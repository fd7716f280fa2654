"""Which data can't be of their schema, judged by their outline: where the lengths and indexes in them lead.

All data are walked at once, field by field. What leads anywhere but to a datum's own end does not fit. This finds
nearly all that is cut, padded or of another schema, and says nothing of texts, numbers and the like: it is a sieve in
front of the decoders, which have the last word.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer.core.avro import Avro

_Bytes = NDArray[np.uint8]
_Places = NDArray[np.int64]
_Numbers = NDArray[np.signedinteger[Any]]
# From the places where values begin to where they end.
_Walk = Callable[[_Bytes, _Places], _Places]

# behind all data, and far enough from the largest number that no length leads from here to a datum's end
_ASTRAY = 1 << 61
_FIXED = {"float": 4, "double": 8}
# bytes of the longest number
_LONGEST = 10
# a word's worth of what leads nowhere further
_BEHIND = bytes(8)
# the bit of each byte of a word that says that its number goes on
_GOES_ON = np.uint64(0x8080808080808080)


def misfits(schema: str, data: Sequence[bytes]) -> list[int]:
    """The indexes of the data that surely are not of this rewritten schema (JSON text).

    Of a schema with arrays or maps nothing is said.
    """
    walk = _compiled(schema)
    if walk is None or not data:
        return []
    ends = np.cumsum(np.fromiter(map(len, data), np.int64, len(data)))
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
    return np.flatnonzero(walk(np.frombuffer(b"".join((*data, _BEHIND)), np.uint8), starts) != ends).tolist()


class _Unfollowed(Exception):
    """A type whose values are not walked."""


@lru_cache(maxsize=4096)
def _compiled(schema: str) -> _Walk | None:
    try:
        return _walk(json.loads(schema))
    except _Unfollowed:
        return None


def _walk(schema: Avro) -> _Walk:
    if isinstance(schema, list):
        return _union([_walk(branch) for branch in schema])
    kind = schema["type"] if isinstance(schema, Mapping) else schema
    if isinstance(schema, Mapping) and kind == "record":
        return _record([_walk(field["type"]) for field in schema["fields"]])
    if isinstance(schema, Mapping) and kind == "enum":
        return _index(len(schema["symbols"]))
    if isinstance(schema, Mapping) and kind == "fixed":
        return _steps(schema["size"])
    return _plain(kind)


def _plain(kind: Any) -> _Walk:
    if kind == "null":
        return lambda buffer, at: at
    if kind == "boolean":
        return _boolean
    if kind in ("int", "long"):
        return _past_number
    if kind in ("bytes", "string"):
        return _sized
    if kind in _FIXED:
        return _steps(_FIXED[kind])
    raise _Unfollowed


def _steps(size: int) -> _Walk:
    return lambda buffer, at: at + size


def _record(parts: Sequence[_Walk]) -> _Walk:
    def walk(buffer: _Bytes, at: _Places) -> _Places:
        for part in parts:
            at = part(buffer, at)
        return at

    return walk


def _union(branches: Sequence[_Walk]) -> _Walk:
    def walk(buffer: _Bytes, at: _Places) -> _Places:
        chosen, begins = _number(buffer, at)
        at = np.full_like(at, _ASTRAY)
        for number, branch in enumerate(branches):
            taken = chosen == number
            count = np.count_nonzero(taken)
            if 2 * count > len(at):
                # to pick most of them out takes longer than to walk all
                at = np.where(taken, branch(buffer, begins), at)
            elif count:
                at[taken] = branch(buffer, begins[taken])
        return at

    return walk


def _index(choices: int) -> _Walk:
    def walk(buffer: _Bytes, at: _Places) -> _Places:
        chosen, at = _number(buffer, at)
        at[(chosen < 0) | (chosen >= choices)] = _ASTRAY
        return at

    return walk


def _boolean(buffer: _Bytes, at: _Places) -> _Places:
    return np.where(buffer.take(at, mode="clip") < 2, at + 1, _ASTRAY)


def _sized(buffer: _Bytes, at: _Places) -> _Places:
    size, at = _number(buffer, at)
    return np.where((size < 0) | (size > buffer.size), _ASTRAY, at + size)


def _number(buffer: _Bytes, at: _Places) -> tuple[_Numbers, _Places]:
    """Avro's zig-zag variable-length integers, and where they end."""
    read = buffer.take(at, mode="clip")
    at = at + 1
    rows = np.flatnonzero(read & 0x80)
    if not rows.size:
        small = read.view(np.int8)
        return (small >> 1) ^ -(small & 1), at
    found = (read & 0x7F).astype(np.int64)
    for shift in range(7, 7 * _LONGEST, 7):
        if not rows.size:
            break
        read = buffer.take(at[rows], mode="clip")
        at[rows] += 1
        found[rows] |= (read & 0x7F).astype(np.int64) << shift
        rows = rows[np.flatnonzero(read & 0x80)]
    at[rows] = _ASTRAY
    return (found >> 1) ^ -(found & 1), at


def _past_number(buffer: _Bytes, at: _Places) -> _Places:
    """Where numbers end, a word at a time: most are times and the like, of many bytes."""
    words = np.ndarray(len(buffer) - 7, "<u8", buffer, strides=(1,))
    stops = ~words[np.minimum(at, len(words) - 1)] & _GOES_ON
    past = at + (np.bitwise_count(stops ^ (stops - np.uint64(1))) >> 3)
    rows = np.flatnonzero(stops == 0)
    if rows.size:
        ninth, tenth = (buffer.take(at[rows] + step, mode="clip") < 0x80 for step in (8, 9))
        past[rows] = np.where(ninth, at[rows] + 9, np.where(tenth, at[rows] + _LONGEST, _ASTRAY))
    return past
