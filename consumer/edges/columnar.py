"""The columnar decoder: one Avro container block in memory, read by native code as columns.

A joined block has no record borders, so every datum is followed by a running index that the rewritten
schema declares as its last field. The block is read as exactly one batch of its record count; row count
and index column are compared. They agree exactly when every datum used up its own bytes. Decimals are held to
their precision, which the native reader does not do. After any mismatch what can't be of the schema by its outline is
taken out, and the rest is read again; if it still mismatches then in pieces, ever smaller ones where something is bad.
The row decoder judges what was taken out, and the smallest pieces that mismatch. Where it finds nothing bad in data
that the native reader does not read, that can't read the schema; then the row decoder reads it for a while.
"""

import io
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any, BinaryIO, cast

import numpy as np
import polars as pl
import pyarrow as pa
from polars_avro._avro_rs import AvroSource

from consumer.core.rewriting import ECHO, only
from consumer.edges.outline import misfits
from consumer.ports.decoding import Decoder, Sifted

_SYNC = os.urandom(16)
# records of one block; larger requests are cut
MAX_RECORDS = 65_536
# Arrow's text columns hold less than 2 GiB and decoding peaks at three times the block
MAX_BYTES = 64 << 20
# While bad data are looked for: records that one reader is given, records of a large piece, and what is close.
# To make a reader takes as long as a thousand records, to ask it for one more piece as long as a hundred.
_WINDOW = 2560
_LARGE = 160
_CLOSE = 400
# seconds for which a schema that the native reader can't read is not given to it
_GIVEN_UP = 600.0
_SALT = int.from_bytes(os.urandom(8), "big")
_ECHOES = [(index ^ _SALT).to_bytes(8, "big") for index in range(MAX_RECORDS)]
_EXPECTED = pa.py_buffer(b"".join(_ECHOES))


_Path = tuple[int | str, ...]


class Mismatch(Exception):
    """The block did not decode into exactly its own records, or not into values of their types."""


