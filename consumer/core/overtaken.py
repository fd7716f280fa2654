"""Changes that come behind a newer one of their row, by the version that both have: they do nothing at the target.

That is so within a batch too, where folding would take the last one for the newest: a topic that has grown may have the
row's older changes in another partition, and a source may send old ones again.
"""

from collections.abc import Sequence

import polars as pl

from consumer.core.fold import SEQ

_DELETE = "#delete"


def overtaken(images: pl.DataFrame, deletes: pl.DataFrame, identity: Sequence[str], version: str) -> list[int]:
    """The SEQ of changes whose version is below that of an image in front of them that no delete has taken away.

    As for `fold`: both frames have the identity, SEQ and the version, null where a change has none and passes.
    """
    columns = [*identity, SEQ, version]
    changes = pl.concat(
        [
            images.select(columns).with_columns(pl.lit(False).alias(_DELETE)),
            deletes.select(columns).with_columns(pl.lit(True).alias(_DELETE)),
        ]
    ).sort(SEQ)
    if changes[version].drop_nulls().is_sorted():
        return []
    highest = pl.col(version).cum_max().over(list(identity))
    late = changes.filter((pl.col(version) < highest).any().over(list(identity)))
    return [seq for _, rows in late.group_by(list(identity), maintain_order=True) for seq in _behind(rows, version)]


def _behind(changes: pl.DataFrame, version: str) -> list[int]:
    """Those of one row's changes, in their order."""
    found, newest = list[int](), None
    for seq, at, is_delete in changes.select(SEQ, version, _DELETE).iter_rows():
        if newest is not None and at is not None and at < newest:
            found.append(seq)
        elif is_delete:
            newest = None
        else:
            newest = newest if at is None else at
    return found
