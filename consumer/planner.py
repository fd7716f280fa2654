"""From records to a plan: decode, fold and encode one batch. Asks nobody anything."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import polars as pl
import pyarrow as pa

from consumer.core.carriers import NotCarried, carried, unavailable
from consumer.core.envelope import IGNORED_KINDS, SOURCE_TIME
from consumer.core.failure import Failure, Persistent, failed, located
from consumer.core.fold import SEQ, Folded, fold
from consumer.core.kinds import KINDS
from consumer.core.plan import (
    Action,
    Binding,
    BindingKey,
    BoundColumn,
    Counts,
    Plan,
    RecordRef,
    Run,
    StagedColumn,
    TableWrite,
    TargetTable,
    origin,
    runs,
)
from consumer.core.records import Slice
from consumer.core.rewriting import Rewritten
from consumer.decode_watch import DecodeWatch, Marks
from consumer.ports import BadDatum, Bindings, DataFault, Decoder, Encoder

_IMAGES = frozenset({"c", "u", "r"})


class Unbound(Exception):
    """Runs of records have no binding yet: the keys, and for each a run whose records say what to make."""

    def __init__(self, wanted: Mapping[BindingKey, Run]) -> None:
        super().__init__(list(wanted))
        self.wanted = wanted


class BadRecord(Persistent):
    """One record can't be decoded or planned."""

    def __init__(self, ref: RecordRef, failure: Failure) -> None:
        super().__init__(failure)
        self.ref = ref


def bad_record(ref: RecordRef, failure: Failure, operation: str = "") -> BadRecord:
    """The failure as that of one record, named by its origin."""
    named = located(replace(failure, operation=operation or failure.operation), ref.at, ref.offset)
    return BadRecord(ref, named)


