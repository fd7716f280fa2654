"""What a writer schema says: which kind of record it describes, and which columns a row has.

Kinds are told by schema name, never by topic name (Debezium's names, connect.version 2).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from consumer.core.avro import (
    Avro,
    UnsupportedSchema,
    full_name,
    named_types,
    namespace_inside,
    options,
    parsed,
    resolve,
)
from consumer.core.position import position_fields
from consumer.core.rewriting import AS_TEXT, Rewritten, rewritten_envelope, rewritten_key

SOURCE = "source_"
"""Before the names of the `source` block's fields, in the form of a schema that the decoders read."""
SOURCE_TIME = f"{SOURCE}ts_ms"
_PROPAGATED = "__debezium.source.column."
_PRECISION_UNKNOWN = 64
ANY = "any"
"""The word for a type that no column can have; its values are JSON text."""


class RecordKind(Enum):
    """What a record's value is."""

    CHANGE = "change"
    HEARTBEAT = "heartbeat"
    TRANSACTION = "transaction marker"
    SCHEMA_CHANGE = "schema change"
    NOTIFICATION = "notification"
    MESSAGE = "logical message"
    TOMBSTONE = "tombstone"
    OTHER = "not a Debezium envelope"


IGNORED_KINDS = frozenset(RecordKind) - {RecordKind.CHANGE, RecordKind.OTHER}
"""Kinds of records that are of no table: their positions are passed, and they are never letters."""

