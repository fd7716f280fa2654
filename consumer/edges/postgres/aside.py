"""Letters in a batch's transaction: met by its rows, superseded, written, brought further."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.lettering import left_out
from consumer.core.letters import BEHIND, KEEPING, OPEN, Row, State, Verdict
from consumer.core.plan import Aside, Plan, Stage
from consumer.core.policy import Policy
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.target import TableName
from consumer.core.writes import Action
from consumer.edges.postgres import digests, letters, standing
from consumer.edges.postgres.digests import Met
from consumer.edges.postgres.guards import places_kept_out
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.unapplied import of_no_row
from consumer.ports.refusals import LettersFull, Reconsider, TableFault, library_faults


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterBounds:
    """Most bytes of a record that are kept beside its letter; most rows of a write, in percent, that may be refused;
    most letters that wait to be published, that wait for an older one of their row, and that are open of one row.
    """

    inline_bytes: int = 1 << 20
    flood_percent: float = 5.0
    max_unpublished: int = 10_000
    max_held: int = 100
    max_open: int = 10_000


DEFAULT_BOUNDS = LetterBounds()


@dataclass(frozen=True, slots=True)
class RefusedRows:
    """Staged rows that the target does not take, by their places."""

    staged: Staged
    rows: Mapping[int, Failure]

    def refs(self) -> dict[RecordRef, Failure]:
        """Where they come from, and why they are refused."""
        return {self.staged.write.origins.ref(place): why for place, why in self.rows.items()}


def settle(connection: psycopg.Connection, plan: Plan, writes: Sequence[Staged]) -> None:
    """Bring letters further; those whose rows' versions keep them out as a whole are superseded.

    Raises Reconsider when one is not what the plan took it for.
    """
    if not plan.verdicts:
        return
    late = _kept_out(connection, plan.verdicts, writes)
    verdicts = [replace(one, state=State.SUPERSEDED, reason=_LATE) if one.row in late else one for one in plan.verdicts]
    with translated("settle letters"):
        if not standing.settle(connection, verdicts):
            raise Reconsider({})


def _kept_out(connection: psycopg.Connection, verdicts: Sequence[Verdict], writes: Sequence[Staged]) -> set[Row]:
    """The rows of letters of which nothing goes into their tables, because there are newer ones."""
    if all(staged.write.version is None for staged in writes):
        return set()
    rows = {verdict.ref: verdict.row for verdict in verdicts if verdict.row is not None}
    late: set[Row | None] = set()
    written: set[Row | None] = set()
    for staged in writes:
        out: set[int] = set()
        if staged.write.version is not None:
            with translated("compare versions", staged.write.table):
                out = {row[0] for row in connection.execute(places_kept_out(staged))}
        for place in range(staged.write.rows):
            (late if place in out else written).add(rows.get(staged.write.origins.ref(place)))
    return {row for row in late - written if row is not None}


def _late(connection: psycopg.Connection, writes: Sequence[Staged]) -> set[RecordRef]:
    """The records whose rows are not written, because there are newer ones."""
    late: set[RecordRef] = set()
    for staged in writes:
        if staged.write.version is not None:
            with translated("compare versions", staged.write.table):
                late |= {staged.write.origins.ref(row[0]) for row in connection.execute(places_kept_out(staged))}
    return late


class BatchLetters:
    """What a batch's transaction does about letters of one group."""

    def __init__(self, group: str, bounds: LetterBounds, policy: Policy) -> None:
        self._group = group
        self._bounds = bounds
        self._policy = policy
        self._pen = letters.Pen(group=group, batch=None, inline_bytes=bounds.inline_bytes)
        # how many letters the batch of now has closed, by the state that they got
        self.closed: Counter[str] = Counter()
        # open letters of no row of what it reads again
        self._read: list[tuple[int, RecordRef]] = []

    def begin(self, batch: int | None) -> None:
        """Another batch begins, which has this number in the ledger."""
        self.closed = Counter()
        self._pen = replace(self._pen, batch=batch)
        self._read = []

    def lettered(self, connection: psycopg.Connection, tables: Collection[TableName]) -> set[TableName]:
        """Those of the tables that have open letters: the others pay nothing for them."""
        with translated("look for letters"):
            return digests.lettered(connection, self._group, tables)

    def meet(self, connection: psycopg.Connection, writes: Sequence[Staged]) -> list[tuple[Met, RecordRef]]:
        """What lacks columns waits behind its row's letters; what is written as a whole makes them superfluous, but for
        a delete that keeps what its row has for the row's next key.

        Returns these, each with the record that does it, and letters of records that were read again and are written
        now. Raises Reconsider for what has to wait, TableFault where letters know their rows by other types.
        """
        waiting: dict[RecordRef, Failure] = {}
        met_by: list[tuple[Met, RecordRef]] = []
        for staged in writes:
            write = staged.write
            with translated("look for letters", write.table):
                met = digests.met(connection, self._group, staged)
            by = [(one, write.origins.ref(one.place)) for one in met]
            older = _older(by)
            if write.action is Action.KEEP:
                # what the letter changes is not in the table: it may come yet, or it is not kept
                waiting |= {ref: _KEEPS for one, ref in older if not one.dead}
                with translated("look for letters", write.table):
                    digests.drop(connection, staged, [one.place for one, _ in older])
                continue
            met_by += [(one, ref) for one, ref in by if one.origin == ref]
            lacking = {one.place for one, _ in older if write.strict or one.keeps or write.lacks(one.place)}
            waiting |= {ref: _BEHIND for one, ref in older if one.place in lacking}
            met_by += [(one, ref) for one, ref in _made_needless(by, older) if one.place not in lacking]
        if waiting:
            raise Reconsider(waiting)
        return met_by

    def close(
        self, connection: psycopg.Connection, met: Sequence[tuple[Met, RecordRef]], writes: Sequence[Staged]
    ) -> None:
        """Close letters that were met: their rows are written as a whole now, or their own records are.

        What its row's version has kept out of the table may be older than letters of other partitions.
        """
        others = {one.table for one, ref in met if one.origin.at != ref.at}
        late = _late(connection, [staged for staged in writes if staged.write.table in others])
        met = [(one, ref) for one, ref in met if one.origin.at == ref.at or ref not in late]
        for table in sorted({one.table for one, _ in met}, key=str):
            older = {one.id for one, ref in met if one.table == table and one.origin != ref}
            own = {one.id for one, ref in met if one.table == table and one.origin == ref}
            with translated("close letters", table):
                standing.supersede(connection, sorted(older))
                standing.close_applied(connection, sorted(own))
            self.closed += Counter({State.SUPERSEDED.value: len(older), State.APPLIED.value: len(own)})

    def read_again(self, connection: psycopg.Connection, slices: Sequence[Slice]) -> None:
        """Lock the letters of no row, which no row meets, of slices that are read again: nobody gives them up now."""
        if slices:
            with translated("look for letters"):
                self._read = of_no_row(connection, self._group, slices)

    def close_read(self, connection: psycopg.Connection, plan: Plan) -> None:
        """What is read again is applied now: its letters of no row end, but for what the plan has letters of again."""
        if not self._read:
            return
        open_ones = {letter.record.ref for letter in plan.letters if letter.state in OPEN}
        closed = [number for number, ref in self._read if ref not in open_ones]
        with translated("close letters"):
            standing.close_applied(connection, closed)
        self.closed += Counter({State.APPLIED.value: len(closed)})

    def write_refused(self, connection: psycopg.Connection, refused: Sequence[RefusedRows]) -> list[Aside] | None:
        """Write the letters of rows that the target refuses; None where the batch has to be planned anew for them."""
        asides = [self._left_out(one) for one in refused]
        sure = [aside for aside in asides if aside is not None]
        if len(sure) < len(asides) or self._unpublished(connection) >= self._bounds.max_unpublished:
            return None
        for one, aside in zip(refused, sure, strict=True):
            with translated("write letters", aside.table):
                letters.write(connection, self._pen, aside, one.staged)
                self._require_few(connection, aside)
        return sure

    def _left_out(self, refused: RefusedRows) -> Aside | None:
        write = refused.staged.write
        with library_faults(write.table, "postgres", write.action.value):
            return left_out(write, refused.rows, self._policy)

    def write(self, connection: psycopg.Connection, stage: Stage, identities: Iterator[Staged]) -> set[TableName]:
        """Write a stage's letters; returns their tables.

        Raises Reconsider for those with nothing to wait for, LettersFull, TableFault where too many wait for one, or
        others of the table know their rows by other types.
        """
        alone: list[RecordRef] = []
        if stage.letters and (waiting := self._unpublished(connection)) >= self._bounds.max_unpublished:
            detail = f"{waiting} letters wait to be published"
            raise LettersFull(failed(KINDS["kafka.letters"], "postgres", "write letters", detail))
        for aside in stage.letters:
            staged = next(identities) if aside.identities is not None else None
            with translated("write letters", aside.table):
                if staged is not None:
                    digests.require_types(connection, self._group, staged.write)
                alone += letters.write(connection, self._pen, aside, staged)
                self._require_few(connection, aside)
        if alone:
            raise Reconsider({}, alone)
        return {aside.table for aside in stage.letters if aside.table is not None}

    def _require_few(self, connection: psycopg.Connection, aside: Aside) -> None:
        """Raises TableFault where a row that letters were written of has too many by now."""
        bounds, remedy = self._bounds, ""
        if letters.most_held(connection, self._group, aside) > bounds.max_held:
            detail = f"more than {bounds.max_held} letters of one row of {aside.table} wait for an older one"
        elif letters.crowded(connection, self._group, aside, bounds.max_open):
            detail = f"a row of {aside.table} has more than {bounds.max_open} open letters"
            remedy = "Send letters of that row again or give them up (headrace replay start); Headrace looks by itself."
        else:
            return
        failure = failed(KINDS["table.held"], "postgres", "write letters", detail, remedy=remedy)
        raise TableFault(failure, aside.table)

    def _unpublished(self, connection: psycopg.Connection) -> int:
        with translated("count letters"):
            return letters.count_unpublished(connection, self._group)


