"""Nulls of updates that may stand for values which the source did not send, and what is known of these values.

PostgreSQL's log has no value that is stored apart from its row (TOAST) and did not change. Its connector writes a
placeholder for texts, bytes and some arrays; of all other types it sends null. A decimal is stored apart only where it
is long (`decimals.long_ones`), so a null of one is doubted by the length of what it would replace.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from consumer.core.decimals import DIGITS_IN_ROW, long_ones
from consumer.core.envelope import Column, WriterSchema
from consumer.core.fold import SEQ
from consumer.core.meaning import DATA, TIME, Meaning, meaning
from consumer.core.types import ColumnPolicy

Doubt = Literal["reject", "keep", "long"]
"""What becomes of a doubtful null: `reject` where the row has a value, `long` where it has a long one; `keep` that."""

# seen of Debezium's connector for PostgreSQL; in its other modes it writes its placeholder
_WITHOUT_PLACEHOLDER = ("base64", "base64-url-safe")
_UNMARKED = frozenset(
    {Meaning.DOUBLE_VECTOR, Meaning.FLOAT_VECTOR, Meaning.SPARSE_VECTOR, Meaning.GEOMETRY, Meaning.GEOGRAPHY}
)
_DECIMALS = frozenset({Meaning.DECIMAL, Meaning.WIDE_DECIMAL, Meaning.SCALED_DECIMAL})
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
    """Which images of a block have a doubtful null, by column.

    `absent`: in which of them it is taken for a value that is not there; in the others it is written unless the row has
    a long one. `judged`: the columns of which a value, or a long one, refuses it; in the others it is taken for an
    unchanged value. `long`: those of them with a null that is written.
    """

    masks: Mapping[str, pl.Series] = field(default_factory=dict)
    absent: Mapping[str, pl.Series] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()
    long: frozenset[str] = frozenset()


NOT_DOUBTED = Doubted()


def mark(name: str) -> str:
    """The column that says which images have a doubtful null there. No column can have such a name in Avro."""
    return f"#doubtful {name}"


def doubted(
    images: pl.DataFrame,
    updates: Sequence[int],
    moved: Sequence[int],
    doubts: Mapping[str, Doubt],
    identity: Sequence[str],
) -> Doubted:
    """Which nulls of some images are doubtful: those at these places.

    `moved`: of creates by which rows go on under another key. What these lack is kept of the old row, long or not; so
    is what updates lack that follow, up to a value.
    """
    at = images[SEQ].is_in([*updates, *moved])
    masks = {name: at & images[name].is_null() for name in doubts}
    masks = {name: mask for name, mask in masks.items() if mask.any()}
    going_on = images[SEQ].is_in(list(moved))
    absent = {
        name: _of_old_rows(images, mask, going_on, identity) if doubts[name] == "long" else mask
        for name, mask in masks.items()
    }
    return Doubted(
        masks=masks,
        absent={name: mask for name, mask in absent.items() if mask.any()},
        judged=frozenset(name for name in masks if doubts[name] != "keep"),
        long=frozenset(name for name, mask in masks.items() if doubts[name] == "long" and (mask & ~absent[name]).any()),
    )


def _of_old_rows(images: pl.DataFrame, mask: pl.Series, going_on: pl.Series, identity: Sequence[str]) -> pl.Series:
    """Which doubtful nulls stand for what the row had under its old key."""
    first = mask & going_on
    if not first.any():
        return first
    rows = images.select(identity).with_columns(mask.alias("#doubted"), first.alias("#first"))
    known = pl.when("#first").then(True).when(~pl.col("#doubted")).then(False)
    return mask & rows.select(known.forward_fill().over(identity).fill_null(False)).to_series()


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
        answer = chosen.doubtful_nulls or _by_type(column, chosen)
        if column.nullable and answer != "write":
            found[column.name] = answer
    return found


def _by_type(column: Column, policy: ColumnPolicy) -> Doubt | Literal["write"]:
    if _is_unmarked(column, policy):
        return "reject"
    may_be_long = column.precision is None or column.precision > DIGITS_IN_ROW
    return "long" if may_be_long and meaning(column) in _DECIMALS else "write"


def unheeded(schema: WriterSchema, policies: Mapping[str, ColumnPolicy]) -> tuple[str, ...]:
    """The columns for which something is said of such nulls, though their source sends none; `policies`: by name.

    Only PostgreSQL's connector does; other logs have whole rows.
    """
    if _is_postgres(schema):
        return ()
    return tuple(name for name, policy in policies.items() if policy.doubtful_nulls is not None)


def _is_postgres(schema: WriterSchema) -> bool:
    return "source_lsn" in schema.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a block tells of rows, as it is folded. `unread`: identity and SEQ of what stands between, unread.

    `absent`: by column, which images have a value that they do not say.
    """

    images: pl.DataFrame
    deletes: pl.DataFrame
    identity: Sequence[str]
    unread: pl.DataFrame | None = None
    absent: Mapping[str, pl.Series] = field(default_factory=dict)


