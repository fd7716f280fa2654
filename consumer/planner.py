"""From records to a plan: decode, fold and encode one batch. Asks nobody anything."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import polars as pl

from consumer.blocks import Block, BlockDecoder, Decoded, Decoders, Truncated
from consumer.core.carriers import carried
from consumer.core.envelope import IGNORED_KINDS
from consumer.core.failure import Failure, Persistent, failed, located
from consumer.core.fold import SEQ, Folded, fold
from consumer.core.forms import NotCarried, Unfit
from consumer.core.kinds import KINDS
from consumer.core.labels import strange
from consumer.core.lettering import letter
from consumer.core.letters import BEHIND, Change, Letter, Settled, State, settled
from consumer.core.markers import unavailable
from consumer.core.plan import (
    Action,
    Aside,
    Binding,
    BindingKey,
    BoundColumn,
    Counts,
    Evolution,
    Origins,
    Plan,
    Run,
    Stage,
    StagedColumn,
    TableName,
    TableWrite,
    runs,
)
from consumer.core.policy import Policy
from consumer.core.records import RecordRef, Slice
from consumer.core.soundness import check
from consumer.decode_watch import Marks
from consumer.ports.bindings import Bindings
from consumer.ports.decoding import Encoder
from consumer.ports.refusals import library_faults

_WHAT = "#what"

Labels = Mapping[TableName, Mapping[str, Sequence[str]]]
NO_LABELS: Labels = MappingProxyType({})


class Unbound(Exception):
    """Runs of records have no binding yet: the keys, and for each a run whose records say what to make.

    `labels`: or they have one that does not know these labels of its table's enums, by column.
    """

    def __init__(self, wanted: Mapping[BindingKey, Run], labels: Labels = NO_LABELS) -> None:
        super().__init__(list(wanted))
        self.wanted = wanted
        self.labels = labels


class BadRecord(Persistent):
    """One record in front of which its partition has to stop, or to wait for so many seconds."""

    def __init__(self, ref: RecordRef, failure: Failure, wait: float | None = None) -> None:
        super().__init__(failure)
        self.ref = ref
        self.wait = wait


def bad_record(ref: RecordRef, failure: Failure, *, wait: float | None = None) -> BadRecord:
    """The failure as that of one record, named by its origin."""
    return BadRecord(ref, located(failure, ref.at, ref.offset), wait)


class Planner:
    """Plans batches of at most `most` records from what the bindings know. Safe to use from one thread at a time."""

    def __init__(
        self, decoders: Decoders, encoder: Encoder, bindings: Bindings, marks: Marks, policy: Policy, most: int
    ) -> None:
        self._blocks = BlockDecoder(decoders, marks)
        self._encoder = encoder
        self._bindings = bindings
        self._policy = policy
        self._most = most
        self.marks = marks
        self.watch = self._blocks.watch

    def knows(self, key: BindingKey) -> bool:
        """Whether records of this kind can be planned."""
        return self._bindings.find(key) is not None

    def plan(self, slices: Sequence[Slice], refused: Mapping[RecordRef, Failure] | None = None) -> Plan:
        """Plan one transaction; what can't be applied, or was refused before, becomes letters.

        Raises Unbound, BadRecord for a record in front of which its partition has to stop, or Unsound for a defect.
        """
        check(slices, self._most)
        counted: Counter[str] = Counter(records=sum(map(len, slices)))
        times: list[int] = []
        stages = []
        staged = self._staged(slices)
        for blocks in staged:
            writes: list[TableWrite] = []
            letters: list[Aside] = []
            for block in blocks:
                with library_faults(block.binding.table.name if block.binding.table else None, "planner", "plan"):
                    aside = self._planned(block, refused or {}, writes, counted, times)
                if aside is not None:
                    letters.append(aside)
            stages.append(Stage(tuple(sorted(writes, key=lambda write: write.turn)), tuple(letters)))
        return Plan(
            slices=tuple(slices),
            stages=tuple(stages),
            counts=Counts(**counted),
            source_ms=(min(times), max(times)) if times else None,
            evolutions=_evolutions(staged),
        )

    def _staged(self, slices: Sequence[Slice]) -> list[list[Block]]:
        """Blocks in the order of their stages: the n-th run of each partition is at stage n.

        Within a stage each partition adds to one block only, and a key lives in one partition, so the
        blocks of a stage touch disjoint rows.
        """
        stages: dict[int, dict[BindingKey, list[Run]]] = defaultdict(lambda: defaultdict(list))
        for piece in slices:
            for place, run in enumerate(runs(piece)):
                stages[place][BindingKey(piece.at.topic, run.key_frame, run.value_frame)].append(run)
        bound = self._bound({key: group[0] for groups in stages.values() for key, group in groups.items()})
        return [[Block(bound[key], tuple(group)) for key, group in stages[place].items()] for place in sorted(stages)]

    def _bound(self, runs_by_key: Mapping[BindingKey, Run]) -> dict[BindingKey, Binding]:
        found = {key: self._bindings.find(key) for key in runs_by_key}
        missing = {key: runs_by_key[key] for key, binding in found.items() if binding is None}
        if missing:
            raise Unbound(missing)
        return {key: binding for key, binding in found.items() if binding is not None}

    def _planned(
        self,
        block: Block,
        refused: Mapping[RecordRef, Failure],
        writes: list[TableWrite],
        counted: Counter[str],
        times: list[int],
    ) -> Aside | None:
        """Add a block's writes to those of its stage; returns its letters."""
        binding = block.binding
        if binding.unreadable is not None:
            return self._unreadable(block, binding.unreadable, counted)
        if binding.table is None or binding.schema.kind in IGNORED_KINDS:
            counted["ignored"] += len(block)
            return None
        decoded = self._decoded(block)
        _require_labels(block, decoded)
        times += decoded.span
        counted["ignored"] += decoded.ignored
        if refused:
            decoded.out |= {place: refused[ref] for place, ref in block.refs() if ref in refused}
        folded, aside, changes = self._folded(block, decoded)
        kept = len(folded.upserts) + len(folded.deletes) + sum(len(partial.frame) for partial in folded.partials)
        left = len(aside.letters) if aside else 0
        counted["upserts"] += kept - len(folded.deletes)
        counted["deletes"] += len(folded.deletes)
        counted["letters"] += left
        counted["folded"] += len(decoded.images) + len(decoded.deletes) - kept
        fresh = decoded.ops <= {"c", "r"} and not len(decoded.deletes)
        for write in self._encoded(folded, block, fresh=fresh):
            writes.append(replace(write, origins=replace(write.origins, changes=changes)))
        return aside

    def _decoded(self, block: Block) -> Decoded:
        try:
            return self._blocks.decoded(block)
        except Truncated as found:
            kind = KINDS["table.truncate"]
            raise bad_record(block.ref(found.place), failed(kind, "planner", "decode", kind.sign)) from found

    # what is left out

    def _unreadable(self, block: Block, why: Failure, counted: Counter[str]) -> Aside:
        """Letters of records whose schema can't be read; the rows are known where the topic's other values say how."""
        out = {place: why for place, value in enumerate(block.values()) if value is not None or block.binding.compacted}
        counted["letters"] += len(out)
        counted["ignored"] += len(block) - len(out)
        known = self._bindings.of_topic(block.runs[0].piece.at.topic, block.runs[0].key_frame)
        if known is None or known.key_writer is None:
            return Aside(letters=self._letters(block, out, Settled(), {}))
        readable = Block(known, block.runs)
        decoded = self._blocks.nothing(readable)
        decoded.out |= out
        return self._aside(readable, decoded, {})[1]

    def _folded(self, block: Block, decoded: Decoded) -> tuple[Folded, Aside | None, pl.DataFrame]:
        """What is left to write, the letters, and identity and SEQ of all changes.

        Rows without letters fold as if there were none.
        """
        identity = block.binding.identity
        changes = [frame.select([*identity, SEQ]) for frame in (decoded.images, decoded.deletes)]
        while True:
            masks = _unavailable(decoded.images, block.binding)
            gone, aside, known = self._aside(block, decoded, masks) if decoded.out else (None, None, changes[1])
            folded = fold(*_without(gone, decoded, masks, identity), block.binding.version)
            if not folded.orphans:
                return folded, aside, pl.concat([*changes, known])
            reason = "an unchanged TOASTed column follows the row's delete"
            orphan = failed(KINDS["record.missing_base"], "planner", "fold", reason)
            decoded.out |= dict.fromkeys(folded.orphans, orphan)

    def _aside(
        self, block: Block, decoded: Decoded, masks: Mapping[str, pl.Series]
    ) -> tuple[list[int], Aside, pl.DataFrame]:
        """The places of a block that become letters, these letters, and the identities that are known of bad ones."""
        binding = block.binding
        known = _known_identities(self._blocks.identities(block, sorted(decoded.out)), decoded, binding)
        waiting = {place for place, why in decoded.out.items() if why.kind == BEHIND}
        changes = _changes(known, decoded, binding, masks)
        suspects = set(_partial(decoded.images, masks).to_list()) & (decoded.out.keys() - waiting)
        marked = ((row, place, Change.SUSPECT if place in suspects else what) for row, place, what in changes)
        said = settled(marked, waiting=waiting, strict=binding.strict)
        gone = [*decoded.out, *said.held]
        every = pl.concat([known, *(frame.select(known.columns) for frame in (decoded.images, decoded.deletes))])
        rows = every.filter(pl.col(SEQ).is_in(gone)).unique(SEQ, keep="first").sort(SEQ)
        behind = failed(KINDS[BEHIND], "planner", "fold", KINDS[BEHIND].sign)
        failures = decoded.out | dict.fromkeys(said.held, behind)
        places = {place: row for row, place in enumerate(rows[SEQ])}
        aside = Aside(
            letters=self._letters(block, failures, said, places),
            table=binding.table.name if binding.table else None,
            identities=self._write(Action.LOOK_UP, block, binding.identity, rows) if len(rows) else None,
        )
        return gone, aside, known

    def _letters(
        self, block: Block, failures: Mapping[int, Failure], said: Settled, places: Mapping[int, int]
    ) -> tuple[Letter, ...]:
        return tuple(self._letter(block, place, failures[place], said, places.get(place)) for place in sorted(failures))

    def _letter(self, block: Block, place: int, failure: Failure, said: Settled, row: int | None) -> Letter:
        made = letter(block.record(place), failure, self._policy, row)
        waits = failure.kind == BEHIND
        if place in said.superseded:
            made = replace(made, state=State.SUPERSEDED)
        elif waits:
            made = replace(made, state=State.HELD)
        return replace(made, follows=True) if waits and place not in said.held else made

    # what is written

    def _encoded(self, folded: Folded, block: Block, *, fresh: bool) -> list[TableWrite]:
        writes = []
        binding = block.binding
        names = [column.target.name for column in binding.columns]
        if len(folded.deletes):
            staged = [*binding.identity, *([binding.version] if binding.version else [])]
            writes.append(self._write(Action.DELETE, block, staged, folded.deletes))
        if len(folded.upserts):
            action = Action.REPLACE if binding.replaces else Action.UPSERT
            writes.append(replace(self._write(action, block, names, folded.upserts), fresh=fresh))
        for partial in folded.partials:
            there = [name for name in names if name not in partial.missing]
            writes.append(self._write(Action.UPDATE, block, there, partial.frame))
        return writes

    def _write(self, action: Action, block: Block, names: Collection[str], frame: pl.DataFrame) -> TableWrite:
        binding = block.binding
        assert binding.table is not None
        by_name = {column.target.name: column for column in binding.columns}
        columns = [by_name[name] for name in names]
        series, staged = [], []
        for column in columns:
            form, how = _carried(frame[column.target.name], column)
            series.append(form.alias(column.target.name))
            staged.append(how)
        return TableWrite(
            table=binding.table.name,
            action=action,
            columns=tuple(staged),
            identity=binding.identity,
            rows=len(frame),
            payload=self._encoder.encode(pl.DataFrame(series), staged),
            origins=Origins(runs=block.runs, places=frame[SEQ]),
            overriding=any(column.target.identity for column in columns),
            strict=binding.strict,
            version=binding.version if action is not Action.LOOK_UP else None,
            rank=binding.table.rank,
        )


