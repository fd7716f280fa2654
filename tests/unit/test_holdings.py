"""Partitions that are taken and stopped, and those about which somebody has decided."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from consumer.applying.holdings import Holdings
from consumer.applying.topic_watch import TopicWatch
from consumer.core.failure import Failure, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.pausing import Paused, Subject
from consumer.core.policy import TablePolicy
from consumer.core.records import LastRecord, Slice, TopicPartition
from consumer.ports.facts import Fact, Halted, Pause
from consumer.ports.target import Known, Start, Stored, Taken
from consumer.ports.topics import Forbidden
from consumer.reading.handover import Dropped, Handover, Later, Stopped
from tests.unit.patient import patient

AT, NOT_OURS, SECRET = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("secret", 0)
FORBIDDEN = failed(KINDS["kafka.forbidden"], "kafka", "describe topics", "Topic authorization failed.")
TABLES, LANE = TablePolicy(), TablePolicy(lane=lambda topic: True)


class Asked:
    """A target in which both partitions are to be taken anew, and a cluster that makes its topics anew all the time."""

    def __init__(self) -> None:
        self.why: list[str] = []
        self.ids = count()
        self.known_id: str | None = None
        self.answers = True
        self.topics_there = True
        self.unled: frozenset[TopicPartition] = frozenset()
        self.hidden: set[str] = set()
        self.waits: dict[TopicPartition, dict[str, int]] = {}
        self.paused: Paused | None = None
        # what another worker has taken meanwhile
        self.others: set[TopicPartition] = set()

    def known(self) -> Known:
        return Known(started=True, partitions=frozenset({AT, NOT_OURS}))

    def take(self, starts: Mapping[TopicPartition, Start], *, again: bool = False) -> list[Taken]:
        """Three positions behind last records, two of them moved on over what is no record."""
        last = {0: 9, 1: 4, 2: 4}
        return [
            Taken(
                at=at,
                epoch=1,
                next_offset=10,
                last_record=LastRecord(last[at.partition], 3),
                topic_id=self.known_id,
                paused=self.paused,
            )
            for at in starts
            if not (again and at in self.others)
        ]

    def log_start(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Start]:
        if not self.answers:
            raise Transient(failed(KINDS["kafka.away"], "kafka", "list offsets", "no such topic"))
        return {at: Start(offset=6 if at.partition == 1 else 2) for at in partitions}

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {}

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        self.show(topics)
        return {topic: f"{topic} {next(self.ids)}" for topic in topics if self.topics_there}

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        self.show(topics)
        return self.unled

    def show(self, topics: Sequence[str]) -> None:
        """Raises Forbidden where one of them is hidden."""
        if hidden := self.hidden.intersection(topics):
            raise Forbidden(FORBIDDEN, hidden)

    def asked(self) -> list[TopicPartition]:
        return [AT, NOT_OURS]

    def stored(self) -> list[Stored]:
        return [Stored(at=at, epoch=1, next_offset=0, wait_for=self.waits.get(at, {})) for at in (AT, NOT_OURS)]

    def stop(self, at: TopicPartition, epoch: int, failure: Failure) -> None:
        self.why.append(failure.kind)

    def begin_anew(self, at: TopicPartition, epoch: int, start: Start) -> None:
        """Noted as an offset."""
        self.why.append(str(start.offset))


def slice_of(at: TopicPartition) -> Slice:
    """What was read of a partition before it was taken again."""
    return Slice(at=at, epoch=1, start=0, end=1, offsets=[0], keys=[b""], values=[b""])


class Scene:
    """A worker that holds one partition."""

    def __init__(self, policy: TablePolicy = TABLES) -> None:
        self.target = target = Asked()
        self.handover = Handover(max_bytes=1, max_batches=1)
        self.watch = TopicWatch(target)
        self.patience = patient(target)
        self.holdings = Holdings(target, self.watch, self.handover, self.patience, policy)
        self.holdings.begin([Taken(at=AT, epoch=1, next_offset=0)])

    def stop(self, kind: str = "table.truncate") -> None:
        """It does not go on."""
        failure = Failure(component="c", operation="o", kind=kind, detail="d", remedy="r")
        self.holdings.stop(Stopped(AT, failure))

    def drop(self) -> None:
        """A batch found that its position was moved by somebody else."""
        self.holdings.drop([AT])


@pytest.mark.parametrize("happens", ["nothing", "stop", "drop"])
def test_a_decision_is_heeded_by_who_holds_the_partition(happens: str) -> None:
    """Whether it goes on, was stopped, or was just fenced by that decision; not once the group has given it away."""
    scene = Scene()
    getattr(scene, happens, lambda: None)()
    assert scene.holdings.asked() == [AT]
    scene.handover.release([AT], 0)
    assert scene.holdings.asked() == []


def test_who_holds_nothing_heeds_nothing() -> None:
    """After a lost session everything is taken anew in any case."""
    scene = Scene()
    scene.drop()
    scene.holdings.forget()
    assert scene.holdings.asked() == []


def test_what_another_owner_took_meanwhile_is_not_taken_again() -> None:
    """It is given up, as after any fence: the group says whose it is."""
    scene = Scene()
    scene.target.others = {AT}
    taken = scene.holdings.take([AT, NOT_OURS], again=True)

    assert [part.at for part in taken] == [NOT_OURS]
    assert [notice for notice in scene.handover.notices() if isinstance(notice, Dropped)] == [Dropped((AT,))]
    assert [part.at for part in scene.holdings.take([AT])] == [AT]


def test_last_records_that_retention_took_say_nothing() -> None:
    """Where there is none between them and the position, the log has to reach to the position only."""
    late = TopicPartition("t", 2)
    taken = Scene().holdings.take([AT, NOT_OURS, late])
    assert {part.at: part.last_record for part in taken} == {AT: (9, 3), NOT_OURS: None, late: (4, 3)}


def test_a_taking_shows_that_it_lives_between_its_questions() -> None:
    """Each of them may take as long as is waited for an answer, all of them longer than a loop may stand still."""
    scene = Scene()
    lived: list[str] = []
    scene.patience.beat = lambda: lived.append("beat")
    scene.holdings.take([AT, TopicPartition("t", 2)])
    assert len(lived) >= 5


@pytest.mark.parametrize(
    ("unled", "left"),
    [
        pytest.param({0}, {0, 2}, id="one that is older"),
        pytest.param({2}, {2}, id="one that is new"),
        pytest.param({0, 1, 2}, {0, 1, 2}, id="all"),
    ],
)
def test_a_partition_without_a_leader_is_left_for_a_while_and_keeps_no_other(unled: set[int], left: set[int]) -> None:
    """But for a new one, which has to know how far the older ones reach. It is said why."""
    scene = Scene()
    three = [AT, NOT_OURS, TopicPartition("t", 2)]
    scene.target.unled = frozenset(three[number] for number in unled)
    told: list[Fact] = []
    scene.holdings.tell = told.append
    taken = scene.holdings.take(three)
    assert {part.at.partition for part in taken} == {0, 1, 2} - left
    later = [notice for notice in scene.handover.notices() if isinstance(notice, Later)]
    assert {(one.at.partition, one.failure and one.failure.kind) for one in later} == {
        (number, "kafka.leaderless") for number in left
    }
    assert all(one.seconds > 0 for one in later)
    assert [one.why for one in told if isinstance(one, Halted)] == [Pause.LEADER] * len(left)


@pytest.mark.parametrize("others", [[AT, NOT_OURS], []], ids=["beside others", "alone"])
def test_a_partition_of_a_hidden_topic_is_left_for_a_while_and_keeps_no_other(others: list[TopicPartition]) -> None:
    """However long its topic is hidden. It is said why."""
    scene = Scene()
    # whoever waits in place is told to stop
    scene.patience.drain(0.0)
    scene.target.hidden = {SECRET.topic}
    told: list[Fact] = []
    scene.holdings.tell = told.append
    assert [part.at for part in scene.holdings.take([*others, SECRET])] == others
    (later,) = (notice for notice in scene.handover.notices() if isinstance(notice, Later))
    assert (later.at, later.failure) == (SECRET, FORBIDDEN)
    assert later.seconds > 0
    assert [one.why for one in told if isinstance(one, Halted)] == [Pause.FORBIDDEN]

    scene.target.hidden = set()
    assert [part.at for part in scene.holdings.take([SECRET])] == [SECRET]


def test_of_a_hidden_topic_the_client_has_the_last_word() -> None:
    """Whether it was made anew nobody tells; the partition stops for what is known, and holds up no other."""
    scene = Scene()
    scene.holdings.begin(scene.holdings.take([AT]))
    scene.patience.drain(0.0)
    scene.target.hidden = {AT.topic}
    scene.stop("log.truncated")
    assert scene.target.why == ["log.truncated"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [("log.truncated", "log.recreated"), ("log.out_of_range", "log.recreated"), *[("table.shape",) * 2]],
)
def test_a_topic_made_anew_is_the_reason_whatever_the_client_says_of_its_log(kind: str, told: str) -> None:
    """The topic's id is looked at then."""
    scene = Scene()
    scene.holdings.begin(scene.holdings.take([AT]))
    scene.stop(kind)
    assert scene.target.why == [told]


