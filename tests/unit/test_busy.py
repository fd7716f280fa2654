"""How a record is found for whose sake a table is busy, and how many are tried at a time meanwhile."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumer.applying.busy import Busy, of_record
from consumer.applying.cuts import Step
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.letters import Letter, Record, State
from consumer.core.plan import Aside, Plan, Stage
from consumer.core.records import RecordRef, Slice, TopicPartition
from consumer.core.target import TableName
from consumer.ports.refusals import TableBusy
from consumer.reading.handover import Stopped, Work

ONE, TWO, OTHER = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)
DEADLINE = 30.0


def busy(kind: str = "target.timeout") -> TableBusy:
    """What the target says of a table."""
    return TableBusy(failed(KINDS[kind], "postgres", "upsert", "too long", code="57014"), TableName("public", "t"))


def piece(at: TopicPartition, start: int, end: int) -> Slice:
    """Records from one offset to in front of another."""
    keys, values = [None] * (end - start), [b""] * (end - start)
    return Slice(at=at, epoch=1, start=start, end=end, offsets=range(start, end), keys=keys, values=values)


def work(*slices: Slice, tries: int = 0) -> Work:
    """A batch."""
    return Work(slices=slices, tries=tries)


def plan(done: Work) -> Plan:
    """That of a batch, with a letter for what is refused of it."""
    refs = [RecordRef(one.at, offset) for one in done.slices for offset in one.offsets]
    letters = [
        Letter(record=Record(ref=ref, key=None, value=None), state=State.RETRYING, failure=done.refused[ref])
        for ref in refs
        if ref in done.refused
    ]
    return Plan(slices=done.slices, stages=(Stage(letters=(Aside(table=None, letters=tuple(letters)),)),))


def ranges(parts: list[Work]) -> list[list[tuple[TopicPartition, int, int]]]:
    """Where the parts of a batch lie."""
    return [[(one.at, one.start, one.end) for one in part.slices] for part in parts]


def given_up(*slices: Slice, kind: str = "target.timeout") -> Busy:
    """What is known after so much of a table was not applied."""
    told = Busy(DEADLINE)
    told.instead(work(*slices, tries=99), {"t"}, busy(kind), 1.0)
    return told


@dataclass
class Trial:
    """A table of which some rows are never taken, turned as the apply thread does it; time is what tries take.

    `row`: seconds that any other row takes.
    """

    bad: Collection[int]
    count: int
    row: float = 0.0001
    kind: str = "target.timeout"
    now: float = 0.0
    vain: float = 0.0
    tries: int = 0
    stops: int = 0
    letters: list[int] = field(default_factory=list)
    position: int = 0

    def run(self) -> "Trial":
        """Until everything is passed."""
        told = Busy(DEADLINE, lambda: self.now)
        while self.position < self.count and self.tries < 1000:
            self._taken(told)
        return self

    def _taken(self, told: Busy) -> None:
        """From a taking to the end of the log, or to a stop."""
        todo: deque[Step] = deque([work(piece(ONE, self.position, self.count))])
        while todo:
            step = todo.popleft()
            assert isinstance(step, Work | Stopped)
            may, stops = told.rested(step) if isinstance(step, Work) else (None, [step])
            if may is None:
                self.stops += len(stops)
                # as table.busy is taken again at the first time
                self.now += 10.0
                return
            now, *then = told.apart(may)
            todo.extendleft(reversed([*self._tried(told, now), *then]))

    def _tried(self, told: Busy, part: Work) -> list[Step]:
        offsets = [offset for one in part.slices for offset in one.offsets]
        refused = {ref.offset for ref in part.refused}
        limit = 1.25 * (told.within(plan(part)) or DEADLINE)
        seconds = len(offsets) * self.row
        if not (set(offsets) & set(self.bad)) - refused and seconds <= limit:
            self.now += seconds
            self.position = part.slices[0].end
            self.letters += [offset for offset in offsets if offset in refused]
            told.passed(plan(part), seconds)
            return []
        self.tries += 1
        spent = limit if self.kind == "target.timeout" else 0.01
        self.now += spent
        self.vain += spent
        return told.instead(part, {"t"}, busy(self.kind), spent)


def test_a_partition_that_was_given_up_is_tried_apart_and_in_part() -> None:
    """What is of others comes first; what only moves a position is nobody's record."""
    batch = work(piece(ONE, 0, 800), piece(TWO, 7, 7), piece(OTHER, 0, 5))
    assert Busy(DEADLINE).apart(batch) == [batch]
    told = given_up(piece(ONE, 0, 800), piece(TWO, 7, 7))

    parts = [[(TWO, 7, 7), (OTHER, 0, 5)], [(ONE, 0, 25)], [(ONE, 25, 800)]]
    assert ranges(told.apart(batch)) == parts


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=20), st.integers(1, 3000))
def test_no_record_is_lost_or_moved(history: list[tuple[int, bool]], count: int) -> None:
    """Whatever was given up before, and applied again."""
    told = Busy(DEADLINE)
    for records, well in history:
        if well:
            told.passed(plan(work(piece(ONE, 0, records))), 1.0)
        else:
            told.instead(work(piece(ONE, 0, records)), {"t"}, busy(), 1.0)
    todo, done = [work(piece(ONE, 0, count))], []
    while todo:
        now, *then = told.apart(todo.pop(0))
        told.passed(plan(now), 1.0)
        done += [offset for one in now.slices for offset in one.offsets]
        todo = [*then, *todo]

    assert done == list(range(count))


