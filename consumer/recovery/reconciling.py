"""A table compared with its source, turn by turn: ranges are summed, those that differ halved, keys looked at again.

A turn does one range, or one look, and leaves what it knows to the next, which any process takes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from consumer.core.failure import HeadraceError
from consumer.core.reconcile import DIFFERENCES, Key, Looks, Range, Seen, Verdict, suspects, verdict
from consumer.core.workflow import Outcome, Task, Turn
from consumer.ports.reconcile import Came, Found, Keys, Mark, NotComparable, Passing, Sides, Watched

LEAF = 2_000
"""Rows of a range that is not halved any more."""
LEAST = 100
"""Least rows of a range; ranges that take too long are halved down to it."""
_LOOK_EVERY = 0.5
# seconds after which a change that the connector has got is mostly in Kafka, and applied
_SOON = 5.0
# of the time of a turn, within which a range has to be done for the next one to be larger
_QUICK = 0.25
# a statement that took too long
_CANCELLED = "57014"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a comparison may cost. `rate`: rows a second; `rounds`: how often a key that moves is looked at.

    `settle`: seconds after which what the connector got counts as sent, where it confirms nothing; `patience`: most
    seconds that are waited for it; `keys`: most differences of a table; `turn`: seconds after which a range is taken
    for too large. `suspects`: keys that are looked at before more ranges are summed.
    """

    range_rows: int = 20_000
    rate: float = 100_000.0
    settle: float = 120.0
    patience: float = 300.0
    rounds: int = 5
    keys: int = 10_000
    turn: float = 10.0
    suspects: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round of looks: the position, since when it is waited for, when the connector had got it, where logs ended.

    `confirmed`: what the connector has confirmed; when that is more, `got` is counted anew. `sure`: whether it had sent
    all up to the position when the logs were asked for their ends.
    """

    lsn: str
    since: float
    got: float | None = None
    confirmed: str = ""
    ends: Mapping[str, int] | None = None
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the comparison of a table is. `size`: rows of the next range, which are fewer where ranges took long.

    `rounds`: of looks, since keys were suspected last. `unsure`: the last one left rows that differ, or are only late.
    """

    after: Key | None = None
    walked: bool = False
    rows: int = 0
    ranges: int = 0
    size: int = 0
    rounds: int = 0
    round: Round | None = None
    unsure: bool = False
    expected: int = 0
    source: str = ""
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    not_compared: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Progress":
        """What was kept as JSON."""
        given = dict(kept)
        for name in ("after", "key", "columns"):
            if given.get(name) is not None:
                given[name] = tuple(given[name])
        if given.get("round") is not None:
            given["round"] = Round(**given["round"])
        return cls(**given)


class _TooLong(Exception):
    """A range that takes a turn too long."""


