"""Values of a writer schema as JSON, and back: how people see a row and change it.

A codec of its own, because a change must be exact: it keeps which branch of a union a value was, and says which
field a value does not fit. Tests hold it to fastavro.
"""

from collections.abc import Mapping
from typing import Any

from consumer.core.avro import Avro, UnsupportedSchema, full_name, is_null, namespace_inside, resolve, union
from consumer.core.avro_bytes import long
from dlq.scalars import (
    BadValue,
    Boolean,
    Bytes,
    Fixed,
    Floating,
    Null,
    Scaled,
    Symbol,
    Text,
    Type,
    Whole,
)
from dlq.wire import Cursor, Damaged

_SIMPLE: dict[str, Type] = {
    "null": Null(),
    "boolean": Boolean(),
    "int": Whole(32),
    "long": Whole(64),
    "float": Floating("<f"),
    "double": Floating("<d"),
    "string": Text(),
    "bytes": Bytes(),
}
_DECIMAL = "org.apache.kafka.connect.data.Decimal"
_SCALED = "io.debezium.data.VariableScaleDecimal"


class Record:
    """An object with exactly these fields."""

    def __init__(self) -> None:
        self.fields: dict[str, Type] = {}

    def read(self, source: Cursor) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, kind in self.fields.items():
            try:
                found[name] = kind.read(source)
            except Damaged as damaged:
                if damaged.partial is not None:
                    found[name] = damaged.partial
                raise damaged.within(name, found) from damaged
        return found

    def write(self, value: Any, where: str) -> bytes:
        if not isinstance(value, Mapping):
            raise BadValue(where, "it is an object")
        if unknown := sorted(value.keys() - self.fields.keys()):
            raise BadValue(f"{where}.{unknown[0]}", "there is no such field")
        if missing := [name for name in self.fields if name not in value]:
            raise BadValue(f"{where}.{missing[0]}", "it is missing")
        return b"".join(kind.write(value[name], f"{where}.{name}") for name, kind in self.fields.items())


class Array:
    """A list."""

    def __init__(self, items: Type) -> None:
        self._items = items

    def read(self, source: Cursor) -> list[Any]:
        found: list[Any] = []
        while count := source.length():
            for _ in range(count):
                try:
                    found.append(self._items.read(source))
                except Damaged as damaged:
                    place = f"[{len(found)}]"
                    if damaged.partial is not None:
                        found.append(damaged.partial)
                    raise damaged.within(place, found) from damaged
        return found

    def write(self, value: Any, where: str) -> bytes:
        if not isinstance(value, list):
            raise BadValue(where, "it is a list")
        return _block([self._items.write(item, f"{where}[{index}]") for index, item in enumerate(value)])


class Map:
    """An object with any names. Its names are values, and stand in no message."""

    def __init__(self, values: Type) -> None:
        self._values = values

    def read(self, source: Cursor) -> dict[str, Any]:
        found = {}
        while count := source.length():
            for _ in range(count):
                name = _SIMPLE["string"].read(source)
                found[name] = self._values.read(source)
        return found

    def write(self, value: Any, where: str) -> bytes:
        if not isinstance(value, Mapping):
            raise BadValue(where, "it is an object")
        name, each = _SIMPLE["string"], f"{where}{{}}"
        return _block([name.write(key, each) + self._values.write(item, each) for key, item in value.items()])


class Union:
    """One of several types: with one beside null the value is plain, else an object of the type's name and value."""

    def __init__(self, branches: list[tuple[str, Type]]) -> None:
        self._branches = branches
        self._plain = sum(not isinstance(kind, Null) for _, kind in branches) <= 1

    def read(self, source: Cursor) -> Any:
        index = source.long()
        if not 0 <= index < len(self._branches):
            raise Damaged("a branch that its union does not have")
        name, kind = self._branches[index]
        value = kind.read(source)
        return value if self._plain or isinstance(kind, Null) else {name: value}

    def write(self, value: Any, where: str) -> bytes:
        for index, (name, kind) in enumerate(self._branches):
            if isinstance(kind, Null):
                if value is None:
                    return long(index)
            elif self._plain and value is not None:
                return long(index) + kind.write(value, where)
            elif not self._plain and isinstance(value, Mapping) and list(value) == [name]:
                return long(index) + kind.write(value[name], where)
        if self._plain:
            raise BadValue(where, "it can't be null")
        names = ", ".join(name for name, kind in self._branches if not isinstance(kind, Null))
        raise BadValue(where, f"it is an object of one name and its value; names are {names}")


