"""What a writer schema says: which kind of record it describes, and which columns a row has.

Kinds are told by schema name, never by topic name (Debezium's names, connect.version 2).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

Avro = Any
"""A parsed Avro schema: a name, an object, or a list (union)."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
ECHO = "_headrace_echo"
"""The last field of a rewritten schema: the datum's running index, eight bytes."""
SOURCE_TIME = "source_ts_ms"


class RecordKind(Enum):
    """What a record's value is."""

    CHANGE = "change"
    HEARTBEAT = "heartbeat"
    TRANSACTION = "transaction marker"
    SCHEMA_CHANGE = "schema change"
    NOTIFICATION = "notification"
    OTHER = "not a Debezium envelope"


IGNORED_KINDS = frozenset(
    {RecordKind.HEARTBEAT, RecordKind.TRANSACTION, RecordKind.SCHEMA_CHANGE, RecordKind.NOTIFICATION}
)

_KIND_BY_NAME = {
    "Heartbeat": RecordKind.HEARTBEAT,
    "TransactionMetadataValue": RecordKind.TRANSACTION,
    "SchemaChangeValue": RecordKind.SCHEMA_CHANGE,
    "Notification": RecordKind.NOTIFICATION,
    "NotificationValue": RecordKind.NOTIFICATION,
}


class UnsupportedSchema(ValueError):
    """This schema can't be read as a Debezium envelope; the message says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a row image.

    `avro` is the type's word (`int`, `string`, `bytes`, `decimal`, `record`, ...), `semantic` the
    Connect or Debezium type name that gives it meaning, or None.
    """

    name: str
    avro: str
    semantic: str | None = None
    nullable: bool = False
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    small: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterSchema:
    """A writer schema, read once.

    `rewritten` is the schema (JSON text) that both decoders use: the same bytes, each named type spelled out where
    it stands, defaults and logical types dropped (decimals up to 38 digits stay), the `source` record
    spliced into the envelope. None when a part of it can't be spelled out (recursion, real unions):
    such schemas are refused.
    """

    kind: RecordKind
    columns: tuple[Column, ...] = ()
    rewritten: str | None = None
    has_source_time: bool = False


def read_writer_schema(text: str) -> WriterSchema:
    """Read a value schema as the registry holds it (JSON text). Raises UnsupportedSchema."""
    schema = _parse(text)
    kind = _kind(schema)
    if kind is not RecordKind.CHANGE:
        return WriterSchema(kind=kind)
    names = named_types(schema)
    row, namespace = _row_type(schema, names)
    rewritten = _rewritten(schema, names)
    top = {field["name"] for field in rewritten["fields"]} if rewritten else set()
    return WriterSchema(
        kind=kind,
        columns=tuple(_column(field, names, namespace) for field in row["fields"]),
        rewritten=json.dumps(rewritten) if rewritten else None,
        has_source_time=SOURCE_TIME in top,
    )


def read_key_schema(text: str) -> tuple[Column, ...]:
    """The key's columns in their order. Raises UnsupportedSchema when the key is not a record."""
    schema = _parse(text)
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise UnsupportedSchema("the key schema is not a record")
    names = named_types(schema)
    return tuple(_column(field, names, _inside(schema, "")) for field in schema["fields"])


def read_key_writer(text: str) -> str:
    """The key schema in the form (JSON text) that the decoders read: logical types and defaults dropped."""
    schema = _parse(text)
    return json.dumps(_Fresh(named_types(schema)).spelled(schema, ()))


def _parse(text: str) -> Avro:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnsupportedSchema(f"the schema is not JSON: {error.msg}") from error


def _kind(schema: Avro) -> RecordKind:
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return RecordKind.OTHER
    short = str(schema.get("name", "")).rsplit(".", 1)[-1]
    full = full_name(str(schema.get("name", "")), schema.get("namespace", ""))
    if short in _KIND_BY_NAME and full.startswith("io.debezium."):
        return _KIND_BY_NAME[short]
    fields = {field["name"] for field in schema.get("fields", ())}
    return RecordKind.CHANGE if {"op", "after"} <= fields else RecordKind.OTHER


def named_types(schema: Avro) -> dict[str, Avro]:
    """Every named type of a schema by its full name (Avro 1.11, "Names")."""
    found: dict[str, Avro] = {}
    _collect(schema, "", found)
    return found


def full_name(name: str, namespace: str) -> str:
    """A name as the specification qualifies it: by the namespace around it unless it has dots."""
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _inside(schema: Mapping[str, Any], around: str) -> str:
    """The namespace that holds inside a named type which stands in the namespace `around`."""
    return full_name(schema["name"], schema.get("namespace", around)).rpartition(".")[0]


def _collect(schema: Avro, namespace: str, found: dict[str, Avro]) -> None:
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, namespace, found)
        return
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind in ("record", "enum", "fixed"):
        name = full_name(schema["name"], schema.get("namespace", namespace))
        namespace = name.rpartition(".")[0]
        found[name] = {**schema, "name": name, "namespace": namespace}
        for field in schema.get("fields", ()):
            _collect(field["type"], namespace, found)
    else:
        for part in (kind, schema.get("items"), schema.get("values")):
            _collect(part, namespace, found)


def _resolve(schema: Avro, names: Mapping[str, Avro], namespace: str = "") -> Avro:
    """The definition behind a name or a `{"type": ...}` wrapper of one; unions stay."""
    if isinstance(schema, str) and schema not in PRIMITIVES:
        found = names.get(full_name(schema, namespace), names.get(schema))
        if found is None:
            raise UnsupportedSchema(f"type {schema!r} is not defined")
        return found
    if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        return _resolve(schema["type"], names, namespace)
    return schema


