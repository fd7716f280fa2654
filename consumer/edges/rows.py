"""The row decoder: fastavro, the reference that the columnar path is held to."""

import io
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import fastavro
import polars as pl
import pyarrow as pa
from fastavro.types import Schema

from consumer.ports import BadDatum

_ARROW = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
# what fastavro raises on damaged input, besides its own
_DAMAGE = (EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, ArithmeticError, MemoryError)


class RowDecoder:
    """Implements `consumer.ports.Decoder`, one datum after the other."""

    def decode(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
        parsed = _parsed(schema)
        rows = [_datum(parsed, datum, index) for index, datum in enumerate(data)]
        arrow = arrow_fields(schema)
        table = pa.table(
            {name: _column(rows, name, arrow[name]) for name in fields},
            schema=pa.schema([pa.field(name, arrow[name]) for name in fields]),
        )
        return pl.DataFrame(table)


def decode_one(schema: str, datum: bytes) -> dict[str, Any]:
    """One datum as a dict. Raises BadDatum with index 0."""
    return _datum(_parsed(schema), datum, 0)


def _column(rows: Sequence[Mapping[str, Any]], name: str, kind: pa.DataType) -> pa.Array:
    return pa.array([row[name] for row in rows], type=kind)


def _datum(schema: Schema, datum: bytes, index: int) -> dict[str, Any]:
    stream = io.BytesIO(datum)
    try:
        row = fastavro.schemaless_reader(stream, schema, None)
    except _DAMAGE as error:
        raise BadDatum(index, f"the datum does not decode with its writer schema ({type(error).__name__})") from error
    surplus = len(datum) - stream.tell()
    if surplus:
        raise BadDatum(index, f"{surplus} bytes are left over after the datum")
    return row  # type: ignore[return-value]


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Schema:
    return fastavro.parse_schema(json.loads(text))


@lru_cache(maxsize=4096)
def arrow_fields(text: str) -> dict[str, pa.DataType]:
    """The Arrow type of every top-level field of a rewritten schema (JSON text)."""
    return {field["name"]: _arrow(field["type"]) for field in json.loads(text)["fields"]}


def _arrow(schema: Any) -> pa.DataType:
    if isinstance(schema, list):
        return _arrow(next(branch for branch in schema if branch != "null"))
    if isinstance(schema, str):
        return _ARROW[schema]
    kind = schema["type"]
    if kind == "record":
        return pa.struct([pa.field(field["name"], _arrow(field["type"])) for field in schema["fields"]])
    if kind == "array":
        return pa.list_(_arrow(schema["items"]))
    if kind == "map":
        return pa.map_(pa.string(), _arrow(schema["values"]))
    if kind == "enum":
        return pa.dictionary(pa.int32(), pa.string())
    if kind == "fixed":
        return pa.binary(schema["size"])
    return pa.decimal128(schema["precision"], schema.get("scale", 0))
