"""Blocks of tables whose rows have no identity: each event for itself.

Nothing is folded. A history has a row for each change, also for those that delete; its columns are null where the event
does not say them. Where whole rows are matched, what a batch leaves and what it found again cancel each other out. Then
it removes what else it found and inserts what else it leaves: that makes the same of a table as one event after the
other, since equal rows can't be told apart, and what is unique there is so in between too.
"""

import json
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import cast

import polars as pl

from consumer.core import history, instants
from consumer.core.avro import options
from consumer.core.binding import Binding
from consumer.core.envelope import ANY, SOURCE_TIME
from consumer.core.failure import Failure
from consumer.core.flags import Flag
from consumer.core.fold import SEQ, lacking_any
from consumer.core.labels import strange
from consumer.core.modes import Mode
from consumer.core.plan import Contexts, SourceTimes
from consumer.core.position import positions
from consumer.core.stamps import Stamps
from consumer.core.writes import Action, TableWrite
from consumer.planning.block_decoder import BlockDecoder
from consumer.planning.blocks import Block, Data, Decoded, unsound, valued
from consumer.planning.images import (
    IMAGES,
    TRUNCATE,
    known_ops,
    own_fields,
    own_ones,
    source_times,
    stamps_of,
    truncates_of,
)
from consumer.planning.rules import broken_checks, shaped
from consumer.planning.writes import BlockWrites

_NOT_WHOLE = unsound("record.missing_base", "append", "an unchanged TOASTed column of a row without an identity")
_EVENT_TIME = "ts_ms"
# operations beside inserts, updates and reads
_MORE = {Mode.HISTORY: ("d", TRUNCATE), Mode.MATCH: ("d",), Mode.APPEND: ()}


@dataclass(slots=True)
class Events:
    """A block's events: what is written of them, and as in `Decoded` what is not. `deletes`: how many only delete.

    `strange`: labels that the binding does not know, by column.
    """

    writes: list[TableWrite] = field(default_factory=list)
    records: int = 0
    deletes: int = 0
    times: SourceTimes = field(default_factory=dict)
    stamps: Sequence[Stamps] = ()
    contexts: Contexts = ()
    ignored: int = 0
    truncates: Sequence[int] = ()
    out: dict[int, Failure] = field(default_factory=dict)
    strange: Mapping[str, Sequence[str]] = field(default_factory=dict)


