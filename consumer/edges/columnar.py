"""The columnar decoder: blocks of data, read by native code as columns.

After any mismatch what can't be of the schema by its outline is taken out, and the rest is read again; if it still
mismatches then in pieces, ever smaller ones where something is bad. The row decoder judges what was taken out, and the
smallest pieces that mismatch. Where it finds nothing bad in data that the native reader does not read, that can't read
the schema; then the row decoder reads it for a while.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa

from consumer.core.avro_bytes import bare
from consumer.edges.avro_blocks import MAX_RECORDS, Mismatch, read_batches, read_block
from consumer.edges.outline import misfits
from consumer.ports.decoding import Decoder, Sifted

# Arrow's text columns hold less than 2 GiB and decoding peaks at three times the block
MAX_BYTES = 64 << 20
# While bad data are looked for: records that one reader is given, records of a large piece, and what is close.
# To make a reader takes as long as a thousand records, to ask it for one more piece as long as a hundred.
_WINDOW = 2560
_LARGE = 160
_CLOSE = 400
# seconds for which a schema that the native reader can't read is not given to it
_GIVEN_UP = 600.0


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

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> Sifted:
        if len(data) < self._smallest or self._clock() < self._given_up.get(schema, 0.0):
            return self._rows.sift(schema, data, fields, head)
        cuts = _cuts(data)
        parts = [self._sifted(schema, data[start:end], fields, head) for start, end in cuts]
        bad = {
            start + index: why for (start, _), part in zip(cuts, parts, strict=True) for index, why in part.bad.items()
        }
        return Sifted(
            frame=pl.concat([part.frame for part in parts]) if len(parts) > 1 else parts[0].frame,
            bad=bad,
            careful=sum(part.careful for part in parts),
            given_up=next((part.given_up for part in parts if part.given_up), ""),
        )

    def _sifted(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int) -> Sifted:
        why = ""
        if schema not in self._doubted:
            try:
                return Sifted(frame=read_block(schema, data, fields, head), bad={})
            except Mismatch as error:
                why = str(error)
        sifted = self._searched(schema, bare(data, head), fields)
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


def _sound(schema: str, data: Sequence[bytes], fields: Sequence[str], step: int) -> list[pa.RecordBatch]:
    """What stands in front of the first mismatch, in whole pieces of `step`.

    One reader does it: to make one takes as long as to read a thousand records.
    """
    found = []
    with suppress(Mismatch):
        for batch in read_batches(schema, data, fields, step):
            found.append(batch)
    return found


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