@dataclass(frozen=True, slots=True)
class _Block:
    """Runs of one binding that stand at the same stage."""

    binding: Binding
    runs: tuple[Run, ...]

    def keys(self) -> list[bytes | None]:
        return [key for run in self.runs for key in run.piece.keys[run.start : run.end]]

    def values(self) -> list[bytes | None]:
        return [value for run in self.runs for value in run.piece.values[run.start : run.end]]

    def bad(self, index: int, kind: str, operation: str, reason: str) -> BadRecord:
        return bad_record(origin(self.runs, index), failed(KINDS[kind], "planner", operation, reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoders:
    """The decoder for most; the careful one for marked ranges and schemas that the other can't read.

    `deadline`: of the first one, in seconds; the careful one is slow, but it ends.
    """

    fast: Decoder
    careful: Decoder
    deadline: float = 20.0


class Planner:
    """Plans batches from what the bindings know. Safe to use from one thread at a time."""

    def __init__(self, decoders: Decoders, encoder: Encoder, bindings: Bindings, marks: Marks) -> None:
        self._decoders = decoders
        self._encoder = encoder
        self._bindings = bindings
        self.marks = marks
        self.watch = DecodeWatch(decoders.deadline)

    def knows(self, key: BindingKey) -> bool:
        """Whether records of this kind can be planned."""
        return self._bindings.find(key) is not None

    def plan(self, slices: Sequence[Slice]) -> Plan:
        """Plan one transaction. Raises Unbound, or BadRecord for the first record that can't be planned."""
        counted: Counter[str] = Counter(records=sum(map(len, slices)))
        times: list[int] = []
        stages = []
        for blocks in self._staged(slices):
            writes: list[TableWrite] = []
            for block in blocks:
                with _refusals(block.binding):
                    writes += self._writes(block, counted, times)
            # tables in one fixed order, so that two workers never wait for each other
            stages.append(tuple(sorted(writes, key=lambda write: write.table)))
        return Plan(
            slices=tuple(slices),
            stages=tuple(stages),
            counts=Counts(**counted),
            source_ms=(min(times), max(times)) if times else None,
        )

    def _staged(self, slices: Sequence[Slice]) -> list[list[_Block]]:
        """Blocks in the order of their stages: the n-th run of each partition is at stage n.

        Within a stage each partition adds to one block only, and a key lives in one partition, so the
        blocks of a stage touch disjoint rows.
        """
        stages: dict[int, dict[BindingKey, list[Run]]] = defaultdict(lambda: defaultdict(list))
        for piece in slices:
            for place, run in enumerate(runs(piece)):
                stages[place][BindingKey(piece.at.topic, run.key_frame, run.value_frame)].append(run)
        bound = self._bound({key: group[0] for groups in stages.values() for key, group in groups.items()})
        return [[_Block(bound[key], tuple(group)) for key, group in stages[place].items()] for place in sorted(stages)]

    def _bound(self, runs_by_key: Mapping[BindingKey, Run]) -> dict[BindingKey, Binding]:
        found = {key: self._bindings.find(key) for key in runs_by_key}
        missing = {key: runs_by_key[key] for key, binding in found.items() if binding is None}
        if missing:
            raise Unbound(missing)
        return {key: binding for key, binding in found.items() if binding is not None}

    def _writes(self, block: _Block, counted: Counter[str], times: list[int]) -> list[TableWrite]:
        binding = block.binding
        if binding.table is None or binding.schema.kind in IGNORED_KINDS:
            counted["ignored"] += sum(run.end - run.start for run in block.runs)
            return []
        images, deletes, ops, span = self._decoded(block, binding, counted)
        times += span
        masks = _unavailable(images, binding)
        folded = fold(images, deletes, binding.identity, masks)
        if folded.orphans:
            raise block.bad(
                folded.orphans[0], "record.missing_base", "fold", "an unchanged TOASTed column follows the row's delete"
            )
        kept = len(folded.upserts) + len(folded.deletes) + sum(len(partial.frame) for partial in folded.partials)
        counted["upserts"] += kept - len(folded.deletes)
        counted["deletes"] += len(folded.deletes)
        counted["folded"] += len(images) + len(deletes) - kept
        return self._encoded(folded, binding, binding.table, fresh=ops <= {"c", "r"} and not len(deletes))

    def _decoded(
        self, block: _Block, binding: Binding, counted: Counter[str]
    ) -> tuple[pl.DataFrame, pl.DataFrame, set[str], list[int]]:
        """Images (identity, columns, SEQ), deletes (identity, SEQ), the ops seen, oldest and newest source time."""
        values = block.values()
        places = [index for index, value in enumerate(values) if value is not None]
        data = [value[5:] for value in values if value is not None]
        if not data and binding.compacted:
            # the value schema may be unknown, and no value needs it
            dead = self._tombstones(block, values, None)
            return dead.clear(), dead, set(), []
        fields = ["op", "after", SOURCE_TIME] if binding.schema.has_source_time else ["op", "after"]
        frame = self._decode(block, binding.schema.rewritten, data, fields, places)
        frame = frame.hstack([pl.Series(SEQ, places, dtype=pl.Int64)])
        ops = _checked_ops(frame, block)
        images = _images(frame, binding, block, ops)
        gone = self._deletes(frame, data, places, block) if "d" in ops else None
        tombstones = len(values) - len(data)
        if tombstones and binding.compacted:
            gone = self._tombstones(block, values, gone)
        elif tombstones:
            counted["ignored"] += tombstones
        span = [frame[SOURCE_TIME].min(), frame[SOURCE_TIME].max()] if binding.schema.has_source_time else []
        deletes = gone if gone is not None else images.select([*binding.identity, SEQ]).clear()
        return images, deletes, ops, [cast(int, at) for at in span if at]

    def _decode(
        self,
        block: _Block,
        schema: Rewritten | None,
        data: Sequence[bytes],
        fields: Sequence[str],
        places: Sequence[int],
    ) -> pl.DataFrame:
        assert schema is not None, "changes are bound with the schemas that their decoding needs"
        pieces = [run.piece for run in block.runs]
        try:
            if not schema.columnar or any(map(self.marks.touch, pieces)):
                return self._decoders.careful.decode(schema.text, data, fields)
            with self.watch.over(pieces):
                return self._decoders.fast.decode(schema.text, data, fields)
        except BadDatum as error:
            raise block.bad(places[error.index], "record.decode", "decode", error.reason) from error

    def _deletes(
        self, frame: pl.DataFrame, data: Sequence[bytes], places: Sequence[int], block: _Block
    ) -> pl.DataFrame:
        """Deletes are decoded apart, so that nothing else pays for their before images."""
        binding = block.binding
        where = (frame["op"] == "d").arg_true()
        chosen = [data[index] for index in where]
        seqs = [places[index] for index in where]
        rows = self._decode(block, binding.schema.rewritten, chosen, ["before"], seqs)["before"]
        return _identity(_unnested(rows).with_columns(pl.Series(SEQ, seqs, dtype=pl.Int64)), binding, block, "before")

    def _tombstones(self, block: _Block, values: Sequence[bytes | None], gone: pl.DataFrame | None) -> pl.DataFrame:
        """On a compacted topic a tombstone deletes its key."""
        binding = block.binding
        keys = block.keys()
        seqs = [index for index, value in enumerate(values) if value is None]
        data = [(keys[index] or b"")[5:] for index in seqs]
        rows = self._decode(block, binding.key_writer, data, list(binding.identity), seqs)
        dead = _identity(rows.with_columns(pl.Series(SEQ, seqs, dtype=pl.Int64)), binding, block, "key")
        return dead if gone is None else pl.concat([gone, dead]).sort(SEQ)

    def _encoded(self, folded: Folded, binding: Binding, table: TargetTable, *, fresh: bool) -> list[TableWrite]:
        writes = []
        by_name = {column.target.name: column for column in binding.columns}
        identity = [by_name[name] for name in binding.identity]
        if len(folded.deletes):
            writes.append(self._write(Action.DELETE, table, identity, binding, folded.deletes))
        if len(folded.upserts):
            action = Action.REPLACE if binding.replaces else Action.UPSERT
            writes.append(self._write(action, table, list(by_name.values()), binding, folded.upserts, fresh))
        for partial in folded.partials:
            there = [column for name, column in by_name.items() if name not in partial.missing]
            writes.append(self._write(Action.UPDATE, table, there, binding, partial.frame))
        return writes

    def _write(
        self,
        action: Action,
        table: TargetTable,
        columns: Sequence[BoundColumn],
        binding: Binding,
        frame: pl.DataFrame,
        fresh: bool = False,
    ) -> TableWrite:
        series, staged = [], []
        for column in columns:
            form, how = _carried(frame[column.target.name], column)
            series.append(form.alias(column.target.name))
            staged.append(how)
        return TableWrite(
            table=table.name,
            action=action,
            columns=tuple(staged),
            identity=binding.identity,
            rows=len(frame),
            payload=self._encoder.encode(pl.DataFrame(series), staged),
            fresh=fresh,
            overriding=any(column.target.identity for column in columns),
        )


@contextmanager
def _refusals(binding: Binding) -> Iterator[None]:
    """What the column libraries refuse concerns some record of the block; the batch is halved to find it."""
    try:
        yield
    except (ValueError, OverflowError, pl.exceptions.PolarsError, pa.ArrowException) as error:
        table = binding.table.name if binding.table else None
        # the libraries quote values in their messages
        detail = f"a value can't be brought into the form of its column ({type(error).__name__})"
        failure = failed(KINDS["record.value"], "planner", "plan", detail)
        raise DataFault(failure, table) from error


def _checked_ops(frame: pl.DataFrame, block: _Block) -> set[str]:
    ops = set(frame["op"].unique().to_list())
    strange = ops - {*_IMAGES, "d", "m"}
    if strange:
        place = frame.filter(pl.col("op").is_in(list(strange)))[SEQ][0]
        what = "a truncate" if "t" in strange else "an unknown operation"
        raise block.bad(place, "record.operation", "decode", f"the record holds {what}")
    return ops


def _images(frame: pl.DataFrame, binding: Binding, block: _Block, ops: set[str]) -> pl.DataFrame:
    kept = frame if ops <= _IMAGES else frame.filter(pl.col("op").is_in(_IMAGES))
    rows = kept["after"]
    if rows.null_count():
        place = kept[SEQ][int(rows.is_null().arg_true()[0])]
        raise block.bad(place, "record.image", "decode", "an insert or update has no after image")
    images = _unnested(rows).hstack([kept[SEQ]])
    _check_identity(images, binding, block, "after")
    return images


def _identity(rows: pl.DataFrame, binding: Binding, block: _Block, image: str) -> pl.DataFrame:
    _check_identity(rows, binding, block, image)
    return rows.select([*binding.identity, SEQ])


def _check_identity(rows: pl.DataFrame, binding: Binding, block: _Block, image: str) -> None:
    for name in binding.identity:
        if rows[name].null_count():
            place = rows[SEQ][int(rows[name].is_null().arg_true()[0])]
            raise block.bad(
                place, "record.identity", "identity", f"the {image} image has no value for the key column {name!r}"
            )


def _unnested(rows: pl.Series) -> pl.DataFrame:
    return rows.struct.unnest()


def _unavailable(images: pl.DataFrame, binding: Binding) -> dict[str, pl.Series]:
    masks: dict[str, pl.Series] = {}
    if images.is_empty():
        return masks
    for column in binding.columns:
        if column.target.name not in binding.identity:
            mask = unavailable(images[column.target.name])
            if mask is not None:
                masks[column.target.name] = mask
    return masks


def _carried(series: pl.Series, column: BoundColumn) -> tuple[pl.Series, StagedColumn]:
    """A column in the form of its staging type; as text when a value has no binary form here."""
    how = column.how
    try:
        form = carried(series, how, column.source)
    except NotCarried:
        how = how.as_text(column.target.type_name)
        form = carried(series, how, column.source)
    name = column.target.name
    return form, StagedColumn(name=name, staging=how.staging, cast=column.target.cast if how.cast else None)
