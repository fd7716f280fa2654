"""From records to a plan: decode, fold and encode one batch. Asks nobody anything."""

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import polars as pl

from consumer.core.binding import Binding, BindingKey, Evolution
from consumer.core.checks import never_null
from consumer.core.envelope import IGNORED_KINDS
from consumer.core.failure import Failure, Persistent, failed, located
from consumer.core.failure_kind import ErrorType
from consumer.core.flags import Flag
from consumer.core.fold import SEQ, Folded, born, fold, told_again
from consumer.core.kinds import KINDS
from consumer.core.laps import Lap
from consumer.core.letters import BEHIND
from consumer.core.modes import Mode, OnTruncate
from consumer.core.moves import rest
from consumer.core.overtaken import overtaken
from consumer.core.plan import Aside, Counts, Plan, SourceTimes, Times, Truncate
from consumer.core.policy import Policy
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.runs import Run, runs
from consumer.core.soundness import check
from consumer.core.stamps import Stamps
from consumer.core.target import TableName
from consumer.planning.asides import Asides, known_identities
from consumer.planning.block_decoder import BlockDecoder, Decoders
from consumer.planning.blocks import Barred, Block, Decoded, Recut
from consumer.planning.chains import first_at_fault
from consumer.planning.decode_watch import Marks
from consumer.planning.events import EventBlocks
from consumer.planning.rules import believe_nulls, broken_checks, refuted_nulls, unmade
from consumer.planning.stages import Gathered, key_runs, staged_blocks
from consumer.planning.unbound import require_labels, unknown_labels
from consumer.planning.writes import BlockWrites
from consumer.ports.bindings import Bindings
from consumer.ports.decoding import Encoder
from consumer.ports.refusals import library_faults


class BadRecord(Persistent):
    """One record in front of which its partition has to stop, or to wait for so many seconds.

    `why`: the failure without the record's name, as others may have it too.
    """

    def __init__(self, ref: RecordRef, why: Failure, wait: float | None = None) -> None:
        super().__init__(located(why, ref.at, ref.offset))
        self.ref = ref
        self.why = why
        self.wait = wait


def _widen(times: dict[TopicPartition, Times], more: SourceTimes) -> None:
    for at, one in more.items():
        times[at] = times[at].widened(one) if at in times else one