def test_what_is_applied_lets_more_be_tried() -> None:
    """Until the partition is one like any other."""
    told = given_up(piece(ONE, 0, 320))
    sizes = []
    while len(parts := told.apart(work(piece(ONE, 0, 20_000)))) > 1:
        sizes.append(len(parts[0].slices[0]))
        told.passed(plan(parts[0]), 1.0)

    assert sizes == [10 * 2**n for n in range(9)]


@pytest.mark.parametrize(
    ("kind", "found"), [("target.timeout", True), ("target.conflict", True), ("target.locked", False)]
)
def test_a_record_that_fails_alone_again_and_again_is_at_fault(kind: str, found: bool) -> None:
    """After a stop, as it may be the table; not so for a lock."""
    told, alone = Busy(DEADLINE), work(piece(ONE, 5, 6), tries=99)
    (step,) = told.instead(alone, {"t"}, busy(kind), 1.0)
    assert isinstance(step, Stopped)
    (step,) = told.instead(alone, {"t"}, busy(kind), 1.0)

    assert isinstance(step, Work if found else Stopped)
    assert not isinstance(step, Work) or list(step.refused) == [RecordRef(ONE, 5)]


@pytest.mark.parametrize("kind", ["target.timeout", "target.conflict"])
def test_it_is_at_once_where_others_are_applied(kind: str) -> None:
    """Then it is not the table; what else is applied begins the count anew."""
    told, alone = Busy(DEADLINE), work(piece(ONE, 5, 6), tries=99)
    refused = []
    for _ in range(2):
        told.instead(alone, {"t"}, busy(kind), 1.0)
        told.passed(plan(work(piece(ONE, 4, 5))), 1.0)
    for _ in range(2):
        (step,) = told.instead(alone, {"t"}, busy(kind), 1.0)
        assert isinstance(step, Work)
        refused.append(list(step.refused))

    assert refused == [[], [RecordRef(ONE, 5)]]


@pytest.mark.parametrize(("kind", "tries"), [("target.timeout", 1), ("target.locked", 2), ("target.conflict", 10)])
def test_a_table_is_tried_a_few_times_at_once(kind: str, tries: int) -> None:
    """What is of others first, its own in halves; a timeout has cost enough already."""
    told, error = Busy(DEADLINE), busy(kind)
    its = work(piece(ONE, 0, 8000), piece(OTHER, 0, 9))
    for number in range(1, tries):
        assert not told.knows(its, {"t"})
        steps = told.instead(its, {"t"}, error, 1.0)
        assert number > 1 or ranges(steps) == [[(OTHER, 0, 9)], [(ONE, 0, 8000)]]
        its = steps[1 if number == 1 else 0]
    steps = told.instead(its, {"t"}, error, 1.0)

    assert told.knows(its, {"t"})
    assert not told.knows(its, {"u"})
    assert isinstance(steps[-1], Stopped if kind == "target.locked" else Work)


