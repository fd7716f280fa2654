"""Updates that were folded and refused together: which of them is at fault."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from consumer.core.binding import Binding
from consumer.core.doubts import mark
from consumer.core.failure import Failure
from consumer.core.fold import SEQ, lacking_any
from consumer.planning.blocks import Decoded

# what holds for every change that needs the row as it is
_OF_BASES = frozenset({"record.missing_base", "record.many_bases"})
# what holds for every change with a doubtful null in the column that is named
_OF_NULLS = frozenset({"record.nulled", "record.checks"})
_PARTIAL = "#partial"


def first_at_fault(decoded: Decoded, binding: Binding, refused: Mapping[int, Failure]) -> dict[int, Failure]:
    """Refused records by place; instead of an update that others were folded into, the first of those that is at fault.

    That its row is not there, or has a value where a null is doubted, holds for the first change that needs to know it
    as for the last. What comes behind that one waits for it, so that no further try has to find it.
    """
    folded = [p for p, why in refused.items() if why.kind in _OF_BASES | _OF_NULLS and p not in decoded.rowless]
    if not folded or not (decoded.unavailable or decoded.long):
        return dict(refused)
    found = dict(refused)
    for chain in _chains(decoded, list(binding.identity), refused, folded):
        why = found.pop(chain[-1])
        found.setdefault(_first(chain, why, _Nulls(decoded, binding)), why)
    return found


def lacking_places(decoded: Decoded) -> pl.Series:
    """The places of images without all columns, but of those that take them from elsewhere."""
    places = decoded.images[SEQ]
    doubted = {mark(name): decoded.images[mark(name)] for name in decoded.long}
    if not decoded.unavailable and not doubted:
        return places.clear()
    lacking = places.filter(lacking_any({**decoded.unavailable, **doubted}))
    return lacking.filter(~lacking.is_in(decoded.halves.taken[SEQ].implode()))


@dataclass(slots=True)
class _Nulls:
    """The places of doubtful nulls, by the name that their column has in the table."""

    decoded: Decoded
    binding: Binding

    def of(self, field: str) -> set[int] | None:
        """Those of the field that a failure names; None where it names none with doubtful nulls."""
        for column in self.binding.columns:
            name = mark(column.source.name)
            if field == f"after.{column.target.name}" and name in self.decoded.images.columns:
                return set(self.decoded.images.filter(pl.col(name))[SEQ])
        return None


def _first(chain: Sequence[int], why: Failure, nulls: _Nulls) -> int:
    if why.kind in _OF_BASES:
        return chain[0]
    doubted = nulls.of(why.field)
    return next((place for place in chain if place in doubted), chain[-1]) if doubted else chain[-1]


def _chains(
    decoded: Decoded, keys: list[str], refused: Collection[int], folded: Collection[int]
) -> Iterator[Sequence[int]]:
    """For each of the folded updates the places of what was folded, in order: changes that need the row as it is."""
    lacking = lacking_places(decoded)
    images = decoded.images.select([*keys, SEQ]).with_columns(pl.col(SEQ).is_in(lacking.implode()).alias(_PARTIAL))
    deletes = decoded.deletes.select([*keys, SEQ]).with_columns(pl.lit(False).alias(_PARTIAL))
    rows = images.filter(pl.col(SEQ).is_in(list(folded))).select(keys).unique()
    chains: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for *row, place, lacks in pl.concat([images, deletes]).join(rows, on=keys, how="semi").sort(SEQ).iter_rows():
        chain = chains[tuple(row)]
        if lacks and (place not in refused or place in folded):
            chain.append(place)
        if lacks and place in folded:
            yield [*chain]
        if not lacks or place in refused:
            chain.clear()
