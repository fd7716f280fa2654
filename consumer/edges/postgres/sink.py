"""The batch transaction: stage, lock and compare positions, apply, ledger, positions, COMMIT.

Implements `consumer.ports.Sink`. Everything that a batch changes is in one transaction. Staging is filled
before any shared lock is taken. Lock order: positions, then tables in the plan's order, rows by key.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import BEHIND, Standing
from consumer.core.plan import Action, Plan, Stage, TableName
from consumer.core.records import OffsetRange, RecordRef, TopicPartition
from consumer.edges.postgres import letters, memory, positions
from consumer.edges.postgres.migrate import ensure
from consumer.edges.postgres.refusals import TooManyRefused, find
from consumer.edges.postgres.session import SessionSettings, connect, require_commit, rollback
from consumer.edges.postgres.staging import Staged, Staging
from consumer.edges.postgres.statements import delete, insert, insert_checked, update, upsert
from consumer.edges.postgres.translate import translated
from consumer.ports import (
    Applied,
    CommitUnknown,
    ConnectionLost,
    DataFault,
    Fenced,
    Known,
    LettersFull,
    Outcome,
    Reconsider,
    Start,
    Stored,
    TableFault,
    Taken,
)

_LEDGER = """
INSERT INTO headrace.batches (group_name, worker, state, ranges, tables, records, started_at, durations, clocks)
VALUES (%s, %s, 'applied', %s, %s, %s, %s, %s, %s)
"""
# bounded, so that it ends within its timeout; the next one goes on
_PRUNE = """
DELETE FROM headrace.batches WHERE id IN (
    SELECT id FROM headrace.batches
    WHERE group_name = %s AND finished_at < now() - make_interval(secs => %s) ORDER BY id LIMIT 50000
)
"""
# batches for which a table that refused rows is written so that they are found
_CAUTION = 32
# fewer refused rows than this are no flood
_LEAST_FLOOD = 100
_TRIED = sql.SQL("SAVEPOINT plain; {}; RELEASE SAVEPOINT plain")
# how many batches a table goes without the plain INSERT after one met an existing row
_PLAIN_REST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterBounds:
    """Most bytes of a record that are kept beside its letter; most rows of a write, in percent, that may be refused;
    most letters that wait to be published, and that wait for an older one of their row.
    """

    inline_bytes: int = 1 << 20
    flood_percent: float = 5.0
    max_unpublished: int = 10_000
    max_held: int = 100


class PostgresSink:
    """One session on the target. Not thread-safe: it belongs to the apply thread."""

    def __init__(self, settings: SessionSettings, group: str, bounds: LetterBounds = LetterBounds()) -> None:
        self.settings = settings
        self._bounds = bounds
        self._group = group
        self._connection: psycopg.Connection | None = None
        self._staging: Staging | None = None
        self._rest: dict[TableName, int] = {}
        self._caution: dict[TableName, int] = {}
        self._immediate: set[TableName] = set()

    def open(self) -> None:
        """Open the session anew, on a control schema of this version. Raises ConnectionLost, Persistent or Refused."""
        self.close()
        self._connection = connect(self.settings)
        ensure(self._connection)
        self._staging = Staging(self._connection)

    def close(self) -> None:
        """End the session; an open transaction is rolled back by the server."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._staging = None

    def known(self) -> Known:
        """Whether the group has started before, and which partitions have positions."""
        return positions.known(self._session(), self._group)

    def seed(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Note the group's first start and where it begins."""
        positions.seed(self._session(), self._group, starts)

    def take(self, starts: Mapping[TopicPartition, Start]) -> list[Taken]:
        """Become the owner of partitions; ends our own role's sessions that block it past the deadline."""
        try:
            return positions.take(self._session(), self._group, self.settings.worker, starts)
        except Transient as error:
            if error.failure.kind != KINDS["target.locked"].name:
                raise
            positions.end_blockers(self._session(), self._group, list(starts))
            return positions.take(self._session(), self._group, self.settings.worker, starts)

    def stop(self, at: TopicPartition, epoch: int, failure: Failure) -> None:
        """Note why a partition does not go on."""
        positions.stop(self._session(), self._group, at, epoch, failure)

    def stored(self) -> list[Stored]:
        """All positions of the group."""
        return positions.read(self._session(), self._group)

    def open_letters(self) -> int:
        """How many letters of the group are open."""
        with translated("count letters"):
            return letters.count_open(self._session(), self._group)

    def letter(self, origin: RecordRef) -> Standing | None:
        """The open letter of a record, or None."""
        with translated("read letter"):
            return letters.read(self._session(), self._group, origin)

    def apply(self, plan: Plan) -> Applied:
        """Apply a plan in one transaction.

        Raises Fenced or Reconsider (nothing written), DataFault, TableFault or Transient
        (rolled back), ConnectionLost (rolled back by the server), CommitUnknown.
        """
        started = datetime.now(UTC)
        clock = time.perf_counter()
        connection, staging = self._session(), self._stage_tables()
        stages = staging.prepare([stage.staged() for stage in plan.stages])
        everything = [staged for stage in stages for staged in stage]
        with translated("begin"):
            connection.execute("BEGIN")
        try:
            with translated("empty staging"):
                staging.clear(everything)
            for staged in everything:
                self._in_time(clock)
                staging.fill(staged)
            filled = time.perf_counter()
            with translated("lock positions"):
                self._compare(connection, plan)
            self._settle(connection, plan)
            self._run(connection, plan, stages, clock)
            durations = {"stage": filled - clock, "apply": time.perf_counter() - filled}
            with translated("finish batch"):
                self._finish(connection, plan)
                self._ledger(connection, plan, started, durations)
        except BaseException as error:
            if isinstance(error, DataFault):
                self._take_care(plan, error.table)
            if not connection.closed:
                rollback(connection)
            raise
        self._commit(connection)
        self._caution = {table: left - 1 for table, left in self._caution.items() if left > 1}
        self._immediate &= self._caution.keys()
        return Applied(plan=plan, seconds=time.perf_counter() - clock, durations=durations)

    def resolve(self, plan: Plan) -> Outcome:
        """What became of a plan whose COMMIT was not answered; asks on a new session.

        The row lock waits for a commit that is still running; a session that outlives the deadline there
        is ended first. Raises ConnectionLost or Transient.
        """
        self.open()
        try:
            return self._resolved(plan)
        except Transient as error:
            if error.failure.kind != KINDS["target.locked"].name:
                raise
            positions.end_blockers(self._session(), self._group, [piece.at for piece in plan.slices])
            return self._resolved(plan)

    def prune(self, keep_hours: float) -> int:
        """Delete ledger rows older than that; returns how many."""
        with translated("prune ledger"):
            done = self._session().execute(
                _PRUNE,
                (self._group, keep_hours * 3600),
            )
        return done.rowcount

    def marks(self, partitions: Sequence[TopicPartition]) -> list[OffsetRange]:
        """Ranges that hang the native decoder."""
        return memory.marks(self._session(), self._group, partitions)

    def _resolved(self, plan: Plan) -> Outcome:
        connection = self._session()
        with translated("resolve commit"):
            connection.execute("BEGIN")
            try:
                found = positions.lock(connection, self._group, [piece.at for piece in plan.slices])
            finally:
                if not connection.closed:
                    rollback(connection)
        if all(found.get(piece.at) == (piece.epoch, piece.end) for piece in plan.slices):
            return Outcome.COMMITTED
        if all(found.get(piece.at) == (piece.epoch, piece.start) for piece in plan.slices):
            return Outcome.NOT_COMMITTED
        return Outcome.FENCED

    def _compare(self, connection: psycopg.Connection, plan: Plan) -> None:
        found = positions.lock(connection, self._group, [piece.at for piece in plan.slices])
        lost = [piece.at for piece in plan.slices if found.get(piece.at) != (piece.epoch, piece.start)]
        if lost:
            raise Fenced(tuple(lost))

    def _in_time(self, clock: float) -> None:
        """Many statements, each within its timeout, may still be too long together. Raises Transient."""
        if time.perf_counter() - clock > self.settings.batch_deadline:
            raise Transient(_TOO_LONG)

    def _run(self, connection: psycopg.Connection, plan: Plan, stages: list[list[Staged]], clock: float) -> None:
        with translated("look for letters"):
            lettered = letters.lettered(connection, self._group, {write.table for write in plan.writes})
        refused: dict[RecordRef, Failure] = {}
        for stage, staged in zip(plan.stages, stages, strict=True):
            writes, identities = staged[: len(stage.writes)], staged[len(stage.writes) :]
            # a letter that came back is its row's oldest: nothing is in front of it, and it says nothing of newer ones
            if not plan.verdicts:
                self._meet_letters(connection, [write for write in writes if write.write.table in lettered])
            for action in Action:
                for write in writes:
                    if write.write.action is action:
                        self._in_time(clock)
                        refused |= self._written(connection, write)
            lettered |= self._write_letters(connection, stage, iter(identities))
        if refused:
            raise Reconsider(refused)

    def _bound_unpublished(self, connection: psycopg.Connection) -> None:
        with translated("count letters"):
            waiting = letters.count_unpublished(connection, self._group)
        if waiting >= self._bounds.max_unpublished:
            detail = f"{waiting} letters wait to be published"
            raise LettersFull(failed(KINDS["kafka.letters"], "postgres", "write letters", detail))

    def _settle(self, connection: psycopg.Connection, plan: Plan) -> None:
        """Bring letters further. Raises Reconsider when one is not what the plan took it for."""
        for verdict in plan.verdicts:
            with translated("settle letter"):
                if not letters.settle(connection, verdict):
                    raise Reconsider({})

    def _meet_letters(self, connection: psycopg.Connection, writes: Sequence[Staged]) -> None:
        """What lacks columns waits behind its row's letters; what is written as a whole supersedes them.

        Raises Reconsider for what has to wait.
        """
        waiting: dict[RecordRef, Failure] = {}
        superseded: list[int] = []
        for staged in writes:
            write = staged.write
            with translated("look for letters", write.table):
                met = letters.met(connection, self._group, staged)
            older = [(one.id, ref) for one in met if _is_older(one.origin, ref := write.origins.ref(one.place))]
            if write.action is Action.UPDATE or write.strict:
                waiting |= {ref: _BEHIND for _, ref in older}
            else:
                superseded += [number for number, _ in older]
        if waiting:
            raise Reconsider(waiting)
        with translated("supersede letters"):
            letters.supersede(connection, superseded)

    def _write_letters(
        self, connection: psycopg.Connection, stage: Stage, identities: Iterator[Staged]
    ) -> set[TableName]:
        """Write a stage's letters; returns their tables. Raises Reconsider for those with nothing to wait for."""
        alone: list[RecordRef] = []
        if stage.letters:
            self._bound_unpublished(connection)
        for aside in stage.letters:
            staged = next(identities) if aside.identities is not None else None
            with translated("write letters", aside.table):
                alone += letters.write(connection, self._group, aside, staged, self._bounds.inline_bytes)
                if letters.most_held(connection, self._group, aside) > self._bounds.max_held:
                    raise TableFault(_held(self._bounds.max_held, aside.table), aside.table)
        if alone:
            raise Reconsider({}, alone)
        return {aside.table for aside in stage.letters if aside.table is not None}

    def _written(self, connection: psycopg.Connection, staged: Staged) -> dict[RecordRef, Failure]:
        """Write the staged rows; of a table that refused some lately those that it takes. Returns the others."""
        if staged.write.table in self._caution:
            return self._sorted_out(connection, staged)
        with translated(staged.write.action.value, staged.write.table):
            self._write(connection, staged)
        return {}

    def _take_care(self, plan: Plan, table: TableName | None) -> None:
        """Write a table that refused rows so that they are found; what was refused at the end names none."""
        careful = {write.table for write in plan.writes if table in (None, write.table)}
        self._caution |= dict.fromkeys(careful, _CAUTION)
        if table is None:
            self._immediate |= careful

    def _sorted_out(self, connection: psycopg.Connection, staged: Staged) -> dict[RecordRef, Failure]:
        write = staged.write
        try:
            immediate = write.table in self._immediate
            most = max(_LEAST_FLOOD, int(write.rows * self._bounds.flood_percent / 100))
            found = find(connection, staged, most, immediate=immediate)
        except TooManyRefused as error:
            detail = f"more than {error.most} of {write.rows} rows are refused by table {write.table}"
            flood = failed(KINDS["table.flood"], "postgres", write.action.value, detail)
            raise TableFault(flood, write.table) from error
        return {write.origins.ref(refusal.place): refusal.failure for refusal in found}

    def _write(self, connection: psycopg.Connection, staged: Staged) -> None:
        write = staged.write
        if write.action is Action.DELETE:
            connection.execute(delete(staged))
        elif write.action is Action.UPDATE:
            self._update(connection, staged)
        elif write.action is Action.REPLACE:
            self._replace(connection, staged)
        elif not (write.fresh and self._inserted(connection, staged)):
            connection.execute(upsert(staged))

    def _update(self, connection: psycopg.Connection, staged: Staged) -> None:
        write = staged.write
        rows, found = _counts(connection, update(staged))
        if found < write.rows:
            raise DataFault(_missing_base(write.table, write.rows - found), write.table)
        if rows > found:
            raise DataFault(_many_bases(write.table, rows - found), write.table)

    def _replace(self, connection: psycopg.Connection, staged: Staged) -> None:
        """Delete the rows of the staged identities and insert the staged ones, where no index would tell them apart."""
        connection.execute(delete(staged))
        inserted, pairs, found = _counts(connection, insert_checked(staged))
        if not inserted == pairs == found:
            raise DataFault(_keys_not_kept(staged.write.table), staged.write.table)

    def _inserted(self, connection: psycopg.Connection, staged: Staged) -> bool:
        """Try a plain INSERT, which costs half of an upsert; False when a row was there already."""
        table = staged.write.table
        resting = self._rest.get(table, 0)
        if resting:
            self._rest[table] = resting - 1
            return False
        try:
            # in one journey: with many tables the journeys count
            connection.execute(_TRIED.format(insert(staged)))
        except psycopg.errors.UniqueViolation:
            connection.execute("ROLLBACK TO SAVEPOINT plain")
            self._rest[table] = _PLAIN_REST
            return False
        return True

    def _finish(self, connection: psycopg.Connection, plan: Plan) -> None:
        # whatever the target defers is checked here, so that nothing of it can fail in COMMIT
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        positions.move(connection, self._group, plan.slices)

    def _ledger(
        self, connection: psycopg.Connection, plan: Plan, started: datetime, durations: Mapping[str, float]
    ) -> None:
        if not plan.counts.records:
            return
        ranges = [[piece.at.topic, piece.at.partition, piece.start, piece.end] for piece in plan.slices]
        tables: dict[str, dict[str, int]] = {}
        for write in plan.writes:
            counts = tables.setdefault(str(write.table), {})
            counts[write.action.value] = counts.get(write.action.value, 0) + write.rows
        connection.execute(
            _LEDGER,
            (
                self._group,
                self.settings.worker,
                Jsonb(ranges),
                Jsonb(tables),
                plan.counts.records,
                started,
                Jsonb({name: round(seconds, 6) for name, seconds in durations.items()}),
                Jsonb(_clocks(plan)),
            ),
        )

    def _commit(self, connection: psycopg.Connection) -> None:
        try:
            with translated("commit"):
                tag = connection.execute("COMMIT").statusmessage
        except ConnectionLost as error:
            raise CommitUnknown(error.failure) from error
        require_commit(tag, "commit")

    def _session(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            raise ConnectionLost(_CLOSED)
        return self._connection

    def _stage_tables(self) -> Staging:
        if self._staging is None:
            raise ConnectionLost(_CLOSED)
        return self._staging


def _counts(connection: psycopg.Connection, query: sql.Composed) -> tuple[int, ...]:
    """The one row of numbers that a statement answers."""
    return tuple(connection.execute(query).fetchall()[0])


def _clocks(plan: Plan) -> dict[str, int]:
    appended = [piece.appended_ms for piece in plan.slices if piece.appended_ms]
    clocks = {"appended": min(appended)} if appended else {}
    if plan.source_ms:
        clocks |= {"source_oldest": plan.source_ms[0], "source_newest": plan.source_ms[1]}
    return clocks


_TOO_LONG = failed(
    KINDS["target.timeout"],
    "postgres",
    "apply",
    "the batch did not fit into target.batch_deadline",
    remedy="It is repeated in two parts; more target.batch_deadline or less batch.max_rows or batch.growth avoids it.",
)
_BEHIND = failed(KINDS[BEHIND], "postgres", "look for letters", KINDS[BEHIND].sign)
_CLOSED = failed(KINDS["target.connection"], "postgres", "session", "the session on the target is closed")


def _held(most: int, table: TableName | None) -> Failure:
    detail = f"more than {most} letters of one row of {table} wait for an older one"
    return failed(KINDS["table.held"], "postgres", "write letters", detail)


def _is_older(letter: RecordRef, ref: RecordRef) -> bool:
    """Not so, when a position was set back and reads again what stands in front of the letter."""
    return letter.at != ref.at or letter.offset < ref.offset


def _missing_base(table: TableName, rows: int) -> Failure:
    detail = f"{rows} updates without unchanged TOASTed columns met no row in {table}"
    return failed(KINDS["record.missing_base"], "postgres", "update", detail)


def _many_bases(table: TableName, surplus: int) -> Failure:
    detail = f"{surplus} rows of {table} have the key of another, and an update without all columns is for one row"
    return failed(KINDS["record.many_bases"], "postgres", "update", detail)


def _keys_not_kept(table: TableName) -> Failure:
    detail = f"keys that differ at the source are one key in {table}, or it does not keep them as they are"
    return failed(KINDS["record.key_merged"], "postgres", "replace", detail)
