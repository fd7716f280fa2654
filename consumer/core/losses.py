"""What a source may have lost of a schema's values before they were written; nothing in the topic tells it any more."""

from collections.abc import Callable
from dataclasses import dataclass

from consumer.core.envelope import Column, WriterSchema
from consumer.core.meaning import DATA, TIME, Meaning, meaning
from consumer.core.types import ColumnPolicy

# seen of Debezium's connector for PostgreSQL; in its other modes it writes its placeholder
_WITHOUT_PLACEHOLDER = ("base64", "base64-url-safe")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What may be lost, of which columns, and what to do."""

    what: str
    columns: tuple[str, ...]
    remedy: str


def losses(schema: WriterSchema, policy: Callable[[str], ColumnPolicy]) -> list[Loss]:
    """Nulls that may have become defaults, and unchanged values that became nulls. `policy`: by a column's name."""
    names = [column.name for column in schema.columns]
    replaced = [column.name for column in schema.columns if column.replaced]
    found = [(_REPLACED, replaced, _KEEP_NULLS)]
    if "source_lsn" in schema.position:
        nulled = [name for name in names if policy(name).binary in _WITHOUT_PLACEHOLDER]
        unmarked = [column.name for column in schema.columns if column.nullable and _is_unmarked(column)]
        found += [(_NULLED, nulled, _KEEP_BYTES), (_UNMARKED, unmarked, _KEEP_VALUES)]
    return [Loss(what=what, columns=tuple(columns), remedy=remedy) for what, columns, remedy in found if columns]


def _is_unmarked(column: Column) -> bool:
    """Whether PostgreSQL's connector has no placeholder for values of a type that PostgreSQL stores apart.

    It has one for texts, bytes and some arrays. A `numeric` stays in its row up to some thousand digits.
    """
    means = meaning(column)
    if means is Meaning.BITS:
        return (column.length or 0) > _BITS_IN_ROW
    if means is Meaning.ARRAY and column.item is not None:
        return _is_unmarked_array(column, column.item)
    return means in _UNMARKED_MEANINGS


def _is_unmarked_array(column: Column, item: Column) -> bool:
    if (item.avro, item.semantic) == ("string", None):
        # so come addresses and ranges too
        return column.source is not None and column.source.name not in _TEXT_ARRAYS
    return item.small or (item.avro, item.semantic) not in _MARKED_ITEMS


_UNMARKED_MEANINGS = frozenset(
    {Meaning.DOUBLE_VECTOR, Meaning.FLOAT_VECTOR, Meaning.SPARSE_VECTOR, Meaning.GEOMETRY, Meaning.GEOGRAPHY}
)
_MARKED_ITEMS = frozenset(
    {
        *((word, None) for word in ("bytes", "int", "long")),
        *(("string", DATA + "Json"), ("string", DATA + "Uuid"), ("int", TIME + "Date")),
    }
)
_TEXT_ARRAYS = frozenset({"_TEXT", "_VARCHAR", "_BPCHAR"})
# a value takes more than 24 bytes of its row before it is moved out
_BITS_IN_ROW = 8 * 24


_REPLACED = "nulls of these columns may have been replaced by their defaults at the source"
_KEEP_NULLS = (
    "Set value.converter.ignore.default.for.nullables=true on the connector if it is not; then compare the columns' "
    "nulls, which nothing in the topic tells any more. Headrace itself writes every null as one."
)
_UNMARKED = "values of these columns that are stored apart and did not change come as null"
_KEEP_VALUES = (
    "Set REPLICA IDENTITY FULL on the table at the source, then have it send the rows again (Debezium incremental "
    "snapshot). event.converting.failure.handling.mode=fail on the connector has it stop instead."
)
_NULLED = "bytes of these columns that are stored apart and did not change come as null in this mode of the connector"
_KEEP_BYTES = (
    "Set binary.handling.mode to bytes or hex on the connector, and `binary` of the columns accordingly; then have it "
    "send the rows again (Debezium incremental snapshot)."
)