def refuted(told: Told, doubted: Mapping[str, pl.Series], long: Collection[str] = ()) -> list[int]:
    """The places of images with a doubtful null where the last that their block says of the row has a value.

    `doubted`: by column, which images have such a null. `long`: those of the columns where only a long value counts.
    """
    said = _said_before(told, doubted, long)
    return said.filter(pl.any_horizontal(_doubted(n) & (_said(n) == _VALUE) for n in doubted))[SEQ].to_list()


def confirmed(told: Told, doubted: Mapping[str, pl.Series], long: Collection[str] = ()) -> dict[str, pl.Series]:
    """By column, which of the doubtful nulls are nulls, since the last that their block says of the row is one.

    Of `long` ones a short value says so too, and a delete: there is no row then that has a long one. But one that is
    absent is none of these, and nothing is known behind it.
    """
    said = _said_before(told, doubted, long)
    places = told.images[SEQ]
    return {name: places.is_in(said.filter(_doubted(name) & (_said(name) == _NULL))[SEQ].implode()) for name in doubted}


_VALUE, _NULL, _NOTHING = 1, 0, -1


def _doubted(name: str) -> pl.Expr:
    return pl.col(f"?{name}")


def _said(name: str) -> pl.Expr:
    return pl.col(f"!{name}")


def _said_before(told: Told, doubted: Mapping[str, pl.Series], long: Collection[str]) -> pl.DataFrame:
    """The changes of rows that have doubtful nulls, in order, with what was said of each such column last."""
    identity = list(told.identity)
    marks = pl.DataFrame({f"?{name}": mask for name, mask in doubted.items()})
    absent = pl.DataFrame({f"~{name}": mask & told.absent.get(name, False) for name, mask in doubted.items()})
    said = told.images.select([*identity, SEQ, *doubted]).hstack([*marks, *absent])
    gone = told.deletes.select([*identity, SEQ])
    unread = gone.clear() if told.unread is None else told.unread.select([*identity, SEQ])
    # most rows have one change, which nothing stands in front of
    every = pl.concat([frame.select(identity) for frame in (said, gone, unread)])
    several = every.filter(every.is_duplicated())
    rows = said.filter(pl.any_horizontal(marks.columns)).select(identity).unique()
    rows = rows.join(several, on=identity, how="semi")
    said = said.join(rows, on=identity, how="semi")
    said = said.hstack([_states(said[name], name in long) for name in doubted])
    nothing = pl.lit(_NOTHING, dtype=pl.Int8)
    states = [
        pl.when(~_doubted(name)).then(_said(name)).when(f"~{name}").then(nothing).alias(f"!{name}") for name in doubted
    ]
    said = said.select([*identity, SEQ, *marks.columns, *states])
    history = pl.concat([said, _silent(gone, doubted, long), _silent(unread, doubted)], how="diagonal")
    history = history.join(rows, on=identity, how="semi").sort(SEQ)
    return history.with_columns(_said(name).forward_fill().over(identity) for name in doubted)


def _states(values: pl.Series, long: bool) -> pl.Series:
    found = long_ones(values) if long else values.is_not_null()
    return found.cast(pl.Int8).alias(f"!{values.name}")


def _silent(frame: pl.DataFrame, names: Collection[str], none: Collection[str] = ()) -> pl.DataFrame:
    """Changes that say no values. `none`: the columns in which they say that there are none."""
    states = {name: _NULL if name in none else _NOTHING for name in names}
    return frame.with_columns(pl.lit(state, dtype=pl.Int8).alias(f"!{name}") for name, state in states.items())


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
