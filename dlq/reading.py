"""A record's key or value as its writer schema says, for people: as far as it can be read, and where it can't."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from consumer.core.avro import UnsupportedSchema, named_types, parsed
from consumer.core.envelope import Column, read_key_schema, read_writer_schema
from consumer.core.framing import FRAME
from dlq.scalars import Type
from dlq.showing import shown
from dlq.values import Types
from dlq.wire import Cursor, Damaged

IMAGES = ("before", "after")
"""The fields of an envelope that are rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read. `values`: as JSON, in the words of people; None where nothing was.

    `problem`: why not all of it could be, and `field` where; empty if it could.
    """

    values: Mapping[str, Any] | None = field(default=None, repr=False)
    problem: str = ""
    field: str = ""


def read(raw: bytes, text: str) -> Reading:
    """Read a framed datum by its writer schema (JSON text). Whatever it is, nothing is raised."""
    try:
        kind, columns = _meaning(text)
    except (UnsupportedSchema, KeyError, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, UnsupportedSchema) else type(error).__name__
        return Reading(problem=f"its writer schema can't be read: {why}")
    source = Cursor(raw)
    try:
        source.take(FRAME)
        values = kind.read(source)
        source.end()
    except Damaged as damaged:
        problem = f"it does not decode with its writer schema: {damaged}"
        return Reading(values=_rows(damaged.partial, columns), problem=problem, field=damaged.path)
    except RecursionError:
        return Reading(problem="it is nested too deeply to be shown")
    return Reading(values=_rows(values, columns))


@lru_cache(maxsize=64)
def _meaning(text: str) -> tuple[Type, Mapping[str, Mapping[str, Column]]]:
    """How data of a schema are read, and the columns of their rows."""
    schema = parsed(text)
    return Types(named_types(schema)).typed(schema, ""), _columns(schema, text)


def _columns(schema: Any, text: str) -> Mapping[str, Mapping[str, Column]]:
    """The columns of each part of the record that is a row; of a record that is a row itself, under an empty name."""
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return {}
    columns = read_writer_schema(text).columns
    if columns:
        by_name = {column.name: column for column in columns}
        return dict.fromkeys(IMAGES, by_name)
    return {"": {column.name: column for column in read_key_schema(text)}}


def _rows(values: Any, columns: Mapping[str, Mapping[str, Column]]) -> Mapping[str, Any] | None:
    if values is None or not isinstance(values, Mapping):
        return None if values is None else {"value": values}
    if "" in columns:
        return _row(values, columns[""])
    return {
        name: _row(value, columns[name]) if name in columns and isinstance(value, Mapping) else value
        for name, value in values.items()
    }


def _row(values: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Any]:
    return {name: shown(value, columns[name]) if name in columns else value for name, value in values.items()}
