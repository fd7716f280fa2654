"""The reader against a source whose client misreports where it stands."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from consumer.core.binding import BindingKey
from consumer.core.failure import Failure
from consumer.core.plan import Plan
from consumer.core.records import Appended, LastRecord, Slice, TopicPartition
from consumer.core.sizer import BatchSizer
from consumer.planning.unbound import Unbound
from consumer.ports.target import Taken
from consumer.ports.topics import Fetched, Intake, Listener
from consumer.reading.ahead import Ahead
from consumer.reading.handover import Handover, Moved, Paced, Stopped, Take, Work
from consumer.reading.reader import BatchLimits, Reader

AT = TopicPartition("t", 0)


class ScriptedSource:
    """A fake of the source port: polls answer from a script, starts are noted."""

    def __init__(self, *polls: Intake, partitions: Sequence[TopicPartition] = (AT,)) -> None:
        self.partitions = tuple(partitions)
        self.polls = list(polls)
        self.started: list[int] = []
        self.epochs: list[int | None] = []
        self.committed: dict[TopicPartition, int] = {}
        self.ready = True
        self.limits: list[int] = []

    def open(self, listener: Listener) -> None:
        listener.assigned(self.partitions)

    def poll(self, limit: int, timeout: float) -> Intake:
        self.limits.append(limit)
        return self.polls.pop(0) if self.polls else Intake()

    def start(self, at: TopicPartition, offset: int, leader_epoch: int | None = None) -> bool:
        if self.ready:
            self.started.append(offset)
            self.epochs.append(leader_epoch)
        return self.ready

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Nothing flows by itself here."""

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Nothing flows by itself here."""

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        self.committed |= positions

    def close(self) -> None:
        """Nothing is held."""


class GivingUp(ScriptedSource):
    """Takes no seek once it has said that a partition can't be read."""

    def poll(self, limit: int, timeout: float) -> Intake:
        found = super().poll(limit, timeout)
        self.ready = self.ready and not found.broken
        return found


# every binding is there, so none is ever asked for
NOTHING_NEW: Ahead = Ahead(None)


class NoBindings:
    """Plans nothing, so that the reader hands over what it gathered unplanned."""

    def knows(self, key: BindingKey) -> bool:
        """Nothing has to be looked up."""
        return True

    def plan(self, slices: Sequence[Slice]) -> Plan:
        """Nothing is bound."""
        raise Unbound({})


def fetched(at: TopicPartition, *offsets: int) -> Fetched:
    """One run of records."""
    nothing = [b"x"] * len(offsets)
    size = len(offsets)
    times = [Appended(offset, 1) for offset in offsets[:1]]
    return Fetched(
        at=at, offsets=list(offsets), keys=nothing, values=nothing, appended=times, leader_epoch=0, size=size
    )


def records(*offsets: int) -> Intake:
    """One run of records of the partition."""
    return Intake(fetched=[fetched(AT, *offsets)])


def end(offset: int) -> Intake:
    """The end of the partition, as the client reports it."""
    return Intake(ends={AT: offset})


def read(source: ScriptedSource, position: int = 10, last: LastRecord | None = None) -> list[Slice]:
    """Everything that a reader hands over which took the partition at a position."""
    handover = taking(source, position, last)
    found = []
    while isinstance(work := handover.next(0), Work):
        found += work.slices
    return found


def taking(source: ScriptedSource, position: int = 10, last: LastRecord | None = None) -> Handover:
    """What a reader leaves that took the partition at a position and polled to the end of the script."""
    handover = Handover(max_bytes=1 << 20, max_batches=100)
    planner = NoBindings()
    reader = Reader(source, planner, NOTHING_NEW, handover, BatchLimits(sizer=BatchSizer(rows=1, growth=1)))
    reader.open()
    assert handover.next(0) == Take((AT,))
    handover.tell(Taken(at=AT, epoch=1, next_offset=position, last_record=last))
    while source.polls:
        reader.turn(0)
    reader.turn(0)
    return handover