class Planner:
    """Plans batches of at most `most` records from what the bindings know. Safe to use from one thread at a time."""

    def __init__(
        self, decoders: Decoders, encoder: Encoder, bindings: Bindings, marks: Marks, policy: Policy, most: int
    ) -> None:
        self._blocks = BlockDecoder(decoders, marks)
        self._frames = decoders.frames
        self._writes = BlockWrites(encoder)
        self._asides = Asides(self._blocks, self._writes, policy)
        self._events = EventBlocks(self._blocks, self._writes)
        self._bindings = bindings
        self.most = most
        self.marks = marks
        self.watch = self._blocks.watch

    def knows(self, key: BindingKey) -> bool:
        """Whether records of this kind can be planned."""
        return self._bindings.find(key) is not None

    def runs(self, piece: Slice) -> list[Run]:
        """The runs of a slice, as they are planned."""
        return runs(self._frames.piece(piece))

    def plan(
        self,
        slices: Sequence[Slice],
        refused: Mapping[RecordRef, Failure] | None = None,
        rowless: Collection[RecordRef] = (),
    ) -> Plan:
        """Plan one transaction; what can't be applied, or was refused before, becomes letters, of no row if `rowless`.

        What was not read by the reader, as letters that come back, is brought into the one form here.
        Raises Unbound, BadRecord for a record in front of which its partition has to stop, or Unsound for a defect.
        """
        check(slices, self.most)
        began, clock = time.time(), time.perf_counter()
        slices = [self._frames.piece(piece) for piece in slices]
        known = _Refused(refused or {}, frozenset(rowless))
        borders: set[RecordRef] = set()
        while True:
            try:
                plan = self._plan(slices, known, borders)
                lap = Lap(step="plan", began=began, seconds=time.perf_counter() - clock)
                decoded = self._blocks.decoding.lap()
                read, self._blocks.read = self._blocks.read, Counter()
                return replace(plan, laps=(lap, decoded) if decoded else (lap,), decoded=+read)
            except _Borders as found:
                borders |= found.refs

    def _plan(self, slices: Sequence[Slice], refused: "_Refused", borders: Collection[RecordRef]) -> Plan:
        """A plan whose runs begin at these records too. Raises _Borders where they are to begin at more."""
        counted: Counter[str] = Counter(records=sum(map(len, slices)))
        times: dict[TopicPartition, Times] = {}
        stages, stamps = [], list[Stamps]()
        contexts: list[tuple[RecordRef, str]] = []
        tables: Counter[TableName] = Counter()
        staged = staged_blocks(self._bindings, slices, borders)
        for blocks in staged:
            stage = Gathered()
            for block in blocks:
                table = block.binding.table.name if block.binding.table else None
                left = counted["ignored"] + counted["letters"]
                with library_faults(table, "planner", "plan"):
                    self._planned(block, refused, stage, counted, times)
                if table is not None:
                    tables[table] += len(block) - (counted["ignored"] + counted["letters"] - left)
            stages += stage.whole()
            contexts += stage.contexts
            stamps += stage.stamps
        return Plan(
            slices=tuple(slices),
            stages=tuple(stages),
            counts=Counts(**counted),
            source_times=times,
            stamps=stamps,
            tables=+tables,
            contexts=contexts,
            evolutions=_evolutions(staged),
            key_runs=key_runs(staged),
        )

    def _planned(
        self,
        block: Block,
        refused: "_Refused",
        stage: Gathered,
        counted: Counter[str],
        times: dict[TopicPartition, Times],
    ) -> None:
        """Add what a block is to its stage: writes, truncates, letters."""
        binding = block.binding
        if binding.unreadable is not None:
            stage.letters.append(self._unreadable(block, binding.unreadable, refused, counted))
            return
        if binding.table is None or binding.schema.kind in IGNORED_KINDS:
            counted["ignored"] += len(block)
            return
        if binding.mode is not Mode.ROWS:
            self._appended(block, refused.why, stage, counted, times)
            return
        with _cuts(block):
            decoded = self._blocks.decoded(block)
        if decoded.truncates:
            _none_refused(block, decoded.truncates, refused.why)
            counted["truncates"] += len(decoded.truncates)
            stage.truncates.append(_truncate(block, decoded.truncates, decoded.truncated))
        _widen(times, decoded.times)
        stage.stamps += decoded.stamps
        stage.contexts += decoded.contexts
        counted["ignored"] += decoded.ignored
        decoded.rowless = refused.without_row(block)
        decoded.out |= first_at_fault(decoded, binding, refused.of(block))
        self._check(decoded, binding)
        decoded.out |= refuted_nulls(decoded, binding)
        if (decoded.long or (decoded.out and decoded.judged)) and self._believes(block, decoded):
            self._check(decoded, binding)
        require_labels(block, decoded, self._blocks.placeholders)
        folded, early, aside, changes = self._folded(block, decoded)
        kept = folded.size + early.size + len(decoded.halves.taken)
        left = len(aside.letters) if aside else 0
        counted["upserts"] += kept - len(folded.deletes)
        counted["deletes"] += len(folded.deletes)
        counted["letters"] += left
        counted["folded"] += len(block) - decoded.ignored - len(decoded.truncates) - left - kept
        fresh = decoded.ops <= {"c", "r"} and not len(decoded.deletes)
        writes = [
            *self._writes.folded(folded, block, decoded, fresh=fresh),
            *self._writes.halves(decoded.halves, block, decoded),
        ]
        stage.writes += [replace(one, origins=replace(one.origins, changes=changes)) for one in writes]
        writes = self._writes.folded(early, block, decoded, fresh=False)
        stage.early += [replace(one, origins=replace(one.origins, changes=changes)) for one in writes]
        if aside is not None:
            stage.letters.append(aside)

    def _check(self, decoded: Decoded, binding: Binding) -> None:
        """What breaks a check goes out."""
        if self._blocks.switches.on(Flag.COLUMN_CHECKS):
            decoded.out |= broken_checks(decoded, binding, decoded.unavailable, time.time())
            decoded.never_null = decoded.judged & never_null(binding.checks)

    def _believes(self, block: Block, decoded: Decoded) -> bool:
        """Take doubtful nulls for what they are where the block says it; returns whether there are any."""
        if not decoded.out:
            return believe_nulls(decoded, block.binding, None)
        known = known_identities(self._blocks.identities(block, sorted(decoded.out)), decoded, block.binding)
        if len(known) < len(decoded.out):
            # what is not read may be of any row
            return False
        read = [*decoded.images[SEQ], *decoded.deletes[SEQ]]
        return believe_nulls(decoded, block.binding, known.filter(~pl.col(SEQ).is_in(read)))

    def _appended(
        self,
        block: Block,
        refused: Mapping[RecordRef, Failure],
        stage: Gathered,
        counted: Counter[str],
        times: dict[TopicPartition, Times],
    ) -> None:
        """Add what a block of events is to its stage."""
        known = {place: refused[ref] for place, ref in block.refs() if ref in refused} if refused else {}
        with _cuts(block):
            events = self._events.planned(block, known)
        if events.strange:
            raise unknown_labels(block, events.strange)
        if events.truncates:
            _none_refused(block, events.truncates, refused)
            counted["truncates"] += len(events.truncates)
            stage.truncates.append(_truncate(block, events.truncates, None))
        _widen(times, events.times)
        stage.stamps += events.stamps
        stage.contexts += events.contexts
        counted["ignored"] += events.ignored
        counted["letters"] += len(events.out)
        counted["upserts"] += events.records - events.deletes
        counted["deletes"] += events.deletes
        stage.writes += events.writes
        if events.out:
            assert block.binding.table is not None, "events are of a table"
            letters = self._asides.letters(block, events.out)
            stage.letters.append(Aside(letters=letters, table=block.binding.table.name))

    # what is left out

    def _unreadable(self, block: Block, why: Failure, refused: "_Refused", counted: Counter[str]) -> Aside:
        """Letters of records whose schema can't be read; the rows are known where the topic's other values say how."""
        out = {place: why for place, value in enumerate(block.values()) if value is not None or block.binding.compacted}
        counted["letters"] += len(out)
        counted["ignored"] += len(block) - len(out)
        run = block.runs[0]
        known = self._bindings.rows_of(run.piece.at.topic, run.key_frame)
        imaged = self._bindings.of_values(run.piece.at.topic, run.value_frame) if run.key_frame else None
        if known is not None and known.key_writer is not None:
            readable = Block(known, block.runs)
            decoded = self._blocks.nothing(readable)
        elif imaged is not None:
            # what is wrong is the key, and the images say the row too
            readable = Block(_imaged(imaged), block.runs)
            decoded = self._blocks.decoded(readable)
        else:
            return Aside(letters=self._asides.letters(block, out))
        decoded.out |= out
        decoded.rowless = refused.without_row(block)
        return self._asides.of(readable, decoded)[1]

    def _folded(self, block: Block, decoded: Decoded) -> tuple[Folded, Folded, Aside | None, pl.DataFrame]:
        """What is left to write, what is to be written before, the letters, and identity and SEQ of all changes.

        Rows without letters fold as if there were none. Before the others come rows that stay when they are deleted.
        Of the block's halves those are left that letters do not take away.
        """
        identity = block.binding.identity
        if not identity:
            places = decoded.deletes.select(SEQ).clear()
            letters = self._asides.letters(block, decoded.out)
            nothing = Folded(upserts=places, deletes=places)
            return nothing, nothing, Aside(letters=letters) if letters else None, places
        changes = [frame.select([*identity, SEQ]) for frame in (decoded.images, decoded.deletes)]
        while True:
            gone, aside, known = self._asides.of(block, decoded) if decoded.out else (None, None, changes[1])
            apart = [*(gone or ()), *decoded.halves.taken[SEQ]]
            version = block.binding.version
            images, deletes, keys, masks = _without(apart, decoded, identity)
            if version is not None and (late := overtaken(images, deletes, keys, version)):
                images, deletes, keys, masks = _without([*apart, *late], decoded, identity)
            folded = fold(images, deletes, keys, masks, version)
            lacking = unmade(folded, block.binding, decoded)
            if not folded.orphans and not lacking:
                early = Folded(upserts=folded.upserts.clear(), deletes=folded.deletes.clear())
                if block.binding.soft and len(folded.deletes):
                    early = born(images, folded.deletes, identity, masks, version)
                elif len(deletes) and len(folded.upserts) and block.binding.renewed:
                    folded = told_again(folded, deletes, identity)
                every = pl.concat([*changes, known])
                if gone:
                    waiting = [seq for seq, why in decoded.out.items() if why.kind == BEHIND]
                    decoded.halves = rest(decoded.halves, every.filter(pl.col(SEQ).is_in(gone)), identity, waiting)
                return folded, early, aside, every
            reason = "an unchanged TOASTed column follows the row's delete"
            orphan = failed(KINDS["record.missing_base"], "planner", "fold", reason)
            decoded.out |= lacking | dict.fromkeys(folded.orphans, orphan)


