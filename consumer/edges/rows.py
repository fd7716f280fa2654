"""The row decoder: fastavro, the reference that the columnar path is held to, and the only reader of some schemas."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import fastavro
import polars as pl
import pyarrow as pa
from fastavro._read_py import _default_named_schemas, read_data
from fastavro.io.binary_decoder import BinaryDecoder
from fastavro.schema import SchemaParseException, UnknownType
from fastavro.types import Schema

from consumer.core.avro import PRIMITIVES
from consumer.core.avro_bytes import bare
from consumer.core.failure import Persistent, failed
from consumer.core.kinds import KINDS
from consumer.core.rewriting import AS_TEXT, only
from consumer.core.texts import json_text
from consumer.ports.decoding import Sifted

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
_DAMAGE = (
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    ArithmeticError,
    MemoryError,
    RecursionError,
)
# what Arrow raises for a value that its declared type can't hold
_UNHELD = (pa.ArrowException, OverflowError)


class RowDecoder:
    """Implements `consumer.ports.decoding.Decoder`, one datum after the other."""

    def decode(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
        return self.sift(schema, data, fields).whole()

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> Sifted:
        data = bare(data, head)
        reader = _reader(schema, tuple(fields))
        rows: dict[int, _Row] = {}
        bad: dict[int, str] = {}
        for index, datum in enumerate(data):
            try:
                rows[index] = _datum(reader, datum)
            except _Bad as error:
                bad[index] = str(error)
        try:
            table = _table(rows, reader.columns)
        except _UNHELD:
            bad |= _beyond(rows, reader.columns)
            table = _table({index: row for index, row in rows.items() if index not in bad}, reader.columns)
        return Sifted(frame=pl.DataFrame(table).cast(reader.frame), bad=bad, careful=len(data))


_Row = dict[str, Any]


class _Bad(Exception):
    """A datum can't be decoded; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """How some fields of one schema's data are read.

    `texts`: the fields, or the columns of a field's record, that become JSON text. `frame`: the types that both
    decoders return, which are those that polars gives to Arrow's, with enums as dictionaries.
    """

    schema: Schema
    read: Callable[..., Any]
    texts: tuple[tuple[str, str | None], ...]
    columns: pa.Schema
    frame: pl.Schema


@lru_cache(maxsize=4096)
def _reader(text: str, fields: tuple[str, ...]) -> _Reader:
    """Raises Persistent where the schema says what no data can be read by."""
    try:
        return _made(text, fields)
    # columns without types of their own: two of one name, sizes below nothing
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OverflowError) as error:
        raise _unreadable(error) from error


def _made(text: str, fields: tuple[str, ...]) -> _Reader:
    schema = only(text, fields)
    by_name = {field["name"]: field for field in schema["fields"]}
    wanted = [by_name[name] for name in fields]
    # compiled fastavro has no bound for types that contain themselves: deep data would end the process
    in_python = _refers(schema)
    return _Reader(
        schema=_exact(_parsed(schema), _PythonChoices if in_python else _Choices),
        read=read_in_python if in_python else fastavro.schemaless_reader,
        texts=tuple((field["name"], column) for field in wanted for column in _texts(field)),
        columns=pa.schema([pa.field(field["name"], _arrow_field(field)) for field in wanted]),
        frame=pl.DataFrame(
            pa.schema([pa.field(field["name"], _arrow_field(field, _ENUM)) for field in wanted]).empty_table()
        ).schema,
    )


class _Bounded(BinaryDecoder):
    """Fastavro's decoder in Python takes numbers of any length, which costs the square of it."""

    def read_long(self) -> int:
        number = 0
        for place in range(10):
            byte = self.fo.read(1)
            if not byte:
                raise EOFError("the datum ends within a number")
            number |= (byte[0] & 0x7F) << (7 * place)
            if byte[0] < 0x80:
                return _signed(number)
        raise ValueError("a number of more than ten bytes")

    read_int = read_long


def _signed(number: int) -> int:
    """The zig-zag form undone. Raises OverflowError beyond 64 bits."""
    if number >= 1 << 64:
        raise OverflowError("a number of more than 64 bits")
    return (number >> 1) ^ -(number & 1)


_OPTIONS = {
    "return_record_name": False,
    "return_record_name_override": False,
    "handle_unicode_errors": "strict",
    "return_named_type": False,
    "return_named_type_override": False,
}


def read_in_python(stream: io.BytesIO, schema: Any, _: None) -> Any:
    """What `fastavro.schemaless_reader` does, with such a decoder."""
    named = _default_named_schemas()
    fastavro.parse_schema(schema, named["writer"])
    return read_data(_Bounded(stream), schema, named, None, _OPTIONS)  # type: ignore[no-untyped-call]


