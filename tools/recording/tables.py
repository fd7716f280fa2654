"""The tables that are recorded: each column with its type, its edge values, and how the server itself spells them.

A row holds the n-th value of each column; shorter columns begin again. NULL is one more value wherever it is allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

NULL = "NULL"
_TEXT = "CAST({0} AS CHAR)"
_BYTES = "{0}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `text` and `raw` are the expressions whose results are noted as what the server holds.

    `values` are SQL; a generated column has none. `more` is what stands behind the type.
    """

    name: str
    type: str
    values: tuple[str, ...] = ()
    text: str = _TEXT
    raw: str = _BYTES
    more: str = "NULL"

    @property
    def declaration(self) -> str:
        """The column in CREATE TABLE."""
        return f"`{self.name}` {self.type} {self.more}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; `ending` is what CREATE TABLE says behind the columns.

    `streamed` tables are empty until the snapshot is over: Debezium's snapshot fails on what they hold.
    """

    name: str
    columns: tuple[Column, ...]
    ending: str = "PRIMARY KEY (`id`)"
    streamed: bool = False

    @property
    def declaration(self) -> str:
        """The statement that makes it."""
        parts = [each.declaration for each in self.columns]
        return f"CREATE TABLE `{self.name}` ({', '.join([*parts, *filter(None, [self.ending])])})"

    def row(self, number: int) -> dict[str, str]:
        """The n-th row's values as SQL, without generated columns and without `id`."""
        return {each.name: each.values[number % len(each.values)] for each in self.columns if each.values}

    @property
    def rows(self) -> int:
        """How many rows it takes until each value was there."""
        return max(len(each.values) for each in self.columns)


ID = Column(name="id", type="int", more="NOT NULL")


def _column(name: str, kind: str, *values: object, more: str = "NULL", **spelled: str) -> Column:
    literals = [str(value) for value in values]
    return Column(name=name, type=kind, values=(*literals, *([NULL] if more == "NULL" else [])), more=more, **spelled)


def _texts(name: str, kind: str, *values: str, more: str = "NULL") -> Column:
    return _column(name, kind, *(quoted(value) for value in values), more=more)


def quoted(text: str) -> str:
    """A text as SQL, by its bytes, so that nothing in it can be taken for anything else."""
    return f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)" if text else "''"


def _bytes(name: str, kind: str, *values: str, more: str = "NULL") -> Column:
    # of bytes there is no text
    return _column(name, kind, *(f"X'{value}'" for value in values), more=more, text=NULL)


def _quoted(name: str, kind: str, *values: str, more: str = "NULL", **spelled: str) -> Column:
    return _column(name, kind, *(f"'{value}'" for value in values), more=more, **spelled)


def _integers() -> Table:
    bits = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
    columns = []
    for kind, size in bits.items():
        half = 2 ** (size - 1)
        columns.append(_column(kind, kind, 0, 1, -1, half - 1, -half, 10))
        columns.append(_column(f"{kind}_u", f"{kind} unsigned", 0, 1, half - 1, half, 2 * half - 1, 10))
    columns += [
        _column("zerofilled", "int(6) unsigned zerofill", 0, 42, 4294967295),
        _column("truth", "boolean", 0, 1, 127, -128),
        _column("tiny1_u", "tinyint(1) unsigned", 0, 1, 255),
        _column("year", "year", 1901, 1970, 2155, 2024),
    ]
    return Table(name="integers", columns=(ID, *columns))


def _decimals() -> Table:
    def decimal(digits: int, scale: int) -> Column:
        whole, part = "9" * (digits - scale), "9" * scale
        most = f"{whole or 0}{'.' if part else ''}{part}"
        least = f"0.{'0' * (scale - 1)}1" if scale else "1"
        kind = f"decimal({digits},{scale})"
        return _column(f"d{digits}_{scale}", kind, 0, most, f"-{most}", least, f"-{least}", "1.5")

    shapes = [(1, 0), (5, 2), (10, 0), (18, 9), (20, 20), (38, 10), (38, 38), (39, 0), (65, 0), (65, 30)]
    unsigned = _column("d9_4_u", "decimal(9,4) unsigned", 0, "99999.9999", "0.0001")
    return Table(name="decimals", columns=(ID, *(decimal(*shape) for shape in shapes if shape != (38, 38)), unsigned))


