"""Folding: many changes of one row identity in a batch become the one that leaves the same row.

In offset order the last image wins and a delete wins over the images before it. A partial image (columns
that Debezium left out because they had not changed) takes each missing column from the nearest earlier
image of its key that has it, not looking past a delete; what is still missing then is left alone in the
target. A version is the greatest of all changes of the key: the row holds what they all did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

SEQ = "#seq"
"""A change's place in the batch; rises with the offset. No column can have such a name in Avro."""
_DELETE = "#delete"
_ROW = "#row"
_FLOOR = "#floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """Rows that lack the same columns: `frame` has the identity, the columns that are there, and SEQ."""

    missing: tuple[str, ...]
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What is left of a batch: disjoint row identities, sorted by identity.

    `upserts` has every column and SEQ; `deletes` the identity, SEQ and the version, if there is one. `orphans` are the
    SEQ of partial images that follow their row's delete: no base row can exist for them. `again`: upserts of rows that
    were deleted in front, where these are told apart.
    """

    upserts: pl.DataFrame
    deletes: pl.DataFrame
    partials: tuple[Partial, ...] = ()
    orphans: tuple[int, ...] = ()
    again: pl.DataFrame | None = None

    @property
    def size(self) -> int:
        """How many rows it has."""
        frames = (self.upserts, self.deletes, *(partial.frame for partial in self.partials))
        return sum(map(len, frames)) + (0 if self.again is None else len(self.again))


def lacking_any(unavailable: Mapping[str, pl.Series]) -> pl.Series:
    """Which images have no value for some column; there is one column at least."""
    return pl.DataFrame(dict(unavailable)).select(pl.any_horizontal(pl.all())).to_series()


def born(
    images: pl.DataFrame,
    deletes: pl.DataFrame,
    identity: Sequence[str],
    unavailable: Mapping[str, pl.Series] | None = None,
    version: str | None = None,
) -> Folded:
    """What images leave of rows that are deleted in the end, in front of that: for where a deleted row stays.

    As `fold`; `deletes` are those that it left.
    """
    mine = images.select(identity).with_row_index(_ROW).join(deletes, on=list(identity), how="semi")[_ROW].sort()
    masks = {name: mask[mine] for name, mask in (unavailable or {}).items()}
    return fold(images[mine], deletes.clear(), identity, {n: m for n, m in masks.items() if m.any()}, version)


def told_again(folded: Folded, deletes: pl.DataFrame, identity: Sequence[str]) -> Folded:
    """The same, with `again` apart from the other upserts. `deletes`: those that were folded."""
    rows = folded.upserts.select(identity).with_row_index(_ROW)
    again = rows[_ROW].is_in(rows.join(deletes, on=list(identity), how="semi")[_ROW].implode())
    return replace(folded, upserts=folded.upserts.filter(~again), again=folded.upserts.filter(again))


def fold(
    images: pl.DataFrame,
    deletes: pl.DataFrame,
    identity: Sequence[str],
    unavailable: Mapping[str, pl.Series] | None = None,
    version: str | None = None,
) -> Folded:
    """Fold a batch's changes of one table and schema.

    `images`: one row an insert or update, every column and SEQ, rising. `deletes`: identity and SEQ,
    rising. `unavailable`: by column, which rows of `images` hold no value for it. `version`: the column of both
    frames that rises along the source's log, null where that is not known.
    """
    folded = _folded(images, deletes, list(identity), unavailable)
    if version is None:
        return folded
    columns = [*identity, version]
    greatest = (
        pl.concat([images.select(columns), deletes.select(columns)]).group_by(identity).agg(pl.col(version).max())
    )

    def versioned(frame: pl.DataFrame) -> pl.DataFrame:
        known = frame.select(identity).join(greatest, on=list(identity), how="left", maintain_order="left")
        return frame.with_columns(known[version])

    return replace(
        folded,
        upserts=versioned(folded.upserts),
        deletes=versioned(folded.deletes),
        partials=tuple(replace(partial, frame=versioned(partial.frame)) for partial in folded.partials),
    )