class Reconciling:
    """Takes turns of comparisons. `sides`: opens a table anew; `now`: seconds since 1970."""

    def __init__(
        self, sides: Callable[[str], Sides], passing: Passing, limits: Limits, now: Callable[[], float]
    ) -> None:
        self._open = sides
        self._passing = passing
        self._limits = limits
        self._now = now
        # of the step whose turn was last: another one may come when tables or settings are others
        self._opened: tuple[tuple[int, int], Sides] | None = None

    def turn(self, task: Task, keys: Keys) -> Turn:
        """The next turn. Raises HeadraceError; then nothing is remembered of any table's sides."""
        table = str(task.subject["table"])
        progress = Progress.of(task.progress)
        try:
            sides = self._of(task, table, progress)
            return self._next(table, sides, progress, keys)
        except NotComparable as why:
            return _left(replace(progress, not_compared=str(why)), Outcome.DONE)
        except HeadraceError:
            # all tables have the same sessions
            self._opened = None
            raise

    def _of(self, task: Task, table: str, progress: Progress) -> Sides:
        """Both sides of the table, as they are now where a comparison begins, or is taken over."""
        step = (task.workflow, task.step)
        if self._opened is None or self._opened[0] != step or not progress.source:
            self._opened = (step, self._open(table))
        return self._opened[1]

    def _next(self, table: str, sides: Sides, progress: Progress, keys: Keys) -> Turn:
        if not progress.source:
            return _left(_begun(sides, progress))
        counts = keys.counts()
        waiting = counts.get(Verdict.SUSPECTED, 0)
        if sum(counts.get(each, 0) for each in DIFFERENCES) > self._limits.keys:
            why = (
                f"more than {self._limits.keys} rows of {table} differ: rebuild it instead; or, where it is rebuilt, "
                "raise reconcile.max_keys and resume"
            )
            return _left(replace(progress, counts=_told(counts)), Outcome.STOPS, why=why)
        if progress.round is not None:
            return self._look(table, sides, progress, progress.round, keys)
        if waiting and (progress.walked or waiting >= self._limits.suspects):
            return self._begin_round(sides, progress, keys)
        if progress.walked:
            return _left(replace(progress, counts=_told(counts)), Outcome.DONE)
        return self._walk(sides, progress, keys)

    def _walk(self, sides: Sides, progress: Progress, keys: Keys) -> Turn:
        """The next range, of the size that the ones before were found to bear."""
        largest, began = self._size(sides), self._now()
        size = min(progress.size or largest, largest)
        try:
            to, rows, found = self._range(sides, progress.after, size)
        except _TooLong:
            return _left(replace(progress, size=max(size // 2, LEAST)))
        except HeadraceError as error:
            if error.failure.code != _CANCELLED or size <= LEAST:
                raise
            return _left(replace(progress, size=max(size // 2, LEAST)))
        keys.suspect(found)
        walked = replace(
            progress,
            after=to,
            walked=to is None,
            rows=progress.rows + rows,
            ranges=progress.ranges + 1,
            # one that was slow for a while may be quick again
            size=min(2 * size, largest) if self._now() - began < _QUICK * self._limits.turn else size,
            # each key that moves is looked at so often, also one that comes late
            rounds=0 if found else progress.rounds,
        )
        return _left(walked, wait=rows / self._limits.rate)

    def _range(self, sides: Sides, after: Key | None, size: int) -> tuple[Key | None, int, list[Key]]:
        """Where a range of so many rows ends, how many of it the source has, which keys differ. Raises _TooLong."""
        # behind the source's last row the target may have any number
        to = sides.source.bound(after, size) or sides.target.bound(after, size)
        of = Range(after, to)
        here, there = sides.source.sum(of), sides.target.sum(of)
        if there.rows > 2 * size:
            of = Range(after, to := sides.target.bound(after, size))
            here, there = sides.source.sum(of), sides.target.sum(of)
        if here == there:
            return to, here.rows, []
        until = self._now() + self._limits.turn if size > LEAST else math.inf
        return to, here.rows, self._drilled(sides, of, max(here.rows, there.rows), until)

    def _size(self, sides: Sides) -> int:
        """Rows of a range: many where each one costs a look at the whole table."""
        return max(self._limits.range_rows, sides.what.rows // 8 if sides.what.sorted_apart else 0)

    def _drilled(self, sides: Sides, of: Range, rows: int, until: float) -> list[Key]:
        """The keys of a range that differ, found by halving it. Raises _TooLong when that takes longer."""
        if self._now() > until:
            raise _TooLong
        middle = None
        if rows > LEAF:
            middle = sides.source.middle(of) or sides.target.middle(of)
        if middle is None:
            return suspects(sides.source.digests(of), sides.target.digests(of))
        found: list[Key] = []
        for half in (Range(of.after, middle), Range(middle, of.to)):
            here, there = sides.source.sum(half), sides.target.sum(half)
            if here != there:
                found += self._drilled(sides, half, max(here.rows, there.rows), until)
        return found

    def _begin_round(self, sides: Sides, progress: Progress, keys: Keys) -> Turn:
        """Look at what is suspected, in the target and then in the source."""
        wanted = [watched.key for watched in keys.suspected()]
        before = sides.target.seen(wanted)
        source, mark = sides.source.seen_at(wanted)
        left = [key for key in wanted if not _equal(before.get(key), source.get(key))]
        keys.judge([Found(key=key, verdict=Verdict.EQUAL) for key in set(wanted) - set(left)])
        if not left:
            return _left(progress)
        keys.begin([Watched(key=key, before=before.get(key), source=source.get(key)) for key in left])
        begun = Round(lsn=mark.lsn, since=self._now())
        return _left(replace(progress, round=begun, rounds=progress.rounds + 1), wait=_LOOK_EVERY)

    def _look(self, table: str, sides: Sides, progress: Progress, at: Round, keys: Keys) -> Turn:
        """Look again, once the target has passed the source's position."""
        waited, come = self._come(table, at, surely=progress.unsure)
        if come:
            return self._judge(sides, progress, waited, keys)
        if self._now() - at.since > self._limits.patience:
            return _left(replace(progress, round=None), Outcome.STOPS, why=_impatient(waited, self._limits.patience))
        return _left(replace(progress, round=waited), wait=_LOOK_EVERY)

    def _come(self, table: str, at: Round, *, surely: bool) -> tuple[Round, bool]:
        """The round, with what is known by now, and whether the target has passed its position.

        `surely`: that is to be known for sure; else the row may still be on its way.
        """
        if at.ends is None:
            at = self._got(at)
            passed = at.sure or (not surely and self._has_had(at, min(_SOON, self._limits.settle)))
            if not passed:
                return at, False
            at = replace(at, ends={str(number): end for number, end in self._passing.ends(table).items()})
        ends = {int(number): end for number, end in (at.ends or {}).items()}
        return at, self._passing.reached(table, ends)

    def _got(self, at: Round) -> Round:
        """The round, with how far the connector is with its position.

        While it confirms more it has more to send, and will confirm the position too: then only that counts.
        """
        came, confirmed = self._passing.came(Mark(at.lsn))
        anew = at.got is None or confirmed != at.confirmed
        got = None if came is Came.NOT_YET else self._now() if anew else at.got
        at = replace(at, got=got, confirmed=confirmed)
        return replace(at, sure=came is Came.CONFIRMED or self._has_had(at, self._limits.settle))

    def _has_had(self, at: Round, seconds: float) -> bool:
        return at.got is not None and self._now() - at.got >= seconds

    def _judge(self, sides: Sides, progress: Progress, at: Round, keys: Keys) -> Turn:
        watched = keys.suspected()
        wanted = [each.key for each in watched]
        target, after = sides.target.seen(wanted), sides.source.seen(wanted)
        said = {
            each.key: verdict(
                Looks(before=each.before, source=each.source, target=target.get(each.key), after=after.get(each.key))
            )
            for each in watched
        }
        # what may be late, or moves, is looked at again
        last = at.sure and progress.rounds >= self._limits.rounds
        kept = {
            key: each
            for key, each in said.items()
            if each is Verdict.EQUAL or last or (at.sure and each is not Verdict.MOVING)
        }
        keys.judge(list(_found(sides, kept)))
        return _left(replace(progress, round=None, unsure=not at.sure and len(kept) < len(said)))


def _found(sides: Sides, said: Mapping[Key, Verdict]) -> Sequence[Found]:
    """What is kept of keys: of rows that differ by which columns; a row that is equal by now is."""
    differing = [key for key, each in said.items() if each is Verdict.DIFFERENT]
    here, there = (sides.source.columns(differing), sides.target.columns(differing)) if differing else ({}, {})
    found = []
    for key, each in said.items():
        columns: tuple[str, ...] = ()
        if each is Verdict.DIFFERENT:
            one, other = here.get(key, {}), there.get(key, {})
            columns = tuple(name for name in sides.what.columns if one.get(name) != other.get(name))
        gone = each is Verdict.DIFFERENT and not columns
        found.append(Found(key=key, verdict=Verdict.EQUAL if gone else each, columns=columns))
    return found


def _begun(sides: Sides, progress: Progress) -> Progress:
    what = sides.what
    return replace(
        progress,
        source=what.source,
        key=what.key,
        columns=what.columns,
        left_out=what.left_out,
        expected=what.rows,
    )


def _equal(one: Seen | None, other: Seen | None) -> bool:
    return (one and one.digest) == (other and other.digest)


def _told(counts: Mapping[str, int]) -> dict[str, int]:
    return {str(each): counts.get(each, 0) for each in (*DIFFERENCES, Verdict.MOVING)}


def _impatient(at: Round, patience: float) -> str:
    if at.ends is not None:
        return f"the stored positions did not come to where the logs ended within {patience:g} s: see headrace lag"
    return (
        f"the connector did not say within {patience:g} s that it has sent what the source had by then: see that it "
        "runs, that source.slot is its slot, and that the role may read pg_stat_replication (pg_read_all_stats)"
    )


def _left(progress: Progress, outcome: Outcome = Outcome.GOES_ON, *, wait: float = 0.0, why: str = "") -> Turn:
    return Turn(progress=asdict(progress), outcome=outcome, wait=wait, why=why)