@pytest.mark.parametrize(
    ("polls", "ranges", "seeks"),
    [
        pytest.param([records(10, 11)], [(10, 12, 2)], [10], id="from the position"),
        pytest.param([end(10)], [], [10], id="an end at the position moves nothing"),
        pytest.param([end(50), records(10, 11)], [(10, 12, 2)], [10, 10], id="a late end of before is not believed"),
        pytest.param(
            [records(50, 51), records(10)], [(10, 11, 1)], [10, 10], id="a late record of before is not believed"
        ),
        pytest.param([records(12, 13), records(12, 13)], [(10, 14, 2)], [10, 10], id="a gap seen twice is a gap"),
        pytest.param([records(8, 9, 10, 11)], [(10, 12, 2)], [10], id="what lies before the position is cut off"),
        pytest.param([records(8, 9)], [], [10], id="what lies wholly before it is dropped"),
        pytest.param(
            [records(10), records(90), records(11)],
            [(10, 11, 1), (11, 12, 1)],
            [10, 11],
            id="a jump in the middle is not believed either",
        ),
        pytest.param(
            [records(10), records(15), records(15), records(20)],
            [(10, 11, 1), (11, 16, 1), (16, 21, 1)],
            [10, 11],
            id="where one gap was real, later ones are believed",
        ),
        pytest.param(
            [end(50), end(70), records(10)], [(10, 11, 1)], [10, 10, 10], id="two different jumps are both disbelieved"
        ),
    ],
)
def test_positions_never_jump_on_a_single_word_of_the_client(
    polls: list[Intake], ranges: list[tuple[int, int, int]], seeks: list[int]
) -> None:
    """Only what comes from the position, or a jump seen again after one more seek, moves it."""
    source = ScriptedSource(*polls)
    found = [(piece.start, piece.end, len(piece)) for piece in read(source)]
    assert found == ranges
    assert source.started == seeks


def test_two_jumps_in_one_intake_are_one_doubt() -> None:
    """What follows a doubt in the same poll was read before the new seek; a gap under load is still believed."""
    both = Intake(fetched=records(15, 16).fetched, ends={AT: 18})
    source = ScriptedSource(both, both)
    assert [(piece.start, piece.end, len(piece)) for piece in read(source)] == [(10, 18, 2)]
    assert source.started == [10, 10]


def test_a_partition_that_cannot_be_read_is_stopped_after_a_second_look() -> None:
    """What lies in front of the place is handed over first, and the failure names the place."""
    failure = Failure(component="c", operation="o", kind="log.unreadable", detail="d", remedy="r")
    source = ScriptedSource(Intake(fetched=records(10, 11).fetched, broken={AT: failure}), Intake(broken={AT: failure}))
    handover = taking(source)
    work, stopped = handover.next(0), handover.next(0)
    assert isinstance(work, Work)
    assert [(piece.start, piece.end) for piece in work.slices] == [(10, 12)]
    assert isinstance(stopped, Stopped)
    assert stopped.failure.detail == "topic t, partition 0, offset 12: d"
    assert stopped.failure.correlation_id == "t-0-12"
    assert source.started == [10, 12]


@pytest.mark.parametrize(
    ("last", "offset"), [(LastRecord(9, 4), 10), (LastRecord(6, 4), 7)], ids=["as records", "with a marker between"]
)
def test_reading_goes_on_behind_the_last_record_in_its_epoch(last: LastRecord, offset: int) -> None:
    """Where the log of that epoch may end; what is at the position is read as ever, and counts as the last one then."""
    failure = Failure(component="c", operation="o", kind="log.unreadable", detail="d", remedy="r")
    source = ScriptedSource(records(10, 11), end(12), Intake(broken={AT: failure}))
    assert [(piece.start, piece.end, piece.last_record) for piece in read(source, last=last)] == [(10, 12, (11, 0))]
    assert list(zip(source.started, source.epochs, strict=True)) == [(offset, 4), (12, 0)]


@pytest.mark.parametrize(
    ("come", "stops"),
    [
        pytest.param([records(7)], True, id="behind the last record"),
        pytest.param([records(5, 6, 9, 10)], True, id="in front of the position"),
        pytest.param([records(5, 6, 10, 11)], False, id="the last record and those at the position"),
        pytest.param([end(8), records(10)], False, id="an end that is not caught up yet"),
    ],
)
def test_a_record_where_there_was_none_proves_that_the_log_was_written_anew(come: list[Intake], stops: bool) -> None:
    """The position had passed what is no record."""
    handover = taking(ScriptedSource(*come), last=LastRecord(6, 4))
    found = handover.next(0)
    assert isinstance(found, Stopped) == stops
    if isinstance(found, Stopped):
        assert (found.failure.kind, found.failure.correlation_id) == ("log.truncated", "t-0-10")


