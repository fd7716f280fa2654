"""Avro schemas as data: their names (Avro 1.11, "Names"), and what stands behind a name or in a union."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Avro = Any
"""A parsed Avro schema: a name, an object, or a list (union)."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


MOST_DEEP = 100
"""Types in types, and half of the levels of a schema's JSON: what reads them goes down with them."""


class UnsupportedSchema(ValueError):
    """This schema can't be read; the message says which part."""


def parsed(text: str) -> Avro:
    """A schema from its JSON text. Raises UnsupportedSchema."""
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnsupportedSchema(f"the schema is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise too_deep() from error
    if not _ends(schema, 2 * MOST_DEEP):
        raise too_deep()
    _require_whole(schema)
    return schema


def _require_whole(schema: Avro) -> None:
    """Raises UnsupportedSchema where a type lacks what makes it one."""
    todo = [schema]
    while todo:
        one = todo.pop()
        if isinstance(one, list):
            todo += one
        elif isinstance(one, dict):
            todo += _parts(one)
        elif not isinstance(one, str):
            raise UnsupportedSchema("the schema is no valid Avro: a type is neither a name nor an object")


def _parts(schema: Mapping[str, Any]) -> list[Avro]:
    """The types that a type is made of. Raises UnsupportedSchema where what it needs is not there."""
    kind = schema.get("type")
    needs = _NEEDS.get(kind, {}) if isinstance(kind, str) else {"type": (dict, list)}
    lacking = [name for name, sort in needs.items() if not isinstance(schema.get(name), sort)]
    fields = schema["fields"] if kind == "record" and not lacking else []
    if lacking or not all(isinstance(field, dict) and isinstance(field.get("name"), str) for field in fields):
        raise UnsupportedSchema(f"the schema is no valid Avro: {kind} without {lacking[0] if lacking else 'names'}")
    if isinstance(kind, str):
        return [field.get("type") for field in fields] + [schema[part] for part in ("items", "values") if part in needs]
    return [kind]


_TYPE = (str, dict, list)
_NEEDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "record": {"name": str, "fields": list},
    "enum": {"name": str, "symbols": list},
    "fixed": {"name": str, "size": int},
    "array": {"items": _TYPE},
    "map": {"values": _TYPE},
}
"""What types have to say beside their sort, as JSON."""


def too_deep() -> UnsupportedSchema:
    """No table has such types."""
    return UnsupportedSchema(f"the schema's types are nested more than {MOST_DEEP} deep")


def _ends(schema: Avro, levels: int) -> bool:
    """Whether a schema has at most so many levels; asked without going down into it."""
    level = [schema]
    for _ in range(levels):
        level = [part for value in level for part in _inside(value)]
        if not level:
            return True
    return False


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def full_name(name: str, namespace: str) -> str:
    """A name as the specification qualifies it: by the namespace around it unless it has dots."""
    return name if "." in name or not namespace else f"{namespace}.{name}"


def namespace_inside(schema: Mapping[str, Any], around: str) -> str:
    """The namespace that holds inside a named type which stands in the namespace `around`."""
    return full_name(schema["name"], schema.get("namespace", around)).rpartition(".")[0]


def named_types(schema: Avro) -> dict[str, Avro]:
    """Every named type of a schema by its full name."""
    found: dict[str, Avro] = {}
    _collect(schema, "", found)
    return found


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


def resolve(schema: Avro, names: Mapping[str, Avro], namespace: str = "") -> Avro:
    """The definition behind a name or a `{"type": ...}` wrapper of one; unions stay. Raises UnsupportedSchema."""
    if isinstance(schema, str) and schema not in PRIMITIVES:
        found = names.get(full_name(schema, namespace), names.get(schema))
        if found is None:
            raise UnsupportedSchema(f"type {schema!r} is not defined")
        return found
    if isinstance(schema, dict) and isinstance(schema.get("type"), dict | list):
        return resolve(schema["type"], names, namespace)
    return schema


def union(schema: Avro) -> list[Avro] | None:
    """The branches of a union, or None for any other type."""
    if isinstance(schema, dict) and isinstance(schema.get("type"), list):
        schema = schema["type"]
    return schema if isinstance(schema, list) else None


def is_null(schema: Avro) -> bool:
    """Whether a type is `null`."""
    return schema in ("null", {"type": "null"})


def options(schema: Avro) -> tuple[list[Avro], bool]:
    """What a value that is not null may be, and whether it may be null."""
    branches = union(schema)
    if branches is None:
        return [schema], False
    rest = [branch for branch in branches if not is_null(branch)]
    return rest, len(rest) < len(branches)
