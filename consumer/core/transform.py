"""A user's own transform of rows, and what is asked of it.

A package offers one under the entry point group `headrace.transforms`: an object of the protocol below, by a name that
a table's settings give as `transform`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from consumer.core.envelope import Column

GROUP = "headrace.transforms"
"""The entry point group."""


class Transform(Protocol):
    """Row images of a table as columns, turned into others of the same rows. It is called from several threads.

    The same rows give the same result, whatever other rows are beside them: batches are cut anew when something fails.
    """

    @property
    def made_from(self) -> Mapping[str, Collection[str]]:
        """The columns that it makes or changes, each with the columns of the row that it is made from.

        A column that Debezium left out makes what is made from it unknown, and it is left alone in the table.
        """
        ...

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows, one for one and in their order, with the columns that the table is to have.

        Columns are as they were decoded: dates are days, times and timestamps are numbers in the unit of their type,
        decimals with a scale are decimals. Key columns stay as they are. It is called with no rows too, and answers
        with the same columns and types then.
        """
        ...


class TransformFault(ValueError):
    """A transform did not do what is asked of it; the message says what, without a value."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A transform by its name."""

    name: str
    call: Transform

    def of(self, rows: pl.DataFrame, identity: Sequence[str]) -> pl.DataFrame:
        """Its result, held to what is asked of it. Raises TransformFault."""
        try:
            result = self.call(rows)
        # it is not ours, and whatever it raises is about these rows
        except Exception as error:
            raise TransformFault(f"the transform {self.name!r} raised {type(error).__name__}") from error
        if not isinstance(result, pl.DataFrame) or len(result) != len(rows):
            raise TransformFault(f"the transform {self.name!r} did not give one row for each")
        for key in identity:
            if key not in result.columns or not result[key].equals(rows[key], check_dtypes=True):
                raise TransformFault(f"the transform {self.name!r} changed the key column {key!r}, or the rows' order")
        return result


_WORDS: dict[type[pl.DataType], str] = {
    pl.Boolean: "boolean",
    pl.Int32: "int",
    pl.Int64: "long",
    pl.Float32: "float",
    pl.Float64: "double",
    pl.String: "string",
    pl.Binary: "bytes",
}


def column_of(name: str, kind: pl.DataType) -> Column:
    """A column that was made, by its type. Raises TransformFault for one that does not travel."""
    if isinstance(kind, pl.Decimal):
        return Column(name=name, avro="decimal", semantic="decimal", nullable=True, precision=38, scale=kind.scale)
    word = _WORDS.get(type(kind))
    if word is None:
        raise TransformFault(
            f"{name}: expected a boolean, Int32, Int64, float, Decimal, String or Binary, found {kind}"
        )
    return Column(name=name, avro=word, nullable=True)
