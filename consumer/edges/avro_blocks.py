"""Data of one schema, read by native code as one Avro container block in memory.

A joined block has no record borders, so every datum is followed by a running index that the rewritten
schema declares as its last field. The block is read in batches of a known size; their row counts and
index columns are compared. They agree exactly when every datum used up its own bytes. What the native reader does
not check is checked beside it: decimals are held to their precision, and a second reader that keeps nothing looks at
the indexes of unions.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, cast

import polars as pl
import pyarrow as pa
from polars_avro._avro_rs import AvroSource

from consumer.core.avro_bytes import counted, long
from consumer.core.rewriting import ECHO, guarded, only, stepped_over

_SYNC = os.urandom(16)
MAX_RECORDS = 65_536
"""Data of one block at most."""
_SALT = int.from_bytes(os.urandom(8), "big")
_ECHOES = [(index ^ _SALT).to_bytes(8, "big") for index in range(MAX_RECORDS)]
_EXPECTED = pa.py_buffer(b"".join(_ECHOES))

_HEAD = "_headrace_head"

_Path = tuple[int | str, ...]


class Mismatch(Exception):
    """The block did not decode into exactly its own records, or not into values of their types."""


def read_block(schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> pl.DataFrame:
    """Read all of `data` as one block. Raises Mismatch unless each datum used up exactly its bytes and is sound.

    `head`: bytes in front of each datum that are no part of it. They are stepped over where they are, as a copy of each
    datum without them takes as long as a tenth of reading it.
    """
    batch = next(read_batches(schema, data, fields, len(data), head))
    # not every Arrow type is one of polars' own
    return cast(pl.DataFrame, _native(lambda: pl.DataFrame(batch)))


def read_batches(
    schema: str, data: Sequence[bytes], fields: Sequence[str], size: int, head: int = 0
) -> Iterator[pa.RecordBatch]:
    """The block in batches of `size`, without a shorter rest. Raises Mismatch at the first that isn't sound."""
    body = _body(data)
    header, through = _reading(schema, frozenset(fields), head)
    columns = _read(header, body, (*fields, *through), size)
    indexes = _indexes(_guarding(schema, head), data, body, size)
    decimals: list[_Path] | None = None
    for batch in columns:
        next(indexes)
        batch = batch.select(fields)
        if decimals is None:
            decimals = list(_decimals(batch.schema))
        try:
            for path in decimals:
                _at(batch, path).validate(full=True)
        except pa.ArrowInvalid as error:
            raise Mismatch("a decimal's precision") from error
        yield batch


def _indexes(
    form: tuple[bytes, Sequence[str]], data: Sequence[bytes], body: "_Body", size: int
) -> Iterator[pa.RecordBatch]:
    """The same batches, read only to look at the indexes of unions."""
    header, through = form
    if not through:
        return _read(header, body, (), size)
    # of unions that it does not step over a reader gives the first batch only
    pieces = (_body(data[start : start + size]) for start in range(0, len(data) - size + 1, size))
    return (batch for piece in pieces for batch in _read(header, piece, through, size))


def _read(header: bytes, body: "_Body", fields: Sequence[str], size: int) -> Iterator[pa.RecordBatch]:
    """A body in batches of `size`, without a shorter rest. Raises Mismatch at the first that isn't of just its data."""
    pieces = (header, body.head, body.data, _SYNC)
    # A reader asked again after the last record of a damaged block never returns, so it is asked for whole batches
    # only, and for one more only while those before it used up exactly their bytes.
    # The iterator stays in a variable, since dropping it while an error travels replaces the error.
    source = _native(lambda: AvroSource([lambda: _opened(pieces)], False, False).batch_iter(size, [*fields, ECHO]))
    for start in range(0, body.count - size + 1, size):
        batch = _native(lambda: pa.record_batch(next(source)))
        if len(batch) != size or not _echoed(batch, start):
            raise Mismatch("row count or running index")
        yield batch


def _native(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (KeyboardInterrupt, SystemExit):
        raise
    # panics of the native reader derive from BaseException
    except BaseException as error:
        raise Mismatch(type(error).__name__) from error


def _echoed(batch: pa.RecordBatch, start: int) -> bool:
    """Whether the running index is that of the data from `start` on."""
    column = batch.column(batch.schema.get_field_index(ECHO))
    size = 8 * len(batch)
    return bool(column.buffers()[1].slice(8 * column.offset, size).equals(_EXPECTED.slice(8 * start, size)))


def _decimals(schema: pa.Schema) -> Iterator[_Path]:
    """Where values are decimals, whose digits the native reader does not count: steps from a batch to their array."""
    todo: list[tuple[_Path, pa.DataType]] = [((place,), field.type) for place, field in enumerate(schema)]
    while todo:
        path, kind = todo.pop()
        if pa.types.is_decimal(kind):
            yield path
        elif pa.types.is_struct(kind):
            todo += [((*path, place), kind.field(place).type) for place in range(kind.num_fields)]
        elif pa.types.is_list(kind):
            todo.append(((*path, "values"), kind.value_type))
        elif pa.types.is_map(kind):
            todo.append(((*path, "items"), kind.item_type))


def _at(batch: pa.RecordBatch, path: _Path) -> pa.Array:
    column, *steps = path
    values = batch.column(column)
    for step in steps:
        values = values.field(step) if isinstance(step, int) else getattr(values, step)
    return values


class _Joined(io.RawIOBase):
    """Pieces that are read as one file, without a copy of them all."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._left = [io.BytesIO(piece) for piece in pieces]

    def read(self, size: int = -1) -> bytes:
        parts: list[bytes] = []
        while self._left and size:
            part = self._left[0].read(size)
            if part:
                parts.append(part)
                size -= len(part) if size > 0 else 0
            else:
                self._left.pop(0)
        return b"".join(parts)


def _opened(pieces: Sequence[bytes]) -> AbstractContextManager[BinaryIO]:
    return nullcontext(cast(BinaryIO, _Joined(pieces)))


@dataclass(frozen=True, slots=True)
class _Body:
    """Data with their running indexes; how many there are; and what a container says of them."""

    data: bytes
    count: int

    @property
    def head(self) -> bytes:
        return long(self.count) + long(len(self.data))


def _body(data: Sequence[bytes]) -> _Body:
    pieces: list[bytes] = [b""] * (2 * len(data))
    pieces[0::2] = data
    pieces[1::2] = _ECHOES[: len(data)]
    return _Body(b"".join(pieces), len(data))


@lru_cache(maxsize=4096)
def _reading(text: str, fields: frozenset[str], head: int) -> tuple[bytes, Sequence[str]]:
    """How a block begins, and what is read though nobody asked for it: items have an end, and a size that may lie."""
    return _container(only(text, fields), head), stepped_over(text, fields)


@lru_cache(maxsize=4096)
def _guarding(text: str, head: int) -> tuple[bytes, Sequence[str]]:
    """The same for looking at the indexes of unions."""
    return _container(guarded(text), head), stepped_over(text, ())


def _container(schema: dict[str, Any], head: int) -> bytes:
    front = [{"name": _HEAD, "type": {"type": "fixed", "name": _HEAD, "size": head}}] if head else []
    echo = {"name": ECHO, "type": {"type": "fixed", "name": "echo", "size": 8}}
    text = json.dumps({**schema, "fields": [*front, *schema["fields"], echo]})
    metadata = (
        long(2) + counted(b"avro.schema") + counted(text.encode()) + counted(b"avro.codec") + counted(b"null") + long(0)
    )
    return b"Obj\x01" + metadata + _SYNC
