"""What can't arrive, and why: typed in by hand, never taken from a result.

`LOSSES` are of values of which less is in the events, or in a column that is created, as the schema does not tell the
source's type; an SQL expression over the source's value says what is left.
`REFUSALS` are ours, each with its kind of failure. `NOT_SENT` are columns that the connector leaves out.
"""

import re
from dataclasses import dataclass

_ANY = r"\w+"
CREATED, EXISTING = "created", "existing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Where less is kept of some types, as an expression over `mode type target`.

    `left`: SQL over the source's value `v` and the `way` of its row, as in `source.Path`.
    """

    where: str
    left: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Values that become letters, or whose table stops, as an expression over `mode type target way value`."""

    where: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Columns that no event has, as an expression over `mode type`."""

    where: str
    why: str


def _each(expression: str) -> str:
    """An expression over each element `e` of an array."""
    elements = f"SELECT coalesce(array_agg({expression} ORDER BY n), '{{}}') FROM unnest(v) WITH ORDINALITY x(e, n)"
    return f"CASE WHEN v IS NOT NULL THEN ({elements}) END"


_PRECISE = "(defaults|typed|full)"
_MICROS = (
    "(extract(year FROM v) * 12 + extract(month FROM v)) * 2629800000000 + extract(day FROM v) * 86400000000"
    " + extract(hour FROM v) * 3600000000 + extract(minute FROM v) * 60000000 + extract(microseconds FROM v)"
)
_MS_TIME = "CASE WHEN {0} = '24:00' THEN {0} ELSE date_trunc('milliseconds', {0})::time END"
# what a number of nanoseconds can say; the source stops a day before
_NANO = "CASE WHEN isfinite({0}) AND ({0} < '1677-09-22' OR {0} > '2262-04-11 23:47:16.854775') THEN NULL ELSE {0} END"

LOSSES = (
    Loss(
        where=rf"{_PRECISE} numeric(_special)? {_ANY}",
        left="CASE WHEN v::text !~ '[NI]' THEN trim_scale(v) END",
        why="A `numeric` without precision comes without its trailing zeros; NaN and infinities come as null",
    ),
    Loss(
        where=rf"{_PRECISE} numeric_12_2 {_ANY}",
        left="CASE WHEN v <> 'NaN' THEN v END",
        why="NaN comes as null",
    ),
    Loss(
        where=rf"{_PRECISE} numeric_a {_ANY}",
        left=_each("trim_scale(e)"),
        why="An array of `numeric` comes without trailing zeros",
    ),
    Loss(
        where=rf"double (numeric(_\d\w+(?<!_a)|_special)?|domain_numeric) {_ANY}",
        left="CASE WHEN way IN (1, 5) AND length(v::text) > 4000 THEN NULL"
        " WHEN v > 1e308 AND v <> 'NaN' THEN 'Infinity' ELSE v::float8 END",
        why="A `double` keeps 15 to 17 digits, and what is beyond its range is infinite, or null where it is stored "
        "apart and did not change",
    ),
    Loss(
        where=rf"double money {_ANY}",
        left="v::numeric::float8",
        why="A `double` keeps 15 to 17 digits",
    ),
    Loss(
        where=rf"double numeric(_12_2)?_a {_ANY}",
        left=_each("e::float8"),
        why="A `double` keeps 15 to 17 digits",
    ),
    Loss(
        where=f"text numeric_special {CREATED}",
        left="CASE v::text WHEN 'Infinity' THEN 'POSITIVE_INFINITY' WHEN '-Infinity' THEN 'NEGATIVE_INFINITY'"
        " ELSE v::text END",
        why="The schema says text only, so the column is text, and has Debezium's word",
    ),
    Loss(
        where=rf"defaults name {_ANY}",
        left="CASE WHEN way = 0 THEN v END",
        why="The connector streams `name` as null, unless `include.unknown.datatypes` is set",
    ),
    Loss(
        where=f"defaults json {CREATED}",
        left="CASE WHEN v::text NOT LIKE '%\\u0000%' THEN v::jsonb END",
        why="The schema does not tell `json` from `jsonb`, so the column is `jsonb`: order, spaces and duplicate keys "
        "are not kept, though the event has them; an existing `json` column keeps them",
    ),
    Loss(
        where=f"defaults json_a {CREATED}",
        left=_each("e::jsonb"),
        why="The schema does not tell `json` from `jsonb`, so the column is `jsonb[]`, which keeps less than the event "
        "has; an existing `json[]` column keeps all of it",
    ),
    Loss(
        where=f"defaults varbit_8 {CREATED}",
        left="lpad(v::text, 8, '0')",
        why="The schema does not tell `bit varying(8)` from `bit(8)`, so the column is `bit(8)`",
    ),
    Loss(
        where=rf"{_ANY} date {_ANY}",
        left="CASE WHEN way <> 0 THEN v WHEN v = '0001-01-01 BC' THEN '0001-01-01' WHEN v = '4714-11-24 BC' THEN"
        " '4714-11-24' WHEN v = '1582-10-10' THEN '1582-10-20' ELSE v END",
        why="A snapshot reads a `date` BC as one of our era, and moves the days that the Julian calendar skips",
    ),
    Loss(
        where=rf"{_ANY} date_a {_ANY}",
        left=_each("CASE WHEN e = '4714-11-24 BC' THEN '4714-11-24' ELSE e END"),
        why="A `date` BC in an array comes as one of our era",
    ),
    Loss(
        where=rf"{_ANY} time_a {_ANY}",
        left=_each("CASE WHEN e = '24:00' THEN '00:00' ELSE date_trunc('milliseconds', e)::time END"),
        why="A `time` in an array comes without its microseconds, and 24:00 as 00:00",
    ),
    Loss(
        where=rf"{_ANY} timetz {_ANY}",
        left="timezone('UTC', v)",
        why="A `timetz` comes in UTC; its own offset is gone",
    ),
    Loss(
        where=rf"{_ANY} timetz_a {_ANY}",
        left=_each("timezone('UTC', e)"),
        why="A `timetz` comes in UTC; its own offset is gone",
    ),
    Loss(
        where=rf"text time(_\d)? {_ANY}",
        left="CASE WHEN v = '24:00' THEN '00:00' ELSE v END",
        why="ISO text of a `time` has no 24:00",
    ),
    Loss(
        where=rf"double time(_\d)? {_ANY}",
        left=_MS_TIME.format("v"),
        why="Connect's own times end at milliseconds",
    ),
    Loss(
        where=rf"double (timestamp(_\d)?|domain_timestamp) {_ANY}",
        left="date_trunc('milliseconds', v)",
        why="Connect's own times end at milliseconds",
    ),
    Loss(
        where=rf"double timestamp_a {_ANY}",
        left=_each("date_trunc('milliseconds', e)"),
        why="Connect's own times end at milliseconds",
    ),
    Loss(
        where=rf"nano (timestamp(_\d)?|domain_timestamp) {_ANY}",
        left=_NANO.format("v"),
        why="A moment beyond what 64 bits of nanoseconds can hold comes as null",
    ),
    Loss(
        where=rf"nano timestamp_a {_ANY}",
        left=_each(_NANO.format("e")),
        why="A moment beyond what 64 bits of nanoseconds can hold comes as null",
    ),
    Loss(
        where=rf"{_PRECISE} interval {_ANY}",
        left=f"CASE v::text WHEN '2147483647:00:54.775807' THEN '2147483647:00:54.775808'::interval ELSE"
        f" (({_MICROS})::text || ' microseconds')::interval END",
        why="With `interval.handling.mode=numeric` microseconds come, a month as a twelfth of 365.25 days, in double "
        "precision",
    ),
    Loss(
        where=rf"{_PRECISE} interval_special {_ANY}",
        left="CASE WHEN NOT isfinite(v) THEN '0' ELSE '2562047788:00:54.775807'::interval END",
        why="With `interval.handling.mode=numeric` an infinite `interval` comes as 0, a very long one as the longest",
    ),
    Loss(
        where=rf"text interval_special {_ANY}",
        left="CASE WHEN NOT isfinite(v) THEN '0' ELSE v END",
        why="An infinite `interval` comes as 0",
    ),
    Loss(
        where=rf"{_PRECISE} int4_a {_ANY}",
        left="CASE WHEN array_ndims(v) > 1 THEN array_fill(NULL::integer, ARRAY[array_length(v, 1)]) WHEN v IS NOT NULL"
        " THEN ARRAY(SELECT unnest(v)) END",
        why="Lower bounds are gone; of several dimensions comes a null for each element of the outer one",
    ),
    Loss(
        where=rf"({_PRECISE} enum_a|extensions\w* ltree_a) {_ANY}",
        left="CASE WHEN array_position(v, NULL) IS NULL THEN v END",
        why="An array of an enum type or of `ltree` that has a null in it comes as null",
    ),
    Loss(
        where=rf"typed domain_a {CREATED}",
        left="CASE WHEN array_position(v, NULL) IS NULL "
        "THEN ARRAY(SELECT convert_to(i::text, 'UTF8') FROM unnest(v) i) END",
        why="An array of a domain comes as one of bytes, which are its elements' texts, and as null if a null is in it",
    ),
    Loss(
        where=rf"typed domain_a {EXISTING}",
        left="CASE WHEN array_position(v, NULL) IS NULL THEN v END",
        why="An array of a domain that has a null in it comes as null",
    ),
    Loss(
        where=rf"{_PRECISE} bit_a {CREATED}",
        left="NULL::bit(3)[]",
        why="An array of bit strings comes as null, with the schema of one bit string",
    ),
    Loss(
        where=rf"{_PRECISE} (int2|oid)vector {_ANY}",
        left="CASE WHEN v::text <> '' THEN '{}'::integer[] END",
        why="An `int2vector` or `oidvector` comes as null or as an empty array",
    ),
)
_WAY = r"\w+"
# mode and type, where the connector has no placeholder for an unchanged value that is stored apart
_UNMARKED = (
    r"((defaults|typed) ((vector|halfvec|sparsevec)\w*|bit_20000|varbit|(int2|oid)vector"
    r"|(int2|float4|float8|bool|inet|cidr|macaddr|int4range|tsrange|enum|domain)_a)"
    r"|defaults (text|varchar|char|json|jsonb|int8)_a|(text|double) (bytea|date_a)"
    r"|extensions\w* (geometry|geography|(hstore|ltree|citext)_a)"
    r"|(?!full)\w+ (time|timetz|timestamp|timestamptz|numeric|numeric_12_2)_a)"
)
# and where a null is one unless the row has a long value
_BY_LENGTH = r"(defaults|typed) numeric"
REFUSALS = (
    Refusal(
        where=rf"({_UNMARKED}|{_BY_LENGTH}) {_ANY} kept =.*",
        kind="record.nulled",
        why="an unchanged value that is stored apart comes as null, which a value may have been set to as well",
    ),
    Refusal(
        where=rf"({_UNMARKED}|{_BY_LENGTH}) {_ANY} moved =.*",
        kind="record.moved",
        why="under its new key, a row lacks an unchanged value that is stored apart: it comes as null",
    ),
    Refusal(
        where=rf"({_UNMARKED} {_ANY} changed (null)?|{_ANY} (enum|domain|ltree)_a {_ANY} changed .+)",
        kind="record.nulled",
        why="a value that is set to null comes as an unchanged one does that is stored apart, unless it is short",
    ),
    Refusal(
        where=rf"defaults json {CREATED} {_WAY} .*u0000.*",
        kind="record.value",
        why="the column is `jsonb`, which can't hold a zero character",
    ),
    Refusal(
        where=rf"{_ANY} varbit(_8)? {_ANY} {_WAY} .*",
        kind="record.value",
        why="how many zeros a `bit varying` begins with is not in the event",
    ),
    Refusal(
        where=rf"{_ANY} date {_ANY} snapshot -?infinity",
        kind="record.value",
        why="a snapshot reads an infinite `date` as a day that PostgreSQL does not have",
    ),
    Refusal(
        where=rf"{_ANY} date_a {_ANY} {_WAY} .*infinity.*",
        kind="record.value",
        why="an infinite `date` in an array comes as a day that PostgreSQL does not have",
    ),
    Refusal(
        where=rf"(defaults|typed|micro|time_micro) timestamp {_ANY} {_WAY} 294276.*",
        kind="record.value",
        why="in microseconds since 1970 there is no 64-bit number for it, and what comes is out of range",
    ),
    Refusal(
        where=rf"(?!nano)\w+ timestamp_a {_ANY} {_WAY} .*BC.*",
        kind="record.value",
        why="a moment BC in an array comes as one that PostgreSQL does not have",
    ),
    Refusal(
        where=rf"double (numeric_\d\w+|money) {EXISTING} {_WAY} .*",
        kind="record.value",
        why="the `double` has other digits than the column can hold, or is infinite",
    ),
    Refusal(
        where=rf"{_PRECISE} bit_a {EXISTING} {_WAY} .*",
        kind="table.shape",
        why="the events have the schema of one bit string, which does not go into an array",
    ),
    Refusal(
        where=rf"{_PRECISE} (int2|oid)vector {EXISTING} ({_WAY} .+|changed )",
        kind="record.value",
        why="an empty array comes, which the column does not take",
    ),
)
NOT_SENT = (
    NotSent(
        where=r"defaults (line|lseg|box|path|polygon|circle|\w+multirange|domain_a|composite|tsquery|pg_lsn|jsonpath"
        r"|xid8|tid|txid_snapshot|bytea_a)",
        why="a type that the connector does not know; `include.unknown.datatypes` sends it",
    ),
    NotSent(where=r"\w+ (interval|money|point)_a", why="an array of these is left out, with any setting"),
)


def left_of(mode: str, kind: str, target: str) -> Loss | None:
    """What the source loses of a type."""
    return next((each for each in LOSSES if re.fullmatch(each.where, f"{mode} {kind} {target}")), None)


def refusal(where: str, kind: str) -> Refusal | None:
    """The reason of a refusal, None where none is known."""
    found = (each for each in REFUSALS if re.fullmatch(each.where, where, re.DOTALL) and each.kind == kind)
    return next(found, None)


def not_sent(mode: str, kind: str) -> NotSent | None:
    """Why a column is not sent, None where it is not known to be left out."""
    return next((each for each in NOT_SENT if re.fullmatch(each.where, f"{mode} {kind}")), None)
