"""Nulls of updates that may stand for values which the source did not send, and what is known of these values.

PostgreSQL's log has no value that is stored apart from its row (TOAST) and did not change. Its connector writes a
placeholder for texts, bytes and some arrays; of all other types it sends null.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from consumer.core.envelope import Column, WriterSchema
from consumer.core.fold import SEQ
from consumer.core.meaning import DATA, TIME, Meaning, meaning
from consumer.core.types import ColumnPolicy

Doubt = Literal["reject", "keep"]

# seen of Debezium's connector for PostgreSQL; in its other modes it writes its placeholder
_WITHOUT_PLACEHOLDER = ("base64", "base64-url-safe")
# decimals have none either, but such a long one is hardly ever met, and nulls of short ones every day
_UNMARKED = frozenset(
    {Meaning.DOUBLE_VECTOR, Meaning.FLOAT_VECTOR, Meaning.SPARSE_VECTOR, Meaning.GEOMETRY, Meaning.GEOGRAPHY}
)
# items of arrays that have a placeholder, and those that arrays of other types have too, which have none
_MARKED_ITEMS = frozenset({("bytes", None), ("int", None), ("string", DATA + "Uuid"), ("int", TIME + "Date")})
_SHARED_ITEMS = frozenset({("string", None), ("string", DATA + "Json"), ("long", None)})
_MARKED_SOURCES = frozenset(
    {
        *("_TEXT", "_VARCHAR", "_BPCHAR", "_JSON", "_JSONB"),
        *("_BYTEA", "_INT4", "_INT8", "_DATE", "_UUID"),
    }
)
# a value takes more than 24 bytes of its row before it is moved out
_BITS_IN_ROW = 8 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """Which images of a block have a doubtful null, by column. `judged`: the columns of which a value refuses it.

    In the others such a null is taken for an unchanged value.
    """

    masks: Mapping[str, pl.Series] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()


NOT_DOUBTED = Doubted()


def mark(name: str) -> str:
    """The column that says which images have a doubtful null there. No column can have such a name in Avro."""
    return f"#doubtful {name}"


def doubted(images: pl.DataFrame, places: Sequence[int], doubts: Mapping[str, Doubt]) -> Doubted:
    """Which nulls of some images are doubtful: those at these places."""
    at = images[SEQ].is_in(list(places))
    masks = {name: at & images[name].is_null() for name in doubts}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    return Doubted(masks=masks, judged=frozenset(name for name in masks if doubts[name] == "reject"))


def whole(before: pl.DataFrame, columns: Sequence[Column]) -> list[int]:
    """The places of updates whose image before is a whole row, so that nothing of the new one had to be left out.

    Only REPLICA IDENTITY FULL sends such: of other rows the image has the key alone, and defaults where a column has
    one or takes no null. `before`: as the envelope has it, with SEQ.
    """
    image = pl.col("before").struct
    telling = [image.field(column.name).is_not_null() for column in columns if column.nullable and not column.replaced]
    return before.filter(pl.any_horizontal(pl.lit(False), *telling))[SEQ].to_list()


def doubtful(schema: WriterSchema, policy: Callable[[str], ColumnPolicy]) -> dict[str, Doubt]:
    """The columns whose nulls in updates are not taken at their word, and what becomes of those. `policy`: by name."""
    if not _is_postgres(schema):
        return {}
    found: dict[str, Doubt] = {}
    for column in schema.columns:
        chosen = policy(column.name)
        answer = chosen.doubtful_nulls or ("reject" if _is_unmarked(column, chosen) else "write")
        if column.nullable and answer != "write":
            found[column.name] = answer
    return found


def unheeded(schema: WriterSchema, policies: Mapping[str, ColumnPolicy]) -> tuple[str, ...]:
    """The columns for which something is said of such nulls, though their source sends none; `policies`: by name.

    Only PostgreSQL's connector does; other logs have whole rows.
    """
    if _is_postgres(schema):
        return ()
    return tuple(name for name, policy in policies.items() if policy.doubtful_nulls is not None)


def _is_postgres(schema: WriterSchema) -> bool:
    return "source_lsn" in schema.position


def refuted(
    images: pl.DataFrame,
    deletes: pl.DataFrame,
    identity: Sequence[str],
    doubted: Mapping[str, pl.Series],
) -> list[int]:
    """The places of images with a doubtful null where the last that their block says of the row has a value.

    `images`, `deletes`: as they are folded. `doubted`: by column, which images have such a null.
    """
    said = _said_before(images, [deletes], identity, doubted)
    return said.filter(pl.any_horizontal(_doubted(n) & (_said(n) == _VALUE) for n in doubted))[SEQ].to_list()


def confirmed(
    images: pl.DataFrame,
    others: Sequence[pl.DataFrame],
    identity: Sequence[str],
    doubted: Mapping[str, pl.Series],
) -> dict[str, pl.Series]:
    """By column, which of the doubtful nulls are nulls, since the last that their block says of the row is one.

    `others`: identity and SEQ of what stands between images and says no values, as deletes and what is not read.
    """
    said = _said_before(images, others, identity, doubted)
    return {
        name: images[SEQ].is_in(said.filter(_doubted(name) & (_said(name) == _NULL))[SEQ].implode()) for name in doubted
    }


_VALUE, _NULL, _NOTHING = 1, 0, -1


def _doubted(name: str) -> pl.Expr:
    return pl.col(f"?{name}")


def _said(name: str) -> pl.Expr:
    return pl.col(f"!{name}")


def _said_before(
    images: pl.DataFrame, others: Sequence[pl.DataFrame], identity: Sequence[str], doubted: Mapping[str, pl.Series]
) -> pl.DataFrame:
    """The changes of rows that have doubtful nulls, in order, with what was said of each such column last."""
    marks = pl.DataFrame({f"?{name}": mask for name, mask in doubted.items()})
    told = [
        pl.when(~mask).then(pl.col(name).is_not_null().cast(pl.Int8)).alias(f"!{name}")
        for name, mask in doubted.items()
    ]
    said = images.select([*identity, SEQ, *told]).hstack(marks)
    rows = said.filter(pl.any_horizontal(marks.columns)).select(identity).unique()
    nothing = [pl.lit(_NOTHING, dtype=pl.Int8).alias(f"!{name}") for name in doubted]
    silent = [frame.select([*identity, SEQ]).with_columns(nothing) for frame in others]
    history = pl.concat([said, *silent], how="diagonal").join(rows, on=list(identity), how="semi").sort(SEQ)
    return history.with_columns(_said(name).forward_fill().over(identity) for name in doubted)


def _is_unmarked(column: Column, policy: ColumnPolicy) -> bool:
    """Whether PostgreSQL's connector has no placeholder for values of a type that PostgreSQL may store apart."""
    if policy.binary in _WITHOUT_PLACEHOLDER or (policy.binary is None and _is_bytes_as_text(column)):
        return True
    means = meaning(column)
    if means is Meaning.BITS:
        return (column.length or 0) > _BITS_IN_ROW
    if means is Meaning.ARRAY and column.item is not None:
        return _is_unmarked_array(column, column.item)
    return means in _UNMARKED


def _is_bytes_as_text(column: Column) -> bool:
    """Whether the connector says that texts are bytes. It does not say how, and in hex alone has a placeholder."""
    return column.avro == "string" and column.source is not None and column.source.name == "BYTEA"


def _is_unmarked_array(column: Column, item: Column) -> bool:
    kind = (item.avro, item.semantic)
    if item.small or kind not in _MARKED_ITEMS | _SHARED_ITEMS:
        return True
    # arrays of addresses and ranges come as those of texts, of hstore as those of JSON, of oid as those of bigint
    return kind in _SHARED_ITEMS if column.source is None else column.source.name not in _MARKED_SOURCES