def _floats() -> Table:
    wide = {"text": "CAST(CAST({0} AS DOUBLE) AS CHAR)"}
    single = ("0", "-0e0", "1.5", "0.1", "3.402823466e38", "-3.402823466e38", "1.175494351e-38", "1e-45", "16777217")
    double = ("0", "-0e0", "1.5", "0.1", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308")
    return Table(
        name="floats",
        columns=(
            ID,
            _column("single", "float", *single, **wide),
            _column("single_p", "float(20)", *single, **wide),
            _column("double_p", "float(30)", *double, **wide),
            _column("doubled", "double", *double, "4.9e-324", "9007199254740993", **wide),
            _column("single_ms", "float(7,3)", "0", "1234.567", "-9999.999", **wide),
            _column("double_ms", "double(12,4)", "0", "12345678.1234", "-99999999.9999", **wide),
        ),
    )


def _bits() -> Table:
    def bit(size: int) -> Column:
        values = [0, 1, 2**size - 1, 2 ** (size - 1), int("1011001110001111" * 4, 2) >> (64 - size)]
        return _column(f"b{size}", f"bit({size})", *(f"b'{value:b}'" for value in values), text="BIN({0}+0)")

    return Table(name="bits", columns=(ID, *(bit(size) for size in (1, 2, 7, 8, 9, 16, 33, 64))))


def _strings() -> Table:
    awkward = ["", "plain", "trailing  ", "  leading", "a\x00b", "line\nbreak\ttab\r", "back\\slash 'quote\" ,", "naïve"]
    every = [*awkward, "日本語", "😀👍🏽", "\ufeffmarked", "e\u0301", "null", "__debezium_unavailable_value"]
    return Table(
        name="strings",
        columns=(
            ID,
            _texts("char10", "char(10)", "", "plain", "pad  ", "😀"),
            _texts("varchar30", "varchar(30)", *every),
            _texts("latin1", "varchar(30) character set latin1", *awkward, "€uro äöüß ÿ"),
            _texts("ascii", "varchar(30) character set ascii", "", "plain"),
            _texts("cp1251", "varchar(30) character set cp1251", "Привет", "Ўў"),
            _texts("ucs2", "varchar(30) character set ucs2", "日本語", "naïve"),
            _texts("utf16", "varchar(30) character set utf16", *every),
            _texts("utf8mb3", "varchar(30) character set utf8mb3", "日本語", "naïve"),
            _texts("sjis", "varchar(30) character set sjis", "日本語", "ｱｲｳ"),
            _texts("gbk", "varchar(30) character set gbk", "中文", "plain"),
            _texts("big5", "varchar(30) character set big5", "中文", "plain"),
            _texts("euckr", "varchar(30) character set euckr", "한국어", "plain"),
            _texts("binary_order", "varchar(30) collate utf8mb4_bin", "a", "A"),
            _texts("national", "nchar(5)", "äöü", "a"),
            _texts("tinytext", "tinytext", *every),
            _texts("texts", "text", *every, "x" * 300),
            _texts("mediumtext", "mediumtext", *every),
            _texts("longtext", "longtext", *every),
            _texts("texts_latin1", "text character set latin1", "€uro äöüß ÿ"),
        ),
    )


def _choices() -> Table:
    labels = "'a','b','with space','comma, inside','quo''te','Grün','back\\\\slash'"
    return Table(
        name="choices",
        columns=(
            ID,
            _column("enumerated", f"enum({labels})", *range(1, 8), "'unknown'"),
            _column("enumerated_latin1", "enum('ä','ö') character set latin1", 1, 2),
            _column("enumerated_set", "enum('','b')", 1, 2),
            _column("members", "set('x','y','z','with space','Grün')", "''", "'x'", "'z,x'", "'x,y,z,with space,Grün'"),
            _column("one_member", "set('only')", "''", "'only'"),
        ),
    )


def _binaries() -> Table:
    every = ["", "00", "0001feff", "61620000", "fbefbefbff", "f0", "636c61737369630d0a", "5f5f" * 100]
    kinds = ("tinyblob", "blob", "mediumblob", "longblob")
    return Table(
        name="binaries",
        columns=(
            ID,
            _bytes("binary4", "binary(4)", "", "00", "0001feff", "61620000", "fbefbe", "ffffffff"),
            _bytes("varbinary300", "varbinary(300)", *every),
            *(_bytes(kind, kind, *every) for kind in kinds),
            _bytes("binary_text", "varchar(20) character set binary", "", "00ff", "61"),
        ),
    )


_FRACTIONS = ("", ".9", ".99", ".999", ".9999", ".99999", ".999999")


def _dates(name: str, days: Sequence[str], stamps: Sequence[str]) -> Table:
    """Dates, and date-times of every precision, each with the most that its fraction can say."""
    clock = ("00:00:00", "23:59:59", "12:34:56")
    columns = [ID, _quoted("day", "date", *days)]
    for digits, fraction in enumerate(_FRACTIONS):
        values = [f"{day} {clock[place % 3]}{fraction}" for place, day in enumerate(days)]
        columns.append(_quoted(f"at{digits}", f"datetime({digits})", *values))
        moments = [f"{stamp}{fraction}" for stamp in stamps]
        columns.append(_quoted(f"stamp{digits}", f"timestamp({digits})", *moments))
    return Table(name=name, columns=tuple(columns))


def _near_dates() -> Table:
    days = ("1970-01-01", "1969-12-31", "2024-02-29", "1700-01-01", "2262-04-11", "1900-02-28")
    return _dates("dates", days, ("1970-01-01 00:00:01", "2024-03-31 02:30:00", "2038-01-19 03:14:06"))


def _far_dates() -> Table:
    days = ("1000-01-01", "9999-12-31", "0001-01-01", "1582-10-04", "1582-10-10", "1582-10-15", "1500-02-28")
    return _dates("far_dates", days, ("2038-01-19 03:14:07",))


def _zero_dates(name: str, more: str, *days: str, streamed: bool = False) -> Table:
    """Days that no calendar has; NOT NULL columns get a constant at the source."""
    columns = [_quoted("day", "date", *days, more=more)]
    for kind in ("datetime", "datetime(6)", "timestamp", "timestamp(6)"):
        # a timestamp is zero as a whole or not at all
        whole = [day for day in days if kind.startswith("datetime") or day in ("0000-00-00", "2024-03-01")]
        name_of = kind.replace("(6)", "6")
        columns.append(_quoted(name_of, kind, *(f"{day} 00:00:00" for day in whole), more=more))
    return Table(name=name, columns=(ID, *(each for each in columns if each.values)), streamed=streamed)


def _times(name: str, *whole: str) -> Table:
    columns = []
    for digits, fraction in enumerate(_FRACTIONS):
        values = [f"{each}{'' if each.lstrip('-') in ('838:59:59', '24:00:00') else fraction}" for each in whole]
        columns.append(_quoted(f"time{digits}", f"time({digits})", *values))
    return Table(name=name, columns=(ID, *columns))


def _documents(spelling: Sequence[str]) -> Table:
    plain = ("{}", "[]", "null", "true", '"text"', "1", "-1.5", "12345678901234567890", "1e100", '"\\u00e9 😀"')
    nested = ('{"b": 1, "a": {"c": [1, null, true, "x"]}}', '{"": "", "k\\"ey": "v\\\\al"}', "0.1", "3.0")
    values = [f"CAST({quoted(each)} AS CHAR)" for each in (*plain, *nested)]
    return Table(name="documents", columns=(ID, _column("document", "json", *values, *spelling)))


def _shapes() -> Table:
    spelled = {"text": "CONCAT(ST_SRID({0}), ';', ST_AsText({0}))"}

    def shape(name: str, *texts: str) -> Column:
        return _column(name, name, *(f"ST_GeomFromText('{text}')" for text in texts), **spelled)

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
            _column("located", "geometry", "ST_GeomFromText('POINT(48 11)', 4326)", **spelled),
        ),
    )


