"""What a source may have lost of a schema's values before they were written; nothing in the topic tells it any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.core.doubts import Doubt
from consumer.core.envelope import WriterSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What may be lost, of which columns, and what to do."""

    what: str
    columns: tuple[str, ...]
    remedy: str


def losses(schema: WriterSchema, doubts: Mapping[str, Doubt], unheeded: Sequence[str] = ()) -> list[Loss]:
    """Nulls that may have become defaults, and unchanged values that became nulls; `doubts`: by column.

    `unheeded`: the columns of which the settings say something about the latter, to no effect.
    """
    replaced = [column.name for column in schema.columns if column.replaced]
    doubtful = [name for name, doubt in doubts.items() if doubt == "reject"]
    found = [
        (_REPLACED, replaced, _KEEP_NULLS),
        (_DOUBTFUL, doubtful, KEEP_VALUES),
        (UNHEEDED, unheeded, LEAVE_OUT),
    ]
    return [Loss(what=what, columns=tuple(columns), remedy=remedy) for what, columns, remedy in found if columns]


_REPLACED = "nulls of these columns may have been replaced by their defaults at the source"
_KEEP_NULLS = (
    "Set value.converter.ignore.default.for.nullables=true on the connector if it is not; then compare the columns' "
    "nulls, which nothing in the topic tells any more. Headrace itself writes every null as one."
)
_DOUBTFUL = (
    "values of these columns that are stored apart and did not change come as null; an update with null is refused "
    "where the row has a value"
)
KEEP_VALUES = (
    "Set REPLICA IDENTITY FULL on the table at the source, or doubtful_nulls of the columns: to keep where the source "
    "never sets them to null, to write where their values are short."
)
UNHEEDED = (
    "doubtful_nulls of these columns is not heeded: their source is not PostgreSQL, or their value's schema has no "
    "source.lsn"
)
LEAVE_OUT = (
    "Remove it from the columns' settings; other databases' logs have whole rows. If the source is PostgreSQL, remove "
    "the transform that takes the source block out."
)
