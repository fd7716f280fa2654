"""Letters that come back through the retry topics: each is judged by its row, and applied if its turn has come.

The copy only says which letter it is. Whether it counts, and with which bytes, the row says.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from consumer.apart import planned
from consumer.binder import Binder
from consumer.busy import of_record
from consumer.core.failure import Failure, Transient, failed, located
from consumer.core.kinds import KINDS, Scope
from consumer.core.letterhead import Codec, Letterhead, NoLetter
from consumer.core.letters import Record, Standing, State, Verdict
from consumer.core.pausing import Paused, why
from consumer.core.plan import Plan
from consumer.core.policy import Policy
from consumer.core.records import Slice, no_headers
from consumer.planner import Planner
from consumer.ports.refusals import DataFault, Reconsider, TableBusy, TableFault
from consumer.ports.target import Sink
from consumer.rereading import Rereading

log = structlog.get_logger("headrace.letters")


@dataclass(frozen=True, slots=True)
class Pause:
    """A retry topic's partition goes on in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """What decides: the codec reads copies, the policy says what follows a failure."""

    codec: Codec
    policy: Policy


class Returns:
    """Works on what came back. Belongs to the apply thread, whose session it uses."""

    # seconds of work on one partition, so that the main topics wait no longer
    TURN = 1.0
    # letters of a row that are applied in one transaction
    MOST_TOGETHER = 100
    # seconds for which letters of a table that is locked are not tried
    LOCKED = 60.0

    def __init__(self, sink: Sink, planner: Planner, binder: Binder, origins: Rereading, judges: Judges) -> None:
        self._sink = sink
        self._planner = planner
        self._binder = binder
        self._origins = origins
        self._judges = judges
        # why and until when the letters of these topics are not tried (monotonic)
        self._locked: dict[str, tuple[Failure, float]] = {}

    def work(self, piece: Slice) -> Pause | None:
        """Work on a slice; says when to go on if not all of it is done.

        Raises Fenced, Transient, ConnectionLost, CommitUnknown: the position stands where it was committed last.
        """
        until = time.monotonic() + self.TURN
        start = piece.start
        for index, offset in enumerate(piece.offsets):
            if time.monotonic() > until:
                return self._moved(piece, start, offset, Pause(0.0))
            step = self._step(replace(piece, start=start), index)
            if isinstance(step, Pause):
                return self._moved(piece, start, offset, step)
            start = step
        self._moved(piece, start, piece.end, None)
        return None

    def _moved(self, piece: Slice, start: int, end: int, pause: Pause | None) -> Pause | None:
        """Move the position over copies that meant nothing."""
        if end > start:
            self._sink.apply(Plan(slices=(_passed(piece, start, end),), stages=()))
        return pause

    def _step(self, piece: Slice, index: int) -> int | Pause:
        """Work on one copy; returns where the stored position is then."""
        offset = piece.offsets[index]
        head = self._head(piece, offset)
        while head is not None:
            row = self._sink.letter(head.origin)
            if row is None or row.attempt != head.attempt or row.state not in (State.RETRYING, State.REPLAYING):
                return piece.start
            if row.searching:
                # it comes again when the search has ended
                return piece.start
            if row.due > 0:
                return Pause(row.due)
            if self._brought_further(_passed(piece, piece.start, offset + 1), row):
                return offset + 1
        return piece.start

    def _brought_further(self, done: Slice, row: Standing) -> bool:
        """Apply a letter with what waits for it, or note why not; False when it is not what it was."""
        together = self._sink.followers(row.id, self.MOST_TOGETHER) if row.oldest and not row.pointer else []
        plan = self._foregone(done, row)
        while True:
            try:
                self._sink.apply(plan or self._plan(done, row, together))
                return True
            except Reconsider as found:
                if not found.refused:
                    return False
                failure = next(iter(found.refused.values()))
            except (DataFault, TableFault) as fault:
                failure = fault.failure
            except TableBusy as busy:
                failure = of_record(busy)
                if KINDS[failure.kind].scope is Scope.TABLE:
                    self._locked[row.record.ref.at.topic] = failure, time.monotonic() + self.LOCKED
                    together = []
            except Transient as error:
                # nobody waits for a topic that is gone
                if error.failure.kind != KINDS["kafka.no_topic"].name:
                    raise
                failure = error.failure
            if together:
                # one of those behind it may be at fault; alone it is set free, and they come one by one
                together = []
            else:
                plan = self._failed(done, row, failure)

    def _foregone(self, done: Slice, row: Standing) -> Plan | None:
        """What becomes of a letter that need not be tried, or None."""
        if row.paused is not None:
            return self._left_alone(done, row, row.paused)
        locked, until = self._locked.get(row.record.ref.at.topic, (None, 0.0))
        return self._failed(done, row, locked) if locked and row.oldest and time.monotonic() < until else None

    def _head(self, piece: Slice, offset: int) -> Letterhead | None:
        try:
            return self._judges.codec.decode(piece.headers(offset))
        except NoLetter as error:
            log.warning(
                "a record in a retry topic is no letter", topic=piece.at.topic, offset=offset, reason=str(error)
            )
            return None

    def _plan(self, done: Slice, row: Standing, together: Sequence[Standing]) -> Plan:
        """What becomes of a letter whose time has come.

        Raises Reconsider when its row has become known only now, DataFault, TableFault, Transient.
        """
        if not row.oldest:
            reason = "an older change of its row is not applied yet"
            return _settling(done, Verdict(id=row.id, attempt=row.attempt, state=State.HELD, reason=reason))
        record = self._origins.fetch(row.record.ref, row.topic_id) if row.pointer else row.record
        if record is None:
            return self._failed(done, row, _GONE)
        plan = planned(self._planner, self._binder, [record, *(one.record for one in together)])
        if plan.letters and together:
            raise DataFault(plan.letters[0].failure, None)
        if plan.letters:
            return self._failed(done, row, plan.letters[0].failure)
        if row.pointer and row.placed and not self._is_of(row, plan):
            return self._failed(done, row, _ANOTHER)
        if row.imported is not None and not row.placed and (why := self._disbelieved(row, row.imported, plan)):
            return self._failed(done, row, why)
        if not row.placed and plan.writes and plan.writes[0].identity:
            # newer changes of its row may have been applied since
            self._sink.place(row, plan.writes[0])
            raise Reconsider({})
        first = Verdict(id=row.id, attempt=row.attempt, state=State.APPLIED, reason=f"at attempt {row.attempt + 1}")
        return replace(plan, slices=(done,), verdicts=(first, *map(_behind, together)))

    def _disbelieved(self, row: Standing, found: Record, plan: Plan) -> Failure | None:
        """Why a letter of another consumer is not applied, whose headers alone say which record it is."""
        if plan.stages and not (plan.writes and plan.writes[0].identity):
            return _NO_ROW
        if row.pointer:
            # read at its origin just now
            return None
        origin = self._origins.fetch(row.record.ref, row.topic_id)
        if origin is None:
            return _UNSEEN
        return None if (origin.key, origin.value) == (found.key, found.value) else _OTHER

    def _is_of(self, row: Standing, plan: Plan) -> bool:
        """Whether what was read at a letter's origin changes the letter's row: a log that was cut has other records."""
        return bool(plan.writes) and self._sink.is_of(row, plan.writes[0])

    def _left_alone(self, done: Slice, row: Standing, paused: Paused) -> Plan:
        """A letter of what a person has paused comes again, as often as it takes, and nothing else is said of it.

        What a person sends again meanwhile is dead as before: one of both has to be decided anew.
        """
        failure = why(paused)
        later = self._judges.policy.again(KINDS[failure.kind], row.attempt + 1, row.age, random.random())
        state = State.DEAD if row.state is State.REPLAYING else later.state
        verdict = Verdict(
            id=row.id, attempt=row.attempt, state=state, reason=failure.detail, excused=True, delay=later.delay
        )
        return _settling(done, verdict)

    def _failed(self, done: Slice, row: Standing, failure: Failure) -> Plan:
        """One more attempt failed: later again, or dead."""
        why = failure if failure.correlation_id != "-" else located(failure, *row.record.ref)
        kind, attempt, chance = KINDS[why.kind], row.attempt + 1, random.random()
        decision = self._judges.policy.again(kind, attempt, row.age, chance, excused=row.excused)
        state = State.DEAD if row.state is State.REPLAYING else decision.state
        excused, delay = decision.excused, decision.delay
        verdict = Verdict(id=row.id, attempt=row.attempt, state=state, failure=why, excused=excused, delay=delay)
        return _settling(done, verdict)