@pytest.mark.parametrize(
    ("kind", "done"),
    [
        ("log.recreated", "2"),
        ("log.out_of_range", "2"),
        ("log.truncated", "2"),
        ("log.unreadable", "log.unreadable"),
        ("kafka.letters", "kafka.letters"),
    ],
)
def test_a_retry_topic_begins_anew_where_its_log_does(kind: str, done: str) -> None:
    """Only copies are gone from it; it is taken again at once. What can't be read would be met again."""
    scene = Scene(LANE)
    scene.stop(kind)
    assert scene.target.why == [done]
    again = [notice for notice in scene.handover.notices() if isinstance(notice, Later)]
    assert again == ([Later(AT, 0.0)] if done == "2" else [])


def test_a_retry_topic_that_was_made_anew_is_not_taken_as_it_was() -> None:
    """Its position is set first."""
    scene = Scene(LANE)
    scene.target.known_id = "deleted"
    assert scene.holdings.take([AT]) == []
    assert scene.target.why == ["2"]
    assert Later(AT, 0.0) in scene.handover.notices()


def test_a_cluster_that_does_not_say_where_a_log_begins_is_asked_again() -> None:
    """Nobody waits for it: its topic may be gone."""
    scene = Scene(LANE)
    scene.target.answers = False
    scene.stop("log.recreated")
    assert scene.target.why == []
    (later,) = (notice for notice in scene.handover.notices() if isinstance(notice, Later))
    assert later.seconds > 0


