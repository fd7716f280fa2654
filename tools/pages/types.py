"""The types page, from `consumer.core` and a recorded envelope."""

from pathlib import Path

from consumer.core import created, meaning, types
from consumer.core.created import created_types
from consumer.core.envelope import ANY, Column, SourceType, read_writer_schema
from consumer.core.meaning import Meaning
from consumer.core.types import Carriage, Kind, carriage
from tools.pages.markdown import code, codes, page, table

EXAMPLE = Path(__file__).parent.parent.parent / "schemas" / "examples" / "customers-value.avsc"

_INTRO = """\
A column's Avro type and the type name that Connect or Debezium wrote into the schema say what its values mean. The
meaning decides the type of a column that Headrace creates, and how values travel into a column that is there already.
Values travel whole columns at a time in PostgreSQL's own binary form; there no date or number is made in Python.

A value arrives exactly, or its record becomes a [letter](../how-to/handle-letters.md) that says which field it is, what
was expected and what was found. What the source itself has lost before Headrace sees it stands
[below](#what-the-source-has-lost)."""
_CREATED = """\
Where several types are named, the column has the first one that the target has: types of extensions are only used
where their extension is. `type` of a column's [settings](settings.md) names another one, an enum type for example."""
_SOURCE = """\
With `column.propagate.source.type` the connector says what a column's type is at the source. Where that says more than
the meaning does, a created column has that type:"""
_EXISTING = """\
"As they are": the staging column has the target column's own type and nothing is cast. Into every other type the values
travel in the staging type named here, and PostgreSQL casts them on the way into the table. Where a single value has no
binary form (an integer outside the column's range, a malformed uuid, a year beyond 9999 in a `timestamptz`), its whole
column of that batch travels as text and PostgreSQL's own input judges it. A domain counts as its base type.
`char(n)` and `citext` are text columns here, cast from text, so that a key is compared as its column compares it."""
_SPECIAL = """\
- **Arrays** go into array columns element by element, each as its meaning would into a column of the element's type;
  nulls stay nulls. Into a column that is no array they go as JSON text: decimals as strings, reals in their
  shortest digits. Arrays of dates, times and intervals that come as counts go into array columns alone: else the table
  stops. A text goes into an array column as PostgreSQL reads it, each element only if the column keeps all of it.
- **Bit strings** (`Bits`) fill a `bit(n)` up to its length. Into `bit varying` only what is certain: see below.
- **Texts into numbers**: `NAN`, `POSITIVE_INFINITY` and `NEGATIVE_INFINITY`, which Debezium writes with
  `decimal.handling.mode=string`, are PostgreSQL's words for them.
- **Decimals** have at most 131072 digits in front of the point and 16383 behind it, as PostgreSQL's `numeric` has;
  others are refused before they cost anything. In a text column one of more than 1000 noughts at its end or behind its
  point is written with an exponent, as `1E+131071`.
- **Money** is read as a number, so that the target's `lc_monetary` does not matter but for the number of digits.
- **Times into `interval`** are spans. MySQL's and MariaDB's times may be negative and longer than a day, which `time`
  refuses.
- **Bytes** go into a `uuid` when they are 16. Into any type that is neither `bytea` nor text they go as the text that
  they are in UTF-8: so Debezium sends values of types that it does not know (`include.unknown.datatypes`), such as
  multiranges, `pg_lsn`, `tsquery` and composite types. A composite type's fields have to keep all of theirs, too.
  Only of a field that is an array or composite itself it is not looked what it keeps: give it the type that it has at
  the source.
- **Bytes as text** (`binary.handling.mode` other than `bytes`) are not told from texts by the schema. `binary` of the
  column's settings says how they are written; without it a `bytea` column refuses them.
- **Enum sets** are their labels joined by commas in a text column, and an array in an array column.
- **hstore** comes as a map or as JSON by `hstore.handling.mode`; both go into `hstore`, `jsonb`, `json` and text.
- **Shapes**: PostgreSQL's `point`, `box`, `lseg`, `path`, `polygon`, `circle` and `line` take theirs. PostGIS's
  `geometry` and `geography` take all shapes with their reference system. Without PostGIS a `bytea` has the extended
  well-known binary (what `ST_AsEWKB` gives), a text column its hex digits. A shape with a reference system does not go
  into a type that has none.
- **Vectors** go into pgvector's types and into arrays; a text column has pgvector's spelling. The elements of a
  `vector` or `sparsevec` are reals, which are written in nine digits at most: others have to be what their real is
  written as. A `halfvec` takes only numbers that it keeps to their last bit. Texts and arrays in a column of a vector
  have to be as the vector is written back.
- **Narrower columns** take a value only if they keep all of it. PostgreSQL itself would round `1.235` to a
  `numeric(6,2)`, cut a time of day off for a `date`, `'abc '` to a `varchar(3)` and a long text to a `name`, all
  without a word. Here such a record becomes a letter.
- **Texts in numbers** are taken only as the number is written back: `'007'`, `'+7'`, `' 7'` or `'1_000'` in an integer
  or `numeric` column makes its record a letter, and so do `'-0'` and what is negative in an `oid`, `xid`, `xid8` or
  `cid`. Exponents and zeros at the end of a fraction are taken, since Debezium's texts of numbers
  (`decimal.handling.mode = string`) have them. What a `char(n)` pads and ignores, blanks at the end, it goes on
  ignoring: texts of a `char(n)` at the source come with them.
- **Texts in a `boolean`** are true or false as PostgreSQL reads them: `'t'`, `'yes'`, `'on'` and `'1'` are true.
- **Integers** go into a `boolean` where they are 0 or 1, as MySQL has its booleans in a `tinyint(1)`; any other number
  makes its record a letter.
- **Casts that take a part** stop the table before its first record: of JSON into numbers and `boolean`, where
  PostgreSQL rounds; of circles into points, boxes and polygons; of anything into an `interval` that leaves out fields
  (`interval day`, but not `interval day to second`).
- **Parts of a microsecond** fit no time of PostgreSQL. By default such a record becomes a letter;
  `nanoseconds = "cut"` in the column's settings leaves them out.
- **Offsets** that a text has fit no `timestamp` and no `time`: such a record becomes a letter. Integers never go into
  bit strings.
- **Zero bytes** fit no text of PostgreSQL. By default such a record becomes a letter; `zero_bytes` of the column's
  settings leaves them out (`strip`) or writes `\\u0000` in their place (`escape`)."""
