"""Letters that come back through the retry topics: each is judged by its row, and applied if its turn has come.

A copy only says which letter it is. Whether it counts, and with which bytes, the row says. Those that come together are
brought further in one transaction. When the target does not take it, they are tried again without what is at fault, or
in halves, until that is one letter, which it costs alone. What takes long has its partition of a retry topic rest, so
that the main topics have the most of the time.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from consumer.applying.apart import Apart, NotPlanned
from consumer.applying.blame import blamed
from consumer.applying.copies import (
    Part,
    count,
    counting,
    divided,
    fitting,
    heads_of,
    left,
    not_due,
    passed,
    place,
    stayed,
)
from consumer.applying.letter_plans import LetterPlans
from consumer.applying.rereading import Rereading
from consumer.applying.rests import Rests
from consumer.applying.swaps import swapped
from consumer.applying.verdicts import Judge
from consumer.core.failure import Failure, HeadraceError, Transient
from consumer.core.failure_kind import Scope
from consumer.core.flags import ALL_ON, Flag, Switches
from consumer.core.kinds import KINDS, UNIQUE
from consumer.core.letterhead import Codec
from consumer.core.letters import Row, Standing, Verdict
from consumer.core.plan import Plan
from consumer.core.policy import Policy
from consumer.core.records import RecordRef, Slice, TopicPartition, cut, halves
from consumer.core.sizer import BatchSizer
from consumer.core.turns import Blame, Known, Room, Turns, learned, turns
from consumer.ports.refusals import DataFault, Reconsider, TableBusy, TableFault
from consumer.ports.target import Sink

_LOCKED, _TIMEOUT = "target.locked", "target.timeout"
# why a partition of a retry topic rests
_SLOW = "letters were slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """What decides: the codec reads copies, the policy says what follows a failure."""

    codec: Codec
    policy: Policy


@dataclass(slots=True)
class Turn:
    """What became of retry topics' partitions in one turn: `waits` says in how many seconds one goes on, `why` why.

    `left`: what found no time. `anew`: the topics that were bound anew in it, and need not be again. `evolved`: plans
    that changed tables. `beat`: called whenever the thread shows that it lives. `took`: seconds of the last try.
    """

    until: float
    beat: Callable[[], None]
    waits: dict[TopicPartition, float] = field(default_factory=dict)
    why: str = "letters are not due yet"
    left: tuple[Slice, ...] = ()
    anew: set[str] = field(default_factory=set)
    evolved: list[Plan] = field(default_factory=list)
    took: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether others have their turn now."""
        return time.monotonic() > self.until

    def goes_on(self) -> bool:
        """Whether there is time for more; the thread shows that it lives."""
        self.beat()
        return not self.is_over


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnLimits:
    """How much is worked on at a time.

    `seconds`: of work, so that the main topics wait no longer. `most`: copies that are brought further together.
    `bytes`: of their letters, and as many of what waits for these. `within`: seconds for a statement of several
    letters, so that a slow one is found soon; what takes longer is slow. `locked`: least seconds for which letters of a
    table that is locked are not tried. `off`: seconds between looks at a retry lane that is switched off.
    """

    seconds: float = 1.0
    most: int = 500
    bytes: int = 8 << 20
    within: float = 5.0
    locked: float = 60.0
    off: float = 3.0


USUAL = TurnLimits()