def _passed(piece: Slice, start: int, end: int) -> Slice:
    return replace(piece, start=start, end=end, offsets=(), keys=(), values=(), headers=no_headers, size=0)


def _behind(row: Standing) -> Verdict:
    """That of a letter which waited, applied with the one in front of it."""
    reason = "with the letter that it waited for"
    return Verdict(id=row.id, attempt=row.attempt, state=State.APPLIED, reason=reason)


def _settling(done: Slice, verdict: Verdict) -> Plan:
    return Plan(slices=(done,), stages=(), verdicts=(verdict,))


_NO_ROW = failed(
    KINDS["record.imported"],
    "returns",
    "apply letter",
    "it is of no single row (a table of events, a truncate), and whether this group has applied it can't be known",
    remedy="Discard the letter; if its event is missing in the table, have the source send it again.",
)
_UNSEEN = failed(
    KINDS["record.unplaced"],
    "returns",
    "apply letter",
    "its record is not in its topic any more, nor what stands behind it",
)
_OTHER = failed(
    KINDS["record.unplaced"], "returns", "apply letter", "where its headers say that it was, another record lies"
)
_GONE = failed(KINDS["record.gone"], "returns", "apply letter", KINDS["record.gone"].sign)
_ANOTHER = failed(KINDS["record.gone"], "returns", "apply letter", "at its offset is a record of another row by now")