_MEASURED = "[Fidelity](fidelity.md) has it value by value, as measured with a real PostgreSQL and Debezium 3.6.0."
_SNAPSHOTS = """\
PostgreSQL's logical replication leaves out generated columns (up to version 17 all, from 18 on those that the
publication does not name by `publish_generated_columns` or a column list) and what a publication's column list leaves
out. The connector's snapshots read them all the same. So a table that took such a column from a snapshot would keep
what the snapshot read, while rows that change bring nothing for it: updated rows have the old value, new ones null.
When rows of a schema without a column arrive behind rows with it, and the column stays (`evolution.drop`), the log
warns once of the schema, and names the columns; `headrace reconcile` finds the cells.

- **Make the column a generated one of the target too**, in a table that you create yourself. It takes no values, and
  the target computes it from the same row.
- **Or exclude it** (`exclude` of the table's [settings](../how-to/map-columns.md), or `column.exclude.list` of the
  connector), before the first snapshot; of a table that has it already drop the column.

Not seen: a column of a topic whose snapshot another group applied, or one whose schema the registry has known since
before that of the snapshot (its id is smaller)."""
_LOST = (
    (
        "generated columns, and columns that the publication leaves out",
        "values in snapshots, nothing afterwards: [Columns of snapshots alone](#columns-of-snapshots-alone)",
    ),
    (
        "`numeric` without precision, `decimal.handling.mode=precise`",
        "the value without trailing zeros; NaN and infinities come as null",
    ),
    ("`decimal.handling.mode=double`", "15 to 17 digits"),
    (
        "`interval`, `interval.handling.mode=numeric`",
        "microseconds, a month as a twelfth of 365.25 days; with `string` it is exact",
    ),
    ("`timetz`, `timestamptz`", "the instant; the zone that it was written in is gone"),
    ("`timestamp` beyond January 294247, in microseconds", "nothing sound: there they are no 64-bit number"),
    ("`time` 24:00:00 with `time.precision.mode=isostring`", "00:00:00"),
    (
        "`bit varying`",
        "without the zeros in front. Refused by a `bit varying` column, unless the string is as long as the "
        "column, or the connector says that the source is `bit(n)`; a `bit(n)` or text column has zeros up to"
        " the column's length",
    ),
    ("`interval` that is infinite", "0, in both modes"),
    (
        "`polygon` that is written with its first point again at its end, where Debezium sends polygons as shapes",
        "the polygon without that point: both have the same bytes",
    ),
    (
        "`date` read by a snapshot",
        "BC as a year of our era, the ten days of 1582 moved; infinite ones are refused. Streamed ones are right",
    ),
    ("`name`, streamed", "null, unless `include.unknown.datatypes=true`"),
    (
        "unchanged TOASTed `bytea`, `binary.handling.mode=base64` or `base64-url-safe`",
        "null: [refused where the row has a value](#nulls-that-may-be-unchanged-values), if `binary` of the column "
        "says that mode, or nothing while the connector says the source's type; else the text is any text, and null is "
        "written. `bytes` and `hex` send the placeholder",
    ),
    (
        "unchanged values that are stored apart from their row (TOAST), of types for which the connector has no "
        "placeholder: vectors, PostGIS's shapes, long bit strings, and arrays but those of "
        "texts, JSON, `bytea`, `integer`, `bigint`, `date` and `uuid`",
        "null: [refused where the row has a value](#nulls-that-may-be-unchanged-values)",
    ),
    (
        "an unchanged `numeric` that is stored apart from its row, `decimal.handling.mode=precise`",
        "null: [refused where the row has a number of more than 29 digits](#nulls-that-may-be-unchanged-values), since "
        "no other is ever stored apart; written elsewhere",
    ),
    (
        "the same, `decimal.handling.mode=double`",
        'null, which is written, unless `doubtful_nulls = "reject"` of the column: nothing tells how many digits the '
        "number has at the source. `string` sends the placeholder",
    ),
    ("arrays of an enum type or of `ltree` that have a null in them", "null"),
    ("arrays of a domain", "null, unless they are empty"),
    ("arrays of `time`", "milliseconds; 24:00:00 as 00:00:00"),
    ("arrays of `date`", "BC as a year of our era; infinite ones are refused"),
    ("arrays of several dimensions", "one null for each outer element"),
    ("lower bounds of arrays", "1"),
    (
        "`bigint unsigned`, `bigint.unsigned.handling.mode=long`",
        "as a negative number; put right where the connector says the source's type",
    ),
    ("zero dates of MySQL and MariaDB", "null, or 1970-01-01 where the column takes no null"),
    (
        "a null in a column with a default",
        "the default, unless `value.converter.ignore.default.for.nullables=true`; the log has a warning for "
        "each schema in which that may have happened",
    ),
    (
        "nanoseconds, 100 nanoseconds",
        'all of them; PostgreSQL keeps microseconds, so others are refused, or cut with `nanoseconds = "cut"`',
    ),
    (
        "`json`",
        "as it was written in a `json` or text column; a `jsonb` column orders keys and keeps the last of "
        "equal ones. A created column is `json` where the connector says so, else `jsonb`",
    ),
)
_DOUBTFUL = """\
PostgreSQL does not log a value that is stored apart from its row (TOAST) and did not change. For texts, bytes, JSON
and arrays of texts, JSON, `bytea`, `integer`, `bigint`, `date` and `uuid` Debezium's connector sends a placeholder,
and the column is left alone. For vectors, shapes, other arrays, bit strings of more than 192 bits, and bytes as
base64 it sends null, as it does for a value that was set to null. So a null of such a column is not taken at its
word, in an update and in a change of the row's key:

- The update has an image before it with the whole row (`REPLICA IDENTITY FULL`): nothing was left out, so it is
  null.
- The row in the table, or in an earlier record of the batch, has no value there: it is null, whatever was meant.
- It has a value: the record becomes a letter, [`record.nulled`](../runbooks/record.nulled.md), for a change of the
  key [`record.moved`](../runbooks/record.moved.md). A row that is read again by a snapshot is whole, and supersedes
  it.
- An older change of the row is a letter: the update waits behind it ([`record.behind`](../runbooks/record.behind.md)),
  since the row does not say what the letter would have put there. Only where the letter is of the same batch, and
  has null there itself, null is right without it, and the update supersedes it. Of letters of earlier batches the
  target knows which rows they are of, and not their values.

Arrays of texts, of JSON and of `bigint` count among these unless the connector says their type
(`column.propagate.source.type`), since arrays of addresses and ranges, of `hstore` and of `oid` look alike. So do texts
that the connector calls `bytea`, unless `binary` of the column is `hex`. The log warns once of each schema with such
columns.

- `doubtful_nulls` of a column says otherwise, of any nullable column: `reject` as above, `keep` leaves the table's
  value alone (where the source never sets it to null), `write` writes the null (where values are short). Other
  databases' logs have whole rows: for their columns the log and `headrace doctor` warn that the setting is not heeded.
- A `numeric` is doubted by its length, unless `doubtful_nulls` of the column says otherwise. PostgreSQL moves only what
  takes more than 24 bytes out of its row, and no number of up to 29 significant digits (without noughts at either end)
  does. So a null in an update is refused only where the row, or an earlier record of the batch, has a number of more
  digits. It is written where that is shorter or null, and where no row is there: an update of a row that the table does
  not have makes it, as any whole one, and its null is believed. What the table has is counted as text, in a column of
  any type. Of columns of a type like `numeric(12,2)`, of 29 digits at most, every null is taken at its word.
- A [history](../how-to/keep-history.md) has null, and names the column in `_unavailable`, unless it is `write`.
  Without that column the record is refused.
- A [transform](../how-to/map-columns.md) that makes other columns of such a one is not given the null: the record is
  refused wherever its batch does not say what it is. The row has what the transform made of the column, which may be
  null where the source has a value, so it can't tell.

Of columns that take no null the connector sends nothing at all: it fails at such an update, with the default of
`event.converting.failure.handling.mode` too. `REPLICA IDENTITY FULL` helps there as well."""
_UNKNOWN = """\
Numbers and bytes with a type name that is not listed are refused (`record.type`): what they count, nobody can guess.
A string with an unknown name is its text, a `double`, `float` or `boolean` its value. Records, and maps and arrays into
columns that are neither, are JSON text. So is every value of a column that may hold several types or a type that
contains itself (`"7"` is a text there and `7` a number); bytes in JSON text are hex, as in `"\\\\x00ff"`. If the target
column does not take that text, PostgreSQL refuses the record, which becomes a letter; nothing is guessed."""
# every type that some meaning could be taken by without a cast
_TARGETS = sorted(
    {
        *(target for _, target in types._DIRECT),
        *(name for native in types.NATIVE.values() for name in native.same),
    }
)
_TARGETS += sorted(types.TEXT.same)
_ANY_OTHER = "other"
_WORDS = {"array": "array", ANY: "union of several types, type that contains itself"}
_ITEM = Column(name="item", avro="int")


