"""Columns as a binary COPY stream, built by native code (pgpq)."""

from collections.abc import Sequence
from typing import Any

import pgpq
import polars as pl
import pyarrow as pa
from pgpq.encoders import LargeStringEncoderBuilder
from pgpq.schema import Jsonb

from consumer.core.writes import StagedColumn

# pgpq holds the interpreter's lock for a whole batch, so it gets slices
ROWS_A_SLICE = 4096


class CopyEncoder:
    """Implements `consumer.ports.decoding.Encoder`."""

    def encode(self, frame: pl.DataFrame, columns: Sequence[StagedColumn]) -> tuple[bytes, ...]:
        table = frame[[column.name for column in columns]].to_arrow(compat_level=pl.CompatLevel.oldest())
        # a failed encoder holds half a row, so each stream has its own
        encoder = _encoder(table.schema, columns)
        chunks = [encoder.write_header()]
        chunks += [encoder.write_batch(batch) for batch in table.to_batches(max_chunksize=ROWS_A_SLICE)]
        chunks.append(encoder.finish())
        # each piece is handed to the driver by itself, so a small stream had better be one
        return tuple(chunks) if len(frame) > ROWS_A_SLICE else (b"".join(chunks),)


def _encoder(schema: pa.Schema, columns: Sequence[StagedColumn]) -> Any:
    builders = {
        field.name: LargeStringEncoderBuilder.new_with_output(field, Jsonb())
        if column.staging == "jsonb"
        else pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field)
        for field, column in zip(schema, columns, strict=True)
    }
    return pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, builders)
