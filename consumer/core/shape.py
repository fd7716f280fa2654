"""Whether a schema has the shape of a Debezium envelope: what is expected where, and what is there instead."""

from collections.abc import Mapping
from dataclasses import dataclass

from consumer.core.avro import Avro, full_name, named_types, namespace_inside, options, parsed, resolve

# what the unwrapping transform adds to rows (add.fields, delete.tombstone.handling.mode = rewrite)
_ADDED = frozenset({"__op", "__deleted", "__table", "__lsn", "__ts_ms", "__source_ts_ms", "__db", "__schema"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """A field that is not as it has to be."""

    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, found {self.found}"


def is_flattened(text: str) -> bool:
    """Whether a value's schema is a row that a transform took out of its envelope."""
    schema = parsed(text)
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return False
    names = {str(schema.get("connect.name", "")), full_name(str(schema["name"]), schema.get("namespace", ""))}
    fields = {field["name"] for field in schema.get("fields", ())}
    return any(name.endswith(".Value") for name in names) or bool(fields & _ADDED)


def misfit(text: str) -> Misfit | None:
    """What of an envelope's own fields can't be read as Debezium writes them; None where all can."""
    schema = parsed(text)
    names, namespace = named_types(schema), namespace_inside(schema, "")
    types = {field["name"]: field["type"] for field in schema["fields"]}
    op = _said(types["op"], names, namespace)
    if op != "string":
        return Misfit(path="op", expected="string", found=op)
    rows = []
    for name in ("after", "before"):
        row = _row(types.get(name), names, namespace)
        if row is None:
            found = _said(types[name], names, namespace) if name in types else "no such field"
            return Misfit(path=name, expected="a record that may be null", found=found)
        rows.append(row)
    missing = sorted(rows[0] - rows[1])
    if missing:
        return Misfit(path=f"before.{missing[0]}", expected="the columns of `after`", found="no such field")
    return None


def _row(schema: Avro, names: Mapping[str, Avro], namespace: str) -> set[str] | None:
    """The names of the fields of a row image, which may be null."""
    rest, nullable = options(schema)
    if schema is None or not nullable or len(rest) != 1:
        return None
    row = resolve(rest[0], names, namespace)
    if not isinstance(row, dict) or row.get("type") != "record":
        return None
    return {field["name"] for field in row["fields"]}


def _said(schema: Avro, names: Mapping[str, Avro], namespace: str) -> str:
    """A type in a word; whether it may be null is left out."""
    rest, _ = options(schema)
    if len(rest) != 1:
        return f"a union of {len(rest)} types"
    inner = resolve(rest[0], names, namespace)
    return str(inner["type"] if isinstance(inner, dict) else inner)