def types_page() -> str:
    """The page."""
    return page(
        "Types",
        _INTRO,
        "## From the source's schema to a created column\n\n" + _CREATED + "\n\n" + _created(),
        "### What the source's own type says\n\n" + _SOURCE + "\n\n" + _by_source(),
        "## Into existing columns\n\n" + _EXISTING + "\n\n" + _existing(),
        "### More about some types\n\n" + _SPECIAL,
        "## Nulls that may be unchanged values\n\n" + _DOUBTFUL,
        "## What the source has lost\n\n" + _MEASURED + "\n\n" + table(("at the source", "what arrives"), _LOST),
        "### Columns of snapshots alone\n\n" + _SNAPSHOTS,
        "## Everything else\n\n" + _UNKNOWN,
        "## A recorded envelope\n\n" + _recorded(),
    )


def _shown() -> list[Column]:
    """One column for each form that the schema can have."""
    words = [_column(word, None) for word in meaning.BY_WORD]
    small = Column(name="c", avro="int", small=True)
    semantics = [_column(word, semantic) for word, semantic in meaning.BY_SEMANTIC]
    decimals = [Column(name="c", avro="decimal", precision=digits, scale=2) for digits in (12, 50)]
    unsigned = Column(name="c", avro="long", source=SourceType(name="BIGINT UNSIGNED"))
    return [small, *words, unsigned, *decimals, *semantics, _column("record", None), _column(ANY, None)]


