"""What the decoded records of a block are: images, truncates, records that mean nothing, and those that are not sound.

Frames of decoded records have SEQ, the place in the block, by rising places; records go `out` of them with a reason.
"""

from typing import cast

import numpy as np
import polars as pl

from consumer.core.binding import Binding
from consumer.core.envelope import SOURCE, SOURCE_TIME
from consumer.core.failure import Failure
from consumer.core.fold import SEQ
from consumer.core.modes import DELETED_AT, OnTruncate
from consumer.core.plan import Times
from consumer.core.position import places_of_reads, positions
from consumer.core.records import TopicPartition
from consumer.core.stamps import Stamps
from consumer.planning.blocks import Barred, Block, Recut, unsound

_READ = "r"
IMAGES = frozenset({"c", "u", _READ})
TRUNCATE = "t"
_MESSAGE = "m"
MEANINGLESS = frozenset({_MESSAGE, TRUNCATE})
"""A logical message, and a truncate that is not to be applied."""
_OPERATIONS = IMAGES | MEANINGLESS | {"d"}
_VERSION = "#version"
_TRUNCATED = "table.truncate"


def source_times(block: Block, frame: pl.DataFrame, ops: frozenset[str | None]) -> dict[TopicPartition, Times]:
    """By partition, of decoded records with SEQ by rising place; none where no record has a time.

    `ops`: the operations among them.
    """
    everything = _spans(block, frame)
    changed = everything if _READ not in ops else _spans(block, frame.filter(pl.col("op") != _READ))
    return {at: Times(*span, changed[at][1] if at in changed else None) for at, span in everything.items()}


def _spans(block: Block, frame: pl.DataFrame) -> dict[TopicPartition, tuple[int, int]]:
    """Oldest and newest source time by partition."""
    found: dict[TopicPartition, tuple[int, int]] = {}
    first = 0
    for run in block.runs:
        last = first + run.end - run.start
        times = frame[SOURCE_TIME]
        if len(block.runs) > 1:
            begin, end = frame[SEQ].search_sorted(pl.Series([first, last]))
            times = times.slice(begin, end - begin)
        oldest, newest = cast(int | None, times.min()), cast(int | None, times.max())
        if oldest and newest:
            before = found.get(run.piece.at, (oldest, newest))
            found[run.piece.at] = min(before[0], oldest), max(before[1], newest)
        first = last
    return found


def stamps_of(block: Block, frame: pl.DataFrame) -> Stamps:
    """The source's times of decoded records. A copy: a column keeps the memory of all that was decoded with it."""
    times = np.zeros(len(block), dtype=np.int64)
    times[frame[SEQ].to_numpy()] = frame[SOURCE_TIME].fill_null(0).to_numpy()
    return Stamps(block.runs, times)


def position_fields(binding: Binding) -> tuple[str, ...]:
    """What is read to tell where changes stand in the source's log: nothing where no column keeps it."""
    return () if binding.version is None else binding.schema.position


def placed(frame: pl.DataFrame, binding: Binding, out: dict[int, Failure]) -> pl.DataFrame:
    """With the position of each change; one without it goes out, since it would pass any guard unseen."""
    if binding.version is None:
        return frame
    # reads are compared with what truncated the table, and with nothing else
    place = places_of_reads if binding.floored else positions
    frame = frame.with_columns(place(frame, binding.schema.position).alias(_VERSION))
    lost = frame["op"].is_in(["c", "u", "d"]) & frame[_VERSION].is_null()
    if lost.any():
        reason = "the change does not say where it stands in the source's log"
        for place in frame.filter(lost)[SEQ]:
            out[place] = unsound("record.position", "decode", reason, "source")
        frame = frame.filter(~lost)
    return frame


def known_ops(frame: pl.DataFrame, ops: frozenset[str | None], out: dict[int, Failure]) -> pl.DataFrame:
    """The records whose operation there is; the others go out, also those that say none."""
    if ops <= _OPERATIONS:
        return frame
    # where there is no operation the answer is null too, and no filter would keep it
    known = frame["op"].is_in(_OPERATIONS).fill_null(value=False)
    for place in frame.filter(~known)[SEQ]:
        out[place] = unsound("record.operation", "decode", "the record holds an unknown operation, or none", "op")
    return frame.filter(known)


def own_fields(binding: Binding) -> list[str]:
    """What is read to tell whether changes are of the table that they are bound to."""
    return [SOURCE + name for name in binding.source]


