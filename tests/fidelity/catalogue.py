"""The source's types, each with its edge values as SQL expressions: what is typed here is what PostgreSQL itself reads.

Nothing here imports the program.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.fidelity.apart import APART, elements

# a text that PostgreSQL can hardly compress, of this many times 32 characters
_LONG = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, {}) i)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """A type of the source and its values; a null is always among them.

    `name`: in the page. `values`: literals, or SQL expressions behind `=`. `family`: which of the connector's modes
    concern it. `own`: its binary form holds numbers of this very database, so it is not compared.
    """

    name: str
    kind: str
    values: tuple[str, ...]
    family: str = "other"
    own: bool = False

    @property
    def table(self) -> str:
        """The name of its tables. Not the type's own: the connector would take the table's row type for it."""
        return f"{self.name}_values"


def _type(name: str, kind: str, *values: str, family: str = "other", own: bool = False) -> Type:
    apart = (APART[name],) if name in APART else ()
    return Type(name=name, kind=kind, values=(*values, *apart), family=family, own=own)


EXTENSIONS = ("vector", "hstore", "ltree", "citext", "postgis")
SETUP = """
CREATE TYPE public.mood AS ENUM ('sad', 'it''s', 'comma, inside', 'Grün', ' blank ', '');
CREATE DOMAIN public.positive AS integer CHECK (value > 0);
CREATE DOMAIN public.short AS varchar(5);
CREATE DOMAIN public.price AS numeric(12,2);
CREATE DOMAIN public.moment AS timestamp(6);
CREATE TYPE public.pair AS (a text, b integer);
"""

_NINES = "9" * 38
_NUMBERS = (
    _type("int2", "smallint", "0", "-32768", "32767"),
    _type("int4", "integer", "0", "-2147483648", "2147483647"),
    _type("int8", "bigint", "0", "-9223372036854775808", "9223372036854775807"),
    _type("oid", "oid", "0", "4294967295"),
    _type("bool", "boolean", "true", "false"),
    _type(
        "float4",
        "real",
        *("0", "-0", "3.4028235e38", "-3.4028235e38", "1e-45", "0.1", "16777217", "NaN", "Infinity", "-Infinity"),
    ),
    _type(
        "float8",
        "double precision",
        *("0", "-0", "1.7976931348623157e308", "5e-324", "0.1", "0.30000000000000004", "NaN", "Infinity", "-Infinity"),
    ),
    _type(
        "numeric_12_2",
        "numeric(12,2)",
        *("0", "0.00", "9999999999.99", "-9999999999.99", "0.01", "-0.01", "1.10", "NaN"),
        family="decimal",
    ),
    _type("numeric_5_0", "numeric(5)", "0", "99999", "-99999", family="decimal"),
    _type("numeric_38_0", "numeric(38,0)", "0", _NINES, f"-{_NINES}", family="decimal"),
    _type("numeric_38_38", "numeric(38,38)", "0", f"0.{_NINES}", f"-0.{_NINES}", f"0.{'0' * 37}1", family="decimal"),
    _type("numeric_50_10", "numeric(50,10)", "0", f"{'9' * 40}.{'9' * 10}", f"-{'9' * 40}.1", family="decimal"),
    _type("numeric_1000_500", "numeric(1000,500)", "0", f"{'9' * 500}.{'9' * 500}", "-1", family="decimal"),
    _type("numeric_3_m2", "numeric(3,-2)", "0", "12300", "-99900", family="decimal"),
    _type("numeric_2_5", "numeric(2,5)", "0", "0.00099", "-0.00001", family="decimal"),
    _type(
        "numeric",
        "numeric",
        *("0", "0.000", "1.10", "-12.345", "100", f"{'9' * 60}.{'9' * 60}", f"1{'0' * 500}", f"0.{'0' * 300}1"),
        family="decimal",
    ),
    _type("numeric_special", "numeric", "NaN", "Infinity", "-Infinity", "1", family="decimal"),
    _type("money", "money", "0", "12.34", "-0.01", "92233720368547758.07", "-92233720368547758.08", family="decimal"),
)
_TEXTS = (
    _type(
        "text",
        "text",
        *("", " ", "null", "NULL", "a\tb\nc\r\\N", "é€😀", "e\u0301", "\u202e\ufeff", "'\"\\", "__debezium"),
        f"={_LONG.format(2)}",
        f"={_LONG.format(200)}",
        f"={_LONG.format(30000)}",
    ),
    _type("varchar_5", "varchar(5)", "", "abc", "é€😀ab", "ab   "),
    _type("varchar", "varchar", "", "abc  ", f"={_LONG.format(200)}"),
    _type("char_5", "char(5)", "", "ab", "abcde", " a", "é€😀"),
    _type("char_1", '"char"', "", "a", "~"),
    _type("name", "name", "", "a name", "é" * 31),
    _type("bytea", "bytea", "", "\\x00", "\\x00ff5c78", f"=decode({_LONG.format(400)}, 'hex')", family="binary"),
    _type("uuid", "uuid", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    _type("enum", "public.mood", "sad", "it''s".replace("''", "'"), "comma, inside", "Grün", " blank ", ""),
    _type("domain_int", "public.positive", "1", "2147483647"),
    _type("domain_varchar", "public.short", "", "é€😀ab"),
    _type("domain_numeric", "public.price", "0", "9999999999.99", family="decimal"),
    _type("domain_timestamp", "public.moment", "infinity", "2024-02-29 12:34:56.123456", family="time"),
    _type(
        "json",
        "json",
        *("null", "{}", '{"b":1,  "a":[null, "é"], "b":2}', '"x"', "1e400", "1.10", '"\\u0000"', "[]"),
        f"=to_json({_LONG.format(200)})",
    ),
    _type(
        "jsonb",
        "jsonb",
        *("null", "{}", '{"b": 1, "a": [null, "é"]}', '"x"', "1e400", "1.10", "[]", '"\\\\u0000"'),
        f"=to_jsonb({_LONG.format(200)})",
    ),
    _type("inet", "inet", "10.1.2.3", "10.1.2.3/8", "::1", "2001:db8::/32", "0.0.0.0/0"),
    _type("cidr", "cidr", "10.0.0.0/8", "::/0", "2001:db8::/32", "10.1.2.3/32"),
    _type("macaddr", "macaddr", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"),
    _type("macaddr8", "macaddr8", "00:00:00:00:00:00:00:00", "08:00:2b:01:02:03:04:05"),
    _type("tsvector", "tsvector", "", "a fat cat", "'a':1A 'it''s':2,3B 'x y'"),
    _type("bit_1", "bit(1)", "0", "1"),
    _type("bit_3", "bit(3)", "000", "101", "001"),
    _type("bit_64", "bit(64)", "1" * 64, "0" * 63 + "1", "1" + "0" * 63),
    _type("bit_20000", "bit(20000)", "=('1' || repeat('0', 19999))", "=repeat('01', 10000)"),
    _type("bit_100", "bit(100)", "01" * 50, "0" * 100),
    _type("varbit", "bit varying", "", "1", "101", "00101", "1" * 65),
    _type("varbit_8", "bit varying(8)", "", "1", "00101", "10000000"),
)
_TIMES = (
    _type(
        "date",
        "date",
        *("1970-01-01", "0001-01-01 BC", "4714-11-24 BC", "5874897-12-31", "10000-01-01", "1582-10-10", "2024-02-29"),
        *("infinity", "-infinity"),
        family="time",
    ),
    *(
        _type(f"time_{digits}", f"time({digits})", "00:00", f"23:59:59{part}", "24:00", family="time")
        for digits, part in ((0, ""), (3, ".999"), (6, ".999999"))
    ),
    _type("time", "time", "00:00", "00:00:00.000001", "23:59:59.999999", "24:00", family="time"),
    _type("timetz", "timetz", "00:00+00", "23:59:59.999999+15:59", "24:00-15:59", "12:00:00.5+05:30", family="time"),
    *(
        _type(
            f"timestamp_{digits}",
            f"timestamp({digits})",
            *("1970-01-01", f"2024-02-29 12:34:56{part}", f"1969-12-31 23:59:59{part}", "4714-11-24 BC"),
            *("9999-12-31 23:59:59", "10000-01-01", "294246-12-31 23:59:59", "infinity", "-infinity"),
            family="time",
        )
        for digits, part in ((0, ""), (3, ".123"), (6, ".123456"))
    ),
    _type(
        "timestamp",
        "timestamp",
        *("0001-01-01 00:00:00.000001 BC", "1582-10-10 12:00", "294276-12-31 23:59:59.999999"),
        *("2262-04-11 23:47:16.854775", "2262-04-12", "1677-09-21 00:12:44", "1677-09-20"),
        family="time",
    ),
    _type(
        "timestamptz",
        "timestamptz",
        *("1970-01-01 00:00+00", "2024-03-31 02:30:00.123456+05:45", "0001-01-01 00:00:00+00 BC"),
        *("4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "10000-01-01 00:00+00"),
        *("1582-10-10 00:00+00", "infinity", "-infinity"),
        family="time",
    ),
    _type("timestamptz_3", "timestamptz(3)", "2024-02-29 12:34:56.123+00", "infinity", family="time"),
    _type(
        "interval",
        "interval",
        *("0", "1 year 2 mons 3 days 04:05:06.7", "-1 year -2 mons -3 days -04:05:06.789012", "1 mon -30 days"),
        *("00:00:00.000001", "-00:00:00.000001", "30 days", "24:00:00", "200000 years", "2147483647:00:54.775807"),
        family="interval",
    ),
    _type("interval_special", "interval", "infinity", "-infinity", "178000000 years", family="interval"),
)
_SHAPES = (
    _type("point", "point", "(0,0)", "(1.5,-2.25)", "(1e300,-1e-300)", "(0.1,0.30000000000000004)"),
    _type("line", "line", "{1,2,3}", "{0,-1,0.1}", family="unknown"),
    _type("lseg", "lseg", "[(0,0),(1,1.5)]", family="unknown"),
    _type("box", "box", "(1,1),(0,0)", "(1.5,0.1),(-2,-3)", family="unknown"),
    _type("path", "path", "[(0,0),(1,1),(2,0)]", "((0,0),(1,1),(2,0))", "[(0,0)]", family="unknown"),
    _type("polygon", "polygon", "((0,0),(1,1),(2,0))", "((0,0))", family="unknown"),
    _type("circle", "circle", "<(1,2),3>", "<(0,0),0>", family="unknown"),
    _type("vector", "public.vector(3)", "[1,-2.5,0.1]", "[0,0,0]", "[3.4028235e38,1e-45,0]"),
    _type("halfvec", "public.halfvec(3)", "[1,-2.5,0.1]", "[65504,0,0]"),
    _type("sparsevec", "public.sparsevec(5)", "{1:1.5,3:-2}/5", "{}/5"),
    *(
        _type(f"{name}_{size}", f"public.{name}({size})", elements(size))
        for name, size in (("vector", 700), ("halfvec", 1500), ("sparsevec", 500))
    ),
)
_RANGES = (
    _type("int4range", "int4range", "empty", "[1,5)", "(,)", "[,5)", "[-2147483648,2147483647)"),
    _type("int8range", "int8range", "empty", "[1,5)", "(,)"),
    _type("numrange", "numrange", "empty", "[1.10,2.200]", "(,0]", "[NaN,NaN]"),
    _type("tsrange", "tsrange", "empty", "[2024-01-01,2024-01-02 12:34:56.123456)", "[-infinity,infinity]", "(,)"),
    _type("tstzrange", "tstzrange", "empty", "[2024-01-01 00:00+05:30,infinity)", "(,)"),
    _type("daterange", "daterange", "empty", "[2024-01-01,2024-01-02)", "[4714-11-24 BC,)", "[,infinity)"),
    _type("int4multirange", "int4multirange", "{}", "{[1,2),[5,)}", "{(,)}", family="unknown"),
    _type("datemultirange", "datemultirange", "{}", "{[2024-01-01,2024-01-02)}", family="unknown"),
    _type("nummultirange", "nummultirange", "{}", "{[1.10,2.200]}", family="unknown"),
)
_ARRAYS = (
    _type("int2_a", "smallint[]", "{}", "{1,NULL,-32768}"),
    _type("int4_a", "integer[]", "{}", "{NULL}", "{1,NULL,2147483647}", "[2:3]={1,2}", "{{1,2},{3,4}}"),
    _type("int8_a", "bigint[]", "{}", "{-9223372036854775808,NULL}", "=array(SELECT generate_series(1, 5000))"),
    _type("float4_a", "real[]", "{}", "{NaN,-Infinity,-0,0.1,NULL}"),
    _type("float8_a", "double precision[]", "{}", "{NaN,Infinity,-0,5e-324,NULL}"),
    _type("bool_a", "boolean[]", "{}", "{t,f,NULL}"),
    _type("text_a", "text[]", "{}", '{"",NULL,"NULL","a,b","{x}","\\"\\\\",é😀}', f"=array[{_LONG.format(200)}]"),
    _type("varchar_a", "varchar(5)[]", "{}", "{abc,NULL,é€😀ab}"),
    _type("char_a", "char(3)[]", "{}", "{a,NULL,abc}"),
    _type("bytea_a", "bytea[]", "{}", '{"\\\\x00ff",NULL,"\\\\x"}', family="unknown"),
    _type("uuid_a", "uuid[]", "{}", "{00000000-0000-0000-0000-000000000000,NULL}"),
    _type(
        "date_a", "date[]", "{}", "{1970-01-01,NULL,4714-11-24 BC,10000-01-01}", "{infinity,-infinity}", family="time"
    ),
    _type("time_a", "time[]", "{}", "{00:00,24:00,NULL,23:59:59.999999}", family="time"),
    _type("timetz_a", "timetz[]", "{}", "{00:00+00,12:00+05:30,NULL}", family="time"),
    _type(
        "timestamp_a",
        "timestamp[]",
        *("{}", '{"2024-02-29 12:34:56.123456",NULL}', "{infinity,-infinity}", '{"4714-11-24 BC"}'),
        family="time",
    ),
    _type(
        "timestamptz_a", "timestamptz[]", "{}", '{"2024-02-29 12:34:56.123456+05:45",NULL}', "{infinity}", family="time"
    ),
    _type("interval_a", "interval[]", "{}", '{"1 mon -30 days",NULL}', family="interval"),
    _type("numeric_a", "numeric[]", "{}", f"{{0,1.10,NULL,{_NINES}.{_NINES}}}", family="decimal"),
    _type("numeric_12_2_a", "numeric(12,2)[]", "{}", "{0,1.10,NULL,-9999999999.99}", family="decimal"),
    _type("money_a", "money[]", "{}", "{$1.10,NULL}", family="unknown"),
    _type("json_a", "json[]", "{}", '{"{\\"b\\":1,  \\"b\\":2}",NULL}'),
    _type("jsonb_a", "jsonb[]", "{}", '{"{\\"b\\": 1}",NULL}'),
    _type("inet_a", "inet[]", "{}", "{10.1.2.3/8,NULL,::1}"),
    _type("cidr_a", "cidr[]", "{}", "{10.0.0.0/8,NULL}"),
    _type("macaddr_a", "macaddr[]", "{}", "{08:00:2b:01:02:03,NULL}"),
    _type("int4range_a", "int4range[]", "{}", '{"[1,5)",NULL,empty}'),
    _type("tsrange_a", "tsrange[]", "{}", '{"[2024-01-01,)",NULL}'),
    _type("enum_a", "public.mood[]", "{}", '{sad,NULL,"comma, inside"}', own=True),
    _type("domain_a", "public.positive[]", "{}", "{1,NULL}", own=True),
    _type("bit_a", "bit(3)[]", "{}", "{101,NULL}", family="unknown"),
    _type("point_a", "point[]", "{}", '{"(1,2)",NULL}', family="unknown"),
)
_PLACES = ("SRID=4326;POINT(1 2)", "SRID=4326;POLYGON((0 0,1 0,1 1,0 0))", "SRID=4326;LINESTRING Z(0 0 1,1 1 2)")
_OTHERS = (
    _type("composite", "public.pair", "(a,1)", '("x,y",)', family="unknown"),
    _type("tsquery", "tsquery", "", "'fat' & ( 'rat' | 'it''s':A )", family="unknown"),
    _type("pg_lsn", "pg_lsn", "0/0", "FFFFFFFF/FFFFFFFF", family="unknown"),
    _type("jsonpath", "jsonpath", "$", "$.a[*] ? (@ > 1)", family="unknown"),
    _type("xid8", "xid8", "0", "18446744073709551615", family="unknown"),
    _type("tid", "tid", "(0,1)", "(4294967295,65535)", family="unknown"),
    _type("txid_snapshot", "txid_snapshot", "1:1:", "10:20:10,14", family="unknown"),
    _type("int2vector", "int2vector", "", "1 -2 3", family="unknown"),
    _type("oidvector", "oidvector", "", "1 2 4294967295", family="unknown"),
)
EXTENDED = (
    _type("hstore", "public.hstore", "", r'"a"=>"1","b"=>NULL,"c\"\\=>,"=>"x\"\\",""=>"","é"=>"null"'),
    _type("ltree", "public.ltree", "", "Top.Science"),
    _type("citext", "public.citext", "", "MiXed", "é€😀"),
    _type("xml", "xml", "<a>é</a>", "text only", "<a b='1'>\n <!-- c --><![CDATA[<]]></a>"),
    _type("geometry", "public.geometry", *_PLACES, "POINT(1e300 -0.1)", "SRID=3187;MULTIPOINT(0 0,1 1)"),
    _type("geography", "public.geography", *_PLACES),
    _type("hstore_a", "public.hstore[]", "{}", '{"\\"a\\"=>\\"1\\"",NULL}', own=True),
    _type("ltree_a", "public.ltree[]", "{}", "{Top.A,NULL}", own=True),
    _type("citext_a", "public.citext[]", "{}", "{MiXed,NULL}", own=True),
)
"""Types of extensions, and of libraries that a server may be built without."""
TYPES = (*_NUMBERS, *_TEXTS, *_TIMES, *_SHAPES, *_RANGES, *_ARRAYS, *_OTHERS)


def of(*families: str) -> tuple[Type, ...]:
    """The types of these families."""
    return tuple(each for each in TYPES if each.family in families)


def named(names: Iterable[str]) -> tuple[Type, ...]:
    """The types of these names."""
    wanted = set(names)
    found = tuple(each for each in (*TYPES, *EXTENDED) if each.name in wanted)
    assert wanted == {each.name for each in found}, wanted - {each.name for each in found}
    return found