class EventBlocks:
    """Turns blocks into what is appended."""

    def __init__(self, blocks: BlockDecoder, writes: BlockWrites) -> None:
        self._blocks = blocks
        self._writes = writes

    def planned(self, block: Block, refused: Mapping[int, Failure]) -> Events:
        """The block's events, but for those that were `refused` before. Raises Barred, Recut."""
        events = Events(out=dict(refused))
        said = self._said(block, events)
        if block.binding.mode is Mode.MATCH:
            self._match(block, said, events)
        else:
            self._append(block, said, events)
        events.out |= dict(refused)
        return events

    def _append(self, block: Block, said: pl.DataFrame, events: Events) -> None:
        images = self._images(block, said, events)
        events.contexts = self._blocks.contexts(block, images)
        lacking = self._lacking(block, images)
        for name, mask in self._blocks.doubted(block, said, images, events.out).masks.items():
            lacking[name] = mask | lacking.get(name, False)
        if not any(column.name == history.UNAVAILABLE for column in block.binding.meta):
            # a null would say what the event does not
            _require_whole(images, lacking, events, _why_whole(block.binding))
        written = images[SEQ].is_in(_of(said, IMAGES))
        masks = {name: mask.filter(written) for name, mask in lacking.items()}
        self._require_kept(block, images.filter(written), events, masks)
        kept = ~images[SEQ].is_in(list(events.out))
        images = images.filter(kept)
        events.records = len(images)
        events.strange = strange(images, block.binding.labels, self._blocks.placeholders)
        if len(images):
            masks = {name: mask.filter(kept) for name, mask in lacking.items()}
            events.writes.append(self._write(block, said, images, masks))

    def _match(self, block: Block, said: pl.DataFrame, events: Events) -> None:
        after = self._image(block, _of(said, IMAGES), "after", events)
        before = self._image(block, _of(said, "ud"), "before", events)
        after = _filled(after, before, self._lacking(block, after))
        for images in (after, before):
            _require_whole(images, self._lacking(block, images), events)
        self._require_kept(block, after, events, {})
        after, before = (images.filter(~pl.col(SEQ).is_in(list(events.out))) for images in (after, before))
        events.deletes = len(before.filter(pl.col(SEQ).is_in(_of(said, "d"))))
        events.records = len(after) + events.deletes
        events.strange = strange(after, block.binding.labels, self._blocks.placeholders)
        names = [column.source.name for column in block.binding.columns]
        new, old = (shaped(images, (), block.binding).frame for images in (after, before))
        new, old = _different(new, old, names)
        if len(old):
            events.writes.append(_compared(self._writes.write(Action.REMOVE, block, names, old), block))
        if len(new):
            events.writes.append(self._writes.write(Action.INSERT, block, names, new))

    def _require_kept(
        self, block: Block, images: pl.DataFrame, events: Events, lacking: Mapping[str, pl.Series]
    ) -> None:
        """What breaks a check goes out. `lacking`: by column, which images hold no value for it."""
        if self._blocks.switches.on(Flag.COLUMN_CHECKS):
            checked = Decoded(images=images, deletes=images.clear())
            events.out |= broken_checks(checked, block.binding, lacking, time.time())

    def _said(self, block: Block, events: Events) -> pl.DataFrame:
        """What is said of each event that is one, with SEQ: all but its row."""
        schema, values = block.binding.schema, block.values()
        places = valued(values)
        assert schema.rewritten is not None, "changes have a form that the decoders read"
        times = [SOURCE_TIME] if schema.has_source_time else []
        fields = ["op", *own_fields(block.binding), *times, *_event_time(schema.rewritten.text), *schema.position]
        frame = self._blocks.sifted(block, schema.rewritten, Data.of(values, places), fields, events.out)
        frame = own_ones(frame, block.binding, events.out)
        ops = frozenset(frame["op"].unique().to_list())
        frame = known_ops(frame, ops, events.out)
        events.ignored = len(values) - len(places)
        if times:
            events.times, events.stamps = source_times(block, frame, ops), [stamps_of(block, frame)]
        mode = block.binding.mode
        if TRUNCATE in ops and mode is not Mode.HISTORY:
            events.truncates = truncates_of(block, frame)
        for place in _of(frame, "ud") if mode is Mode.APPEND else ():
            reason = "an update or delete, for a table that takes new rows only"
            events.out[place] = unsound("record.identity", "append", reason)
        wanted = frame["op"].is_in([*IMAGES, *_MORE[mode]])
        events.ignored += len(frame.filter(~wanted & ~frame["op"].is_in(["u", "d"]))) - len(events.truncates)
        return frame.filter(wanted & ~frame[SEQ].is_in(list(events.out)))

    def _images(self, block: Block, said: pl.DataFrame, events: Events) -> pl.DataFrame:
        """The row of each event, as far as it says it."""
        after = self._image(block, _of(said, IMAGES), "after", events)
        before = self._image(block, _of(said, "d"), "before", events)
        if block.binding.key_columns:
            # what else stands there may be made up by the source
            others = [name for name in before.columns if name not in (*block.binding.key_columns, SEQ)]
            before = before.with_columns(pl.lit(None, dtype=before.schema[name]).alias(name) for name in others)
        nothing = pl.DataFrame({SEQ: _of(said, TRUNCATE)}, schema={SEQ: pl.Int64})
        return pl.concat([after, before, nothing], how="diagonal").sort(SEQ)

    def _image(self, block: Block, places: Sequence[int], image: str, events: Events) -> pl.DataFrame:
        data = Data.of(block.values(), places)
        rows = self._blocks.sifted(block, block.binding.schema.rewritten, data, ["op", image], events.out)
        missing = rows[image].is_null()
        for place in rows.filter(missing)[SEQ]:
            events.out[place] = unsound("record.image", "decode", f"the change has no {image} image", image)
        rows = rows.filter(~missing)
        return rows[image].struct.unnest().hstack([rows[SEQ]])

    def _lacking(self, block: Block, images: pl.DataFrame) -> dict[str, pl.Series]:
        """By column, which images hold no value for it."""
        masks = {
            column.name: self._blocks.placeholders.mask(images[column.name], nested=column.avro == ANY)
            for column in block.binding.inputs
        }
        return {name: mask for name, mask in masks.items() if mask is not None}

    def _write(
        self, block: Block, said: pl.DataFrame, images: pl.DataFrame, lacking: Mapping[str, pl.Series]
    ) -> TableWrite:
        binding = block.binding
        empty = [pl.when(~mask).then(pl.col(name)).alias(name) for name, mask in lacking.items()]
        rows, _ = shaped(images.with_columns(empty), (), binding)
        about = images.select(SEQ).join(said, on=SEQ, how="left", maintain_order="left")
        unmade = _unmade(about["op"], lacking, binding)
        rows = rows.with_columns(pl.when(~mask).then(pl.col(name)).alias(name) for name, mask in unmade.items())
        values = _about(about, block, {**lacking, **unmade})
        beside = [(values[column.name].alias(column.name), column) for column in binding.meta]
        names = [column.source.name for column in binding.columns]
        return self._writes.write(Action.INSERT, block, names, rows, beside)