def _folded(
    images: pl.DataFrame, deletes: pl.DataFrame, keys: list[str], unavailable: Mapping[str, pl.Series] | None
) -> Folded:
    winners, gone = _last_changes(images, deletes, keys)
    upserts = images[winners[_ROW]]
    if not unavailable:
        return Folded(upserts=upserts, deletes=gone)
    marks = pl.DataFrame(dict(unavailable))
    lacking = marks[winners[_ROW]].select(pl.any_horizontal(pl.all()))[:, 0]
    if not lacking.any():
        return Folded(upserts=upserts, deletes=gone)
    completed = _completed(images, deletes, keys, marks, winners.filter(lacking)[_ROW])
    whole, partials, orphans = _sorted_out(completed, list(marks.columns), images.columns)
    return Folded(
        upserts=pl.concat([upserts.filter(~lacking), whole]).sort(keys),
        deletes=gone,
        partials=partials,
        orphans=orphans,
    )


def _last_changes(images: pl.DataFrame, deletes: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The identities whose last change is an image, with its row in `images`; those whose last is a delete."""
    changes = images.select([*keys, SEQ]).with_row_index(_ROW)
    if deletes.is_empty():
        return changes.unique(keys, keep="last", maintain_order=False).sort(keys), deletes.select([*keys, SEQ])
    marked = [
        changes.with_columns(pl.lit(False).alias(_DELETE)),
        deletes.select([*keys, SEQ]).with_row_index(_ROW).with_columns(pl.lit(True).alias(_DELETE)),
    ]
    last = pl.concat(marked).sort(SEQ).unique(keys, keep="last", maintain_order=False).sort(keys)
    return last.filter(~pl.col(_DELETE)), last.filter(_DELETE).select([*keys, SEQ])


def _completed(
    images: pl.DataFrame, deletes: pl.DataFrame, keys: list[str], marks: pl.DataFrame, partial_rows: pl.Series
) -> pl.DataFrame:
    """The partial winners with what earlier images give; `#has <column>` says whether a value is there now."""
    winners = images[partial_rows]
    floors = deletes.group_by(keys).agg(pl.col(SEQ).max().alias(_FLOOR))
    flagged = images.with_columns([(~marks[name]).alias(_has(name)) for name in marks.columns])
    history = (
        flagged.join(winners.select(keys), on=keys, how="semi")
        .join(floors, on=keys, how="left")
        .filter(pl.col(SEQ) > pl.col(_FLOOR).fill_null(-1))
        .sort(SEQ)
    )
    given = history.group_by(keys).agg(
        [pl.col(name).filter(pl.col(_has(name))).last().alias(name) for name in marks.columns]
        + [pl.col(_has(name)).any() for name in marks.columns]
        + [pl.col(_FLOOR).first()]
    )
    return winners.drop(marks.columns).join(given, on=keys, how="left")


def _sorted_out(
    completed: pl.DataFrame, marked: list[str], columns: list[str]
) -> tuple[pl.DataFrame, tuple[Partial, ...], tuple[int, ...]]:
    has = [_has(name) for name in marked]
    # a key that equals nothing, as NaN does in a join, has no earlier images either
    completed = completed.with_columns(pl.col(has).fill_null(False))
    whole = completed.filter(pl.all_horizontal(has)).select(columns)
    rest = completed.filter(~pl.all_horizontal(has))
    orphans = tuple(rest.filter(pl.col(_FLOOR).is_not_null())[SEQ].sort().to_list())
    partials = []
    for flags, frame in rest.filter(pl.col(_FLOOR).is_null()).group_by(has):
        missing = tuple(name for name, there in zip(marked, flags, strict=True) if not there)
        partials.append(Partial(missing=missing, frame=frame.select([c for c in columns if c not in missing])))
    return whole, tuple(sorted(partials, key=lambda partial: partial.missing)), orphans


def _has(name: str) -> str:
    return f"#has {name}"
