"""The tables that are recorded: all types, each with its edge values.

A row holds the n-th value of each column; shorter columns begin again.
"""

from collections.abc import Sequence

from tools.recording.columns import ID, Column, Table, binaries, column, literal, quoted, texts


def _integers() -> Table:
    bits = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
    columns = []
    for kind, size in bits.items():
        half = 2 ** (size - 1)
        columns.append(column(kind, kind, 0, 1, -1, half - 1, -half, 10))
        columns.append(column(f"{kind}_u", f"{kind} unsigned", 0, 1, half - 1, half, 2 * half - 1, 10))
    columns += [
        column("zerofilled", "int(6) unsigned zerofill", 0, 42, 4294967295),
        column("truth", "boolean", 0, 1, 127, -128),
        column("tiny1_u", "tinyint(1) unsigned", 0, 1, 255),
        column("year", "year", 1901, 1970, 2155, 2024),
    ]
    return Table(name="integers", columns=(ID, *columns))


def _decimals() -> Table:
    def decimal(digits: int, scale: int) -> Column:
        whole, part = "9" * (digits - scale), "9" * scale
        most = f"{whole or 0}{'.' if part else ''}{part}"
        least = f"0.{'0' * (scale - 1)}1" if scale else "1"
        kind = f"decimal({digits},{scale})"
        return column(f"d{digits}_{scale}", kind, 0, most, f"-{most}", least, f"-{least}", "1.5")

    shapes = [(1, 0), (5, 2), (10, 0), (18, 9), (20, 20), (38, 10), (38, 38), (39, 0), (65, 0), (65, 30)]
    unsigned = column("d9_4_u", "decimal(9,4) unsigned", 0, "99999.9999", "0.0001")
    return Table(name="decimals", columns=(ID, *(decimal(*shape) for shape in shapes if shape != (38, 38)), unsigned))