class ColumnarDecoder:
    """Implements `consumer.ports.decoding.Decoder`. `rows` judges small blocks, and pieces that hold something bad."""

    def __init__(self, rows: Decoder, *, smallest_block: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._rows = rows
        self._clock = clock
        # schemas that the native reader can't read, and until when that is believed
        self._given_up: dict[str, float] = {}
        self._smallest = smallest_block
        # schemas whose last block had bad data: the next one will too, and is not read in vain as a whole
        self._doubted: set[str] = set()

    def decode(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
        return self.sift(schema, data, fields).whole()

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> Sifted:
        if len(data) < self._smallest or self._clock() < self._given_up.get(schema, 0.0):
            return self._rows.sift(schema, data, fields)
        cuts = _cuts(data)
        parts = [self._sifted(schema, data[start:end], fields) for start, end in cuts]
        bad = {
            start + index: why for (start, _), part in zip(cuts, parts, strict=True) for index, why in part.bad.items()
        }
        return Sifted(
            frame=pl.concat([part.frame for part in parts]) if len(parts) > 1 else parts[0].frame,
            bad=bad,
            careful=sum(part.careful for part in parts),
            given_up=next((part.given_up for part in parts if part.given_up), ""),
        )

    def _sifted(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> Sifted:
        why = ""
        if schema not in self._doubted:
            try:
                return Sifted(frame=read_block(schema, data, fields), bad={})
            except Mismatch as error:
                why = str(error)
        sifted = self._searched(schema, data, fields)
        if sifted.bad:
            self._doubted.add(schema)
            return sifted
        self._doubted.discard(schema)
        return self._give_up(schema, sifted, why) if why else sifted

    def _give_up(self, schema: str, sifted: Sifted, why: str) -> Sifted:
        """Sound data that the native reader has not read are no fault of theirs."""
        self._given_up[schema] = self._clock() + _GIVEN_UP
        return replace(sifted, given_up=why)

    def _searched(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> Sifted:
        """Read what may be sound; the row decoder has the last word on all else."""
        misfitting = misfits(schema, data)
        batches, mismatched = self._read(schema, _without(data, misfitting), fields)
        fitting = _others(len(data), misfitting) if mismatched else []
        doubtful = sorted([*misfitting, *(fitting[place] for place in mismatched)])
        judged = self._rows.sift(schema, [data[index] for index in doubtful], fields)
        bad = {doubtful[index]: reason for index, reason in judged.bad.items()}
        if not batches:
            return Sifted(frame=judged.frame, bad=bad, careful=len(doubtful))
        sound = pl.DataFrame(pa.concat_batches(batches))
        if len(bad) == len(doubtful):
            return Sifted(frame=sound, bad=bad, careful=len(doubtful))
        places = [*_others(len(data), doubtful), *(index for index in doubtful if index not in bad)]
        frame = pl.concat([sound, judged.frame], rechunk=True)
        frame = frame[pl.Series(places, dtype=pl.Int64).arg_sort()]
        return Sifted(frame=frame, bad=bad, careful=len(doubtful))

    def _read(
        self, schema: str, data: Sequence[bytes], fields: Sequence[str]
    ) -> tuple[list[pa.RecordBatch], list[int]]:
        """What reads well, at once or in pieces, and the indexes of all else."""
        if not data:
            return [], []
        whole = _sound(schema, data, fields, len(data))
        return (whole, []) if whole else self._pieces(schema, data, fields)

    def _pieces(
        self, schema: str, data: Sequence[bytes], fields: Sequence[str]
    ) -> tuple[list[pa.RecordBatch], list[int]]:
        """What reads well, and the indexes of all else: large pieces, and small ones near bad data."""
        sound: list[pa.RecordBatch] = []
        doubtful: list[int] = []
        start = 0
        # where small pieces end
        close = 0
        while start < len(data):
            step, end = (self._smallest, close) if start < close else (_LARGE, start + _WINDOW)
            window = data[start:end]
            batches = _sound(schema, window, fields, step)
            sound += batches
            start += len(batches) * step
            piece = window[len(batches) * step :][:step]
            if len(piece) > self._smallest:
                close = start + len(piece)
            elif piece and len(piece) < step and start + len(piece) < len(data):
                # no mismatch, but where small pieces end
                close = start
            elif piece:
                near = doubtful and start - doubtful[-1] < _CLOSE
                doubtful += range(start, start + len(piece))
                start += len(piece)
                close = start + _CLOSE if near else start
        return sound, doubtful


def read_block(schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
    """Read all of `data` as one block. Raises Mismatch unless each datum used up exactly its bytes and is sound."""
    batch = next(_batches(schema, data, fields, len(data))).drop_columns([ECHO])
    # not every Arrow type is one of polars' own
    return cast(pl.DataFrame, _native(lambda: pl.DataFrame(batch)))


def _sound(schema: str, data: Sequence[bytes], fields: Sequence[str], step: int) -> list[pa.RecordBatch]:
    """What stands in front of the first mismatch, in whole pieces of `step`.

    One reader does it: to make one takes as long as to read a thousand records.
    """
    found = []
    with suppress(Mismatch):
        for batch in _batches(schema, data, fields, step):
            found.append(batch.drop_columns([ECHO]))
    return found


def _batches(schema: str, data: Sequence[bytes], fields: Sequence[str], size: int) -> Iterator[pa.RecordBatch]:
    """The block in batches of `size`, without a shorter rest. Raises Mismatch at the first that isn't sound."""
    block = _block(schema, data, fields)
    # A reader asked again after the last record of a damaged block never returns, so it is asked for whole batches
    # only, and for one more only while those before it used up exactly their bytes.
    # The iterator stays in a variable, since dropping it while an error travels replaces the error.
    batches = _native(lambda: AvroSource([lambda: _opened(block)], False, False).batch_iter(size, [*fields, ECHO]))
    decimals: list[_Path] | None = None
    for start in range(0, len(data) - size + 1, size):
        batch = _native(lambda: pa.record_batch(next(batches)))
        if len(batch) != size or not _echoed(batch, start):
            raise Mismatch("row count or running index")
        if decimals is None:
            decimals = list(_decimals(batch.schema))
        try:
            for path in decimals:
                _at(batch, path).validate(full=True)
        except pa.ArrowInvalid as error:
            raise Mismatch("a decimal's precision") from error
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


def _others(count: int, indexes: Sequence[int]) -> list[int]:
    """The indexes below `count` that are not among these, which rise."""
    every = np.ones(count, bool)
    every[indexes] = False
    return np.flatnonzero(every).tolist()


def _without(data: Sequence[bytes], indexes: Sequence[int]) -> Sequence[bytes]:
    """The data but for those at these indexes, which rise."""
    if not indexes:
        return data
    kept: list[bytes] = []
    start = 0
    for index in indexes:
        kept += data[start:index]
        start = index + 1
    return kept + list(data[start:])


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