_LATE = "a later change of the row was applied"
_BEHIND = failed(KINDS[BEHIND], "postgres", "look for letters", KINDS[BEHIND].sign)
_KEEPS = replace(_BEHIND, operation=KEEPING)


def _made_needless(
    by: Sequence[tuple[Met, RecordRef]], older: Sequence[tuple[Met, RecordRef]]
) -> list[tuple[Met, RecordRef]]:
    """Those of the letters that an image of the whole row makes needless: the older ones, and those of other
    partitions, unless its own was set back and it stands in front of what was read there.
    """
    again = {one.place for one, ref in by if one.origin.at == ref.at and one.origin.offset >= ref.offset}
    others = [(one, ref) for one, ref in by if one.origin.at != ref.at and one.place not in again]
    return [*older, *(each for each in others if each not in older)]


def _older(by: Sequence[tuple[Met, RecordRef]]) -> list[tuple[Met, RecordRef]]:
    """Those of the letters, all of some rows, that are older than the record of their row, as `OLDER` would have it of
    the record's letter: that would be the last that failed.

    So none is behind which a position was set back that reads again what stands in front of it.
    """
    first: dict[tuple[int, TopicPartition], int] = {}
    for one, _ in by:
        row = one.place, one.origin.at
        first[row] = min(one.id, first.get(row, one.id))
    return [
        (one, ref)
        for one, ref in by
        if (
            one.origin.offset < ref.offset
            if one.origin.at == ref.at
            else first[one.place, one.origin.at] < first.get((one.place, ref.at), math.inf)
        )
    ]
