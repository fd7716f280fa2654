"""One block of a batch, decoded: its images and deletes as columns, and which records are not sound, and why.

A block holds runs of one binding. A record that does not decode, or does not say which row it changes, is left out
with its reason; its neighbours are not touched by that.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import polars as pl
import structlog

from consumer.core.binding import Binding
from consumer.core.doubts import NOT_DOUBTED, Doubted, doubted, mark, whole
from consumer.core.envelope import ANY, SOURCE_TIME
from consumer.core.failure import Failure, blaming, failed
from consumer.core.flags import ALL_ON, Flag, Switches
from consumer.core.fold import SEQ, lacking_any
from consumer.core.frames import Frames
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.markers import Placeholders
from consumer.core.modes import DELETED_AT, OnTruncate
from consumer.core.moves import NEW_KEY, OLD_KEY, Halves, borders, no_halves, token_fields, tokens
from consumer.core.plan import Contexts, SourceTimes
from consumer.core.position import places_of_reads, positions
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.rewriting import Rewritten
from consumer.core.runs import Run, origin, recorded
from consumer.core.stamps import Stamps
from consumer.planning.decode_watch import DecodeWatch, Marks
from consumer.planning.stopwatch import Stopwatch
from consumer.ports.decoding import Decoder

log = structlog.get_logger("headrace.decode")

IMAGES = frozenset({"c", "u", "r"})
TRUNCATE = "t"
# a logical message, and a truncate that is not to be applied
_MEANINGLESS = frozenset({"m", TRUNCATE})
_FRAME = 5
# contexts of traces that are read of a block
_CONTEXTS = 8
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

    def with_header(self, places: Sequence[int], name: str) -> list[int]:
        """Those of the records, given by rising places, that have a header of that name. It costs for each of them."""
        found: list[int] = []
        first = 0
        for run in self.runs:
            offsets, headers, last = run.piece.offsets, run.piece.headers, first + run.end - run.start
            here = places[bisect_left(places, first) : bisect_left(places, last)]
            found += [at for at in here if any(one == name for one, _ in headers(offsets[run.start + at - first]))]
            first = last
        return found

    def starts(self) -> set[int]:
        """The places at which its runs begin."""
        lengths = [run.end - run.start for run in self.runs]
        return {sum(lengths[:number]) for number in range(len(lengths))}

    def ref(self, place: int) -> RecordRef:
        """The record's origin."""
        return origin(self.runs, place)


@dataclass(slots=True)
class Decoded:
    """A block's changes: `images` (every column, SEQ) and `deletes` (identity, SEQ), both by rising place.

    Both have the version column too, where the binding has one.

    `unavailable`: by column, which images hold no value for it. `judged`: the columns of which some of these have nulls
    that the row there judges; the images say which ones, under `mark`. `never_null`: those of them in which a null that
    is one breaks a check. `out`: the records that are not sound, by place.
    `ops`: the operations seen. `times`: of the sources; `stamps`: those of each record, as in `Plan`. `ignored`:
    records that mean nothing. `halves`: those of key changes. `truncates`: the places of truncates, and `truncated`:
    the greatest position of theirs, where positions matter. `rowless`: the records that go out without their rows.
    """

    images: pl.DataFrame
    deletes: pl.DataFrame
    unavailable: Mapping[str, pl.Series] = field(default_factory=dict)
    judged: frozenset[str] = frozenset()
    never_null: frozenset[str] = frozenset()
    ops: frozenset[str] = frozenset()
    times: SourceTimes = field(default_factory=dict)
    stamps: Sequence[Stamps] = ()
    ignored: int = 0
    truncates: Sequence[int] = ()
    truncated: int | None = None
    halves: Halves = field(default_factory=no_halves)
    contexts: Contexts = ()
    out: dict[int, Failure] = field(default_factory=dict)
    rowless: frozenset[int] = frozenset()


class Truncated(Exception):
    """The block holds a truncate, which is about a whole table and not to be applied."""

    def __init__(self, place: int) -> None:
        super().__init__(place)
        self.place = place


class Recut(Exception):
    """The block's runs are to be cut in front of these places, since some of its records stand between others."""

    def __init__(self, places: Collection[int]) -> None:
        super().__init__(f"{len(places)} places")
        self.places = places


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