class Returns:
    """Works on what came back. Belongs to the apply thread, whose session it uses."""

    def __init__(
        self, sink: Sink, apart: Apart, origins: Rereading, judges: Judges, limits: TurnLimits = USUAL
    ) -> None:
        self._sink = sink
        self._limits = limits
        self._binder = apart.binder
        self._plans = LetterPlans(sink, apart, origins)
        self._codec = judges.codec
        self._judge = Judge(judges.policy)
        # how many are brought further together follows what became of the last ones
        self._planned = apart.planner.most
        most = min(limits.most, self._planned)
        self._sizer = BatchSizer(rows=most, growth=1, target_seconds=limits.seconds, deadline=limits.within)
        self._pace = self._sizer.first()
        # whether anything comes back; set by whoever composes
        self.switches: Switches = ALL_ON
        # the topics whose letters are not tried
        self._locked: Rests[str, Failure] = Rests()
        # partitions of retry topics whose letters were slow; set by whoever has another clock
        self.slow: Rests[TopicPartition, str] = Rests(together=True)

    def work(self, slices: Part, beat: Callable[[], None] = lambda: None) -> Turn:
        """Work on what was read of retry topics; what is not due waits. Beats in front of each try.

        Raises Fenced, Transient, ConnectionLost, CommitUnknown, and DataFault or TableFault when letters' own tables
        refuse what became of them: each position stands where it was committed last.
        """
        turn = Turn(until=time.monotonic() + self._limits.seconds, beat=beat)
        if not self.switches.on(Flag.RETRY_LANE):
            turn.waits = {piece.at: self._limits.off for piece in slices}
            turn.why = "the retry lane is switched off"
            return turn
        self._leave(slices, turn)
        todo = deque([slices])
        while todo:
            part = [piece for piece in todo.popleft() if piece.at not in turn.waits]
            if part:
                todo.extendleft(reversed(self._tried(part, turn)))
                self._leave((piece for rest in todo for piece in rest), turn)
            if todo and turn.is_over:
                turn.left = left(slices, [piece for part in todo for piece in part], turn.waits)
                break
        return turn

    def _tried(self, part: Part, turn: Turn) -> Sequence[Part]:
        """Bring the letters of some copies further; returns what is to be tried instead, in order."""
        most = self._sizer.most(self._pace)
        if count(part) > most:
            return cut(part, most)
        heads = heads_of(part, self._codec)
        letters = self._sink.letters(list({head.origin for head in heads.values()}))
        came = counting(letters, heads)
        early = not_due(heads, came)
        due, later = divided(part, early)
        if due and later:
            return [due, later]
        if later:
            turn.waits |= {piece.at: early[place(piece, 0)] for piece in later}
            return []
        if count(part) > 1 and any(letter.is_reread for letter in came.values()):
            return halves(part)
        if (few := fitting(part, heads, came, self._limits.bytes)) < count(part):
            return cut(part, few)
        return self._together(part, letters, came.values(), turn)

    def _together(
        self, part: Part, letters: Sequence[Standing], came: Collection[Standing], turn: Turn
    ) -> Sequence[Part]:
        """Bring letters further in one transaction, as far as they can be; returns what is to be tried instead."""
        known = Known(failures=self._resting(came))
        mine = {letter.id for letter in came if letter.paused is None}
        room = Room(letters=self._planned, bytes=self._limits.bytes)
        closer = tried = False
        while True:
            try:
                now = turns(letters, mine, known, room)
                if self._weigh(now.passing, known, turn):
                    now = turns(letters, mine, known, room)
                if tried and turn.is_over and now.tried and count(part) > 1:
                    return self._put_off(part, now, known)
                blame = self._try(part, now, self._verdicts(now, known, came), turn)
            except Reconsider:
                # one of them is not what it was taken for
                return [part]
            if blame is None:
                return []
            if self._bind_anew(blame, turn) or (blame.closer and not closer):
                closer |= blame.closer
                continue
            if not learned(known, now, blame, divisible=count(part) > 1):
                return self._halved(part)
            tried = True
            try:
                if count(part) == 1 and self._swapped(part, now.tried, blame, turn):
                    return []
            except Reconsider:
                return [part]

    def _swapped(self, part: Part, tried: Sequence[Standing], blame: Blame, turn: Turn) -> bool:
        """Whether the only letter that was tried, which a unique value keeps out, was applied with others.

        Raises as a try does.
        """
        if len(tried) != 1 or [why.kind for why in blame.failures.values()] != [UNIQUE]:
            return False
        room = Room(letters=self._planned, bytes=self._limits.bytes)

        def attempt(now: Turns) -> Blame | None:
            return self._try(part, now, tuple(self._judge.applied(one) for one in now.tried), turn)

        return swapped(tried[0], self._sink.unique_ones(tried[0]), room, attempt)

    def _weigh(self, held: Sequence[Standing], known: Known, turn: Turn) -> bool:
        """Look whether what would have to wait leaves anything of what is in front of it, from each row's newest on;
        False when all of it has been looked at.

        Raises Reconsider, Transient.
        """
        new = [letter for letter in held if letter.id not in known.weighed]
        passed: set[Row | None] = set()
        for letter in reversed(new):
            if letter.row in passed:
                # ends with the one that need not wait
                continue
            turn.beat()
            known.weighed.add(letter.id)
            if self._passes(letter, known, turn):
                known.whole.add(letter.id)
                if letter.ref not in known.failures:
                    passed.add(letter.row)
        return bool(new)

    def _passes(self, letter: Standing, known: Known, turn: Turn) -> bool:
        """Whether a letter leaves nothing of what is in front of it. Where its table or a server keeps that from being
        known it has failed, as it would in its turn: else nobody would look again.
        """
        while True:
            try:
                return self._plans.is_whole(letter)
            except (NotPlanned, DataFault, TableFault, Transient) as error:
                blame = self._blamed([letter], error, turn)
            if not self._bind_anew(blame, turn):
                why = blame.failures[letter.ref]
                if KINDS[why.kind].scope is Scope.RECORD:
                    # told when its turn has come
                    return False
                known.failures.setdefault(letter.ref, why)
                return True

    def _put_off(self, part: Part, now: Turns, known: Known) -> Sequence[Part]:
        """Leave letters for another turn, but for those that are known to fail."""
        if not now.failed:
            return self._halved(part)
        verdicts = tuple(self._judge.failed(letter, known.failures[letter.ref]) for letter in now.failed)
        with suppress(Reconsider):
            self._sink.apply(Plan(slices=stayed(part), stages=(), verdicts=verdicts))
        return [part]

    def _halved(self, part: Part) -> Sequence[Part]:
        """What has to be tried in parts; so has what comes next, which may be the rest of it in another turn."""
        self._pace = self._sizer.too_many(self._pace, count(part))
        return halves(part)

    def _try(self, part: Part, now: Turns, verdicts: tuple[Verdict, ...], turn: Turn) -> Blame | None:
        """Apply what has its turn; returns whom it is blamed on when that failed.

        Raises Reconsider, Transient, and whatever is no letter's fault.
        """
        turn.beat()
        try:
            with self._timed(part, turn):
                plan = self._plans.plan(now.tried, now.bare(), turn.goes_on)
                plan = replace(plan, slices=passed(part), verdicts=verdicts)
                applied = self._sink.apply(plan, within=self._limits.within if len(now.tried) > 1 else None)
        except Reconsider as found:
            if not found.refused:
                raise
            return Blame(found.refused)
        except (NotPlanned, DataFault, TableFault, Transient) as error:
            if not now.tried:
                # what is refused are outcomes, and no other try has less of them
                raise
            return self._blamed(now.tried, error, turn)
        self._pace = self._sizer.committed(self._pace, count(part), applied.seconds)
        for evolution in plan.evolving():
            self._binder.forget(evolution.table)
        turn.evolved += [plan] if plan.evolving() else []
        return None

    def _blamed(self, letters: Sequence[Standing], error: HeadraceError, turn: Turn) -> Blame:
        """Whom it is blamed on that letters fail; a table that is locked is left alone then. Raises the error where it
        is the environment's.
        """
        blame = blamed(letters, error, self._binder.topics_of)
        if blame.whole and isinstance(error, TableBusy):
            for topic, why in {ref.at.topic: why for ref, why in blame.failures.items()}.items():
                self._locked.begin([topic], why, turn.took, self._limits.locked)
        return blame

    def _verdicts(self, now: Turns, known: Known, came: Collection[Standing]) -> tuple[Verdict, ...]:
        judge = self._judge
        return (
            *(judge.held(letter) for letter in now.held),
            *(judge.left_alone(letter) for letter in came if letter.paused is not None),
            *(judge.failed(letter, known.failures[letter.ref]) for letter in now.failed),
            *(judge.superseded(letter) for letter in now.superseded),
            *(judge.applied(letter) for letter in now.tried),
        )

    # what is known of topics

    def _bind_anew(self, blame: Blame, turn: Turn) -> bool:
        """Have the letters' topics bound anew, as what was wrong may be right; False when they were in this turn."""
        topics = {ref.at.topic for ref in blame.failures} - turn.anew if blame.binding else set()
        for topic in topics:
            self._binder.forget_topic(topic)
        turn.anew |= topics
        return bool(topics)

    # what is not tried for a while

    def _resting(self, letters: Collection[Standing]) -> dict[RecordRef, Failure]:
        """Those of the letters whose tables are locked, and why they are not tried."""
        locked = self._locked.now()
        return {letter.ref: locked[letter.ref.at.topic][0] for letter in letters if letter.ref.at.topic in locked}

    def _leave(self, pieces: Iterable[Slice], turn: Turn) -> None:
        """Have wait what is left of partitions that rest."""
        slow = self.slow.now()
        for piece in pieces:
            if piece.at in slow:
                turn.why, turn.waits[piece.at] = slow[piece.at]

    @contextmanager
    def _timed(self, part: Part, turn: Turn) -> Iterator[None]:
        """A try. What is slow, or in vain for time, has its partition rest; a table that is locked rests by itself."""
        began, in_vain, done, locked = time.monotonic(), False, False, False
        try:
            yield
            done = True
        except Transient as error:
            in_vain = error.failure.kind == _TIMEOUT
            locked = isinstance(error, TableBusy) and error.failure.kind == _LOCKED
            raise
        finally:
            turn.took = time.monotonic() - began
            if in_vain or (turn.took > self._limits.within and not locked):
                partitions = {piece.at for piece in part}
                # of several that failed, the parts that are tried next say which it is
                self.slow.begin(partitions if done or len(partitions) == 1 else (), _SLOW, turn.took)
