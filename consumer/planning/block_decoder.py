"""Blocks are decoded: images and deletes as columns, and what goes out.

A record that does not decode, or does not say which row it changes, is left out with its reason; its neighbours are not
touched by that.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import structlog

from consumer.core.binding import Binding
from consumer.core.doubts import NOT_DOUBTED, Doubted, doubted, mark, whole
from consumer.core.envelope import ANY, SOURCE_TIME
from consumer.core.failure import Failure
from consumer.core.flags import ALL_ON, Flag, Switches
from consumer.core.fold import SEQ, lacking_any
from consumer.core.frames import Frames
from consumer.core.framing import FRAME
from consumer.core.markers import Placeholders
from consumer.core.modes import DELETED_AT
from consumer.core.moves import NEW_KEY, OLD_KEY, Halves, borders, no_halves, token_fields, tokens
from consumer.core.plan import Contexts
from consumer.core.rewriting import Rewritten, absent_before
from consumer.planning.blocks import Block, Data, Decoded, Recut, unsound, valued
from consumer.planning.decode_watch import DecodeWatch, Marks
from consumer.planning.images import (
    MEANINGLESS,
    TRUNCATE,
    delete_columns,
    greatest_truncate,
    images_of,
    known_ops,
    no_deletes,
    own_fields,
    own_ones,
    placed,
    position_fields,
    source_times,
    stamps_of,
    timed,
    truncates_of,
    unnested,
    without_key,
)
from consumer.ports.decoding import Decoder
from consumer.stopwatch import Stopwatch

log = structlog.get_logger("headrace.decode")

# contexts of traces that are read of a block
_CONTEXTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoders:
    """The decoder for most; the careful one for marked ranges and schemas that the other can't read.

    `deadline`: of the first one, in seconds; the careful one is slow, but it ends. `placeholders`: what stands for
    values that the source did not have. `frames`: where topics have their schema ids. `traced`: the column that says of
    which trace a change is; empty where nobody asks. `switches`: of all that is done with a block.
    """

    fast: Decoder
    careful: Decoder
    deadline: float = 20.0
    placeholders: Placeholders = field(default_factory=Placeholders)
    frames: Frames = field(default_factory=Frames)
    traced: str = ""
    switches: Switches = ALL_ON


class BlockDecoder:
    """Decodes blocks, in one thread at a time."""

    def __init__(self, decoders: Decoders, marks: Marks) -> None:
        self._decoders = decoders
        self.placeholders = decoders.placeholders
        self.switches = decoders.switches
        self._marks = marks
        self.watch = DecodeWatch(decoders.deadline)
        self.decoding = Stopwatch("decode")
        # how many data each decoder has read; whoever plans takes it along
        self.read: Counter[str] = Counter()

    def decoded(self, block: Block) -> Decoded:
        """The block's changes. Raises Barred, Recut."""
        binding = block.binding
        values = block.values()
        places = valued(values)
        out: dict[int, Failure] = {}
        if not places and binding.compacted:
            # the value schema may be unknown, and no value needs it
            dead = self._tombstones(block, values, out)
            return Decoded(images=dead.clear(), deletes=dead, out=out)
        times = [SOURCE_TIME] if binding.schema.has_source_time else []
        fields = ["op", "after", *own_fields(binding), *times, *position_fields(binding)]
        frame = said = self.sifted(block, binding.schema.rewritten, Data.of(values, places), fields, out)
        frame = own_ones(frame, binding, out)
        ops = frozenset(frame["op"].unique().to_list())
        truncates = truncates_of(block, frame) if TRUNCATE in ops else []
        if binding.table and not binding.identity:
            frame = without_key(frame, out)
        meaningless = frame["op"].is_in(MEANINGLESS).arg_true().len() if ops & MEANINGLESS else 0
        frame = placed(known_ops(frame, ops, out), binding, out)
        images = self._with_identity(images_of(frame, binding, ops, out), binding, "after", out)
        gone = self._deletes(block, frame, values, out) if "d" in ops else None
        tombstones = len(values) - len(places)
        if tombstones and binding.compacted:
            dead = self._tombstones(block, values, out)
            gone = dead if gone is None else pl.concat([gone, dead]).sort(SEQ)
        gone = no_deletes(images, binding) if gone is None else gone
        doubted, unavailable = self.doubted(block, frame, images, out), self._unavailable(images, binding)
        images = images.with_columns(doubted.masks[name].alias(mark(name)) for name in doubted.judged)
        unavailable |= {name: mask | unavailable.get(name, False) for name, mask in doubted.absent.items()}
        return Decoded(
            images=images,
            deletes=gone,
            unavailable=unavailable,
            judged=doubted.judged,
            long=doubted.long,
            halves=self._halves(block, frame, images, gone, unavailable) if binding.may_lack else no_halves(),
            ops=ops,
            times=source_times(block, said, ops) if times else {},
            stamps=[stamps_of(block, said)] if times else [],
            ignored=meaningless - len(truncates) + (0 if binding.compacted else tombstones),
            truncates=truncates,
            truncated=greatest_truncate(frame, binding) if truncates else None,
            contexts=self.contexts(block, images),
            out=out,
        )

    def contexts(self, block: Block, images: pl.DataFrame) -> Contexts:
        """What the column of traces says in some of the images."""
        name = self._decoders.traced if self.switches.on(Flag.TRACING) else ""
        if not name or images.schema.get(name) != pl.String:
            return ()
        said = images.select(SEQ, name).drop_nulls()
        said = said.gather_every(max(1, len(said) // _CONTEXTS)).head(_CONTEXTS)
        return [(block.ref(place), text) for place, text in said.iter_rows()]

    def nothing(self, block: Block) -> Decoded:
        """What a block without any sound record would be."""
        rows = self.sifted(block, block.binding.schema.rewritten, Data(), ["op", "after"], {})
        images = unnested(rows, "after", None)
        return Decoded(images=images, deletes=images.select([*block.binding.identity, SEQ]))

    def identities(self, block: Block, places: Sequence[int]) -> pl.DataFrame:
        """The identities (and SEQ) of records, as their keys say; none for a record whose key does not say it."""
        if block.binding.key_writer is None:
            return pl.DataFrame(schema={**dict.fromkeys(block.binding.identity, pl.Null()), SEQ: pl.Int64()})
        keys = block.keys()
        framed = [place for place in places if len(keys[place] or b"") > FRAME]
        rows = self.sifted(block, block.binding.key_writer, Data.of(keys, framed), list(block.binding.identity), {})
        return self._with_identity(rows, block.binding, "key", {})

    def sifted(
        self,
        block: Block,
        schema: Rewritten | None,
        data: Data,
        fields: Sequence[str],
        out: dict[int, Failure],
    ) -> pl.DataFrame:
        """The sound ones of framed data, with SEQ; the others go out."""
        assert schema is not None, "changes are bound with the schemas that their decoding needs"
        pieces = [run.piece for run in block.runs]
        columnar = schema.columnar and self.switches.on(Flag.COLUMNAR_DECODER)
        if not columnar or any(map(self._marks.touch, pieces)):
            with self.decoding:
                sifted = self._decoders.careful.sift(schema.text, data.framed, fields, FRAME)
        else:
            with self.decoding, self.watch.over(pieces):
                sifted = self._decoders.fast.sift(schema.text, data.framed, fields, FRAME)
        self.read.update(row=sifted.careful, columnar=len(data.framed) - sifted.careful)
        if sifted.given_up:
            _say_given_up(block, sifted.given_up)
        for index, reason in sifted.bad.items():
            out[data.places[index]] = unsound("record.decode", "decode", reason)
        places = pl.Series(SEQ, data.places, dtype=pl.Int64)
        if sifted.bad:
            places = places.filter(~pl.arange(len(places), eager=True).is_in(list(sifted.bad)))
        return sifted.frame.hstack([places])

    def _deletes(
        self, block: Block, frame: pl.DataFrame, values: Sequence[bytes | None], out: dict[int, Failure]
    ) -> pl.DataFrame:
        """Deletes are decoded apart, so that nothing else pays for their before images."""
        places = frame.filter(pl.col("op") == "d")[SEQ].to_list()
        binding = block.binding
        times = [SOURCE_TIME] if binding.schema.has_source_time and timed(binding) else []
        fields = ["op", "before", *times, *position_fields(binding)]
        rows = self.sifted(block, binding.schema.rewritten, Data.of(values, places), fields, out)
        rows = placed(rows, binding, out)
        deleted = unnested(rows, "before", binding.version)
        if timed(binding):
            said = rows[SOURCE_TIME] if times else pl.Series([None] * len(rows), dtype=pl.Int64)
            deleted = deleted.with_columns(said.alias(DELETED_AT))
        return self._identity(deleted, binding, "before", out)

    def _tombstones(self, block: Block, values: Sequence[bytes | None], out: dict[int, Failure]) -> pl.DataFrame:
        """On a compacted topic a tombstone deletes its key."""
        keys = block.keys()
        dead = [place for place, value in enumerate(values) if value is None]
        rows = self.sifted(block, block.binding.key_writer, Data.of(keys, dead), list(block.binding.identity), out)
        if block.binding.version is not None:
            # its place in the source's log is in no value
            rows = rows.with_columns(pl.lit(None, dtype=pl.Int64).alias(block.binding.version))
        if timed(block.binding):
            rows = rows.with_columns(pl.lit(None, dtype=pl.Int64).alias(DELETED_AT))
        return self._identity(rows, block.binding, "key", out)

    def _halves(
        self,
        block: Block,
        frame: pl.DataFrame,
        images: pl.DataFrame,
        deletes: pl.DataFrame,
        unavailable: Mapping[str, pl.Series],
    ) -> Halves:
        """The halves of key changes that have something to do with one another. Raises Recut."""
        lacking: list[int] = []
        if unavailable:
            creates = frame.filter(pl.col("op") == "c")[SEQ]
            some = images[SEQ].filter(lacking_any(unavailable))
            lacking = some.filter(some.is_in(creates.implode())).to_list()
        taken = self._tokens(block, lacking)
        gone = frame.filter(pl.col("op") == "d")[SEQ].to_list() if len(deletes) else []
        kept = self._tokens(block, block.with_header(gone, NEW_KEY))
        if kept.is_empty() and taken.is_empty():
            return no_halves()
        identity = list(block.binding.identity)
        kept = deletes.select(*identity, SEQ).join(kept, on=SEQ, maintain_order="left")
        rows = images.select(*identity, SEQ)
        whole = rows.filter(~pl.col(SEQ).is_in(taken[SEQ].implode()))
        cuts = borders(kept, rows.join(taken, on=SEQ), whole, deletes, identity) - block.starts()
        if cuts:
            raise Recut(cuts)
        return Halves(kept=kept, taken=taken)

    def _tokens(self, block: Block, places: Sequence[int]) -> pl.DataFrame:
        """The tokens of the events of some records, as far as they say which ones they are, with SEQ."""
        schema = block.binding.schema.rewritten
        if not places or schema is None:
            return no_halves().taken
        fields = token_fields(schema.text)
        rows = self.sifted(block, schema, Data.of(block.values(), places), ["op", *fields], {})
        return pl.DataFrame([tokens(rows, fields), rows[SEQ]]).drop_nulls()

    def _unavailable(self, images: pl.DataFrame, binding: Binding) -> dict[str, pl.Series]:
        """By column, which images hold no value for it."""
        masks: dict[str, pl.Series] = {}
        if images.is_empty():
            return masks
        for column in binding.inputs:
            if column.name not in binding.identity:
                mask = self.placeholders.mask(images[column.name], nested=column.avro == ANY)
                if mask is not None:
                    masks[column.name] = mask
        return masks

    def doubted(self, block: Block, said: pl.DataFrame, images: pl.DataFrame, out: dict[int, Failure]) -> Doubted:
        """Which nulls of the images may stand for values that the source did not send. `said`: operations, with SEQ.

        One of an update does, unless the image before it is whole. So does one of a create by which a row goes on under
        another key.
        """
        binding = block.binding
        names = [name for name in binding.doubts if images[name].null_count()]
        if not names:
            return NOT_DOUBTED
        lacking = images.filter(pl.any_horizontal(pl.col(name).is_null() for name in names)).select(SEQ)
        ops = lacking.join(said.select(SEQ, "op"), on=SEQ, how="left", maintain_order="left")
        updates = ops.filter(pl.col("op") == "u")[SEQ].to_list()
        moved = block.with_header(ops.filter(pl.col("op") == "c")[SEQ].to_list(), OLD_KEY)
        updates = sorted(set(updates).difference(self._behind_whole_images(block, updates, out)))
        return doubted(images, updates, moved, {name: binding.doubts[name] for name in names}, binding.identity)

    def _behind_whole_images(self, block: Block, updates: Sequence[int], out: dict[int, Failure]) -> list[int]:
        """Those of the updates whose image before is a whole row."""
        schema, values = block.binding.schema, block.values()
        # most have none at all, which costs nothing to see
        absent = absent_before(schema.rewritten.text) if schema.rewritten else None
        imaged = [place for place in updates if (values[place] or b"")[FRAME : FRAME + 1] != absent]
        if not imaged:
            return []
        before = self.sifted(block, schema.rewritten, Data.of(values, imaged), ["op", "before"], out)
        return whole(before, schema.columns)

    def _identity(self, rows: pl.DataFrame, binding: Binding, image: str, out: dict[int, Failure]) -> pl.DataFrame:
        return self._with_identity(rows, binding, image, out).select(delete_columns(binding))

    def _with_identity(self, rows: pl.DataFrame, binding: Binding, image: str, out: dict[int, Failure]) -> pl.DataFrame:
        """The rows that have a value for every key column."""
        for name in binding.identity:
            lacking = rows[name].is_null()
            mask = self.placeholders.mask(rows[name])
            lacking = lacking if mask is None else lacking | mask
            if lacking.any():
                reason = f"the {image} image has no value for the key column {name!r}"
                for place in rows.filter(lacking)[SEQ]:
                    out[place] = unsound("record.identity", "identity", reason, f"{image}.{name}")
                rows = rows.filter(~lacking)
        return rows


def _say_given_up(block: Block, why: str) -> None:
    log.warning(
        "the native reader can't read a schema; the row decoder reads it",
        topic=block.runs[0].piece.at.topic,
        table=str(block.binding.table.name) if block.binding.table else None,
        reason=why,
        remedy="Nothing has to be done: rows are the same, and decoding is slower. Some minutes later the reader "
        "is tried again. Report the types of the topic's schema.",
    )
