"""What a source may have lost of a schema's values before they were written; nothing in the topic tells it any more."""

from collections.abc import Callable
from dataclasses import dataclass

from consumer.core.envelope import WriterSchema
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
    """Nulls that may have become defaults, and unchanged bytes that became nulls. `policy`: by a column's name."""
    names = [column.name for column in schema.columns]
    replaced = tuple(column.name for column in schema.columns if column.replaced)
    nulled = tuple(name for name in names if policy(name).binary in _WITHOUT_PLACEHOLDER)
    found = [Loss(what=_REPLACED, columns=replaced, remedy=_KEEP_NULLS)] if replaced else []
    if nulled and "source_lsn" in schema.position:
        found.append(Loss(what=_NULLED, columns=nulled, remedy=_KEEP_BYTES))
    return found


_REPLACED = "nulls of these columns may have been replaced by their defaults at the source"
_KEEP_NULLS = (
    "Set value.converter.ignore.default.for.nullables=true on the connector if it is not; then compare the columns' "
    "nulls, which nothing in the topic tells any more. Headrace itself writes every null as one."
)
_NULLED = "bytes of these columns that are stored apart and did not change come as null in this mode of the connector"
_KEEP_BYTES = (
    "Set binary.handling.mode to bytes or hex on the connector, and `binary` of the columns accordingly; then have it "
    "send the rows again (Debezium incremental snapshot)."
)