def _different(new: pl.DataFrame, old: pl.DataFrame, names: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both without pairs of equal rows, of which the new one came first; of several new ones the last stay.

    One that comes behind does not say that the old one is there.
    """
    places: dict[str, deque[int]] = defaultdict(deque)
    for place, row in zip(new[SEQ], new.select(names).iter_rows(), strict=True) if len(old) else ():
        # lists and NaN have no equality of their own
        places[repr(row)].append(place)
    gone, kept = set(), []
    for place, row in zip(old[SEQ], old.select(names).iter_rows(), strict=True):
        same = places.get(repr(row))
        if same and same[0] < place:
            gone.add(same.popleft())
            kept.append(False)
        else:
            kept.append(True)
    return new.filter(~new[SEQ].is_in(list(gone))), old.filter(kept)


def _compared(write: TableWrite, block: Block) -> TableWrite:
    """With what is known of the columns that tell whether two rows are equal."""
    targets = [column.target for column in block.binding.columns]
    return replace(
        write,
        moving={target.name: target.cast for target in targets},
        required=frozenset(target.name for target in targets if target.required),
    )


def _require_whole(
    images: pl.DataFrame, lacking: Mapping[str, pl.Series], events: Events, why: Failure = _NOT_WHOLE
) -> None:
    """What lacks a column goes out: nothing else says it."""
    events.out |= dict.fromkeys(images[SEQ].filter(lacking_any(lacking)) if lacking else (), why)


def _why_whole(binding: Binding) -> Failure:
    """Why an event that lacks a column can't be appended."""
    if binding.mode is Mode.APPEND:
        return _NOT_WHOLE
    assert binding.table is not None
    detail = (
        f"a column that had not changed, and history {binding.table.name} has no column {history.UNAVAILABLE!r} that "
        "would tell it from a null"
    )
    return replace(_NOT_WHOLE, detail=detail, remedy=_ADD_UNAVAILABLE)


_ADD_UNAVAILABLE = (
    f"Add a column {history.UNAVAILABLE} of type text to the table and send the letters again; or set REPLICA IDENTITY "
    "FULL on the source's table, or doubtful_nulls of the column where the null is one."
)


def _filled(after: pl.DataFrame, before: pl.DataFrame, lacking: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Images with what they lack from those before them, which are whole."""
    if not lacking:
        return after
    old = after.select(SEQ).join(before, on=SEQ, how="left", maintain_order="left")
    return after.with_columns(
        pl.when(~mask).then(after[name]).otherwise(pl.coalesce(old[name], after[name])).alias(name)
        for name, mask in lacking.items()
    )


def _of(said: pl.DataFrame, operations: object) -> list[int]:
    """The places of some operations."""
    wanted = list(cast(str, operations))
    return said.filter(pl.col("op").is_in(wanted))[SEQ].to_list()


def _unmade(ops: pl.Series, lacking: Mapping[str, pl.Series], binding: Binding) -> dict[str, pl.Series]:
    """By column that a transform makes, for which rows it can't be made: something that it is made of was not sent.

    Of a deleted row there is its key alone, and of a truncate nothing.
    """
    shape = binding.shape
    if shape is None or shape.transform is None:
        return {}
    parts_of = shape.transform.call.made_from.items()
    # a mask stands whatever it hides
    made = {name: set(parts) for name, parts in parts_of if name in shape.made and name not in shape.masks}
    keys = set(binding.key_columns)
    found = {}
    for name, parts in made.items():
        mask = ops.is_in([TRUNCATE] if parts <= keys else [TRUNCATE, "d"])
        for part in parts & lacking.keys():
            mask = mask | lacking[part]
        if mask.any():
            found[name] = mask
    return found


def _about(about: pl.DataFrame, block: Block, lacking: Mapping[str, pl.Series]) -> dict[str, pl.Series]:
    """The columns of the history, for its rows in their order."""
    schema, refs = block.binding.schema, dict(block.refs())
    origins = [refs[place] for place in about[SEQ]]
    none = pl.Series([None] * len(about), dtype=pl.Int64)
    unknown = pl.DataFrame(dict(lacking)) if lacking else None
    names = [
        ", ".join(name for name, flag in zip(lacking, flags, strict=True) if flag) or None
        for flags in (unknown.iter_rows() if unknown is not None else [()] * len(about))
    ]
    return {
        history.OPERATION: about["op"],
        history.POSITION: positions(about, schema.position) if schema.position else none,
        history.SOURCE_TIME: instants.timestamp_ms(about[SOURCE_TIME] if SOURCE_TIME in about.columns else none),
        history.EVENT_TIME: instants.timestamp_ms(about[_EVENT_TIME] if _EVENT_TIME in about.columns else none),
        history.PARTITION: pl.Series([ref.at.partition for ref in origins], dtype=pl.Int32),
        history.OFFSET: pl.Series([ref.offset for ref in origins], dtype=pl.Int64),
        history.UNAVAILABLE: pl.Series(names, dtype=pl.String),
    }


@lru_cache(maxsize=1024)
def _event_time(text: str) -> list[str]:
    """The field of a rewritten envelope (JSON text) that says when the event was made, if it has one."""
    fields = [field for field in json.loads(text)["fields"] if field["name"] == _EVENT_TIME]
    return [field["name"] for field in fields if options(field["type"])[0] == ["long"]]