def _generated() -> Table:
    return Table(
        name="generated",
        columns=(
            ID,
            _column("base", "int", 1, -5),
            Column(name="doubled", type="int GENERATED ALWAYS AS (base * 2) VIRTUAL", more=""),
            Column(name="tripled", type="int GENERATED ALWAYS AS (base * 3) STORED", more=""),
            _texts("name", "varchar(10)", "ann", "bob"),
        ),
    )


def _defaulted() -> Table:
    """Nullable columns with a default: where a NULL can be lost, and where it stays."""
    return Table(
        name="defaulted",
        columns=(
            ID,
            _column("number", "int", 7, 0, NULL, more="DEFAULT 7"),
            _column("never_null", "int", 7, 0, more="NOT NULL DEFAULT 7"),
            _column("name", "varchar(10)", "'x'", "''", NULL, more="DEFAULT 'x'"),
            _column("amount", "decimal(9,2)", "1.50", NULL, more="DEFAULT 1.50"),
            _column("large", "bigint unsigned", "18446744073709551615", NULL, more="DEFAULT 18446744073709551615"),
            _quoted("day", "date", "2024-01-01", more="DEFAULT '2024-01-01'"),
            _quoted("at", "datetime(3)", "2024-01-01 00:00:00.123", more="DEFAULT '2024-01-01 00:00:00.123'"),
            _quoted("wakes", "time(6)", "06:00:00.000001", more="DEFAULT '06:00:00.000001'"),
            _column("flags", "bit(3)", "b'101'", NULL, more="DEFAULT b'101'", text="BIN({0}+0)"),
            _quoted("kind", "enum('a','b')", "a", more="DEFAULT 'b'"),
            _quoted("kinds", "set('a','b')", "a,b", more="DEFAULT 'a'"),
            _bytes("code", "binary(2)", "6100", more="DEFAULT 'a'"),
            _quoted("made", "timestamp", "2024-01-01 00:00:00", more="NOT NULL DEFAULT CURRENT_TIMESTAMP"),
        ),
    )


