"""The SQL of a value's spelling that two servers have in common; it holds under `value_settings`."""

from psycopg import sql

from consumer.core.canonical import Spelling

# the lengths of months and days that Debezium reckons with
_LENGTH = (
    "(extract(year FROM {v})::numeric * 12 + extract(month FROM {v})::numeric) * 2629800"
    " + extract(day FROM {v})::numeric * 86400 + extract(hour FROM {v})::numeric * 3600"
    " + extract(minute FROM {v})::numeric * 60 + extract(second FROM {v})::numeric"
)
_SQL = {
    # text of a type's own output, which a cast to text need not be; nothing is written of null
    Spelling.PLAIN: "CASE WHEN {v} IS NULL THEN NULL ELSE concat({v}) END",
    Spelling.NUMBER: "trim_scale({v}::numeric)::text",
    Spelling.SINGLE: "{v}::float4::text",
    Spelling.DOUBLE: "{v}::float8::text",
    Spelling.BIT: "({v}::text IN ('1', 'true'))::text",
    Spelling.PADDED: "rtrim({v}::text, ' ')",
    Spelling.DOCUMENT: "{v}::jsonb::text",
    Spelling.BYTES: "md5({v})",
    Spelling.CLOCK: "({v} AT TIME ZONE 'UTC')::text",
    Spelling.LENGTH: f"trim_scale({_LENGTH})::text",
}
_QUICK = frozenset({"int2", "int4", "int8", "text", "varchar", "uuid", "date", "timestamp", "timestamptz", "float8"})


def spelled(spelling: Spelling, kind: str, value: sql.Composable) -> sql.Composable:
    """A column's value, whose type has this name in the catalog, as text."""
    if spelling is Spelling.PLAIN and kind in _QUICK:
        # the same, without a call for each row
        text = sql.SQL("{}::text").format(value)
    elif spelling is Spelling.INSTANT:
        text = sql.SQL("{}::text" if kind == "timestamp" else "({} AT TIME ZONE 'UTC')::text").format(value)
    else:
        text = sql.SQL(_SQL[spelling].replace("{v}", "{value}")).format(value=value)
    # a hash depends on the collation where that takes different texts for one
    return sql.SQL('({}) COLLATE "C"').format(text)