def _require_labels(block: Block, decoded: Decoded) -> None:
    """Raises Unbound where rows bring labels that their binding does not know."""
    binding, run = block.binding, block.runs[0]
    if binding.labels and binding.table is not None and (found := strange(decoded.images, binding.labels)):
        key = BindingKey(run.piece.at.topic, run.key_frame, run.value_frame)
        raise Unbound({key: run}, {binding.table.name: found})


def _evolutions(staged: Sequence[Sequence[Block]]) -> tuple[Evolution, ...]:
    """What has to be done to tables first, each once, in its order."""
    evolutions = (each for blocks in staged for block in blocks for each in block.binding.evolutions)
    return tuple(dict.fromkeys(evolutions))


def _without(
    gone: Collection[int] | None, decoded: Decoded, masks: Mapping[str, pl.Series], identity: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame, Sequence[str], Mapping[str, pl.Series]]:
    """What is to be folded: everything but what became letters."""
    if gone is None:
        return decoded.images, decoded.deletes, identity, masks
    kept = ~decoded.images[SEQ].is_in(list(gone))
    deletes = decoded.deletes.filter(~decoded.deletes[SEQ].is_in(list(gone)))
    return decoded.images.filter(kept), deletes, identity, {name: mask.filter(kept) for name, mask in masks.items()}