def own_ones(frame: pl.DataFrame, binding: Binding, out: dict[int, Failure]) -> pl.DataFrame:
    """The changes of the table that they are bound to; those that name no table go out.

    Raises Barred for the first change of another table of the source: the topic holds several.
    """
    if all(_says(frame[SOURCE + name], own) for name, own in binding.source.items()):
        return frame
    telling = (pl.col("op") != _MESSAGE).fill_null(value=False)
    nameless = telling & pl.any_horizontal(
        False, *(_is_none(SOURCE + name) for name, own in binding.source.items() if own)
    )
    for place in frame.filter(nameless)[SEQ]:
        out[place] = unsound("record.schema", "decode", "the record's source names no table", "source")
    frame = frame.filter(~nameless)
    others = pl.any_horizontal(pl.col(SOURCE + name).ne_missing(own) for name, own in binding.source.items())
    for place in frame.filter(telling & others)[SEQ].head(1):
        raise Barred(place, "table.mixed")
    return frame


def _is_none(name: str) -> pl.Expr:
    """Whether it is no name that anything can have."""
    return pl.col(name).is_null() | (pl.col(name) == "") | pl.col(name).str.contains("\x00", literal=True)


def _says(names: pl.Series, own: str | None) -> bool:
    """Whether all are this one. Every block is asked, so nothing that costs more than a comparison is done."""
    if own is None:
        return names.null_count() == len(names)
    return not names.null_count() and bool((names == own).all())


def truncates_of(block: Block, frame: pl.DataFrame) -> list[int]:
    """The places of truncates that are to be applied; none of them stands in one run with anything else.

    Raises Barred, Recut.
    """
    binding = block.binding
    if binding.truncate is OnTruncate.IGNORE:
        return []
    places = frame.filter(pl.col("op") == TRUNCATE)[SEQ].to_list()
    if binding.truncate is OnTruncate.STOP:
        raise Barred(places[0], _TRUNCATED)
    known, start, borders = set(places), 0, set[int]()
    for run in block.runs:
        own = range(start, start + run.end - run.start)
        start = own.stop
        here = known.intersection(own)
        if here and len(here) < len(own):
            borders |= here | {place + 1 for place in here if place + 1 in own}
    if borders:
        raise Recut(borders)
    return places


def greatest_truncate(frame: pl.DataFrame, binding: Binding) -> int | None:
    """The greatest position of truncates, where positions matter. Raises Barred for one without."""
    if binding.version is None:
        return None
    said = frame.filter(pl.col("op") == TRUNCATE)
    if said[_VERSION].null_count():
        raise Barred(said.filter(pl.col(_VERSION).is_null())[SEQ][0], _TRUNCATED)
    return cast(int, said[_VERSION].max())


def without_key(frame: pl.DataFrame, out: dict[int, Failure]) -> pl.DataFrame:
    """What a record without a key may be where rows are told by keys: nothing of one row."""
    rows = ~frame["op"].is_in(MEANINGLESS)
    for place in frame.filter(rows)[SEQ]:
        out[place] = unsound("record.identity", "identity", "the record has no key")
    return frame.filter(~rows)


def images_of(frame: pl.DataFrame, binding: Binding, ops: frozenset[str], out: dict[int, Failure]) -> pl.DataFrame:
    kept = frame if ops <= IMAGES else frame.filter(pl.col("op").is_in(IMAGES))
    missing = kept["after"].is_null()
    if missing.any():
        for place in kept.filter(missing)[SEQ]:
            out[place] = unsound("record.image", "decode", "an insert or update has no after image", "after")
        kept = kept.filter(~missing)
    return unnested(kept, "after", binding.version)


def unnested(rows: pl.DataFrame, image: str, version: str | None) -> pl.DataFrame:
    places = [rows[SEQ]] if version is None else [rows[_VERSION].alias(version), rows[SEQ]]
    return rows[image].struct.unnest().hstack(places)


def no_deletes(images: pl.DataFrame, binding: Binding) -> pl.DataFrame:
    if timed(binding):
        images = images.with_columns(pl.lit(None, dtype=pl.Int64).alias(DELETED_AT))
    return images.select(delete_columns(binding)).clear()


def delete_columns(binding: Binding) -> list[str]:
    times = [DELETED_AT] if timed(binding) else []
    return [*binding.identity, *([binding.version] if binding.version else []), *times, SEQ]


def timed(binding: Binding) -> bool:
    """Whether it matters when a row was deleted."""
    return binding.soft is not None and binding.soft.timed
