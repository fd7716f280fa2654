"""The columnar decoder: one Avro container block in memory, read by native code as columns.

A joined block has no record borders, so every datum is followed by a running index that the rewritten
schema declares as its last field. The block is read as exactly one batch of its record count; row count
and index column are compared. They agree exactly when every datum used up its own bytes. Decimals are held to
their precision, which the native reader does not do. On any mismatch the block is halved until the bad datum
stands alone, and the row decoder judges that one.
"""

import io
import json
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import BinaryIO

import polars as pl
import pyarrow as pa
from polars_avro._avro_rs import AvroSource

from consumer.core.rewriting import ECHO, only
from consumer.ports import BadDatum, Decoder

_SYNC = os.urandom(16)
# records of one block; larger requests are cut
MAX_RECORDS = 65_536
# Arrow's text columns hold less than 2 GiB and decoding peaks at three times the block
MAX_BYTES = 64 << 20
_SALT = int.from_bytes(os.urandom(8), "big")
_ECHOES = [(index ^ _SALT).to_bytes(8, "big") for index in range(MAX_RECORDS)]
_EXPECTED = pa.py_buffer(b"".join(_ECHOES))


class Mismatch(Exception):
    """The block did not decode into exactly its own records, or not into values of their types."""


class ColumnarDecoder:
    """Implements `consumer.ports.Decoder`. `rows` judges data that stand alone and small blocks."""

    def __init__(self, rows: Decoder, *, smallest_block: int = 20) -> None:
        self._rows = rows
        self._smallest = smallest_block

    def decode(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
        if len(data) < self._smallest:
            return self._rows.decode(schema, data, fields)
        parts = [self._halving(schema, data, start, end, fields) for start, end in _cuts(data)]
        return pl.concat(parts) if len(parts) > 1 else parts[0]

    def _halving(self, schema: str, data: Sequence[bytes], start: int, end: int, fields: Sequence[str]) -> pl.DataFrame:
        if end - start < self._smallest:
            return self._judged(schema, data[start:end], start, fields)
        try:
            return read_block(schema, data[start:end], fields)
        except Mismatch:
            middle = (start + end) // 2
            left = self._halving(schema, data, start, middle, fields)
            return pl.concat([left, self._halving(schema, data, middle, end, fields)])

    def _judged(self, schema: str, data: Sequence[bytes], start: int, fields: Sequence[str]) -> pl.DataFrame:
        try:
            return self._rows.decode(schema, data, fields)
        except BadDatum as error:
            raise BadDatum(start + error.index, error.reason) from error


def read_block(schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
    """Read all of `data` as one block. Raises Mismatch unless each datum used up exactly its bytes and is sound."""
    count = len(data)
    block = _block(schema, data, fields)
    # One next() and no more: a reader asked again after the last record of a damaged block never returns.
    # The iterator stays in a variable, since dropping it while an error travels replaces the error.
    try:
        source = AvroSource([lambda: _opened(block)], False, False)
        batches = source.batch_iter(count, [*fields, ECHO])
        batch = pa.record_batch(next(batches))
    except (KeyboardInterrupt, SystemExit):
        raise
    # panics of the native reader derive from BaseException
    except BaseException as error:
        raise Mismatch(type(error).__name__) from error
    if len(batch) != count or not _echoed(batch, count):
        raise Mismatch("row count or running index")
    try:
        for column in batch.columns:
            _check_decimals(column)
    except pa.ArrowInvalid as error:
        raise Mismatch("a decimal's precision") from error
    return pl.DataFrame(batch.drop_columns([ECHO]))


def _echoed(batch: pa.RecordBatch, count: int) -> bool:
    column = batch.column(batch.schema.get_field_index(ECHO))
    begin = column.offset * 8
    return bool(column.buffers()[1].slice(begin, 8 * count).equals(_EXPECTED.slice(0, 8 * count)))


def _check_decimals(values: pa.Array) -> None:
    """Raises ArrowInvalid for a decimal with more digits than its type declares."""
    kind = values.type
    if pa.types.is_decimal(kind):
        values.validate(full=True)
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            _check_decimals(values.field(place))
    elif pa.types.is_list(kind):
        _check_decimals(values.values)
    elif pa.types.is_map(kind):
        _check_decimals(values.items)


def _opened(block: bytes) -> AbstractContextManager[BinaryIO]:
    return nullcontext(io.BytesIO(block))


def _block(schema: str, data: Sequence[bytes], fields: Sequence[str]) -> bytes:
    count = len(data)
    pieces: list[bytes] = [b""] * (2 * count)
    pieces[0::2] = data
    pieces[1::2] = _ECHOES[:count]
    body = b"".join(pieces)
    return b"".join((_header(schema, frozenset(fields)), _long(count), _long(len(body)), body, _SYNC))


@lru_cache(maxsize=4096)
def _header(text: str, fields: frozenset[str]) -> bytes:
    schema = only(text, fields)
    echo = {"name": ECHO, "type": {"type": "fixed", "name": "echo", "size": 8}}
    text = json.dumps({**schema, "fields": [*schema["fields"], echo]})
    metadata = (
        _long(2) + _text(b"avro.schema") + _text(text.encode()) + _text(b"avro.codec") + _text(b"null") + _long(0)
    )
    return b"Obj\x01" + metadata + _SYNC


def _long(value: int) -> bytes:
    """Avro's zig-zag variable-length integer, for values of zero and more."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(raw: bytes) -> bytes:
    return _long(len(raw)) + raw


def _cuts(data: Sequence[bytes]) -> list[tuple[int, int]]:
    """Block borders: at most MAX_RECORDS records and, but for a single datum, MAX_BYTES."""
    if len(data) <= MAX_RECORDS and sum(map(len, data)) <= MAX_BYTES:
        return [(0, len(data))]
    cuts: list[tuple[int, int]] = []
    start = size = 0
    for index, datum in enumerate(data):
        if index > start and (size + len(datum) > MAX_BYTES or index - start >= MAX_RECORDS):
            cuts.append((start, index))
            start, size = index, 0
        size += len(datum)
    cuts.append((start, len(data)))
    return cuts