def _known_identities(keys: pl.DataFrame, decoded: Decoded, binding: Binding) -> pl.DataFrame:
    """Identity and SEQ of what goes out, as the row images have them, else as the keys do."""
    out = list(decoded.out)
    columns = [*binding.identity, SEQ]
    types = decoded.images.select(columns).schema
    imaged = [frame.select(columns).filter(pl.col(SEQ).is_in(out)) for frame in (decoded.images, decoded.deletes)]
    told = keys.select([pl.col(name).cast(types[name], strict=False) for name in columns]).drop_nulls()
    return pl.concat([*imaged, told]).unique(SEQ, keep="first").sort(SEQ)


def _changes(
    known: pl.DataFrame, decoded: Decoded, binding: Binding, masks: Mapping[str, pl.Series]
) -> Iterator[tuple[tuple[object, ...], int, Change]]:
    """All changes of the rows that have letters, in order."""
    keys = list(binding.identity)
    partial = _partial(decoded.images, masks)
    images = decoded.images.select([*keys, SEQ]).with_columns(pl.col(SEQ).is_in(partial.implode()).alias(_WHAT))
    deletes = decoded.deletes.select([*keys, SEQ]).with_columns(pl.lit(False).alias(_WHAT))
    others = pl.concat([images, deletes]).filter(~pl.col(SEQ).is_in(known[SEQ].to_list()))
    others = others.join(known.select(keys).unique(), on=keys, how="semi")
    both = pl.concat([others, known.with_columns(pl.lit(None, dtype=pl.Boolean).alias(_WHAT))]).sort(SEQ)
    kinds = {None: Change.LETTER, True: Change.PARTIAL, False: Change.WHOLE}
    for *row, place, what in both.iter_rows():
        yield tuple(row), place, kinds[what]


