"""Which type a column has in a table that Headrace creates."""

from consumer.core.envelope import Column, SourceType
from consumer.core.meaning import Meaning, meaning
from consumer.core.types import PLAIN, ColumnPolicy

_CREATED: dict[Meaning, tuple[str, ...]] = {
    Meaning.BOOLEAN: ("boolean",),
    Meaning.UNSIGNED: ("numeric(20,0)",),
    Meaning.REAL: ("real",),
    Meaning.DOUBLE: ("double precision",),
    Meaning.SCALED_DECIMAL: ("numeric",),
    Meaning.UUID: ("uuid",),
    Meaning.JSON: ("jsonb",),
    Meaning.XML: ("xml", "text"),
    Meaning.LTREE: ("ltree", "text"),
    Meaning.TSVECTOR: ("tsvector",),
    Meaning.MAP: ("jsonb",),
    Meaning.BYTES: ("bytea",),
    Meaning.DATE: ("date",),
    Meaning.ISO_DATE: ("date",),
    Meaning.DATE_PARTS: ("date",),
    Meaning.TIME_MS: ("time",),
    Meaning.TIME_US: ("time",),
    Meaning.TIME_NS: ("time",),
    Meaning.ISO_TIME: ("time",),
    Meaning.TIME_PARTS: ("time",),
    Meaning.ZONED_TIME: ("timetz",),
    Meaning.ZONED_TIME_PARTS: ("timetz",),
    Meaning.TIMESTAMP_MS: ("timestamp",),
    Meaning.TIMESTAMP_US: ("timestamp",),
    Meaning.TIMESTAMP_NS: ("timestamp",),
    Meaning.ISO_TIMESTAMP: ("timestamp",),
    Meaning.TIMESTAMP_PARTS: ("timestamp",),
    Meaning.ZONED_TIMESTAMP: ("timestamptz",),
    Meaning.ZONED_TIMESTAMP_PARTS: ("timestamptz",),
    Meaning.DURATION_US: ("interval",),
    Meaning.DURATION_NS: ("interval",),
    Meaning.DURATION_TEXT: ("interval",),
    Meaning.DURATION_PARTS: ("interval",),
    Meaning.POINT: ("point",),
    Meaning.CIRCLE: ("circle",),
    Meaning.LINE: ("line",),
    Meaning.GEOMETRY: ("geometry", "bytea"),
    Meaning.GEOGRAPHY: ("geography", "bytea"),
    Meaning.DOUBLE_VECTOR: ("vector", "double precision[]"),
    Meaning.FLOAT_VECTOR: ("vector", "real[]"),
    Meaning.SPARSE_VECTOR: ("sparsevec", "text"),
}
# what the source's own name of the type says more than the meaning does
_BY_SOURCE: dict[Meaning, dict[str, tuple[str, ...]]] = {
    Meaning.TEXT: {
        **{
            name: (name.lower(),)
            for name in (
                *("INET", "CIDR", "MACADDR", "MACADDR8", "NAME"),
                *("INT4RANGE", "INT8RANGE", "NUMRANGE", "TSRANGE", "TSTZRANGE", "DATERANGE"),
            )
        },
        "CITEXT": ("citext", "text"),
    },
    Meaning.JSON: {"JSON": ("json",), "HSTORE": ("hstore", "jsonb")},
    Meaning.MAP: {"HSTORE": ("hstore", "jsonb")},
    Meaning.GEOMETRY: {name: (name.lower(),) for name in ("BOX", "LSEG", "PATH", "POLYGON")},
    Meaning.POINT: {"GEOMETRY": ("geometry", "bytea")},
    Meaning.FLOAT_VECTOR: {"HALFVEC": ("halfvec", "real[]")},
}
# of these the length is part of the type
_LENGTHS = {"BPCHAR": "character", "VARCHAR": "character varying", "NVARCHAR": "character varying"}
_MOST_CHARACTERS = 10_485_760
_MOST_BITS = 83_886_080
_NUMERICS = frozenset({"NUMERIC", "DECIMAL", "NUMBER"})
_MOST_DIGITS = 1000


def created_types(column: Column, policy: ColumnPolicy = PLAIN) -> tuple[str, ...]:
    """The types that a column may have in a table that Headrace creates, best first; every server has the last one."""
    if policy.type is not None:
        return (policy.type,)
    if policy.binary is not None and meaning(column) is Meaning.TEXT:
        return ("bytea",)
    return _created(column, column.source)


def _created(column: Column, source: SourceType | None) -> tuple[str, ...]:
    means = meaning(column)
    if means is Meaning.ARRAY:
        return _array(column, source)
    if source is not None and (said := _said(means, source)):
        return said
    if means is Meaning.INTEGER:
        return ("bigint" if column.avro == "long" else "smallint" if column.small else "integer",)
    if means in (Meaning.DECIMAL, Meaning.WIDE_DECIMAL):
        return (_decimal(column.precision, column.scale),)
    if means is Meaning.BITS:
        return (_bits(column, source),)
    return _CREATED.get(means, ("text",))


def _array(column: Column, source: SourceType | None) -> tuple[str, ...]:
    if column.item is None or meaning(column.item) in (Meaning.OTHER, Meaning.UNKNOWN, Meaning.ARRAY):
        return ("text",)
    if source is not None:
        source = SourceType(name=source.name.removeprefix("_"), length=source.length, scale=source.scale)
    return tuple(f"{kind}[]" for kind in _created(column.item, source))


def _said(means: Meaning, source: SourceType) -> tuple[str, ...]:
    if means in (Meaning.TEXT, Meaning.DOUBLE, Meaning.SCALED_DECIMAL) and source.name in _NUMERICS:
        return (_decimal(source.length if source.scale is not None else None, source.scale),)
    if means is Meaning.TEXT and source.name in _LENGTHS:
        length = source.length or 0
        limit = f"({length})" if 0 < length <= _MOST_CHARACTERS else ""
        # character alone would be character(1)
        return (_LENGTHS[source.name] + limit if limit else "character varying",)
    return _BY_SOURCE.get(means, {}).get(source.name, ())


def _decimal(precision: int | None, scale: int | None) -> str:
    """A numeric of these digits; one without limits where they are not known or older servers do not take them."""
    if precision is None or not 0 < precision <= _MOST_DIGITS or not 0 <= (scale or 0) <= precision:
        return "numeric"
    return f"numeric({precision},{scale or 0})"


def _bits(column: Column, source: SourceType | None) -> str:
    kind = "bit varying" if source is not None and source.name == "VARBIT" else "bit"
    length = column.length or 0
    if 0 < length <= _MOST_BITS:
        return f"{kind}({length})"
    return "bit varying"