def test_retention_may_pass_a_last_record_that_is_not_at_the_position() -> None:
    """Then the position itself is tried; only if that is gone too the partition stops."""
    failure = Failure(component="c", operation="o", kind="log.out_of_range", detail="d", remedy="r")
    broken = Intake(broken={AT: failure})
    source = ScriptedSource(broken, records(10))
    assert [(piece.start, piece.end) for piece in read(source, last=LastRecord(6, 4))] == [(10, 11)]
    assert list(zip(source.started, source.epochs, strict=True)) == [(7, 4), (10, None)]
    assert isinstance(taking(ScriptedSource(broken, broken), last=LastRecord(6, 4)).next(0), Stopped)


def test_a_slice_keeps_the_epoch_of_each_of_its_records() -> None:
    """A batch that is cut ends with one of its own."""
    first, second = fetched(AT, 10, 11), replace(fetched(AT, 12, 13), leader_epoch=2)
    (piece,) = read(ScriptedSource(Intake(fetched=[first, second]), end(14)))
    cuts = [piece.head(number).last_record for number in range(5)]
    assert cuts == [None, (10, 0), (11, 0), (12, 2), (13, 2)]
    assert piece.tail(4).last_record is None


def test_a_partition_that_the_client_does_not_look_at_again_is_stopped_at_once() -> None:
    """It has given the partition up, so waiting for a second word of it would be for ever."""
    failure = Failure(component="c", operation="o", kind="log.out_of_range", detail="d", remedy="r")
    source = GivingUp(Intake(broken={AT: failure}))
    handover = taking(source)
    stopped = handover.next(0)
    assert isinstance(stopped, Stopped)
    assert stopped.failure.detail == "topic t, partition 0, offset 10: d"


def test_nothing_behind_damage_is_read_while_what_lies_in_front_waits() -> None:
    """The client goes on behind the damage, and a full queue keeps the partition's stop waiting meanwhile."""
    failure = Failure(component="c", operation="o", kind="log.unreadable", detail="d", remedy="r")
    broken, behind = Intake(broken={AT: failure}), Intake(fetched=records(50).fetched, ends={AT: 60})
    source = ScriptedSource(Intake(fetched=records(10).fetched, broken={AT: failure}), broken, behind, broken, behind)
    handover = Handover(max_bytes=1 << 20, max_batches=1)
    planner = NoBindings()
    reader = Reader(source, planner, NOTHING_NEW, handover, BatchLimits(sizer=BatchSizer(rows=1, growth=1)))
    reader.PATIENCE = 0
    reader.open()
    assert handover.next(0) == Take((AT,))
    handover.tell(Taken(at=AT, epoch=1, next_offset=10))
    in_the_way = Work(slices=())
    handover.offer(in_the_way)
    for _ in range(20):
        reader.turn(0)
    assert not source.polls
    assert handover.next(0) is in_the_way
    reader.turn(0)
    work, stopped = handover.next(0), handover.next(0)
    assert isinstance(work, Work)
    assert [(piece.start, piece.end, len(piece)) for piece in work.slices] == [(10, 11, 1)]
    assert isinstance(stopped, Stopped)
    assert stopped.failure.correlation_id == "t-0-11"


def test_an_end_seen_twice_moves_the_position_without_records() -> None:
    """Transaction markers at the end of a log are passed once the end is certain; the batch holds no record."""
    source = ScriptedSource(end(12), end(12), records(12))
    assert [(piece.start, piece.end, len(piece)) for piece in read(source)] == [(10, 13, 1)]


def test_the_group_is_told_of_stored_positions() -> None:
    """Moved positions of owned partitions are committed for lag tools."""
    source = ScriptedSource(records(10))
    handover = Handover(max_bytes=1 << 20, max_batches=100)
    planner = NoBindings()
    reader = Reader(source, planner, NOTHING_NEW, handover, BatchLimits())
    reader.open()
    handover.tell(Taken(at=AT, epoch=1, next_offset=10))
    reader.turn(0)
    handover.tell(Moved({AT: 11, TopicPartition("other", 0): 5}))
    reader.turn(0)
    assert source.committed == {AT: 11}


def test_the_group_is_told_where_a_partition_stands_that_is_taken() -> None:
    """Whoever had it before may have ended, or committed in vain, before it could tell."""
    source, handover = ScriptedSource(), Handover(max_bytes=1 << 20, max_batches=100)
    reader = Reader(source, NoBindings(), NOTHING_NEW, handover, BatchLimits())
    reader.open()
    handover.tell(Taken(at=AT, epoch=1, next_offset=10))
    handover.tell(Taken(at=TopicPartition("other", 0), epoch=1, next_offset=5))
    reader.turn(0)
    assert source.committed == {AT: 10}