def _partial(images: pl.DataFrame, masks: Mapping[str, pl.Series]) -> pl.Series:
    """The places of images without all columns."""
    if not masks:
        return images[SEQ].clear()
    return images[SEQ].filter(pl.DataFrame(dict(masks)).select(pl.any_horizontal(pl.all())).to_series())


def _unavailable(images: pl.DataFrame, binding: Binding) -> dict[str, pl.Series]:
    masks: dict[str, pl.Series] = {}
    if images.is_empty():
        return masks
    for column in binding.columns:
        if column.target.name not in binding.identity:
            mask = unavailable(images[column.target.name], column.how.policy.binary)
            if mask is not None:
                masks[column.target.name] = mask
    return masks


def _carried(series: pl.Series, column: BoundColumn) -> tuple[pl.Series, StagedColumn]:
    """A column in the form of its staging type; as text when a value has no binary form here."""
    how = column.how
    name = column.target.name
    try:
        try:
            form = carried(series, how, column.source)
        except NotCarried:
            how = how.as_text()
            form = carried(series, how, column.source)
    except Unfit as error:
        raise Unfit(error.expected, error.found, error.remedy, at=f"after.{name}") from error
    return form, StagedColumn(name=name, staging=how.staging, cast=column.target.cast if how.cast else None)