def _imaged(binding: Binding) -> Binding:
    """The binding of records that are read for the rows that their images say, and for nothing else."""
    return replace(binding, key_writer=None, compacted=False, truncate=OnTruncate.IGNORE, may_lack=())


def _evolutions(staged: Sequence[Sequence[Block]]) -> tuple[Evolution, ...]:
    """What has to be done to tables first, each once, in its order."""
    evolutions = (each for blocks in staged for block in blocks for each in block.binding.evolutions)
    return tuple(dict.fromkeys(evolutions))


@dataclass(frozen=True, slots=True)
class _Refused:
    """Records that can't be applied, and why; `rowless` of these are letters of no row."""

    why: Mapping[RecordRef, Failure]
    rowless: frozenset[RecordRef]

    def of(self, block: Block) -> dict[int, Failure]:
        """Those of a block, by place."""
        return {place: self.why[ref] for place, ref in block.refs() if ref in self.why} if self.why else {}

    def without_row(self, block: Block) -> frozenset[int]:
        """The places of those in a block."""
        return frozenset(place for place, ref in block.refs() if ref in self.rowless) if self.rowless else frozenset()


class _Borders(Exception):
    """Runs are to begin at these records too."""

    def __init__(self, refs: set[RecordRef]) -> None:
        super().__init__(f"{len(refs)} records")
        self.refs = refs


