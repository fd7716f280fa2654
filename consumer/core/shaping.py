"""What a table's settings make of row images: masks, hashes, constant columns, a transform of the user's own.

It stands behind folding, so that values which Debezium left out are known by then, or known to be missing.
"""

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from consumer.core.envelope import Column
from consumer.core.transform import Named, TransformFault

Constant = str | int | float | bool


class Shaped(NamedTuple):
    """Rows as the table is to have them, and the columns that are still not known in any of them."""

    frame: pl.DataFrame
    missing: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """What becomes of a row image.

    `inputs`: the columns of the image that the result depends on. `image`: the types of those that are kept, by name;
    `identity`: those of the key. `masks`: fixed texts by column, None for null. `hashes`: columns that become hashes
    with `key`. `made`: the types of what the transform answers with.
    """

    inputs: tuple[Column, ...]
    image: Mapping[str, pl.DataType]
    identity: tuple[str, ...]
    masks: Mapping[str, str | None] = field(default_factory=dict)
    hashes: frozenset[str] = frozenset()
    constants: Mapping[str, Constant] = field(default_factory=dict)
    transform: Named | None = None
    made: Mapping[str, pl.DataType] = field(default_factory=dict)
    key: bytes = field(default=b"", repr=False)

    @property
    def used(self) -> set[str]:
        """The columns that the transform makes others from."""
        return set().union(*self.transform.call.made_from.values()) if self.transform else set()

    def unmade(self, missing: Collection[str]) -> list[str]:
        """The columns that can't be made where these are missing, though some of what they are made from is there."""
        if self.transform is None:
            return []
        made = {name: set(parts) for name, parts in self.transform.call.made_from.items() if name not in self.masks}
        return sorted(name for name, parts in made.items() if parts & set(missing) and not parts <= set(missing))

    def of(self, rows: pl.DataFrame, missing: Collection[str], beside: Sequence[str]) -> Shaped:
        """Rows of which all lack the `missing` columns; what is `beside` their image stays. Raises TransformFault."""
        here = rows.select(name for name in self.image if name in rows.columns)
        if self.transform is not None:
            here, missing = self._transformed(self.transform, here, missing)
        hashed = [_hashed(here[name], self.key) for name in sorted(self.hashes) if name in here.columns]
        constant = [pl.lit(value).alias(name) for name, value in self.constants.items()]
        frame = here.with_columns(hashed).with_columns(*map(self._mask, self.masks), *constant)
        return Shaped(frame.hstack(rows.select(beside)), frozenset(missing) - self.masks.keys())

    def _mask(self, name: str) -> pl.Expr:
        text = self.masks[name]
        kind = pl.String() if text is not None else self.made[name] if name in self.made else self.image[name]
        return pl.lit(text, dtype=kind).alias(name)

    def _transformed(
        self, transform: Named, here: pl.DataFrame, missing: Collection[str]
    ) -> tuple[pl.DataFrame, Collection[str]]:
        """The transform's result without what is made from missing columns alone."""
        nothing = [pl.lit(None, dtype=self.image[name]).alias(name) for name in missing if name in self.image]
        result = transform.of(here.with_columns(nothing).select(list(self.image)), self.identity)
        if dict(result.schema) != self.made:
            raise TransformFault(f"the transform {transform.name!r} gave other columns or types than for no rows")
        made = transform.call.made_from
        unknown = {name for name in result.columns if set(made.get(name, (name,))) & set(missing)}
        return result.drop(unknown), unknown


def _hashed(values: pl.Series, key: bytes) -> pl.Series:
    """Each value as the hexadecimal HMAC-SHA256 of its text or bytes; nulls stay."""
    plain = values if values.dtype == pl.Binary else values.cast(pl.String)
    known: dict[object, str | None] = {None: None}
    for value in plain.unique():
        if value is not None:
            known[value] = hmac.digest(key, value if isinstance(value, bytes) else value.encode(), "sha256").hex()
    return pl.Series(values.name, [known[value] for value in plain], dtype=pl.String)


def constant_column(name: str, value: Constant) -> Column:
    """The column of a constant."""
    word = {bool: "boolean", int: "long", float: "double", str: "string"}[type(value)]
    return Column(name=name, avro=word)


def as_text(column: Column) -> Column:
    """The column when its values have become texts."""
    return Column(name=column.name, avro="string", nullable=column.nullable)