def test_the_group_is_told_of_a_batch_that_a_revocation_waited_for() -> None:
    """While the partition is ours; of what moves afterwards the next one tells."""
    source, handover = ScriptedSource(records(10)), Handover(max_bytes=1 << 20, max_batches=100)
    reader = Reader(source, NoBindings(), NOTHING_NEW, handover, BatchLimits())
    reader.open()
    handover.next(0)
    handover.tell(Taken(at=AT, epoch=1, next_offset=10))
    reader.turn(0)
    handover.start([Slice(at=AT, epoch=1, start=10, end=11, offsets=[10], keys=[b""], values=[b""])])

    def applied() -> None:
        handover.tell(Moved({AT: 11}))
        handover.done()

    applying = threading.Timer(0.1, applied)
    applying.start()
    reader.revoked([AT])
    assert source.committed == {AT: 11}
    handover.tell(Moved({AT: 12}))
    reader.turn(0)
    assert source.committed == {AT: 11}


@pytest.mark.parametrize(
    ("paced", "limit"),
    [
        pytest.param(Paced(100, kind="target.timeout"), 50, id="a batch that failed"),
        pytest.param(Paced(100, 11.0), 50, id="a slow commit"),
        pytest.param(Paced(100, 1.0), 100, id="a commit in time"),
        pytest.param(Paced(20, 11.0), 100, id="a slow commit of a few"),
        pytest.param(Paced(20, 11.0, full=True), 10, id="a slow commit of a few that were large"),
    ],
)
def test_a_batch_reads_fewer_records_after_one_that_was_too_much(paced: Paced, limit: int) -> None:
    """What the apply thread says of a batch counts for the next."""
    source = ScriptedSource()
    handover = Handover(max_bytes=1 << 20, max_batches=100)
    planner = NoBindings()
    reader = Reader(source, planner, NOTHING_NEW, handover, BatchLimits(sizer=BatchSizer(rows=100)))
    handover.tell(paced)
    reader.turn(0)
    assert source.limits == [limit]


@pytest.mark.parametrize(("offsets", "full"), [((10, 11, 12), True), ((10, 11), False)])
def test_a_batch_that_its_bytes_have_closed_says_so(offsets: tuple[int, ...], full: bool) -> None:
    """Each of the records has one byte; three bytes close a batch, and so do two records."""
    handover = Handover(max_bytes=1 << 20, max_batches=100)
    limits = BatchLimits(sizer=BatchSizer(rows=2, growth=1), max_bytes=3)
    reader = Reader(ScriptedSource(records(*offsets)), NoBindings(), NOTHING_NEW, handover, limits)
    reader.open()
    handover.next(0)
    handover.tell(Taken(at=AT, epoch=1, next_offset=10))
    reader.turn(0)
    reader.turn(0)
    work = handover.next(0)
    assert isinstance(work, Work)
    assert work.full is full


def test_a_batch_is_of_few_topics_and_takes_them_in_turn() -> None:
    """Two partitions of each of a hundred topics: no topic is cut, and those that go on getting records wait too."""
    waiting = [TopicPartition(f"t{number:03d}", part) for number in range(100) for part in (0, 1)]
    first = Intake(fetched=[fetched(at, 0, 1) for at in waiting])
    more = Intake(fetched=[fetched(at, 2) for at in waiting[:128]])
    source = ScriptedSource(first, more, partitions=waiting)
    handover = Handover(max_bytes=1 << 20, max_batches=100)
    planner = NoBindings()
    reader = Reader(source, planner, NOTHING_NEW, handover, BatchLimits(sizer=BatchSizer(rows=100, growth=1)))
    reader.open()
    assert handover.next(0) == Take(tuple(waiting))
    for at in waiting:
        handover.tell(Taken(at=at, epoch=1, next_offset=0))
    batches = []
    while len(batches) < 3:
        reader.turn(0)
        if isinstance(work := handover.next(0), Work):
            batches.append(work.slices)
    assert [piece.at for piece in batches[0]] == waiting[:128]
    assert [piece.at for piece in batches[1]][:72] == waiting[128:]
    ends = {piece.at: piece.end for slices in batches for piece in slices}
    assert ends == {at: 3 if at in waiting[:128] else 2 for at in waiting}