@contextmanager
def _cuts(block: Block) -> Iterator[None]:
    """What decoding says of a block's borders, as it concerns the batch. Raises _Borders, BadRecord."""
    try:
        yield
    except Recut as found:
        raise _Borders({block.ref(place) for place in found.places}) from found
    except Barred as found:
        kind = KINDS[found.kind]
        raise BadRecord(block.ref(found.place), failed(kind, "planner", "decode", kind.sign)) from found


def _none_refused(block: Block, truncates: Sequence[int], refused: Mapping[RecordRef, Failure]) -> None:
    """A truncate that is refused can't be a letter: it would take what comes behind it. Raises BadRecord."""
    for ref in map(block.ref, truncates if refused else ()):
        if ref in refused:
            why = refused[ref]
            kind = KINDS["table.busy" if KINDS[why.kind].type is ErrorType.TRANSIENT else "table.truncate"]
            raise BadRecord(ref, replace(why, kind=kind.name, remedy=kind.remedy))


def _truncate(block: Block, places: Sequence[int], position: int | None) -> Truncate:
    assert block.binding.table is not None, "a truncate is of a table"
    last = {(ref := block.ref(place)).at: ref for place in places}
    return Truncate(
        table=block.binding.table.name,
        refs=tuple(last.values()),
        version=block.binding.version,
        position=position,
        soft=block.binding.soft,
    )


def _without(
    apart: Collection[int], decoded: Decoded, identity: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame, Sequence[str], Mapping[str, pl.Series]]:
    """What is to be folded: everything but what became letters, and creates that take what they lack from elsewhere."""
    masks = decoded.unavailable
    if not apart:
        return decoded.images, decoded.deletes, identity, masks
    kept = ~decoded.images[SEQ].is_in(list(apart))
    deletes = decoded.deletes.filter(~decoded.deletes[SEQ].is_in(list(apart)))
    return decoded.images.filter(kept), deletes, identity, {name: mask.filter(kept) for name, mask in masks.items()}
