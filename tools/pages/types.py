"""The types page, from `consumer.core.types` and a recorded envelope."""

from pathlib import Path

from consumer.core import types
from consumer.core.envelope import ANY, Column, read_writer_schema
from consumer.core.types import Carriage, Meaning, carriage, created_type, meaning
from tools.pages.markdown import code, codes, page, table

EXAMPLE = Path(__file__).parent.parent.parent / "schemas" / "examples" / "customers-value.avsc"

_INTRO = """\
A column's Avro type and the type name that Connect or Debezium wrote into the schema say what its values mean. The
meaning decides the type of a column that Headrace creates, and how values travel into a column that is there already.
Values travel whole columns at a time in PostgreSQL's own binary form; there no date or number is made in Python."""
_EXISTING = """\
"As they are": the staging column has the target column's own type and nothing is cast. Into every other type the values
travel in the staging type named here, and PostgreSQL casts them on the way into the table. Where a single value has no
binary form (an integer outside the column's range, a malformed uuid, a year beyond 9999 in a `timestamptz`), its whole
column of that batch travels as text and PostgreSQL's own input judges it. A domain counts as its base type.
`char(n)` and `citext` are text columns here, cast from text, so that a key is compared as its column compares it."""
_UNKNOWN = """\
A type name that is not listed travels as text. A plain string with an unknown type name is its text; numbers with an
unknown type name are their digits; arrays, maps and records are JSON text. So is every value of a column that may hold
several types or a type that contains itself (`"7"` is a text there and `7` a number); bytes in JSON text are hex, as in
`"\\\\x00ff"`. If the target column does not take that text, PostgreSQL refuses the record and its partition stops;
nothing is guessed.

Intervals arrive as Debezium sends them by default, in microseconds, so that a month is a twelfth of 365.25 days.

Not exact yet: bit strings, geometry, ranges and arrays in columns of their own types, MySQL's and other sources'
special modes. They come with an issue of their own."""
# every type that some meaning could be taken by without a cast
_TARGETS = sorted({"json", *types._INTEGERS, *(name for native in types.NATIVE.values() for name in native.same)})
_TARGETS += sorted(types._TEXT.same)
_ANY_OTHER = "money"
_WORDS = {"array": "array, map, record", ANY: "union of several types, type that contains itself"}


def types_page() -> str:
    """The page."""
    return page(
        "Types",
        _INTRO,
        "## From the source's schema to a created column\n\n" + _created(),
        "## Into existing columns\n\n" + _EXISTING + "\n\n" + _existing(),
        "## Everything else\n\n" + _UNKNOWN,
        "## A recorded envelope\n\n" + _recorded(),
    )


def _shown() -> list[Column]:
    """One column for each form that the schema can have."""
    words = [_column(word, None) for word in types._BY_WORD]
    small = Column(name="c", avro="int", small=True)
    semantics = [_column(word, semantic) for word, semantic in types._BY_SEMANTIC]
    decimals = [Column(name="c", avro="decimal", precision=digits, scale=2) for digits in (12, 50)]
    return [small, *words, *decimals, *semantics, _column("array", None), _column(ANY, None)]


def _column(word: str, semantic: str | None) -> Column:
    return Column(name="c", avro=word, semantic=semantic)


def _created() -> str:
    rows = []
    for column in _shown():
        word = _WORDS.get(column.avro, column.avro)
        word += " (int8, int16)" if column.small else ""
        word += f" of {column.precision} digits" if column.precision else ""
        means = meaning(column)
        name = code(column.semantic) if column.semantic else "-"
        rows.append((word, name, means.value, code(created_type(column))))
    return table(("Avro type", "type name in the schema", "meaning", "created column"), rows)


def _existing() -> str:
    rows = []
    for means, column in _one_a_meaning().items():
        direct = [target for target in _TARGETS if not carriage(column, target).cast]
        rows.append((means.value, codes(direct), _way(carriage(column, "text")), _way(carriage(column, _ANY_OTHER))))
    enum = _way(carriage(_column("string", None), "kind", is_enum=True))
    rows.append(("text into an enum type of the target", "-", "-", enum))
    return table(("meaning", "as they are into", "into text columns", "into any other type"), rows)


def _one_a_meaning() -> dict[Meaning, Column]:
    found: dict[Meaning, Column] = {}
    for column in _shown():
        found.setdefault(meaning(column), column)
    return found


def _way(how: Carriage) -> str:
    return f"{code(how.staging)}, cast" if how.cast else f"{code(how.staging)}"


def _recorded() -> str:
    """The columns of the example in `schemas/`, so that the page can be held against a real schema."""
    schema = read_writer_schema(EXAMPLE.read_text(encoding="utf-8"))
    rows = [
        (code(column.name), code(column.semantic or column.avro), meaning(column).value, code(created_type(column)))
        for column in schema.columns
    ]
    head = (
        "The columns of [this schema](../../schemas/examples/customers-value.avsc), which Debezium 3.6 wrote for a "
        "PostgreSQL table."
    )
    return head + "\n\n" + table(("column", "in the schema", "meaning", "created column"), rows)