def _column(word: str, semantic: str | None) -> Column:
    means = meaning.BY_SEMANTIC.get((word, semantic or ""))
    item = Column(name="item", avro=meaning._ITEMS[means]) if means in meaning._ITEMS else _ITEM
    return Column(
        name="c",
        avro=word,
        semantic=semantic,
        item={"array": item, "map": Column(name="item", avro="string")}.get(word),
        parts=tuple(meaning._PARTS[means].items()) if means in meaning._PARTS else (),
        length=12 if means is Meaning.BITS else None,
    )


def _created() -> str:
    rows = []
    for column in _shown():
        word = _WORDS.get(column.avro, column.avro)
        word += " (int8, int16)" if column.small else ""
        word += f" of {column.precision} digits" if column.precision else ""
        word += f" (source type {column.source.name})" if column.source else ""
        name = code(column.semantic) if column.semantic else "-"
        rows.append((word, name, meaning.meaning(column).value, _either(column)))
    return table(("Avro type", "type name in the schema", "meaning", "created column"), rows)


def _either(column: Column) -> str:
    if column.avro == "array" and column.semantic is None:
        return "array of its elements' type"
    return ", else ".join(code(kind) for kind in created_types(column))


def _by_source() -> str:
    rows = [(code("NUMERIC, DECIMAL, NUMBER"), "text, double precision, decimal of any scale", code("numeric(p,s)"))]
    rows += [(code(name), Meaning.TEXT.value, code(f"{kind}(n)")) for name, kind in created._LENGTHS.items()]
    for means, names in created._BY_SOURCE.items():
        rows += [(code(name), means.value, ", else ".join(map(code, kinds))) for name, kinds in names.items()]
    rows.append((code("VARBIT"), Meaning.BITS.value, code("bit varying(n)")))
    return table(("type at the source", "meaning", "created column"), rows)


