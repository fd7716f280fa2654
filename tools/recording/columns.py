"""A column of a recorded table: its type, its edge values, and how the server itself spells them."""

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
    """A table; `ending` is what CREATE TABLE says behind the columns, `keys` what its Kafka key consists of.

    `streamed` tables are empty until the snapshot is over: Debezium's snapshot fails on what they hold.
    """

    name: str
    columns: tuple[Column, ...]
    ending: str = "PRIMARY KEY (`id`)"
    keys: tuple[str, ...] = ("id",)
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


def column(name: str, kind: str, *values: object, more: str = "NULL", **spelled: str) -> Column:
    """A column of SQL values, with NULL behind them unless `more` forbids it."""
    literals = [str(value) for value in values]
    if "NOT NULL" not in more:
        literals.append(NULL)
    return Column(name=name, type=kind, values=tuple(literals), more=more, **spelled)


def texts(name: str, kind: str, *values: str, more: str = "NULL") -> Column:
    """A column of any texts."""
    return column(name, kind, *(literal(value) for value in values), more=more)


def literal(text: str) -> str:
    """A text as SQL, by its bytes, so that nothing in it can be taken for anything else."""
    return f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)" if text else "''"


def binaries(name: str, kind: str, *values: str, more: str = "NULL") -> Column:
    """A column of bytes, given as hexadecimal digits; the server has no text for them."""
    return column(name, kind, *(f"X'{value}'" for value in values), more=more, text=NULL)


def quoted(name: str, kind: str, *values: str, more: str = "NULL", **spelled: str) -> Column:
    """A column of values that stand between quotes in SQL, such as dates."""
    return column(name, kind, *(f"'{value}'" for value in values), more=more, **spelled)
