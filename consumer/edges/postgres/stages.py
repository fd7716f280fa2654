"""The stages of a plan in a batch's transaction: truncates, then writes, and what both mean for letters."""

import time
from collections.abc import Mapping, Sequence

import psycopg

from consumer.core.classify import may_be_the_tables
from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.plan import Plan
from consumer.core.records import RecordRef
from consumer.core.writes import Action
from consumer.edges.postgres import truncating
from consumer.edges.postgres.altering import settle
from consumer.edges.postgres.aside import BatchLetters, RefusedRows
from consumer.edges.postgres.exchanging import exchange
from consumer.edges.postgres.moved import Moved
from consumer.edges.postgres.staging import Staged
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.writing import Writer
from consumer.ports.refusals import DataFault, Reconsider, TableBusy
from consumer.stopwatch import Stopwatch


class Stages:
    """Of one sink, which begins and ends the transaction. `deadline`: seconds of a batch."""

    def __init__(self, group: str, deadline: float, writer: Writer, aside: BatchLetters, moved: Moved) -> None:
        self._group = group
        self._deadline = deadline
        self._writer = writer
        self._aside = aside
        self._moved = moved
        self.lettering = Stopwatch("letters")

    def in_time(self, clock: float) -> None:
        """Many statements, each within its timeout, may still be too long together. Raises Transient."""
        if time.perf_counter() - clock > self._deadline:
            raise Transient(_TOO_LONG)

    def run(
        self, connection: psycopg.Connection, plan: Plan, stages: list[list[Staged]], clock: float
    ) -> tuple[Plan | None, dict[RecordRef, Failure]]:
        """Apply stage by stage; returns the plan with the letters of what was refused, and that.

        None for the plan where its letters need one that knows of it.
        """
        with self.lettering:
            lettered = self._aside.lettered(connection, {write.table for write in plan.writes})
        refused: dict[RecordRef, Failure] = {}
        applied = plan
        for number, (stage, staged) in enumerate(zip(plan.stages, stages, strict=True)):
            for truncate in stage.truncates:
                self.in_time(clock)
                truncating.truncate(connection, self._group, truncate)
            writes, identities = staged[: len(stage.writes)], staged[len(stage.writes) :]
            # a letter that came back is its row's oldest: nothing is in front of it, and it says nothing of newer ones
            # events have no rows that letters could wait for
            rows = [one for one in writes if one.write.identity and one.write.table in lettered]
            known = [] if plan.verdicts else rows
            with self.lettering:
                met = self._aside.meet(connection, known)
            left = self._write(connection, writes, clock)
            refs = {ref: why for one in left for ref, why in one.refs().items()}
            with self.lettering:
                self._aside.close(connection, [(letter, ref) for letter, ref in met if ref not in refs], known)
                lettered |= self._aside.write(connection, stage, iter(identities))
            refused |= refs
            if left:
                with self.lettering:
                    asides = self._aside.write_refused(connection, left)
                if asides is None:
                    # what follows may be refused for want of these rows, and would not be at fault
                    return None, refused
                applied = applied.with_letters(number, asides)
                lettered |= {one.staged.write.table for one in left}
            if (left or stage.letters) and not plan.verdicts:
                alike = [one for one in writes if one.write.table in lettered and one.write.merges]
                self._meet_alike(connection, alike, refused)
        return applied, refused

    def _meet_alike(
        self, connection: psycopg.Connection, writes: Sequence[Staged], refused: Mapping[RecordRef, Failure]
    ) -> None:
        """What the letters of a stage mean for its own rows, whose keys are one only to the table.

        Raises Reconsider, with what was refused.
        """
        with self.lettering:
            try:
                met = self._aside.meet(connection, writes)
            except Reconsider as found:
                raise Reconsider({**found.refused, **refused}) from found
            self._aside.close(connection, [(letter, ref) for letter, ref in met if ref not in refused], writes)

    def _write(self, connection: psycopg.Connection, writes: Sequence[Staged], clock: float) -> list[RefusedRows]:
        """Do a stage's writes, action by action; returns what is refused of them."""
        refused = []
        for action in Action:
            for staged in writes:
                if staged.write.action is not action:
                    continue
                self.in_time(clock)
                if action is Action.KEEP:
                    self._moved.keep(connection, staged)
                elif rows := self._writer.write(connection, staged):
                    refused.append(RefusedRows(staged, rows))
        left = exchange(connection, refused)
        for one in left:
            self._writer.require_few(one.staged.write, one.rows)
        return left


def check_deferred(connection: psycopg.Connection, plan: Plan) -> None:
    """Have whatever the target defers happen now, so that nothing of it can fail in COMMIT.

    Raises as a write does, of which the server does not say whose it is, and Altered.
    """
    try:
        with translated("check what is deferred"):
            settle(connection, plan.writes)
    except Transient as error:
        if not may_be_the_tables(error.failure) or not (plan.writes or plan.truncates):
            raise
        raise TableBusy(error.failure, None) from error
    except DataFault as error:
        if plan.writes or not plan.truncates:
            raise
        tables = {truncate.table for truncate in plan.truncates}
        raise truncating.not_truncated(error, tables.pop() if len(tables) == 1 else None) from error


_TOO_LONG = failed(
    KINDS["target.timeout"],
    "postgres",
    "apply",
    "the batch did not fit into target.batch_deadline",
    remedy="It is repeated in two parts; more target.batch_deadline or less batch.max_rows or batch.growth avoids it.",
)