def _existing() -> str:
    rows = []
    for means, column in _one_a_meaning().items():
        direct = [target for target in _TARGETS if not carriage(column, Kind(name=target)).cast]
        ways = [_way(carriage(column, Kind(name=name))) for name in ("text", _ANY_OTHER)]
        rows.append((means.value, codes(direct), *ways))
    enum = _way(carriage(_column("string", None), Kind(name="kind", is_enum=True)))
    rows.append(("text into an enum type of the target", "-", "-", enum))
    return table(("meaning", "as they are into", "into text columns", "into any other type"), rows)


def _one_a_meaning() -> dict[Meaning, Column]:
    found: dict[Meaning, Column] = {}
    for column in _shown():
        found.setdefault(meaning.meaning(column), column)
    return found


def _way(how: Carriage) -> str:
    return f"{code(how.staging)}, cast" if how.cast else f"{code(how.staging)}"


def _recorded() -> str:
    """The columns of the example in `schemas/`, so that the page can be held against a real schema."""
    schema = read_writer_schema(EXAMPLE.read_text(encoding="utf-8"))
    rows = [
        (code(column.name), code(column.semantic or column.avro), meaning.meaning(column).value, _either(column))
        for column in schema.columns
    ]
    head = (
        "The columns of [this schema](../../schemas/examples/customers-value.avsc), which Debezium 3.6 wrote for a "
        "PostgreSQL table."
    )
    return head + "\n\n" + table(("column", "in the schema", "meaning", "created column"), rows)
