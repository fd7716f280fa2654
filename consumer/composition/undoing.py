"""A batch read again at its origin, and each of its rows planned as the batch left it and as it was before."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from consumer.applying.apart import Apart, NotPlanned
from consumer.applying.rereading import Rereading
from consumer.core.decision import Undecidable
from consumer.core.frames import Frames
from consumer.core.framing import Datum
from consumer.core.letters import Record
from consumer.core.moves import NEW_KEY, OLD_KEY
from consumer.core.plan import Plan
from consumer.core.records import OffsetRange, RecordRef, Slice
from consumer.core.undo import Event, Taken, UndoRow, misfit, taken
from consumer.core.writes import TableWrite
from consumer.ports.refusals import DataFault
from consumer.ports.topics import Offsets
from dlq.change import Change, key_columns, read_change
from dlq.image import FRAME, NoImage

# records read at a time
_PIECE = 5_000

Schema = Callable[[Datum], str]
"""The writer schema of a datum. Raises HeadraceError, NoSchema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch of the ledger. `records`: how many it had; `topic_ids`: of its topics, as their positions have them.

    `letters`: its records that were not applied with it, with why; `whole`: topics of whose old rows the source is
    known to write all, or not to.
    """

    ranges: Sequence[OffsetRange]
    records: int
    topic_ids: Mapping[str, str | None]
    letters: Mapping[RecordRef, str]
    whole: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """A batch's rows by their last records, and what holds of each that may be taken back: as `left`, as `wanted`."""

    rows: Mapping[RecordRef, UndoRow]
    left: Sequence[TableWrite]
    wanted: Sequence[TableWrite]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """Reads and plans; nothing is changed. For one thread.

    `look`: called for each record, which takes long all together; it may raise.
    """

    origins: Rereading
    offsets: Offsets
    frames: Frames
    schema: Schema
    apart: Apart
    look: Callable[[], None] = lambda: None

    def undo(self, batch: Batch) -> Undo:
        """What taking the batch back would do, by the log. Raises Undecidable, HeadraceError."""
        rows: dict[RecordRef, UndoRow] = {}
        meant: list[Taken] = []
        read = 0
        for part in batch.ranges:
            pieces = list(self._pieces(part, batch.topic_ids.get(part.at.topic)))
            read += sum(map(len, pieces))
            meant += self._taken(pieces, batch)
        if read != batch.records:
            raise Undecidable(f"the log has {read} of the batch's {batch.records} records: the others are not known")
        rows = {each.row.last: each.row for each in meant}
        if not rows:
            raise Undecidable("the batch has changed no row")
        left = self._planned([each.left for each in meant if not each.row.why], rows, wanted=False)
        wanted = [each.wanted for each in meant if not rows[each.row.last].why and each.wanted is not None]
        return Undo(rows=rows, left=left, wanted=self._planned(wanted, rows, wanted=True))

    def _pieces(self, part: OffsetRange, topic_id: str | None) -> Iterator[Slice]:
        start = part.start
        while start < part.end:
            piece = self.origins.read(part._replace(start=start), _PIECE, topic_id)
            if piece is None:
                raise Undecidable(f"the log of {part.at} does not reach from {part.start} to {part.end} any more")
            yield self.frames.piece(piece)
            start = piece.end

    def _taken(self, pieces: Sequence[Slice], batch: Batch) -> Iterator[Taken]:
        """The rows of one partition."""
        topic = pieces[0].at.topic if pieces else ""
        traits = self.offsets.traits([topic]).get(topic) if topic else None
        by_key: dict[bytes, list[Event]] = defaultdict(list)
        barred: dict[bytes, str] = {}
        for piece in pieces:
            for place, offset in enumerate(piece.offsets):
                if piece.values[place] is None and not (traits and traits.compacted):
                    continue
                self.look()
                event = self._event(piece, place)
                if event is None:
                    continue
                key = piece.keys[place]
                if key is None:
                    raise Undecidable(f"a change of {piece.at} has no key, so that its row is not known")
                by_key[key[FRAME:]].append(event)
                if why := batch.letters.get(RecordRef(piece.at, offset)):
                    barred.setdefault(key[FRAME:], why)
        for key, events in by_key.items():
            found = taken(events, batch.whole.get(topic))
            yield replace(found, row=found.row.barred(barred[key])) if key in barred else found

    def _event(self, piece: Slice, place: int) -> Event | None:
        """What a record says of its row; None where it is of none. Raises Undecidable, HeadraceError."""
        record, value = _record(piece, place), piece.values[place]
        if value is None:
            return Event(record=record, op="")
        try:
            change = self._change(piece, piece.keys[place], value)
        except NoImage as error:
            raise Undecidable(f"the record at offset {record.ref.offset} of {piece.at}: {error}") from error
        if change is None or change.op == "m":
            return None
        if change.op == "t":
            raise Undecidable(f"the batch has emptied a table (offset {record.ref.offset} of {piece.at})")
        inverse = _inverse(change)
        if inverse is not None:
            inverse = _bare(piece, inverse)
        if change.op == "u" and change.after:
            # it is compared with its row, which says what its nulls are
            record = replace(record, value=_bare(piece, change.settled()))
        return Event(
            record=record,
            op=change.op,
            before=change.before,
            bare=change.bare,
            inverse=None if inverse is None else replace(record, value=inverse),
        )

    def _change(self, piece: Slice, key: bytes | None, value: bytes) -> Change | None:
        names: tuple[str, ...] = ()
        if key is not None:
            names = key_columns(self.schema(Datum(part="key", raw=key, headers=tuple, framing=piece.framing)))
        text = self.schema(Datum(part="value", raw=value, headers=tuple, framing=piece.framing))
        return read_change(value, text, names)

    def _planned(self, records: list[Record], rows: dict[RecordRef, UndoRow], *, wanted: bool) -> list[TableWrite]:
        """The writes of records, each of which is of one row; of those that do not go `rows` says why."""
        plan = self._plan(records, rows)
        if plan is None:
            return []
        if plan.evolutions:
            raise Undecidable(f"{plan.evolutions[0].table} is another table by now: see headrace schema plan")
        for letter in plan.letters:
            ref = letter.record.ref
            rows[ref] = rows[ref].barred(letter.failure.detail)
        seen: set[RecordRef] = set()
        for write in plan.writes:
            for place in range(write.rows):
                ref = write.origins.ref(place)
                seen.add(ref)
                row = replace(rows[ref], table=str(write.table))
                why = misfit(write, wanted=wanted)
                rows[ref] = row.barred(why) if why else row
        for record in records:
            if record.ref not in seen:
                rows[record.ref] = rows[record.ref].barred("it is of no table, or is one row with another in its table")
        return [write for write in plan.writes if not misfit(write, wanted=wanted)]

    def _plan(self, records: list[Record], rows: dict[RecordRef, UndoRow]) -> Plan | None:
        while records:
            try:
                return self.apart.plan(records)
            except NotPlanned as bad:
                for ref, failure in bad.failures.items():
                    rows[ref] = rows[ref].barred(failure.detail)
                records = [each for each in records if each.ref not in bad.failures]
            except DataFault as fault:
                raise Undecidable(fault.failure.detail) from fault
        return None


def _record(piece: Slice, place: int) -> Record:
    """A record as it lay in its topic, but for what says that its row has a new key: both are rows by themselves."""
    offset = piece.offsets[place]
    return Record(
        ref=RecordRef(piece.at, offset),
        key=_bare(piece, piece.keys[place]),
        value=_bare(piece, piece.values[place]),
        headers=tuple(header for header in piece.headers(offset) if header[0] not in (NEW_KEY, OLD_KEY)),
    )


def _bare(piece: Slice, raw: bytes | None) -> bytes | None:
    return raw if raw is None or piece.framing is None else piece.framing.bare(raw)


def _inverse(change: Change) -> bytes | None:
    """The value of the record that makes its row what it was before, where that is known."""
    if change.op == "c":
        return change.removed() if change.after else None
    return change.restored() if change.before else None
