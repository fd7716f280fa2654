"""One block of a batch, decoded: its images and deletes as columns, and which records are not sound, and why.

A block holds runs of one binding. A record that does not decode, or does not say which row it changes, is left out
with its reason; its neighbours are not touched by that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import polars as pl

from consumer.core.envelope import SOURCE_TIME
from consumer.core.failure import Failure, failed
from consumer.core.fold import SEQ
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.plan import Binding, Run, origin, recorded
from consumer.core.position import positions
from consumer.core.records import RecordRef
from consumer.core.rewriting import Rewritten
from consumer.decode_watch import DecodeWatch, Marks
from consumer.ports.decoding import Decoder

_IMAGES = frozenset({"c", "u", "r"})
_TRUNCATE = "t"
_FRAME = 5
_VERSION = "#version"


@dataclass(frozen=True, slots=True)
class Block:
    """Runs of one binding that stand at the same stage. A record's place counts through the runs, laid end to end."""

    binding: Binding
    runs: tuple[Run, ...]

    def __len__(self) -> int:
        return sum(run.end - run.start for run in self.runs)

    def keys(self) -> list[bytes | None]:
        """The records' keys."""
        return [key for run in self.runs for key in run.piece.keys[run.start : run.end]]

    def values(self) -> list[bytes | None]:
        """The records' values."""
        return [value for run in self.runs for value in run.piece.values[run.start : run.end]]

    def refs(self) -> Iterator[tuple[int, RecordRef]]:
        """Every record's place and origin."""
        place = 0
        for run in self.runs:
            for offset in run.piece.offsets[run.start : run.end]:
                yield place, RecordRef(run.piece.at, offset)
                place += 1

    def record(self, place: int) -> Record:
        """The record as it lay in its topic."""
        return recorded(self.runs, place)

    def ref(self, place: int) -> RecordRef:
        """The record's origin."""
        return origin(self.runs, place)


@dataclass(slots=True)
class Decoded:
    """A block's changes: `images` (every column, SEQ) and `deletes` (identity, SEQ), both by rising place.

    Both have the version column too, where the binding has one.

    `out`: the records that are not sound, by place. `ops`: the operations seen. `span`: oldest and newest source time.
    `ignored`: tombstones that mean nothing.
    """

    images: pl.DataFrame
    deletes: pl.DataFrame
    ops: frozenset[str] = frozenset()
    span: Sequence[int] = ()
    ignored: int = 0
    out: dict[int, Failure] = field(default_factory=dict)


class Truncated(Exception):
    """The block holds a truncate, which is about a whole table."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoders:
    """The decoder for most; the careful one for marked ranges and schemas that the other can't read.

    `deadline`: of the first one, in seconds; the careful one is slow, but it ends.
    """

    fast: Decoder
    careful: Decoder
    deadline: float = 20.0


class BlockDecoder:
    """Decodes blocks, in one thread at a time."""

    def __init__(self, decoders: Decoders, marks: Marks) -> None:
        self._decoders = decoders
        self._marks = marks
        self.watch = DecodeWatch(decoders.deadline)

    def decoded(self, block: Block) -> Decoded:
        """The block's changes. Raises Truncated."""
        binding = block.binding
        values = block.values()
        places = _valued(values)
        out: dict[int, Failure] = {}
        if not places and binding.compacted:
            # the value schema may be unknown, and no value needs it
            dead = self._tombstones(block, values, out)
            return Decoded(images=dead.clear(), deletes=dead, out=out)
        times = [SOURCE_TIME] if binding.schema.has_source_time else []
        fields = ["op", "after", *times, *_position(binding)]
        frame = self._sifted(block, binding.schema.rewritten, _Data.of(values, places), fields, out)
        ops = frozenset(frame["op"].unique().to_list())
        frame = _placed(_known_ops(frame, ops, out), binding, out)
        images = _images(frame, binding, ops, out)
        gone = self._deletes(block, frame, values, out) if "d" in ops else None
        tombstones = len(values) - len(places)
        if tombstones and binding.compacted:
            dead = self._tombstones(block, values, out)
            gone = dead if gone is None else pl.concat([gone, dead]).sort(SEQ)
        span = [frame[SOURCE_TIME].min(), frame[SOURCE_TIME].max()] if times else []
        return Decoded(
            images=images,
            deletes=images.select(_delete_columns(binding)).clear() if gone is None else gone,
            ops=ops,
            span=[cast(int, at) for at in span if at],
            ignored=0 if binding.compacted else tombstones,
            out=out,
        )

    def nothing(self, block: Block) -> Decoded:
        """What a block without any sound record would be."""
        rows = self._sifted(block, block.binding.schema.rewritten, _Data(), ["op", "after"], {})
        images = _unnested(rows, "after", replace(block.binding, version=None))
        return Decoded(images=images, deletes=images.select([*block.binding.identity, SEQ]))

    def identities(self, block: Block, places: Sequence[int]) -> pl.DataFrame:
        """The identities (and SEQ) of records, as their keys say; none for a record whose key does not say it."""
        keys = block.keys()
        framed = [place for place in places if len(keys[place] or b"") > _FRAME]
        rows = self._sifted(block, block.binding.key_writer, _Data.of(keys, framed), list(block.binding.identity), {})
        return rows.drop_nulls()

    def _sifted(
        self,
        block: Block,
        schema: Rewritten | None,
        data: "_Data",
        fields: Sequence[str],
        out: dict[int, Failure],
    ) -> pl.DataFrame:
        """The sound ones of framed data, with SEQ; the others go out."""
        assert schema is not None, "changes are bound with the schemas that their decoding needs"
        bodies = [raw[_FRAME:] for raw in data.framed]
        pieces = [run.piece for run in block.runs]
        if not schema.columnar or any(map(self._marks.touch, pieces)):
            sifted = self._decoders.careful.sift(schema.text, bodies, fields)
        else:
            with self.watch.over(pieces):
                sifted = self._decoders.fast.sift(schema.text, bodies, fields)
        places = data.places
        for index, reason in sifted.bad.items():
            out[places[index]] = _unsound("record.decode", "decode", reason)
        if sifted.bad:
            places = [place for index, place in enumerate(places) if index not in sifted.bad]
        return sifted.frame.hstack([pl.Series(SEQ, places, dtype=pl.Int64)])

    def _deletes(
        self, block: Block, frame: pl.DataFrame, values: Sequence[bytes | None], out: dict[int, Failure]
    ) -> pl.DataFrame:
        """Deletes are decoded apart, so that nothing else pays for their before images."""
        places = frame.filter(pl.col("op") == "d")[SEQ].to_list()
        binding = block.binding
        fields = ["op", "before", *_position(binding)]
        rows = self._sifted(block, binding.schema.rewritten, _Data.of(values, places), fields, out)
        return _identity(_unnested(_placed(rows, binding, out), "before", binding), binding, "before", out)

    def _tombstones(self, block: Block, values: Sequence[bytes | None], out: dict[int, Failure]) -> pl.DataFrame:
        """On a compacted topic a tombstone deletes its key."""
        keys = block.keys()
        dead = [place for place, value in enumerate(values) if value is None]
        rows = self._sifted(block, block.binding.key_writer, _Data.of(keys, dead), list(block.binding.identity), out)
        if block.binding.version is not None:
            # its place in the source's log is in no value
            rows = rows.with_columns(pl.lit(None, dtype=pl.Int64).alias(block.binding.version))
        return _identity(rows, block.binding, "key", out)