def _composite() -> Table:
    key = Column(name="id", type="bigint unsigned", more="NOT NULL")
    return Table(
        name="composite",
        columns=(
            key,
            _texts("code", "varchar(10)", "a", "ä", "", more="NOT NULL"),
            _column("amount", "decimal(20,2)", "1.00", "-99.99", more="NOT NULL"),
            _quoted("day", "date", "2024-01-01", "1970-01-01", more="NOT NULL"),
            _bytes("raw", "varbinary(8)", "00ff", "61", more="NOT NULL"),
            _quoted("at", "datetime(6)", "2024-01-01 00:00:00.000001", more="NOT NULL"),
            _column("value", "int", 1),
        ),
        ending="PRIMARY KEY (`id`, `code`, `amount`, `day`, `raw`, `at`)",
    )


def _without_primary_key() -> tuple[Table, ...]:
    return (
        Table(name="keyless", columns=(ID, _column("value", "int", 1, 2)), ending=""),
        Table(name="uniquely", columns=(ID, _column("value", "int", 1, 2)), ending="UNIQUE KEY (`id`)"),
        Table(name="odd-names", columns=(ID, _column("a-b", "int", 1), _column("2nd", "int", 3))),
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
        _zero_dates("broken_dates", "NULL", "2024-00-00", "2024-02-00", streamed=True),
        Table(name="zero_years", columns=(ID, _column("year", "year", 0, 2024)), streamed=True),
        _times("times", "00:00:00", "23:59:59", "12:34:56"),
        _times("far_times", "24:00:00", "838:59:59", "-838:59:59", "-00:00:01", "-00:00:00", "100:00:00"),
        _shapes(),
        _generated(),
        _defaulted(),
        _composite(),
        *_without_primary_key(),
    )


def _vectors(make: str, spell: str) -> Table:
    values = [f"{make}('{text}')" for text in ("[1,2,3]", "[0.1,-0.5,1e10]", "[0,0,0]")]
    return Table(name="vectors", columns=(ID, _column("vector", "vector(3)", *values, text=f"{spell}({{0}})")))


def mysql_tables() -> tuple[Table, ...]:
    """The tables that a MySQL server gets."""
    typed = ("CAST(1.10 AS JSON)", "CAST(CAST('2024-01-01 10:00:00.5' AS DATETIME(6)) AS JSON)")
    return (*_common(), _documents(typed), _vectors("STRING_TO_VECTOR", "VECTOR_TO_STRING"))


def mariadb_tables() -> tuple[Table, ...]:
    """The tables that a MariaDB server gets, with the types that only it has."""
    identities = ("123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000")
    only_here = (
        Table(name="uuids", columns=(ID, _quoted("uuid", "uuid", *identities))),
        Table(name="umlauts", columns=(ID, _column("Grün", "int", 1))),
    )
    return (*_common(), _documents(()), _vectors("VEC_FromText", "VEC_ToText"), *only_here)
