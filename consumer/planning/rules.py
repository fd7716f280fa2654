"""What a table's settings ask of its rows, and make of them: checks in front of folding, mapping behind it."""

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from consumer.core.binding import Binding
from consumer.core.checks import Check, broken
from consumer.core.doubts import Told, confirmed, mark, refuted
from consumer.core.failure import Failure, blaming, failed
from consumer.core.fold import SEQ, Folded
from consumer.core.kinds import KINDS
from consumer.core.shaping import Shaped
from consumer.planning.blocks import Decoded


def broken_checks(
    decoded: Decoded, binding: Binding, unavailable: Mapping[str, pl.Series], now: float
) -> dict[int, Failure]:
    """The places of images that break a check, and why. `unavailable`: by column, which images have no value of it."""
    found = broken(decoded.images, binding.checks, unavailable, now)
    return {place: _breaks(checks) for place, checks in found.items() if place not in decoded.out}


def _breaks(checks: Sequence[Check]) -> Failure:
    more = f", and {len(checks) - 1} more checks" if len(checks) > 1 else ""
    detail = f"after.{checks[0].column}: expected {checks[0].rule}, found a value that breaks it{more}"
    return blaming(failed(KINDS["record.checks"], "planner", "check", detail), f"after.{checks[0].column}")


def refuted_nulls(decoded: Decoded, binding: Binding) -> dict[int, Failure]:
    """The places of images with a null that may stand for a value, where the block says that there is one."""
    doubted = {name: decoded.images[mark(name)] for name in decoded.judged}
    if not doubted:
        return {}
    told = Told(images=decoded.images, deletes=decoded.deletes, identity=binding.identity)
    found = refuted(told, doubted, _by_length(doubted, binding))
    names = ", ".join(sorted(doubted))
    detail = f"{names}: expected a value or a placeholder, found null in an update of a row that has a value there"
    failure = failed(KINDS["record.nulled"], "planner", "fold", detail)
    return {place: failure for place in found if place not in decoded.out}


def _by_length(names: Collection[str], binding: Binding) -> set[str]:
    """Those of the columns in which only a long value refuses a null."""
    return {name for name in names if binding.doubts[name] == "long"}


def believe_nulls(decoded: Decoded, binding: Binding, unread: pl.DataFrame | None) -> bool:
    """Take doubtful nulls for what they are where the block says it; returns whether there are any.

    So an image that lacks nothing else is whole, though what says it becomes a letter. `unread`: identity and SEQ of
    records that say no values.
    """
    masks = {name: decoded.images[mark(name)] for name in decoded.judged}
    long = _by_length(masks, binding)
    told = Told(
        images=decoded.images,
        deletes=decoded.deletes,
        identity=binding.identity,
        unread=unread,
        absent={name: mask for name, mask in decoded.unavailable.items() if name in long},
    )
    found = confirmed(told, masks, long)
    # what goes on under another key has its values from its old row
    own = ~decoded.images[SEQ].is_in(decoded.halves.taken[SEQ].implode())
    found = {name: mask & own for name, mask in found.items()}
    decoded.unavailable = {
        name: mask & ~found[name] if name in found else mask for name, mask in decoded.unavailable.items()
    }
    decoded.images = decoded.images.with_columns((masks[name] & ~found[name]).alias(mark(name)) for name in masks)
    return any(mask.any() for mask in found.values())


def unmade(folded: Folded, binding: Binding, decoded: Decoded) -> dict[int, Failure]:
    """The places of images of which a transform can't make a column, since part of what it is made from is missing.

    Of some columns only the table knows whether they are; a transform does not ask it.
    """
    if binding.shape is None:
        return {}
    found: dict[int, Failure] = {}
    for frame in (folded.upserts, *(partial.frame for partial in folded.partials)):
        here = decoded.long.intersection(frame.columns)
        names = binding.shape.used & (decoded.judged.difference(frame.columns) | here)
        if names:
            detail = f"{min(names)}: expected a value for the transform, found null that may stand for an unchanged one"
            failure = blaming(failed(KINDS["record.nulled"], "planner", "fold", detail), f"after.{min(names)}")
            marked = frame.filter(pl.any_horizontal(mark(name) for name in names))
            found |= dict.fromkeys(marked[SEQ].to_list(), failure)
    for partial in folded.partials:
        lost = binding.shape.unmade(partial.missing)
        if lost:
            detail = f"{lost[0]}: expected all columns that it is made from, found some of them left out as unchanged"
            failure = failed(KINDS["record.transform"], "planner", "fold", detail, remedy=_WHOLE_ROWS)
            found |= dict.fromkeys(partial.frame[SEQ].to_list(), blaming(failure, f"after.{lost[0]}"))
    return found


def shaped(frame: pl.DataFrame, missing: Collection[str], binding: Binding) -> Shaped:
    """Folded rows as the table is to have them; all of them lack the `missing` columns. Raises TransformFault."""
    if binding.shape is None:
        return Shaped(frame, frozenset(missing))
    return binding.shape.of(frame, missing, [*([binding.version] if binding.version else []), SEQ])


_WHOLE_ROWS = (
    "Set REPLICA IDENTITY FULL for the table at the source, or Debezium's reselect post processor, then have it send "
    "the row again."
)
