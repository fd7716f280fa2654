"""Schemas of made tables: random columns, among them every type that Debezium writes."""

from typing import Any

from hypothesis import strategies as st

from tests.unit import semantic
from tests.unit.semantic import (
    DATE,
    SHAPE,
    US,
    VARIABLE,
    ZONED,
    array,
    bits,
    decimal,
    enum,
    named,
    of_unknown_precision,
    propagated,
)


def _leaves(enums: bool) -> st.SearchStrategy[Any]:
    plain = st.sampled_from(["int", "long", "float", "double", "boolean", "string", "bytes"])
    decimal = st.integers(1, 38).flatmap(
        lambda precision: st.integers(0, precision).map(
            lambda scale: {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}
        )
    )
    enum = st.just({"type": "enum", "name": "?", "symbols": ["NEW", "PAID", "SENT"]})
    return st.one_of(plain, decimal, enum) if enums else st.one_of(plain, decimal)


DEBEZIUM = (
    *(kind for name, kind in sorted(vars(semantic).items()) if name.isupper() and isinstance(kind, dict)),
    *(array(items) for items in (VARIABLE, SHAPE, ZONED, DATE, "int", decimal(38, 4), decimal(60, 4))),
    # an Avro decimal has no scale below zero
    named("bytes", semantic.CONNECT + "Decimal", **{"connect.parameters": {"scale": "-2"}}),
    *(of_unknown_precision(2), bits(12), enum("Enum", "a", "b"), enum("EnumSet", "a", "b")),
    propagated(US, "TIMESTAMP", 6),
)
"""Every type that Debezium writes, as the converter spells it."""


def _nullable(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(kinds, st.integers(0, 2)).map(
        lambda pair: [pair[0], ["null", pair[0]], [pair[0], "null"]][pair[1]]
    )


def _nested(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    part = _nullable(kinds)
    record = st.lists(part, min_size=1, max_size=3).map(
        lambda parts: {
            "type": "record",
            "name": "?",
            "fields": [{"name": f"f{index}", "type": kind} for index, kind in enumerate(parts)],
        }
    )
    array = part.map(lambda items: {"type": "array", "items": items})
    mapped = part.map(lambda values: {"type": "map", "values": values})
    return st.one_of(record, array, mapped)


def columns(enums: bool) -> st.SearchStrategy[list[Any]]:
    """The types of a row's columns, of which names are not given yet."""
    made = st.recursive(_leaves(enums), _nested, max_leaves=4)
    return st.lists(_nullable(st.one_of(made, st.sampled_from(DEBEZIUM))), min_size=1, max_size=6)


def with_names(schema: Any, made: list[str]) -> Any:
    """What has no name gets one; a type that was spelled out before is only named, as converters do it."""
    if isinstance(schema, list):
        return [with_names(branch, made) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    fresh = dict(schema)
    if "name" in schema:
        full = f"{schema.get('namespace', '')}.{schema['name']}"
        if full in made:
            return full
        fresh["name"] = f"T{len(made)}" if schema["name"] == "?" else schema["name"]
        made.append(full if schema["name"] != "?" else fresh["name"])
    fresh |= {key: with_names(fresh[key], made) for key in ("items", "values") if key in fresh}
    if "fields" in fresh:
        fresh["fields"] = [{**field, "type": with_names(field["type"], made)} for field in fresh["fields"]]
    return fresh