def test_a_table_that_was_given_up_rests_three_times_as_long_as_it_cost() -> None:
    """In all since it rested last, for all of its partitions; so others have the most of the time."""
    now = [100.0]
    told = Busy(DEADLINE, lambda: now[0])
    assert all(isinstance(step, Work) for step in told.instead(work(piece(ONE, 0, 9)), {"t"}, busy(), 37.0))
    (stop,) = told.instead(work(piece(ONE, 0, 1)), {"t"}, busy(), 3.0)
    batch = work(piece(TWO, 0, 9), piece(OTHER, 0, 9), piece(ONE, 3, 3))

    now[0] = 219.0
    left, (other,) = told.rested(batch)
    assert left is not None
    assert ranges([left]) == [[(OTHER, 0, 9), (ONE, 3, 3)]]
    assert isinstance(stop, Stopped)
    assert (other.at, other.failure.kind) == (TWO, stop.failure.kind) == (TWO, "table.busy")
    assert told.rested(work(piece(TWO, 0, 9))) == (None, [other])
    now[0] = 220.0
    assert told.rested(batch) == (batch, [])


@given(st.integers(0, 24_999))
@example(0)
@example(24_999)
@settings(max_examples=20)
def test_a_slow_row_is_found_in_minutes(bad: int) -> None:
    """Once others of its partition are applied a part has only the time that they make likely."""
    trial = Trial([bad], 25_000).run()

    assert trial.letters == [bad]
    # the first row of all may be the table's fault, which a stop between decides
    assert trial.now < (360.0 if bad == 0 else 300.0)


def test_a_slow_row_is_found_in_one_go() -> None:
    """Most of the time goes by before it is known that there is one."""
    trial = Trial([7_000], 25_000).run()

    assert (trial.letters, trial.stops) == ([7_000], 0)
    assert trial.now < 2.5 * DEADLINE


@given(st.lists(st.integers(0, 4_999), min_size=1, max_size=20, unique=True))
@settings(max_examples=50)
def test_many_slow_rows_cost_others_at_most_a_quarter(bad: list[int]) -> None:
    """And they alone become letters, in their order."""
    trial = Trial(bad, 5_000).run()

    assert trial.letters == sorted(bad)
    assert trial.vain <= trial.now / 4 + 3 * DEADLINE


@pytest.mark.parametrize("row", [1.0, 7.0, 25.0])
def test_a_table_that_is_slow_for_all_of_its_rows_makes_no_letter(row: float) -> None:
    """Each row has as much time as any batch, until it is known how long they take."""
    trial = Trial([], 40, row).run()

    assert (trial.position, trial.letters) == (40, [])


@pytest.mark.parametrize("kind", ["target.timeout", "target.conflict"])
def test_a_table_that_takes_nothing_makes_a_letter_at_a_stop_at_most(kind: str) -> None:
    """That a row is at fault is believed only when others are applied."""
    trial = Trial(range(100, 200), 200, kind=kind)
    trial.run()

    assert len(trial.letters) <= trial.stops + 1


def test_a_lock_is_waited_for_as_long_as_by_any_batch() -> None:
    """However small the part: who holds it may need the time, and a shorter wait would meet it for ever."""
    told = given_up(piece(ONE, 0, 320), kind="target.locked")

    assert told.within(plan(told.apart(work(piece(ONE, 0, 320)))[0])) is None


def test_why_says_whose_matter_it_is() -> None:
    """With what the server called it."""
    assert of_record(busy()).kind == "record.timeout"
    assert of_record(busy("target.locked")).kind == "table.busy"
    assert of_record(busy()).code == "57014"
