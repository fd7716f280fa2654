"""Between the two threads."""

import threading
from dataclasses import replace

import pytest

from consumer.core.failure import Failure
from consumer.core.priority import Priority
from consumer.core.records import Slice, TopicPartition
from consumer.reading.handover import Dropped, Handover, Moved, Stopped, Take, Work

A, B = TopicPartition("t", 0), TopicPartition("t", 1)
NOW = 0.0
LONG = 30.0


def piece(at: TopicPartition, size: int = 10) -> Slice:
    """A slice of one record."""
    return Slice(at=at, epoch=1, start=0, end=1, offsets=[0], keys=[b"k"], values=[b"v"], size=size)


def work(*partitions: TopicPartition, size: int = 10) -> Work:
    """A batch of these partitions."""
    return Work(slices=tuple(piece(at, size) for at in partitions))


def stopped(at: TopicPartition) -> Stopped:
    """A partition that does not go on."""
    return Stopped(at, Failure(component="c", operation="o", kind="k", detail="d", remedy="r."))


def test_of_a_part_nothing_says_that_its_bytes_closed_it() -> None:
    """It would be taken for the reason why so few records took so long."""
    whole = replace(work(A, B), full=True, refusing=frozenset({None}))
    part = whole.part(whole.slices[:1])
    assert (part.slices, part.full, part.refusing) == (whole.slices[:1], False, {None})


@pytest.fixture
def handover() -> Handover:
    """Room for two batches of a hundred bytes together."""
    return Handover(max_bytes=100, max_batches=2)


def test_batches_come_out_in_the_order_they_went_in(handover: Handover) -> None:
    """Order per partition needs no more than that."""
    handover.offer(work(A))
    handover.offer(work(B))
    found = [handover.next(NOW), handover.next(NOW), handover.next(NOW)]

    assert found == [work(A), work(B), None]


def test_takings_come_first_and_a_stop_keeps_its_place(handover: Handover) -> None:
    """A stop is written down after what was read in front of it was applied, and no later."""
    handover.offer(work(A))
    handover.report(stopped(B))
    handover.offer(work(A))
    handover.ask([A])

    assert [handover.next(NOW) for _ in range(4)] == [Take((A,)), work(A), stopped(B), work(A)]


def test_the_number_of_batches_is_bounded(handover: Handover) -> None:
    """There is no room beyond the most batches, and there is again when one is taken."""
    handover.offer(work(A))
    assert handover.room()
    handover.offer(work(A))
    assert not handover.room()
    assert not handover.wait_room(NOW)
    handover.next(NOW)
    assert handover.wait_room(NOW)


def test_the_bytes_are_bounded_but_one_batch_always_fits(handover: Handover) -> None:
    """A batch larger than the bound still passes, alone."""
    assert handover.room()
    handover.offer(work(A, size=1000))
    assert not handover.room()
    handover.next(NOW)
    assert handover.room()


def test_a_reader_waiting_for_room_is_woken(handover: Handover) -> None:
    """Room is seen at once, not at the end of the wait."""
    handover.offer(work(A))
    handover.offer(work(A))
    woken: list[bool] = []
    reader = threading.Thread(target=lambda: woken.append(handover.wait_room(LONG)))
    reader.start()
    handover.next(NOW)
    reader.join(LONG)

    assert woken == [True]


def test_a_release_drops_what_is_queued(handover: Handover) -> None:
    """No record of a released partition is applied later, and its bytes are free; other partitions' records stay."""
    handover.offer(work(A, B, size=50))
    handover.ask([A, B])
    assert not handover.room()

    assert handover.release([A], NOW)
    assert handover.room()
    assert handover.next(NOW) == Take((B,))
    left = handover.next(NOW)
    assert isinstance(left, Work)
    assert [each.at for each in left.slices] == [B]
    assert left.plan is None


def test_a_released_partition_is_started_in_no_batch(handover: Handover) -> None:
    """A batch that was taken off the queue before the release loses the partition when it starts."""
    handover.release([A], NOW)

    assert handover.start([piece(A), piece(B)]) == [piece(B)]
    assert handover.released(A)
    assert not handover.released(B)


def test_a_release_waits_for_the_taking_in_flight(handover: Handover) -> None:
    """Whoever is next would lose the partition again to one that was late."""
    handover.release([B], NOW)
    with handover.taking([A, B]) as wanted:
        assert wanted == [A]
        assert not handover.release([A], NOW)
        giving_up = threading.Thread(target=handover.release, args=([A], LONG))
        giving_up.start()
        giving_up.join(0.05)
        assert giving_up.is_alive()
    giving_up.join(LONG)
    assert not giving_up.is_alive()


def test_a_release_waits_for_the_batch_in_flight(handover: Handover) -> None:
    """It returns when the batch is done, and says no when that takes too long."""
    handover.start([piece(A)])
    assert not handover.release([A], NOW)
    answers: list[bool] = []
    releasing = threading.Thread(target=lambda: answers.append(handover.release([A], LONG)))
    releasing.start()
    assert answers == []
    handover.done()
    releasing.join(LONG)

    assert answers == [True]