def _floats() -> Table:
    # as JSON, since a cast to text rounds to what has room in 22 characters
    wide = {"text": "REPLACE(REPLACE(JSON_ARRAY(CAST({0} AS DOUBLE)), '[', ''), ']', '')"}
    single = ("0", "-0e0", "1.5", "0.1", "3.402823466e38", "-3.402823466e38", "1.175494351e-38", "1e-45", "16777217")
    double = ("0", "-0e0", "1.5", "0.1", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308")
    return Table(
        name="floats",
        columns=(
            ID,
            column("single", "float", *single, **wide),
            column("single_p", "float(20)", *single, **wide),
            column("double_p", "float(30)", *double, **wide),
            column("doubled", "double", *double, "4.9e-324", "9007199254740993", **wide),
            column("single_ms", "float(7,3)", "0", "1234.567", "-9999.999", **wide),
            column("double_ms", "double(12,4)", "0", "12345678.1234", "-99999999.9999", **wide),
        ),
    )


def _bits() -> Table:
    def bit(size: int) -> Column:
        values = [0, 1, 2**size - 1, 2 ** (size - 1), int("1011001110001111" * 4, 2) >> (64 - size)]
        return column(f"b{size}", f"bit({size})", *(f"b'{value:b}'" for value in values), text="BIN({0}+0)")

    return Table(name="bits", columns=(ID, *(bit(size) for size in (1, 2, 7, 8, 9, 16, 33, 64))))


def _strings() -> Table:
    awkward = [
        "",
        "plain",
        "trailing  ",
        "  leading",
        "a\x00b",
        "line\nbreak\ttab\r",
        "back\\slash 'quote\" ,",
        "naïve",
    ]
    every = [*awkward, "日本語", "😀👍🏽", "\ufeffmarked", "e\u0301", "null", "__debezium_unavailable_value"]
    return Table(
        name="strings",
        columns=(
            ID,
            texts("char10", "char(10)", "", "plain", "pad  ", "😀"),
            texts("varchar30", "varchar(30)", *every),
            texts("latin1", "varchar(30) character set latin1", *awkward, "€uro äöüß ÿ"),
            texts("ascii", "varchar(30) character set ascii", "", "plain"),
            texts("cp1251", "varchar(30) character set cp1251", "Привет", "Ўў"),
            texts("ucs2", "varchar(30) character set ucs2", "日本語", "naïve"),
            texts("utf16", "varchar(30) character set utf16", *every),
            texts("utf8mb3", "varchar(30) character set utf8mb3", "日本語", "naïve"),
            texts("sjis", "varchar(30) character set sjis", "日本語", "ｱｲｳ"),
            texts("gbk", "varchar(30) character set gbk", "中文", "plain"),
            texts("big5", "varchar(30) character set big5", "中文", "plain"),
            texts("euckr", "varchar(30) character set euckr", "한국어", "plain"),
            texts("binary_order", "varchar(30) collate utf8mb4_bin", "a", "A"),
            texts("national", "nchar(5)", "äöü", "a"),
            texts("tinytext", "tinytext", *every),
            texts("texts", "text", *every, "x" * 300),
            texts("mediumtext", "mediumtext", *every),
            texts("longtext", "longtext", *every),
            texts("texts_latin1", "text character set latin1", "€uro äöüß ÿ"),
        ),
    )


def _choices() -> Table:
    labels = "'a','b','with space','comma, inside','quo''te','Grün','back\\\\slash'"
    return Table(
        name="choices",
        columns=(
            ID,
            column("enumerated", f"enum({labels})", *range(1, 8), "'unknown'"),
            column("enumerated_latin1", "enum('ä','ö') character set latin1", 1, 2),
            column("enumerated_set", "enum('','b')", 1, 2),
            column("members", "set('x','y','z','with space','Grün')", "''", "'x'", "'z,x'", "'x,y,z,with space,Grün'"),
            column("one_member", "set('only')", "''", "'only'"),
        ),
    )


def _binaries() -> Table:
    every = ["", "00", "0001feff", "61620000", "fbefbefbff", "f0", "636c61737369630d0a", "5f5f" * 100]
    kinds = ("tinyblob", "blob", "mediumblob", "longblob")
    return Table(
        name="binaries",
        columns=(
            ID,
            binaries("binary4", "binary(4)", "", "00", "0001feff", "61620000", "fbefbe", "ffffffff"),
            binaries("varbinary300", "varbinary(300)", *every),
            *(binaries(kind, kind, *every) for kind in kinds),
            binaries("binary_text", "varchar(20) character set binary", "", "00ff", "61"),
        ),
    )


_FRACTIONS = ("", ".9", ".99", ".999", ".9999", ".99999", ".999999")


def _dates(name: str, days: Sequence[str], stamps: Sequence[str]) -> Table:
    """Dates, and date-times of every precision, each with the most that its fraction can say."""
    clock = ("00:00:00", "23:59:59", "12:34:56")
    columns = [ID, quoted("day", "date", *days)]
    for digits, fraction in enumerate(_FRACTIONS):
        values = [f"{day} {clock[place % 3]}{fraction}" for place, day in enumerate(days)]
        columns.append(quoted(f"at{digits}", f"datetime({digits})", *values))
        moments = [f"{stamp}{fraction}" for stamp in stamps]
        columns.append(quoted(f"stamp{digits}", f"timestamp({digits})", *moments))
    return Table(name=name, columns=tuple(columns))


def _near_dates() -> Table:
    days = ("1970-01-01", "1969-12-31", "2024-02-29", "1700-01-01", "2262-04-11", "1900-02-28")
    return _dates("dates", days, ("1970-01-01 00:00:01", "2024-03-31 02:30:00", "2038-01-19 03:14:06"))


def _far_dates() -> Table:
    days = ("1000-01-01", "9999-12-31", "0001-01-01", "1582-10-04", "1582-10-10", "1582-10-15", "1500-02-28")
    return _dates("far_dates", days, ("2038-01-19 03:14:07",))


def _zero_dates(name: str, more: str, *days: str) -> Table:
    """Days that no calendar has; NOT NULL columns get a constant at the source."""
    columns = [quoted("day", "date", *days, more=more)]
    for kind in ("datetime", "datetime(6)", "timestamp", "timestamp(6)"):
        # a timestamp is zero as a whole or not at all
        whole = [day for day in days if kind.startswith("datetime") or day in ("0000-00-00", "2024-03-01")]
        name_of = kind.replace("(6)", "6")
        columns.append(quoted(name_of, kind, *(f"{day} 00:00:00" for day in whole), more=more))
    return Table(name=name, columns=(ID, *(each for each in columns if each.values)))


def _times(name: str, *whole: str) -> Table:
    columns = []
    for digits, fraction in enumerate(_FRACTIONS):
        values = [f"{each}{'' if each.lstrip('-') in ('838:59:59', '24:00:00') else fraction}" for each in whole]
        columns.append(quoted(f"time{digits}", f"time({digits})", *values))
    return Table(name=name, columns=(ID, *columns))


def _documents(spelling: Sequence[str]) -> Table:
    plain = ("{}", "[]", "null", "true", '"text"', "1", "-1.5", "12345678901234567890", "1e100", '"\\u00e9 😀"')
    nested = ('{"b": 1, "a": {"c": [1, null, true, "x"]}}', '{"": "", "k\\"ey": "v\\\\al"}', "0.1", "3.0")
    values = [f"CAST({literal(each)} AS CHAR)" for each in (*plain, *nested)]
    return Table(name="documents", columns=(ID, column("document", "json", *values, *spelling)))


def _shapes() -> Table:
    spelled = {"text": "CONCAT(ST_SRID({0}), ';', ST_AsText({0}))"}

    def shape(name: str, *texts: str) -> Column:
        return column(name, name, *(f"ST_GeomFromText('{text}')" for text in texts), **spelled)

    square = "((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))"
    everything = ("POINT(1 2)", "LINESTRING(0 0,1 1)", f"POLYGON{square}")
    return Table(
        name="shapes",
        columns=(
            ID,
            shape("point", "POINT(1 2)", "POINT(-1.5 1e10)", "POINT(0 0)"),
            shape("linestring", "LINESTRING(0 0,1 1,2 0.1)"),
            shape("polygon", f"POLYGON{square}"),
            shape("multipoint", "MULTIPOINT((0 0),(1 1))"),
            shape("multilinestring", "MULTILINESTRING((0 0,1 1),(2 2,3 3))"),
            shape("multipolygon", f"MULTIPOLYGON({square})"),
            shape("geometrycollection", "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))"),
            shape("geometry", *everything),
            column("located", "geometry", "ST_GeomFromText('POINT(48 11)', 4326)", **spelled),
        ),
    )


def _generated() -> Table:
    return Table(
        name="generated",
        columns=(
            ID,
            column("base", "int", 1, -5),
            Column(name="doubled", type="int GENERATED ALWAYS AS (base * 2) VIRTUAL", more=""),
            Column(name="tripled", type="int GENERATED ALWAYS AS (base * 3) STORED", more=""),
            texts("name", "varchar(10)", "ann", "bob"),
        ),
    )


def _defaulted() -> Table:
    """Nullable columns with a default: where a NULL can be lost, and where it stays."""
    return Table(
        name="defaulted",
        columns=(
            ID,
            column("number", "int", 7, 0, more="DEFAULT 7"),
            column("never_null", "int", 7, 0, more="NOT NULL DEFAULT 7"),
            column("name", "varchar(10)", "'x'", "''", more="DEFAULT 'x'"),
            column("amount", "decimal(9,2)", "1.50", more="DEFAULT 1.50"),
            column("large", "bigint unsigned", "18446744073709551615", more="DEFAULT 18446744073709551615"),
            quoted("day", "date", "2024-01-01", more="DEFAULT '2024-01-01'"),
            quoted("at", "datetime(3)", "2024-01-01 00:00:00.123", more="DEFAULT '2024-01-01 00:00:00.123'"),
            quoted("wakes", "time(6)", "06:00:00.000001", more="DEFAULT '06:00:00.000001'"),
            column("flags", "bit(3)", "b'101'", more="DEFAULT b'101'", text="BIN({0}+0)"),
            quoted("kind", "enum('a','b')", "a", more="DEFAULT 'b'"),
            quoted("kinds", "set('a','b')", "a,b", more="DEFAULT 'a'"),
            binaries("code", "binary(2)", "6100", more="DEFAULT 'a'"),
            quoted("made", "timestamp", "2024-01-01 00:00:00", more="NOT NULL DEFAULT CURRENT_TIMESTAMP"),
        ),
    )


def _composite() -> Table:
    key = Column(name="id", type="bigint unsigned", more="NOT NULL")
    keys = ("id", "code", "amount", "day", "raw", "at")
    return Table(
        name="composite",
        columns=(
            key,
            texts("code", "varchar(10)", "a", "ä", "", more="NOT NULL"),
            column("amount", "decimal(20,2)", "1.00", "-99.99", more="NOT NULL"),
            quoted("day", "date", "2024-01-01", "1970-01-01", more="NOT NULL"),
            binaries("raw", "varbinary(8)", "00ff", "61", more="NOT NULL"),
            quoted("at", "datetime(6)", "2024-01-01 00:00:00.000001", more="NOT NULL"),
            column("value", "int", 1),
        ),
        ending=f"PRIMARY KEY ({', '.join(f'`{name}`' for name in keys)})",
        keys=keys,
    )


def _without_primary_key() -> tuple[Table, ...]:
    return (
        Table(name="keyless", columns=(ID, column("value", "int", 1, 2)), ending=""),
        Table(name="uniquely", columns=(ID, column("value", "int", 1, 2)), ending="UNIQUE KEY (`id`)"),
        Table(name="odd-names", columns=(ID, column("a-b", "int", 1), column("2nd", "int", 3))),
    )


def _common() -> tuple[Table, ...]:
    return (
        _integers(),
        _decimals(),
        _floats(),
        _bits(),
        _strings(),
        _choices(),
        _binaries(),
        _near_dates(),
        _far_dates(),
        _zero_dates("zero_dates", "NULL", "0000-00-00", "2024-03-01"),
        _zero_dates("zero_dates_needed", "NOT NULL", "0000-00-00", "2024-03-01"),
        _zero_dates("broken_dates", "NULL", "2024-00-00", "2024-02-00"),
        Table(name="zero_years", columns=(ID, column("year", "year", 0, 2024)), streamed=True),
        _times("times", "00:00:00", "23:59:59", "12:34:56"),
        _times("far_times", "24:00:00", "838:59:59", "-838:59:59", "-00:00:01", "-00:00:00", "100:00:00"),
        _shapes(),
        _defaulted(),
        _composite(),
        *_without_primary_key(),
    )


def _vectors(make: str, spell: str) -> Table:
    values = [f"{make}('{text}')" for text in ("[1,2,3]", "[0.1,-0.5,1e10]", "[0,0,0]")]
    return Table(name="vectors", columns=(ID, column("vector", "vector(3)", *values, text=f"{spell}({{0}})")))


def mysql_tables() -> tuple[Table, ...]:
    """The tables that a MySQL server gets."""
    # MariaDB's log leaves generated columns out, and its connector stops at that
    typed = ("CAST(1.10 AS JSON)", "CAST(CAST('2024-01-01 10:00:00.5' AS DATETIME(6)) AS JSON)")
    return (*_common(), _generated(), _documents(typed), _vectors("STRING_TO_VECTOR", "VECTOR_TO_STRING"))


def mariadb_tables() -> tuple[Table, ...]:
    """The tables that a MariaDB server gets, with the types that only it has."""
    identities = ("123e4567-e89b-12d3-a456-426614174000", "6ccd780c-baba-1026-9564-5b8c656024db")
    only_here = (
        Table(name="uuids", columns=(ID, quoted("uuid", "uuid", *identities, "0" * 32))),
        Table(name="umlauts", columns=(ID, column("Grün", "int", 1))),
    )
    return (*_common(), _documents(()), _vectors("VEC_FromText", "VEC_ToText"), *only_here)