class _Choices(list[Any]):
    """The branches of a union or the symbols of an enum, of which no index counts from the end."""

    def __len__(self) -> int:
        # compiled fastavro asks for the length only when an index is negative
        raise IndexError("a negative index")


class _PythonChoices(_Choices):
    def __getitem__(self, index: Any) -> Any:
        if index < 0:
            raise IndexError("a negative index")
        return super().__getitem__(index)


def _exact(schema: Any, choices: type[_Choices]) -> Any:
    """A parsed schema, in place, with such choices."""
    if isinstance(schema, list):
        return choices(_exact(branch, choices) for branch in schema)
    if isinstance(schema, dict):
        for part in {"items", "values", "type"} & schema.keys():
            schema[part] = _exact(schema[part], choices)
        for field in schema.get("fields", ()):
            _exact(field, choices)
        if "symbols" in schema:
            schema["symbols"] = choices(schema["symbols"])
    return schema


def _refers(schema: Any) -> bool:
    """Whether a type is referred to by its name."""
    if isinstance(schema, str):
        return schema not in PRIMITIVES
    if isinstance(schema, list):
        return any(map(_refers, schema))
    parts = [field["type"] for field in schema.get("fields", ())]
    return any(map(_refers, [*parts, schema.get("items", "null"), schema.get("values", "null")]))


def _texts(field: Mapping[str, Any]) -> list[str | None]:
    """The field itself as None, or those columns of its record that become text."""
    if AS_TEXT in field:
        return [None]
    record = _present(field["type"])
    parts = record.get("fields", ()) if isinstance(record, dict) else ()
    return [part["name"] for part in parts if AS_TEXT in part]


def _present(schema: Any) -> Any:
    """What a value of the type is when it is not null."""
    return next(branch for branch in schema if branch != "null") if isinstance(schema, list) else schema


def _table(rows: Mapping[int, _Row], columns: pa.Schema) -> pa.Table:
    """The rows as columns. Raises one of _UNHELD."""
    values = ([row[field.name] for row in rows.values()] for field in columns)
    return pa.table([pa.array(v, type=f.type) for v, f in zip(values, columns, strict=True)], schema=columns)


def _beyond(rows: Mapping[int, _Row], columns: pa.Schema) -> dict[int, str]:
    """The rows with a value that its declared type does not hold, with the reasons."""
    bad = {}
    for index, row in rows.items():
        try:
            _table({index: row}, columns)
        except _UNHELD as error:
            bad[index] = f"a value is outside the range of its declared type ({type(error).__name__})"
    return bad


def _datum(reader: _Reader, datum: bytes) -> _Row:
    stream = io.BytesIO(datum)
    try:
        row: _Row = reader.read(stream, reader.schema, None)
        for name, column in reader.texts:
            _make_text(*((row, name) if column is None else (row[name], column)))
    except _DAMAGE as error:
        raise _Bad(f"the datum does not decode with its writer schema ({type(error).__name__})") from error
    surplus = len(datum) - stream.tell()
    if surplus:
        raise _Bad(f"{surplus} bytes are left over after the datum")
    return row


def _make_text(record: dict[str, Any] | None, name: str) -> None:
    if record is not None and record[name] is not None:
        record[name] = json_text(record[name])


def _parsed(schema: Any) -> Schema:
    try:
        return fastavro.parse_schema(schema)
    except (SchemaParseException, UnknownType) as error:
        raise _unreadable(error) from error


def _unreadable(error: BaseException) -> Persistent:
    detail = f"the schema is no valid Avro ({type(error).__name__})"
    return Persistent(failed(KINDS["record.schema"], "rows", "read schema", detail))


# polars panics on a dictionary without values below a null record, so enums travel as text until the cast
_ENUM = pa.dictionary(pa.int32(), pa.string())


_TEXT = pa.string()


def _arrow_field(field: Mapping[str, Any], enum: pa.DataType = _TEXT) -> pa.DataType:
    return pa.string() if AS_TEXT in field else _arrow(field["type"], enum)


def _arrow(schema: Any, enum: pa.DataType) -> pa.DataType:
    schema = _present(schema)
    if isinstance(schema, str):
        return _ARROW[schema]
    kind = schema["type"]
    if kind == "record":
        return pa.struct([pa.field(field["name"], _arrow_field(field, enum)) for field in schema["fields"]])
    if kind == "array":
        return pa.list_(_arrow(schema["items"], enum))
    if kind == "map":
        return pa.map_(pa.string(), _arrow(schema["values"], enum))
    if kind == "enum":
        return enum
    if kind == "fixed":
        return pa.binary(schema["size"])
    return pa.decimal128(schema["precision"], schema.get("scale", 0))
