"""The columns of a writer schema as a target table needs them, with what only its text says: defaults and labels.

A default is taken only where its form is the value's own. Of dates and times it is not: what Debezium writes there for
a function such as now() is a zero. Nor is it of a column that people have made another one.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from consumer.core.avro import Avro, named_types, options, parsed, resolve
from consumer.core.created import created_types
from consumer.core.envelope import Column, row_type
from consumer.core.evolution import WantedColumn
from consumer.core.meaning import Meaning, meaning
from consumer.core.sqltypes import SqlType, sql_type
from consumer.core.steps import Constant
from consumer.core.types import PLAIN, ColumnPolicy

# labels are joined by commas, and those of MySQL's have theirs escaped
_COMMA = re.compile(r"(?<!\\),")
_ENUM = "io.debezium.data.Enum"
# the digits of a second that values of a meaning may have; of others it is not known
_DIGITS = {
    Meaning.TIME_MS: 3,
    Meaning.TIMESTAMP_MS: 3,
    **dict.fromkeys((Meaning.TIME_US, Meaning.TIME_NS, Meaning.TIMESTAMP_US, Meaning.TIMESTAMP_NS), 6),
}
# what the source calls texts of which the schema says how long they may be
_SIZED = frozenset({"VARCHAR", "NVARCHAR", "BPCHAR", "TEXT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Travelling:
    """A column on its way into a table: its name there, and what people decide about it.

    `whole`: its values are the source's own, so that the schema's words about them hold.
    """

    column: Column
    name: str
    policy: ColumnPolicy = PLAIN
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Said:
    """What the text of a schema says of a column beside its type."""

    default: Any = None
    labels: tuple[str, ...] = ()


def wanted_columns(columns: Sequence[Travelling], text: str) -> tuple[WantedColumn, ...]:
    """What rows of a change envelope's schema, whose text is given, want of their table."""
    said = _said(text)
    return tuple(_wanted(each, said.get(each.column.name, _Said()) if each.whole else _Said()) for each in columns)


def _wanted(travelling: Travelling, said: _Said) -> WantedColumn:
    column, policy = travelling.column, travelling.policy
    created = created_types(column, policy)
    kind = _held(column, sql_type(created[0]))
    return WantedColumn(
        name=travelling.name,
        source=column.name,
        created=created,
        type=None if policy.type is not None else kind,
        sized=not kind.characters or (column.source is not None and column.source.name in _SIZED),
        nullable=column.nullable,
        default=_default(column, said.default) if policy.type is None and policy.binary is None else None,
        labels=said.labels,
    )


def _held(column: Column, created: SqlType) -> SqlType:
    """A type that holds the column's values, as far as is known."""
    return replace(created, limits=(_DIGITS.get(meaning(column), 0),)) if created.clock else created


def _default(column: Column, default: Any) -> Constant | None:
    means = meaning(column)
    if means is Meaning.DECIMAL and isinstance(default, str):
        return _decimal(default, column.scale or 0)
    if means is Meaning.BOOLEAN:
        return default if isinstance(default, bool) else None
    if means is Meaning.INTEGER and column.semantic is None:
        return default if type(default) is int else None
    if means in (Meaning.REAL, Meaning.DOUBLE):
        return _real(default)
    if means in (Meaning.TEXT, Meaning.ENUM, Meaning.UUID) and isinstance(default, str) and "\0" not in default:
        return default
    return None


def _decimal(default: str, scale: int) -> Decimal | None:
    """Of the bytes that Avro writes as characters; none where they are no bytes."""
    try:
        unscaled = int.from_bytes(default.encode("latin-1"), "big", signed=True)
    except UnicodeEncodeError:
        return None
    sign, digits, _ = Decimal(unscaled).as_tuple()
    return Decimal((sign, digits, -scale))


def _real(default: Any) -> float | None:
    try:
        number = float(default) if type(default) in (int, float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _said(text: str) -> dict[str, _Said]:
    schema = parsed(text)
    names = named_types(schema)
    row, namespace = row_type(schema, names)
    return {field["name"]: _said_of(field, names, namespace) for field in row["fields"]}


def _said_of(field: Mapping[str, Any], names: Mapping[str, Avro], namespace: str) -> _Said:
    rest, _ = options(field["type"])
    inner = resolve(rest[0], names, namespace) if len(rest) == 1 else None
    if not isinstance(inner, dict) or inner.get("connect.name") != _ENUM:
        return _Said(default=field.get("default"))
    allowed = (inner.get("connect.parameters") or {}).get("allowed")
    labels = tuple(label.replace("\\,", ",") for label in _COMMA.split(str(allowed))) if allowed else ()
    return _Said(default=field.get("default"), labels=labels)
