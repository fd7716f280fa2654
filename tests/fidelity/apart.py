"""Values that PostgreSQL keeps apart from their row (TOAST), by the type's name: more than 2 kB, and never compressed.

Expressions, as in the catalogue. Nothing here imports the program.
"""

from collections.abc import Mapping

# ten digits for the element number `i`
_DIGITS = "lpad((hashint4(i)::bigint + 2147483648)::text, 10, '0')"


def _array(element: str, count: int) -> str:
    return f"=(SELECT array_agg({element}) FROM generate_series(1, {count}) i)"


def elements(count: int) -> str:
    """So many reals, as an array that vectors are cast from."""
    return _array("sin(i)::real", count)


def _joined(element: str, count: int, first: str, last: str) -> str:
    """A text of many elements, with commas between them."""
    return f"=(SELECT '{first}' || string_agg({element}, ',') || '{last}' FROM generate_series(1, {count}) i)"


_BITS = "(SELECT string_agg(('x' || md5(i::text))::bit(128)::text, '') FROM generate_series(1, 160) i)"
_POINTS = "format('(%s,%s)', i, i / 8.0)"

APART: Mapping[str, str] = {
    "numeric": f"=(SELECT '1' || string_agg({_DIGITS}, '') || '.5' FROM generate_series(1, 1000) i)",
    "tsvector": "=(SELECT string_agg('w' || i || ':' || i, ' ') FROM generate_series(1, 500) i)",
    "varbit": f"=('1' || {_BITS})",
    "path": _joined(_POINTS, 200, "[", "]"),
    "polygon": _joined(_POINTS, 200, "(", ")"),
    "numrange": f"=(SELECT '[1,' || string_agg({_DIGITS}, '') || '9)' FROM generate_series(1, 1000) i)",
    "int4multirange": _joined("format('[%s,%s)', 2 * i, 2 * i + 1)", 500, "{", "}"),
    "int2_a": _array("i::smallint", 2000),
    "int4_a": _array("hashint4(i)", 1000),
    "float4_a": elements(1000),
    "float8_a": _array("sin(i)", 500),
    "bool_a": _array("hashint4(i) > 0", 4000),
    "varchar_a": _array("left(md5(i::text), 5)", 500),
    "char_a": _array("left(md5(i::text), 3)", 500),
    "bytea_a": _array("decode(md5(i::text), 'hex')", 200),
    "uuid_a": _array("md5(i::text)::uuid", 300),
    "date_a": _array("'2000-01-01'::date + i", 1000),
    "time_a": _array("'00:00'::time + i * interval '1 minute'", 500),
    "timetz_a": _array("('00:00'::time + i * interval '1 minute')::text || '+00'", 500),
    "timestamp_a": _array("'2024-01-01'::timestamp + i * interval '1 minute'", 500),
    "timestamptz_a": _array("'2024-01-01 00:00+00'::timestamptz + i * interval '1 minute'", 500),
    "numeric_a": _array(f"({_DIGITS} || '.25')::numeric", 300),
    "numeric_12_2_a": _array(f"({_DIGITS} || '.25')::numeric(12,2)", 300),
    "json_a": _array("to_json(md5(i::text))", 100),
    "jsonb_a": _array("to_jsonb(md5(i::text))", 100),
    "inet_a": _array("'10.0.0.0'::inet + i", 300),
    "cidr_a": _array("('10.0.0.0'::inet + i)::cidr", 300),
    "macaddr_a": _array("left(md5(i::text), 12)::macaddr", 500),
    "int4range_a": _array("int4range(i, i + 5)", 200),
    "tsrange_a": _array("tsrange('2024-01-01'::timestamp + i * interval '1 day', NULL)", 200),
    "enum_a": _array("'sad'::public.mood", 1000),
    "domain_a": _array("i::public.positive", 1000),
    "bit_a": _array("'101'::bit(3)", 300),
    "hstore": "=(SELECT hstore(array_agg(md5(i::text)), array_agg(md5((-i)::text))) FROM generate_series(1, 100) i)",
    "ltree": "=(SELECT string_agg(md5(i::text), '.') FROM generate_series(1, 100) i)",
    "citext": "=(SELECT string_agg(md5(i::text), 'X') FROM generate_series(1, 100) i)",
    "xml": "=(SELECT '<a>' || string_agg(md5(i::text), '<b/>') || '</a>' FROM generate_series(1, 100) i)",
    "geometry": "=(SELECT ST_MakeLine(ST_MakePoint(i, i / 8.0) ORDER BY i) FROM generate_series(1, 200) i)",
    "geography": "=(SELECT ST_MakeLine(ST_MakePoint(i / 8.0, i / 9.0) ORDER BY i) FROM generate_series(1, 200) i)",
    "hstore_a": _array("hstore(md5(i::text), 'a')", 100),
    "ltree_a": _array("md5(i::text)::ltree", 100),
    "citext_a": _array("md5(i::text)::citext", 100),
    "composite": "=row((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 100) i), 1)",
}