@pytest.mark.provokes("table.paused")
def test_what_a_person_has_paused_is_ours_and_not_read() -> None:
    """Its owner says who paused it and why, leaves it alone by itself, and takes it anew when that is asked."""
    scene = Scene()
    note = {"actor": "me@here", "reason": "an index", "since": datetime(2026, 1, 1, tzinfo=UTC)}
    scene.target.paused = Paused(of=Subject(table="public.t"), **note)
    assert scene.holdings.take([AT]) == []
    assert scene.target.why == ["table.paused"]
    (stopped,) = (notice for notice in scene.handover.notices() if isinstance(notice, Stopped))
    assert (stopped.again, stopped.failure.detail) == (None, "table public.t: paused by me@here: an index")
    assert stopped.failure.remedy.endswith("headrace tables resume public.t")
    assert scene.holdings.owned([slice_of(AT)]) == []
    assert scene.holdings.everything() == [AT]
    assert scene.holdings.asked() == [AT]


def test_a_topic_that_is_not_there_while_it_is_taken_and_comes_back_as_another_stops() -> None:
    """Its position is of the one that was deleted, whoever else knew that."""
    scene = Scene()
    scene.target.known_id, scene.target.topics_there = "deleted", False
    scene.holdings.begin(scene.holdings.take([AT]))
    scene.target.topics_there = True
    scene.watch.turn(0.0)
    scene.holdings.heed()
    assert scene.target.why == ["log.recreated"]


def test_what_is_taken_anew_and_need_not_wait_is_begun_once() -> None:
    """By its new epoch: what is read by the one before is dropped."""
    scene = Scene()
    scene.target.waits = {AT: {"1": 5}}
    waiting = Taken(at=AT, epoch=2, next_offset=0, wait_for={"1": 5})
    scene.holdings.begin([waiting])
    scene.handover.notices()
    scene.target.waits = {}
    scene.holdings.begin([replace(waiting, epoch=3, wait_for=None)])
    scene.holdings.look_around()
    assert [notice.epoch for notice in scene.handover.notices() if isinstance(notice, Taken)] == [3]


@pytest.mark.parametrize("how", ["delayed", "later"])
def test_what_is_given_back_while_it_waits_is_not_begun_when_its_wait_is_over(how: str) -> None:
    """It would be read, and all of it dropped, as it is nobody's until it is taken again."""
    scene = Scene()
    scene.target.waits = {AT: {"1": 5}}
    scene.holdings.begin([Taken(at=AT, epoch=2, next_offset=0, wait_for={"1": 5})])
    if how == "delayed":
        scene.holdings.delay(Later(AT, 3.0, failed(KINDS["kafka.leaderless"], "kafka", "take", "no leader")))
    else:
        scene.holdings.later(AT, 3.0, "not due")
    scene.handover.notices()
    scene.target.waits = {}
    scene.holdings.look_around()
    assert [notice for notice in scene.handover.notices() if isinstance(notice, Taken)] == []