def _say_given_up(block: Block, why: str) -> None:
    log.warning(
        "the native reader can't read a schema; the row decoder reads it",
        topic=block.runs[0].piece.at.topic,
        table=str(block.binding.table.name) if block.binding.table else None,
        reason=why,
        remedy="Nothing has to be done: rows are the same, and decoding is slower. Some minutes later the reader "
        "is tried again. Report the types of the topic's schema.",
    )


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
        """The block's changes. Raises Truncated, Recut."""
        binding = block.binding
        values = block.values()
        places = valued(values)
        out: dict[int, Failure] = {}
        if not places and binding.compacted:
            # the value schema may be unknown, and no value needs it
            dead = self._tombstones(block, values, out)
            return Decoded(images=dead.clear(), deletes=dead, out=out)
        times = [SOURCE_TIME] if binding.schema.has_source_time else []
        fields = ["op", "after", *times, *_position(binding)]
        frame = said = self.sifted(block, binding.schema.rewritten, Data.of(values, places), fields, out)
        ops = frozenset(frame["op"].unique().to_list())
        truncates = truncates_of(block, frame) if TRUNCATE in ops else []
        if binding.table and not binding.identity:
            frame = _without_key(frame, out)
        meaningless = frame["op"].is_in(_MEANINGLESS).arg_true().len() if ops & _MEANINGLESS else 0
        frame = _placed(known_ops(frame, ops, out), binding, out)
        images = self._with_identity(_images(frame, binding, ops, out), binding, "after", out)
        gone = self._deletes(block, frame, values, out) if "d" in ops else None
        tombstones = len(values) - len(places)
        if tombstones and binding.compacted:
            dead = self._tombstones(block, values, out)
            gone = dead if gone is None else pl.concat([gone, dead]).sort(SEQ)
        gone = _no_deletes(images, binding) if gone is None else gone
        doubted, unavailable = self.doubted(block, frame, images, out), self._unavailable(images, binding)
        images = images.with_columns(doubted.masks[name].alias(mark(name)) for name in doubted.judged)
        unavailable |= {name: mask | unavailable.get(name, False) for name, mask in doubted.masks.items()}
        return Decoded(
            images=images,
            deletes=gone,
            unavailable=unavailable,
            judged=doubted.judged,
            halves=self._halves(block, frame, images, gone, unavailable) if binding.may_lack else no_halves(),
            ops=ops,
            times=source_times(block, said) if times else {},
            stamps=[stamps_of(block, said)] if times else [],
            ignored=meaningless - len(truncates) + (0 if binding.compacted else tombstones),
            truncates=truncates,
            truncated=_truncated(frame, binding) if truncates else None,
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
        images = _unnested(rows, "after", None)
        return Decoded(images=images, deletes=images.select([*block.binding.identity, SEQ]))

    def identities(self, block: Block, places: Sequence[int]) -> pl.DataFrame:
        """The identities (and SEQ) of records, as their keys say; none for a record whose key does not say it."""
        if block.binding.key_writer is None:
            return pl.DataFrame(schema={**dict.fromkeys(block.binding.identity, pl.Null()), SEQ: pl.Int64()})
        keys = block.keys()
        framed = [place for place in places if len(keys[place] or b"") > _FRAME]
        rows = self.sifted(block, block.binding.key_writer, Data.of(keys, framed), list(block.binding.identity), {})
        return self._with_identity(rows, block.binding, "key", {})

    def sifted(
        self,
        block: Block,
        schema: Rewritten | None,
        data: "Data",
        fields: Sequence[str],
        out: dict[int, Failure],
    ) -> pl.DataFrame:
        """The sound ones of framed data, with SEQ; the others go out."""
        assert schema is not None, "changes are bound with the schemas that their decoding needs"
        bodies = [raw[_FRAME:] for raw in data.framed]
        pieces = [run.piece for run in block.runs]
        columnar = schema.columnar and self.switches.on(Flag.COLUMNAR_DECODER)
        if not columnar or any(map(self._marks.touch, pieces)):
            with self.decoding:
                sifted = self._decoders.careful.sift(schema.text, bodies, fields)
        else:
            with self.decoding, self.watch.over(pieces):
                sifted = self._decoders.fast.sift(schema.text, bodies, fields)
        self.read.update(row=sifted.careful, columnar=len(bodies) - sifted.careful)
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
        times = [SOURCE_TIME] if binding.schema.has_source_time and _timed(binding) else []
        fields = ["op", "before", *times, *_position(binding)]
        rows = self.sifted(block, binding.schema.rewritten, Data.of(values, places), fields, out)
        rows = _placed(rows, binding, out)
        deleted = _unnested(rows, "before", binding.version)
        if _timed(binding):
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
        if _timed(block.binding):
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
        data = Data.of(block.values(), updates)
        before = self.sifted(block, binding.schema.rewritten, data, ["op", "before"], out)
        places = [*moved, *set(updates).difference(whole(before, binding.schema.columns))]
        return doubted(images, places, {name: binding.doubts[name] for name in names})

    def _identity(self, rows: pl.DataFrame, binding: Binding, image: str, out: dict[int, Failure]) -> pl.DataFrame:
        return self._with_identity(rows, binding, image, out).select(_delete_columns(binding))

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


def source_times(block: Block, frame: pl.DataFrame) -> dict[TopicPartition, tuple[int, int]]:
    """By partition, of decoded records with SEQ by rising place; none where no record has a time."""
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


def _position(binding: Binding) -> tuple[str, ...]:
    """What is read to tell where changes stand in the source's log: nothing where no column keeps it."""
    return () if binding.version is None else binding.schema.position


def _placed(frame: pl.DataFrame, binding: Binding, out: dict[int, Failure]) -> pl.DataFrame:
    """With the position of each change; one without it goes out, since it would pass any guard unseen."""
    if binding.version is None:
        return frame
    # reads are compared with what truncated the table, and with nothing else
    placed = places_of_reads if binding.floored else positions
    frame = frame.with_columns(placed(frame, binding.schema.position).alias(_VERSION))
    lost = frame["op"].is_in(["c", "u", "d"]) & frame[_VERSION].is_null()
    if lost.any():
        reason = "the change does not say where it stands in the source's log"
        for place in frame.filter(lost)[SEQ]:
            out[place] = unsound("record.position", "decode", reason, "source")
        frame = frame.filter(~lost)
    return frame


def valued(values: Sequence[bytes | None]) -> Sequence[int]:
    """The places of what is no tombstone."""
    if None not in values:
        return range(len(values))
    return [place for place, value in enumerate(values) if value is not None]


@dataclass(frozen=True, slots=True)
class Data:
    """Framed data of a block, and their places in it."""

    places: Sequence[int] = ()
    framed: Sequence[bytes] = ()

    @staticmethod
    def of(every: Sequence[bytes | None], places: Sequence[int]) -> "Data":
        """Those of all; what is missing is empty."""
        if len(places) == len(every) and None not in every:
            return Data(places, cast(Sequence[bytes], every))
        return Data(places, [every[place] or b"" for place in places])


def known_ops(frame: pl.DataFrame, ops: frozenset[str], out: dict[int, Failure]) -> pl.DataFrame:
    """The records whose operation there is; the others go out."""
    strange = ops - {*IMAGES, "d", *_MEANINGLESS}
    if not strange:
        return frame
    odd = frame["op"].is_in(list(strange))
    for place in frame.filter(odd)[SEQ]:
        out[place] = unsound("record.operation", "decode", "the record holds an unknown operation", "op")
    return frame.filter(~odd)


def truncates_of(block: Block, frame: pl.DataFrame) -> list[int]:
    """The places of truncates that are to be applied; none of them stands in one run with anything else.

    Raises Truncated, Recut.
    """
    binding = block.binding
    if binding.truncate is OnTruncate.IGNORE:
        return []
    places = frame.filter(pl.col("op") == TRUNCATE)[SEQ].to_list()
    if binding.truncate is OnTruncate.STOP:
        raise Truncated(places[0])
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


def _truncated(frame: pl.DataFrame, binding: Binding) -> int | None:
    """The greatest position of truncates, where positions matter. Raises Truncated for one without."""
    if binding.version is None:
        return None
    said = frame.filter(pl.col("op") == TRUNCATE)
    if said[_VERSION].null_count():
        raise Truncated(said.filter(pl.col(_VERSION).is_null())[SEQ][0])
    return cast(int, said[_VERSION].max())


def _no_deletes(images: pl.DataFrame, binding: Binding) -> pl.DataFrame:
    if _timed(binding):
        images = images.with_columns(pl.lit(None, dtype=pl.Int64).alias(DELETED_AT))
    return images.select(_delete_columns(binding)).clear()


def _without_key(frame: pl.DataFrame, out: dict[int, Failure]) -> pl.DataFrame:
    """What a record without a key may be where rows are told by keys: nothing of one row."""
    rows = ~frame["op"].is_in(_MEANINGLESS)
    for place in frame.filter(rows)[SEQ]:
        out[place] = unsound("record.identity", "identity", "the record has no key")
    return frame.filter(~rows)


def _images(frame: pl.DataFrame, binding: Binding, ops: frozenset[str], out: dict[int, Failure]) -> pl.DataFrame:
    kept = frame if ops <= IMAGES else frame.filter(pl.col("op").is_in(IMAGES))
    missing = kept["after"].is_null()
    if missing.any():
        for place in kept.filter(missing)[SEQ]:
            out[place] = unsound("record.image", "decode", "an insert or update has no after image", "after")
        kept = kept.filter(~missing)
    return _unnested(kept, "after", binding.version)


def _delete_columns(binding: Binding) -> list[str]:
    times = [DELETED_AT] if _timed(binding) else []
    return [*binding.identity, *([binding.version] if binding.version else []), *times, SEQ]


def _timed(binding: Binding) -> bool:
    """Whether it matters when a row was deleted."""
    return binding.soft is not None and binding.soft.timed


def _unnested(rows: pl.DataFrame, image: str, version: str | None) -> pl.DataFrame:
    places = [rows[SEQ]] if version is None else [rows[_VERSION].alias(version), rows[SEQ]]
    return rows[image].struct.unnest().hstack(places)


def unsound(kind: str, operation: str, reason: str, field: str = "") -> Failure:
    """Why a record is not sound, and which field of it, if it is one."""
    return blaming(failed(KINDS[kind], "planner", operation, reason), field)