def _position(binding: Binding) -> tuple[str, ...]:
    """What is read to tell where changes stand in the source's log: nothing where no column keeps it."""
    return () if binding.version is None else binding.schema.position


def _placed(frame: pl.DataFrame, binding: Binding, out: dict[int, Failure]) -> pl.DataFrame:
    """With the position of each change; one without it goes out, since it would pass any guard unseen."""
    if binding.version is None:
        return frame
    frame = frame.with_columns(positions(frame, binding.schema.position).alias(_VERSION))
    lost = frame["op"].is_in(["c", "u", "d"]) & frame[_VERSION].is_null()
    if lost.any():
        reason = "the change does not say where it stands in the source's log"
        for place in frame.filter(lost)[SEQ]:
            out[place] = _unsound("record.position", "decode", reason)
        frame = frame.filter(~lost)
    return frame


def _valued(values: Sequence[bytes | None]) -> Sequence[int]:
    """The places of what is no tombstone."""
    if None not in values:
        return range(len(values))
    return [place for place, value in enumerate(values) if value is not None]


@dataclass(frozen=True, slots=True)
class _Data:
    """Framed data of a block, and their places in it."""

    places: Sequence[int] = ()
    framed: Sequence[bytes] = ()

    @staticmethod
    def of(every: Sequence[bytes | None], places: Sequence[int]) -> "_Data":
        """Those of all; what is missing is empty."""
        if len(places) == len(every) and None not in every:
            return _Data(places, cast(Sequence[bytes], every))
        return _Data(places, [every[place] or b"" for place in places])


def _known_ops(frame: pl.DataFrame, ops: frozenset[str], out: dict[int, Failure]) -> pl.DataFrame:
    strange = ops - {*_IMAGES, "d", "m"}
    if not strange:
        return frame
    odd = frame["op"].is_in(list(strange))
    for op, place in frame.filter(odd).select("op", SEQ).iter_rows():
        if op == _TRUNCATE:
            raise Truncated(place)
        out[place] = _unsound("record.operation", "decode", "the record holds an unknown operation")
    return frame.filter(~odd)


def _images(frame: pl.DataFrame, binding: Binding, ops: frozenset[str], out: dict[int, Failure]) -> pl.DataFrame:
    kept = frame if ops <= _IMAGES else frame.filter(pl.col("op").is_in(_IMAGES))
    missing = kept["after"].is_null()
    if missing.any():
        for place in kept.filter(missing)[SEQ]:
            out[place] = _unsound("record.image", "decode", "an insert or update has no after image")
        kept = kept.filter(~missing)
    return _with_identity(_unnested(kept, "after", binding), binding, "after", out)


def _identity(rows: pl.DataFrame, binding: Binding, image: str, out: dict[int, Failure]) -> pl.DataFrame:
    return _with_identity(rows, binding, image, out).select(_delete_columns(binding))


def _delete_columns(binding: Binding) -> list[str]:
    return [*binding.identity, *([binding.version] if binding.version else []), SEQ]


def _with_identity(rows: pl.DataFrame, binding: Binding, image: str, out: dict[int, Failure]) -> pl.DataFrame:
    """The rows that have a value for every key column."""
    for name in binding.identity:
        if rows[name].null_count():
            reason = f"the {image} image has no value for the key column {name!r}"
            for place in rows.filter(rows[name].is_null())[SEQ]:
                out[place] = _unsound("record.identity", "identity", reason)
            rows = rows.filter(rows[name].is_not_null())
    return rows


def _unnested(rows: pl.DataFrame, image: str, binding: Binding) -> pl.DataFrame:
    version = binding.version
    places = [rows[SEQ]] if version is None else [rows[_VERSION].alias(version), rows[SEQ]]
    columns = rows[image].struct.unnest()
    return (columns.rename(binding.renamed, strict=False) if binding.renamed else columns).hstack(places)


def _unsound(kind: str, operation: str, reason: str) -> Failure:
    return failed(KINDS[kind], "planner", operation, reason)