_KIND_BY_NAME = {
    "Heartbeat": RecordKind.HEARTBEAT,
    "TransactionMetadataValue": RecordKind.TRANSACTION,
    "SchemaChangeValue": RecordKind.SCHEMA_CHANGE,
    "Notification": RecordKind.NOTIFICATION,
    "NotificationValue": RecordKind.NOTIFICATION,
    "MessageValue": RecordKind.MESSAGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceType:
    """A column's type at the source, which column.propagate.source.type has the connector say."""

    name: str
    length: int | None = None
    scale: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a row image.

    `avro` is the type's word (`int`, `string`, `bytes`, `decimal`, `record`, ... or ANY), `semantic` the Connect or
    Debezium type name that gives it meaning, or None. `item`: what an array or a map holds. `parts`: the fields of a
    record with their types' words. `replaced`: it may be null, but its schema has a default, which a converter at the
    source may have put in the place of nulls.
    """

    name: str
    avro: str
    semantic: str | None = None
    nullable: bool = False
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    small: bool = False
    item: "Column | None" = None
    parts: tuple[tuple[str, str], ...] = ()
    source: SourceType | None = None
    replaced: bool = False
    fixed: bool = False

    @property
    def unsigned(self) -> bool:
        """Whether the source says that its 64-bit numbers have no sign."""
        words = self.source.name.split() if self.source else []
        return words[:2] in (["BIGINT", "UNSIGNED"], ["INT8", "UNSIGNED"])


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSchema:
    """A writer schema, read once. A change envelope has `rewritten`, the form of it that the decoders read.

    `position`: the fields of that which say where a change stands in its source's log; none where nothing does.
    """

    kind: RecordKind
    columns: tuple[Column, ...] = ()
    rewritten: Rewritten | None = None
    has_source_time: bool = False
    position: tuple[str, ...] = ()


def read_writer_schema(text: str) -> WriterSchema:
    """Read a value schema as the registry holds it (JSON text). Raises UnsupportedSchema."""
    schema = parsed(text)
    kind = _kind(schema)
    if kind is not RecordKind.CHANGE:
        return WriterSchema(kind=kind)
    names = named_types(schema)
    row, namespace = row_type(schema, names)
    rewritten = rewritten_envelope(schema)
    spelled = {field["name"]: field for field in json.loads(rewritten.text)["fields"]}
    image = options(spelled["after"]["type"])[0][0]
    return WriterSchema(
        kind=kind,
        columns=tuple(
            _any(field) if AS_TEXT in part else _column(field, names, namespace)
            for field, part in zip(row["fields"], image["fields"], strict=True)
        ),
        rewritten=rewritten,
        has_source_time=_is_time(spelled.get(SOURCE_TIME, {})),
        position=position_fields(spelled),
    )


def read_key_schema(text: str) -> tuple[Column, ...]:
    """The key's columns in their order. Raises UnsupportedSchema when the key is not a record."""
    schema = _key_record(text)
    names = named_types(schema)
    return tuple(_column(field, names, namespace_inside(schema, "")) for field in schema["fields"])


def read_key_writer(text: str) -> Rewritten:
    """The key's schema in the form that the decoders read. Raises UnsupportedSchema."""
    return rewritten_key(_key_record(text))


def _key_record(text: str) -> Mapping[str, Any]:
    schema = parsed(text)
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise UnsupportedSchema("the key schema is not a record")
    return schema


def _is_time(field: Mapping[str, Any]) -> bool:
    return AS_TEXT not in field and options(field.get("type"))[0] == ["long"]


def _kind(schema: Avro) -> RecordKind:
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return RecordKind.OTHER
    short = str(schema.get("name", "")).rsplit(".", 1)[-1]
    full = full_name(str(schema.get("name", "")), schema.get("namespace", ""))
    if short in _KIND_BY_NAME and full.startswith("io.debezium."):
        return _KIND_BY_NAME[short]
    fields = {field["name"] for field in schema.get("fields", ())}
    return RecordKind.CHANGE if {"op", "after"} <= fields else RecordKind.OTHER


def row_type(schema: Avro, names: Mapping[str, Avro]) -> tuple[Avro, str]:
    """The record under `after`, and the namespace inside it."""
    namespace = namespace_inside(schema, "")
    after = next(field["type"] for field in schema["fields"] if field["name"] == "after")
    rest, _ = options(after)
    row = resolve(rest[0], names, namespace) if len(rest) == 1 else None
    if not isinstance(row, dict) or row.get("type") != "record":
        raise UnsupportedSchema("the field `after` is not a record")
    return row, namespace_inside(row, namespace)


def _any(field: Mapping[str, Any]) -> Column:
    return Column(name=field["name"], avro=ANY, nullable=options(field["type"])[1])


def _column(field: Mapping[str, Any], names: Mapping[str, Avro], namespace: str) -> Column:
    rest, nullable = options(field["type"])
    if len(rest) != 1:
        return _any(field)
    inner = resolve(rest[0], names, namespace)
    if isinstance(inner, str):
        replaced = nullable and field.get("default") is not None
        return Column(name=field["name"], avro=inner, nullable=nullable, replaced=replaced)
    said = inner.get("connect.parameters")
    parameters = said if isinstance(said, dict) else {}
    logical, name = inner.get("logicalType"), inner.get("connect.name")
    defaults = (field.get("default"), inner.get("connect.default"))
    return Column(
        name=field["name"],
        avro="decimal" if logical == "decimal" and inner["type"] in ("bytes", "fixed") else str(inner["type"]),
        fixed=inner["type"] == "fixed",
        semantic=next((word for word in (name, logical) if word and isinstance(word, str)), None),
        nullable=nullable,
        precision=_precision(inner, parameters),
        scale=_whole(inner.get("scale", _number(parameters.get("scale")))),
        length=_number(parameters.get("length")),
        small=inner.get("connect.type") in ("int8", "int16"),
        item=_item(inner, names, namespace),
        parts=_parts(inner, names, namespace),
        source=_source(parameters),
        replaced=nullable and any(default is not None for default in defaults),
    )


def _item(schema: Mapping[str, Any], names: Mapping[str, Avro], namespace: str) -> Column | None:
    """What an array or a map holds."""
    items = schema.get("items", schema.get("values"))
    return None if items is None else _column({"name": "item", "type": items}, names, namespace)


def _parts(schema: Mapping[str, Any], names: Mapping[str, Avro], namespace: str) -> tuple[tuple[str, str], ...]:
    """The fields of a record, with their types' words."""
    if schema["type"] != "record":
        return ()
    inside = namespace_inside(schema, namespace)
    return tuple((part["name"], _word(part, names, inside)) for part in schema["fields"])


def _word(field: Mapping[str, Any], names: Mapping[str, Avro], namespace: str) -> str:
    rest, _ = options(field["type"])
    inner = resolve(rest[0], names, namespace) if len(rest) == 1 else ANY
    return inner if isinstance(inner, str) else str(inner["type"])


def _precision(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> int | None:
    """A decimal's digits; None where the converter wrote its largest number because the source said none."""
    said = _number(parameters.get("connect.decimal.precision"))
    written = _whole(schema.get("precision", said))
    return None if written == _PRECISION_UNKNOWN and said is None else written


def _source(parameters: Mapping[str, Any]) -> SourceType | None:
    name = parameters.get(_PROPAGATED + "type")
    if not isinstance(name, str):
        return None
    length, scale = (_number(parameters.get(_PROPAGATED + part)) for part in ("length", "scale"))
    return SourceType(name=name.upper(), length=length, scale=scale)


def _whole(number: Any) -> int | None:
    if number is not None and type(number) is not int:
        raise UnsupportedSchema("a decimal's precision or scale is not a whole number")
    return number


def _number(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None
