"""The batch transaction: stage, lock and compare positions, apply, ledger, positions, COMMIT.

Implements `consumer.ports.target.Sink`. Everything that a batch changes is in one transaction. Staging is filled
before any shared lock is taken. Lock order: positions, then tables in the plan's order, rows by key.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import psycopg

from consumer.core.failure import Failure, HeadraceError, Transient, failed
from consumer.core.kinds import KINDS, TOO_MUCH_MOVED
from consumer.core.laps import Lap
from consumer.core.letters import Record, Standing
from consumer.core.plan import Plan
from consumer.core.policy import NO_RETRIES, Policy
from consumer.core.records import OffsetRange, RecordRef, Slice, TopicPartition
from consumer.core.writes import TableWrite
from consumer.edges.postgres import (
    changes,
    decisions,
    digests,
    letter_bytes,
    memory,
    positions,
    pruning,
    standing,
    truncating,
)
from consumer.edges.postgres.aside import DEFAULT_BOUNDS, BatchLetters, LetterBounds, settle
from consumer.edges.postgres.evolving import Changer
from consumer.edges.postgres.ledger import Ledger
from consumer.edges.postgres.migrate import ensure
from consumer.edges.postgres.moved import DEFAULT_MOVED, Moved, MovedBounds
from consumer.edges.postgres.placing import is_of, place
from consumer.edges.postgres.references import relied_on
from consumer.edges.postgres.session import SessionSettings, cancel, connect, limit, require_commit, rollback
from consumer.edges.postgres.stages import Stages, check_deferred
from consumer.edges.postgres.staging import Staged, Staging
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.writing import Writer
from consumer.ports.facts import Committed, Numbered, Tell, Undone, untold
from consumer.ports.refusals import (
    CommitUnknown,
    ConnectionLost,
    DataFault,
    Fenced,
    NotChanged,
    Reconsider,
    TooSlow,
)
from consumer.ports.target import NO_ROOM, Applied, Known, Outcome, Pruned, Retention, Start, Stored, Taken


class PostgresSink:
    """One session on the target. Not thread-safe: it belongs to the apply thread."""

    def __init__(
        self,
        settings: SessionSettings,
        group: str,
        bounds: LetterBounds = DEFAULT_BOUNDS,
        policy: Policy = NO_RETRIES,
        moved_bounds: MovedBounds = DEFAULT_MOVED,
    ) -> None:
        self.settings = settings
        # told of batches; set by whoever watches
        self.tell: Tell = untold
        self._group = group
        self._connection: psycopg.Connection | None = None
        self._staging: Staging | None = None
        self._writer = Writer(bounds.flood_percent)
        self._aside = BatchLetters(group, bounds, policy)
        self._moved = Moved(moved_bounds)
        self._stages = Stages(group, settings.batch_deadline, self._writer, self._aside, self._moved)
        self._ledger = Ledger(group, settings.worker)
        self._changer = Changer(
            group=group,
            worker=settings.worker,
            lock_timeout=settings.change_lock_timeout,
            deadline=settings.batch_deadline,
        )

    def open(self) -> None:
        """Open the session anew, on a control schema of this version. Raises ConnectionLost, Persistent or Refused."""
        self.close()
        self._connection = connect(self.settings)
        ensure(self._connection, self.settings.change_lock_timeout)
        self._staging = Staging(self._connection)

    def close(self) -> None:
        """End the session; an open transaction is rolled back by the server."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._staging = None

    def cut(self) -> None:
        """Have the server undo what runs in the session, if anything; for any thread."""
        cancel(self._connection)

    def known(self) -> Known:
        """Whether the group has started before, and which partitions have positions."""
        return positions.known(self._session(), self._group)

    def seed(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Note the group's first start and where it begins."""
        positions.seed(self._session(), self._group, starts)

    def take(self, starts: Mapping[TopicPartition, Start], *, again: bool = False) -> list[Taken]:
        """Become the owner of partitions; ends our own role's sessions that block it past the deadline.

        `again`: of those only that nobody else has taken since they were ours.
        """
        try:
            return positions.take(self._session(), self._group, self.settings.worker, starts, again=again)
        except Transient as error:
            if error.failure.kind != KINDS["target.locked"].name:
                raise
            positions.end_blockers(self._session(), self._group, list(starts))
            return positions.take(self._session(), self._group, self.settings.worker, starts, again=again)

    def stop(self, at: TopicPartition, epoch: int, failure: Failure) -> None:
        """Note why a partition does not go on; nobody waits for one that itself waits for others to make room."""
        positions.stop(self._session(), self._group, at, epoch, failure)
        if failure.kind == TOO_MUCH_MOVED:
            positions.let_go(self._session(), self._group, at)

    def begin_anew(self, at: TopicPartition, epoch: int, start: Start) -> None:
        """Set a partition's position to the start of another log, or of what is left of it, if it is still ours."""
        decisions.begin_anew(self._session(), self._group, at, epoch, start)

    def asked(self) -> list[TopicPartition]:
        """Partitions that somebody wants to be taken anew."""
        return decisions.asked(self._session(), self._group)

    def wait(self, at: TopicPartition, epoch: int, wait_for: Mapping[str, int]) -> None:
        """Note what a partition waits for."""
        positions.wait(self._session(), self._group, at, epoch, wait_for)

    def relied_on(self, topics: Collection[str], *, leaving: bool = False) -> Mapping[str, Collection[str]]:
        """For each topic those whose records its rows, or their leaving, may depend on, itself among them."""
        return relied_on(self._session(), self._group, topics, leaving=leaving)

    def stored(self) -> list[Stored]:
        """All positions of the group."""
        return positions.read(self._session(), self._group)

    def letters(self, origins: Collection[RecordRef]) -> list[Standing]:
        """The open letters of records, and all other open ones of their rows."""
        with translated("read letters"):
            return standing.read(self._session(), self._group, origins)

    def unique_ones(self, letter: Standing) -> list[Standing]:
        """A letter, others of its table that a unique value keeps out, and all other open ones of their rows."""
        with translated("read letters"):
            return standing.unique_ones(self._session(), self._group, letter)

    def records(self, letters: Sequence[Standing], *, original: bool = False) -> list[Record]:
        """The records of letters, as they are kept or were edited; not of those whose bytes are gone.

        `original`: not what edits made of them.
        """
        with translated("read letters"):
            return letter_bytes.read(self._session(), letters, original=original)

    def place(self, letter: Standing, write: TableWrite) -> None:
        """Write down which row a letter is of: that of the only row of `write`. Nothing of it if it has changed.

        From then on what is applied sees the letter; what its partition has passed before is to be searched. Raises
        DataFault, TableFault, Transient or ConnectionLost.
        """
        place(self._session(), self._stage_tables(), self._group, letter, write)

    def is_of(self, letter: Standing, write: TableWrite) -> bool:
        """Whether the only row of `write` is that of a letter. Raises as `place` does."""
        return is_of(self._session(), self._stage_tables(), self._group, letter, write)

    def apply(self, plan: Plan, room: Mapping[TopicPartition, int] = NO_ROOM, within: float | None = None) -> Applied:
        """Apply a plan in one transaction.

        `room`: how many letters each partition may get of what the target refuses; for more the batch is planned anew.
        `within`: seconds for each of its writes, where that is less than a batch's deadline.

        Raises Fenced or Reconsider (nothing written), DataFault, TableFault or Transient
        (rolled back), ConnectionLost (rolled back by the server), CommitUnknown.
        """
        began, clock = time.time(), time.perf_counter()
        try:
            applied = self._applied(plan, room, within)
        except CommitUnknown:
            # told when it is known what became of it
            raise
        except HeadraceError as error:
            seconds = time.perf_counter() - clock
            self.tell(Undone(plan=plan, failure=error.failure, began=began, seconds=seconds))
            raise
        self._committed(applied)
        return applied

    def _committed(self, applied: Applied) -> None:
        self._ledger.committed()
        self._writer.committed()
        self.tell(Committed(applied))

    def _applied(self, plan: Plan, room: Mapping[TopicPartition, int], within: float | None) -> Applied:
        started = datetime.now(UTC)
        clock = began = time.perf_counter()
        self._stages.lettering.lap()
        connection, staging = self._session(), self._stage_tables()
        stages = staging.prepare([stage.staged() for stage in plan.stages], self._writer.careful)
        everything = [staged for stage in stages for staged in stage]
        try:
            self._changer.label(connection, plan.evolving())
            with translated("begin"):
                number = self._ledger.begin(connection, plan, started)
            if number is not None:
                self.tell(Numbered(number))
            with translated("empty staging"):
                staging.clear(everything)
            for staged in everything:
                self._stages.in_time(clock)
                staging.fill(staged)
            with translated("divide staging"):
                stages = staging.divided(stages)
            filled = time.perf_counter()
            with translated("lock positions"):
                again = self._fenced(connection, plan)
            clock += self._changed(connection, plan, everything)
            stages = truncating.floored(connection, self._group, plan, stages)
            settle(connection, plan, [staged for stage in stages for staged in stage])
            _limit(connection, within and min(within, self.settings.batch_deadline))
            self._moved.begin()
            self._aside.begin(number)
            self._aside.read_again(connection, again)
            applied, refused = self._stages.run(connection, plan, stages, clock)
            if applied is None or any(count > room.get(at, 0) for at, count in _by_partition(refused).items()):
                raise Reconsider(refused)
            plan = applied
            self._moved.settle(connection)
            durations = {"stage": filled - began, "apply": time.perf_counter() - filled}
            check_deferred(connection, plan)
            _limit(connection, within and self.settings.batch_deadline)
            with translated("finish batch"):
                self._finish(connection, plan, durations)
        except BaseException as error:
            if isinstance(error, DataFault):
                self._writer.take_care(plan.writes, error.table)
            if not connection.closed:
                rollback(connection)
            self._note(connection, plan, error)
            raise
        ready = time.perf_counter()
        laps = _laps([("stage", began, filled), ("apply", filled, ready)])
        if lettered := self._stages.lettering.lap():
            laps.append(lettered)
        closed = dict(+self._aside.closed)
        done = Applied(plan=plan, seconds=ready - clock, durations=durations, laps=tuple(laps), closed=closed)
        self._commit(connection, done)
        ended = time.perf_counter()
        return replace(done, seconds=ended - clock, laps=(*laps, *_laps([("commit", ready, ended)])))

    def _note(self, connection: psycopg.Connection, plan: Plan, error: BaseException) -> None:
        """Have the ledger say how a batch ended that was rolled back; what is planned anew has not ended.

        A change that the target does not take is kept with its reason.
        """
        if isinstance(error, Fenced):
            self._ledger.abandoned(connection)
        elif isinstance(error, HeadraceError):
            self._ledger.failed(connection, error.failure)
        if isinstance(error, NotChanged):
            for evolution in plan.evolutions:
                if evolution.table == error.table:
                    slow = isinstance(error, TooSlow)
                    changes.failed(connection, self._group, evolution, error.failure, slow=slow)

    def resolve(self, applied: Applied, failure: Failure) -> Outcome:
        """What became of a batch whose COMMIT was not answered, for this reason; the session must be a new one.

        The row lock waits for a commit that is still running; a session that outlives the deadline there
        is ended first. Raises ConnectionLost or Transient.
        """
        plan = applied.plan
        try:
            outcome = self._resolved(plan)
        except Transient as error:
            if error.failure.kind != KINDS["target.locked"].name:
                raise
            positions.end_blockers(self._session(), self._group, [piece.at for piece in plan.slices])
            outcome = self._resolved(plan)
        if outcome is Outcome.COMMITTED:
            self._committed(applied)
        else:
            self.tell(Undone(plan=plan, failure=failure, began=applied.laps[0].began, seconds=applied.seconds))
        return outcome

    def prune(self, keep: Retention) -> Pruned:
        """Delete what need not be kept any longer, a bounded part of it."""
        return pruning.prune(self._session(), self._group, keep)

    def marks(self) -> list[OffsetRange]:
        """Ranges that hang the native decoder."""
        return memory.marks(self._session(), self._group)

    def _resolved(self, plan: Plan) -> Outcome:
        connection = self._session()
        with translated("resolve commit"):
            connection.execute("BEGIN")
            try:
                found = positions.lock(connection, self._group, [piece.at for piece in plan.slices])
            finally:
                if not connection.closed:
                    rollback(connection)
        # first, since of one that moves nothing the positions say nothing
        if all(found.get(piece.at) == (piece.epoch, piece.start) for piece in plan.slices):
            return Outcome.NOT_COMMITTED
        if all(found.get(piece.at) == (piece.epoch, piece.end) for piece in plan.slices):
            return Outcome.COMMITTED
        return Outcome.FENCED

    def _fenced(self, connection: psycopg.Connection, plan: Plan) -> Sequence[Slice]:
        return positions.fence(connection, self._group, plan.slices)

    def _changed(self, connection: psycopg.Connection, plan: Plan, everything: Sequence[Staged]) -> float:
        """Change tables as the rows need it; returns the seconds that it took, which are no fault of the rows'.

        Not those whose letters would not know their rows any more; one that came back is applied as it is.
        """
        started = time.perf_counter()
        evolving = plan.evolving()
        changed = {evolution.table for evolution in evolving} if not plan.verdicts else set()
        with translated("look for letters"):
            for write in (staged.write for staged in everything if staged.write.table in changed):
                if write.identity:
                    digests.require_types(connection, self._group, write)
        self._changer.change(connection, evolving)
        return time.perf_counter() - started

    def _finish(self, connection: psycopg.Connection, plan: Plan, durations: Mapping[str, float]) -> None:
        # first: what is noted of these records goes as their position moves
        self._aside.close_read(connection, plan)
        positions.move(connection, self._group, plan)
        self._ledger.applied(connection, plan, durations, self._aside.closed)

    def _commit(self, connection: psycopg.Connection, applied: Applied) -> None:
        try:
            with translated("commit"):
                tag = connection.execute("COMMIT").statusmessage
            require_commit(tag, "commit")
        except ConnectionLost as error:
            raise CommitUnknown(error.failure, applied) from error
        except Transient as error:
            self._note(connection, applied.plan, error)
            raise

    def _session(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            raise ConnectionLost(_CLOSED)
        return self._connection

    def _stage_tables(self) -> Staging:
        if self._staging is None:
            raise ConnectionLost(_CLOSED)
        return self._staging


def _laps(steps: Iterable[tuple[str, float, float]]) -> list[Lap]:
    """Steps that began and ended by the clock that never runs back."""
    since = time.time() - time.perf_counter()
    return [Lap(step=step, began=since + began, seconds=end - began) for step, began, end in steps]


def _limit(connection: psycopg.Connection, seconds: float | None) -> None:
    if seconds is not None:
        with translated("limit time"):
            limit(connection, seconds)


def _by_partition(refs: Iterable[RecordRef]) -> Counter[TopicPartition]:
    return Counter(ref.at for ref in refs)


_CLOSED = failed(KINDS["target.connection"], "postgres", "session", "the session on the target is closed")