def _block(items: list[bytes]) -> bytes:
    return long(len(items)) + b"".join(items) + b"\0" if items else b"\0"


class Types:
    """Makes the types of one schema; a name that occurs within itself is one type."""

    def __init__(self, names: Mapping[str, Avro]) -> None:
        self._names = names
        self._made: dict[str, Record] = {}

    def typed(self, schema: Avro, namespace: str) -> Type:
        """The type of a schema within a namespace. Raises UnsupportedSchema."""
        branches = union(schema)
        if branches is not None:
            kinds = [(self._tag(branch, namespace), self.typed(branch, namespace)) for branch in branches]
            return Union(
                [("null" if is_null(b) else tag, kind) for b, (tag, kind) in zip(branches, kinds, strict=True)]
            )
        schema = resolve(schema, self._names, namespace)
        word = schema if isinstance(schema, str) else schema["type"]
        if isinstance(schema, dict) and word not in ("null", "boolean", "int", "long", "float", "double", "string"):
            return self._complex(schema, word, namespace)
        if word not in _SIMPLE:
            raise UnsupportedSchema(f"unknown type {word!r}")
        return _SIMPLE[word]

    def row(self, schema: Avro, namespace: str) -> tuple[int | None, Mapping[str, Type]]:
        """The columns of a field that holds a row, and its branch where it may be null. Raises UnsupportedSchema."""
        branches = union(schema)
        places = [place for place, branch in enumerate(branches or [schema]) if not is_null(branch)]
        found = self.typed((branches or [schema])[places[0]], namespace) if len(places) == 1 else None
        if not isinstance(found, Record):
            raise UnsupportedSchema("the field `after` is not a record")
        return None if branches is None else places[0], found.fields

    def _complex(self, schema: Mapping[str, Any], word: str, namespace: str) -> Type:
        if word == "array":
            return Array(self.typed(schema["items"], namespace))
        if word == "map":
            return Map(self.typed(schema["values"], namespace))
        if word == "enum":
            return Symbol(tuple(schema["symbols"]))
        if word in ("bytes", "fixed"):
            return _binary(schema)
        if word != "record":
            raise UnsupportedSchema(f"unknown type {word!r}")
        return Scaled() if schema.get("connect.name") == _SCALED else self._record(schema, namespace)

    def _record(self, schema: Mapping[str, Any], namespace: str) -> Record:
        name = full_name(schema["name"], schema.get("namespace", namespace))
        if name not in self._made:
            self._made[name] = made = Record()
            inside = namespace_inside(schema, namespace)
            made.fields.update((field["name"], self.typed(field["type"], inside)) for field in schema["fields"])
        return self._made[name]

    def _tag(self, branch: Avro, namespace: str) -> str:
        found = resolve(branch, self._names, namespace)
        if isinstance(found, str):
            return found
        if found["type"] not in ("record", "enum", "fixed"):
            return str(found["type"])
        return full_name(found["name"], found.get("namespace", namespace))


def _binary(schema: Mapping[str, Any]) -> Type:
    size = schema.get("size")
    if schema.get("logicalType") != "decimal" and schema.get("connect.name") != _DECIMAL:
        return Bytes(size)
    parameters = schema.get("connect.parameters") or {}
    scale = schema.get("scale", parameters.get("scale", 0))
    precision = schema.get("precision", parameters.get("connect.decimal.precision"))
    return Fixed(int(scale), None if precision is None else int(precision), size)