def test_a_release_does_not_wait_for_other_partitions(handover: Handover) -> None:
    """A batch without the partition is no reason to hold the group up."""
    handover.start([piece(B)])

    assert handover.release([A], NOW)


def test_a_taking_ends_the_release(handover: Handover) -> None:
    """A partition that comes back may be worked on again."""
    handover.release([A], NOW)
    handover.ask([A])
    handover.next(NOW)

    assert not handover.released(A)
    assert handover.start([piece(A)]) == [piece(A)]


def test_notices_are_told_once_in_order(handover: Handover) -> None:
    """The reader hears of each thing once."""
    told = [Moved({A: 1}), stopped(A), Dropped((B,))]
    for notice in told:
        handover.tell(notice)

    assert handover.notices() == told
    assert handover.notices() == []


def test_hungry_means_waiting_with_nothing_queued(handover: Handover) -> None:
    """A batch closes early only when the other thread has nothing to do."""
    assert not handover.hungry()
    waiting = threading.Thread(target=handover.next, args=(LONG,))
    waiting.start()
    while not handover.hungry():
        assert waiting.is_alive()
    handover.offer(work(A))
    waiting.join(LONG)

    assert not waiting.is_alive()
    assert not handover.hungry()


def test_what_is_left_of_letters_goes_on_behind_one_batch(handover: Handover) -> None:
    """And in front of the letters that were read behind it."""
    first, letters, behind = work(A), replace(work(B), lane=True), replace(work(B, size=20), lane=True)
    handover.offer(first)
    handover.offer(behind)
    handover.go_on(letters)
    assert [handover.next(NOW) for _ in range(3)] == [first, letters, behind]
    handover.offer(behind)
    handover.go_on(letters)
    assert [handover.next(NOW) for _ in range(2)] == [letters, behind]
    assert handover.load().size == 0


CRITICAL, NORMAL, BULK = Priority


def of(priority: Priority, *partitions: TopicPartition, lane: bool = False) -> Work:
    """A batch of a priority."""
    return replace(work(*partitions), priority=priority, lane=lane)


@pytest.mark.parametrize(
    ("queued", "taken"),
    [
        pytest.param([of(BULK, A), of(CRITICAL, B)], [1, 0], id="the higher one first"),
        pytest.param([of(BULK, A), of(CRITICAL, A)], [0, 1], id="but never of the same partition"),
        pytest.param([of(BULK, A), of(NORMAL, A), of(CRITICAL, B)], [2, 0, 1], id="nor what stands behind it"),
        pytest.param([of(NORMAL, A, lane=True), of(CRITICAL, B)], [1, 0], id="letters are normal"),
        pytest.param([stopped(A), of(CRITICAL, B)], [0, 1], id="a stop has its place"),
        pytest.param([of(BULK, A), stopped(A), of(CRITICAL, B)], [2, 0, 1], id="and is passed by others"),
    ],
)
def test_a_higher_priority_passes_what_waits_in_front_of_it(queued: list[Work | Stopped], taken: list[int]) -> None:
    """Order holds within a partition."""
    handover = Handover(max_bytes=1_000, max_batches=9)
    for each in queued:
        handover.report(each) if isinstance(each, Stopped) else handover.offer(each)

    assert [handover.next(NOW) for _ in queued] == [queued[place] for place in taken]


def test_a_lower_priority_has_its_turn_among_higher_ones() -> None:
    """After three that passed it."""
    handover = Handover(max_bytes=1_000, max_batches=9)
    handover.offer(of(BULK, A))
    found = []
    for _ in range(5):
        handover.offer(of(CRITICAL, B))
        job = handover.next(NOW)
        assert isinstance(job, Work)
        found.append(job.priority)

    assert found == [CRITICAL, CRITICAL, CRITICAL, BULK, CRITICAL]


def test_each_priority_has_a_place_and_the_highest_one_beside_a_full_queue() -> None:
    """What is large and low in front of it never keeps a critical batch out."""
    handover = Handover(max_bytes=100, max_batches=2)
    handover.offer(replace(of(BULK, A), slices=(piece(A, 100),)))

    assert [handover.room_for(each) for each in Priority] == [True, True, False]
    handover.offer(of(CRITICAL, B))
    assert [handover.room_for(each) for each in Priority] == [False, False, False]
    assert handover.share() == 1.1


def test_letters_that_wait_fill_the_queue_too() -> None:
    """However many there are, and whatever else is not there."""
    handover = Handover(max_bytes=100, max_batches=2)
    for at in (A, B):
        handover.offer(replace(of(Priority.NORMAL, at), slices=(piece(at, 60),), lane=True))

    assert [handover.room_for(each) for each in Priority] == [True, False, False]


def test_batches_of_letters_are_bounded_and_one_beside_them_has_a_place() -> None:
    """As many may wait as others; until then a batch of their priority has its turn between theirs."""
    handover = Handover(max_bytes=100, max_batches=2)
    found = []
    for at in (A, B):
        handover.offer(of(Priority.NORMAL, at, lane=True))
        found.append([handover.room_for(each) for each in Priority])

    assert found == [[True, True, True], [True, False, True]]