def _branches(schema: Avro) -> tuple[list[Avro], bool]:
    """The branches that are not null, and whether null is one of them."""
    if isinstance(schema, dict) and isinstance(schema.get("type"), list):
        schema = schema["type"]
    if not isinstance(schema, list):
        return [schema], False
    rest = [branch for branch in schema if branch != "null" and branch != {"type": "null"}]
    return rest, len(rest) < len(schema)


def _row_type(schema: Avro, names: Mapping[str, Avro]) -> tuple[Avro, str]:
    """The record under `after`, and the namespace inside it."""
    namespace = _inside(schema, "")
    after = next(field["type"] for field in schema["fields"] if field["name"] == "after")
    rest, _ = _branches(after)
    row = _resolve(rest[0], names, namespace) if len(rest) == 1 else None
    if not isinstance(row, dict) or row.get("type") != "record":
        raise UnsupportedSchema("the field `after` is not a record")
    return row, _inside(row, namespace)


def _column(field: Mapping[str, Any], names: Mapping[str, Avro], namespace: str) -> Column:
    rest, nullable = _branches(field["type"])
    if len(rest) != 1:
        return Column(name=field["name"], avro="union", nullable=nullable)
    inner = _resolve(rest[0], names, namespace)
    if isinstance(inner, str):
        return Column(name=field["name"], avro=inner, nullable=nullable)
    parameters = inner.get("connect.parameters") or {}
    logical = inner.get("logicalType")
    word = "decimal" if logical == "decimal" else str(inner["type"])
    precision = _whole(inner.get("precision", _number(parameters.get("connect.decimal.precision"))))
    return Column(
        name=field["name"],
        avro=word,
        semantic=inner.get("connect.name") or logical,
        nullable=nullable,
        precision=precision,
        scale=_whole(inner.get("scale", _number(parameters.get("scale")))),
        length=_number(parameters.get("length")),
        small=inner.get("connect.type") in ("int8", "int16"),
    )


def _whole(number: Any) -> int | None:
    if number is not None and type(number) is not int:
        raise UnsupportedSchema("a decimal's precision or scale is not a whole number")
    return number


def _number(text: Any) -> int | None:
    try:
        return int(text)
    except (TypeError, ValueError):
        return None


class _Fresh:
    """Spells out every named type where it stands, under a fresh name.

    arrow-avro resolves a name only if its definition was projected before it, so no reference may stay.
    """

    def __init__(self, names: Mapping[str, Avro]) -> None:
        self._names = names
        self._made = 0

    def spelled(self, schema: Avro, inside: tuple[str, ...]) -> Avro:
        if isinstance(schema, list):
            return self._union(schema, inside)
        schema = _resolve(schema, self._names, inside[-1].rpartition(".")[0] if inside else "")
        if isinstance(schema, list):
            return self._union(schema, inside)
        if isinstance(schema, str):
            return schema
        return self._typed(schema, inside)

    def _union(self, union: list[Avro], inside: tuple[str, ...]) -> Avro:
        rest, has_null = _branches(union)
        if len(rest) != 1 or not has_null or len(union) != 2:
            raise UnsupportedSchema("a union of several types")
        return ["null" if branch in ("null", {"type": "null"}) else self.spelled(branch, inside) for branch in union]

    def _typed(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Avro:
        kind = schema["type"]
        if kind == "array":
            return {"type": "array", "items": self.spelled(schema["items"], inside)}
        if kind == "map":
            return {"type": "map", "values": self.spelled(schema["values"], inside)}
        if kind in ("record", "enum", "fixed"):
            return self._named(schema, inside)
        if kind == "bytes" and _decimal_fits(schema):
            return {key: schema[key] for key in ("type", "logicalType", "precision", "scale") if key in schema}
        return kind

    def _named(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Avro:
        around = inside[-1].rpartition(".")[0] if inside else ""
        name = full_name(schema["name"], schema.get("namespace", around))
        if name in inside:
            raise UnsupportedSchema(f"the type {name} contains itself")
        self._made += 1
        fresh: dict[str, Any] = {"type": schema["type"], "name": f"t{self._made}"}
        if schema["type"] == "enum":
            fresh["symbols"] = schema["symbols"]
        elif schema["type"] == "fixed":
            if not schema["size"]:
                raise UnsupportedSchema("a fixed type of size 0")
            fresh["size"] = schema["size"]
        else:
            if not schema["fields"]:
                raise UnsupportedSchema(f"the record {name} has no fields")
            fresh["fields"] = [
                {"name": field["name"], "type": self.spelled(field["type"], (*inside, name))}
                for field in schema["fields"]
            ]
        return fresh


def _decimal_fits(schema: Mapping[str, Any]) -> bool:
    return schema.get("logicalType") == "decimal" and 0 < schema.get("precision", 0) <= 38


def _rewritten(schema: Avro, names: Mapping[str, Avro]) -> Mapping[str, Any] | None:
    try:
        spelled = _Fresh(names).spelled(schema, ())
    except UnsupportedSchema:
        return None
    fields: list[Any] = []
    for field in spelled["fields"]:
        inner = field["type"]
        if field["name"] == "source" and isinstance(inner, dict) and inner["type"] == "record":
            fields += [{"name": f"source_{part['name']}", "type": part["type"]} for part in inner["fields"]]
        else:
            fields.append(field)
    return {"type": "record", "name": "envelope", "fields": fields}
