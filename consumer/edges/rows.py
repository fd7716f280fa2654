"""The row decoder: fastavro, the reference that the columnar path is held to."""

import io
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import fastavro
import polars as pl
import pyarrow as pa
from fastavro.schema import SchemaParseException, UnknownType
from fastavro.types import Schema

from consumer.core.failure import Failure, Persistent
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
        columns = {name: _column(rows, name, arrow[name]) for name in fields}
        frame = pl.DataFrame(pa.table(columns, schema=pa.schema([pa.field(name, arrow[name]) for name in fields])))
        return frame.cast(frame_types(schema, tuple(fields)))


@lru_cache(maxsize=4096)
def frame_types(text: str, fields: tuple[str, ...]) -> pl.Schema:
    """The types that both decoders return: those that polars gives to Arrow's, with enums as dictionaries."""
    arrow = {field["name"]: _arrow(field["type"], enum=_ENUM) for field in json.loads(text)["fields"]}
    return pl.DataFrame(pa.schema([pa.field(name, arrow[name]) for name in fields]).empty_table()).schema


def _column(rows: Sequence[Mapping[str, Any]], name: str, kind: pa.DataType) -> pa.Array:
    values = [row[name] for row in rows]
    try:
        return pa.array(values, type=kind)
    except (pa.ArrowException, OverflowError):
        return pa.array([_held(value, kind, index) for index, value in enumerate(values)], type=kind)


def _held(value: Any, kind: pa.DataType, index: int) -> Any:
    """The value, if its declared type holds it."""
    try:
        pa.scalar(value, type=kind)
    except (pa.ArrowException, OverflowError) as error:
        reason = f"a value is outside the range of its declared type ({type(error).__name__})"
        raise BadDatum(index, reason) from error
    return value


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
    try:
        return fastavro.parse_schema(json.loads(text))
    except (SchemaParseException, UnknownType) as error:
        failure = Failure(
            component="rows",
            operation="read schema",
            kind="schema.malformed",
            detail=f"the schema is no valid Avro ({type(error).__name__})",
            remedy="Register a valid schema with the producer's converter.",
        )
        raise Persistent(failure) from error


@lru_cache(maxsize=4096)
def arrow_fields(text: str) -> dict[str, pa.DataType]:
    """The Arrow type of every top-level field of a rewritten schema (JSON text)."""
    return {field["name"]: _arrow(field["type"]) for field in json.loads(text)["fields"]}


# polars panics on a dictionary without values below a null record, so enums travel as text until the cast
_ENUM = pa.dictionary(pa.int32(), pa.string())


def _arrow(schema: Any, enum: pa.DataType = pa.string()) -> pa.DataType:  # noqa: B008
    if isinstance(schema, list):
        return _arrow(next(branch for branch in schema if branch != "null"), enum)
    if isinstance(schema, str):
        return _ARROW[schema]
    kind = schema["type"]
    if kind == "record":
        return pa.struct([pa.field(field["name"], _arrow(field["type"], enum)) for field in schema["fields"]])
    if kind == "array":
        return pa.list_(_arrow(schema["items"], enum))
    if kind == "map":
        return pa.map_(pa.string(), _arrow(schema["values"], enum))
    if kind == "enum":
        return enum
    if kind == "fixed":
        return pa.binary(schema["size"])
    return pa.decimal128(schema["precision"], schema.get("scale", 0))
