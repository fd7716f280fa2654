"""Topics are watched beside the apply thread: what is seen of them is heeded, and nobody waits for it."""

import threading
from collections.abc import Callable, Mapping, Sequence

import pytest
import structlog

from consumer.applying.applier import Applier
from consumer.applying.attempts import Workshop
from consumer.applying.busy import Busy
from consumer.applying.holdings import Holdings
from consumer.applying.key_turns import KeyTurns
from consumer.applying.topic_watch import TopicWatch
from consumer.binding.known import KnownBindings
from consumer.core.failure import Failure, Transient, failed
from consumer.core.flood import FloodGuard, FloodLimits
from consumer.core.kinds import KINDS
from consumer.core.policy import TablePolicy
from consumer.core.records import OffsetRange, TopicPartition
from consumer.ports.target import Known, Start, Stored, Taken
from consumer.ports.topics import Forbidden
from consumer.reading.handover import Handover
from tests.unit.known import planner
from tests.unit.patient import patient
from tests.unit.world import World

AT, OLDER, OTHER = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("other", 0)
AWAY = failed(KINDS["kafka.away"], "kafka", "describe topics", "nobody answers")
FORBIDDEN = failed(KINDS["kafka.forbidden"], "kafka", "describe topics", "Topic authorization failed.")


class Servers:
    """A target, and a cluster with topics by id; it says nothing more while `silent` is set, and of the `hidden` ones
    not whether they are there.
    """

    def __init__(self) -> None:
        self.ids: dict[str, str | None] = {"t": "first", "other": "other's"}
        self.waits: Mapping[str, int] | None = None
        self.stopped: list[tuple[TopicPartition, str]] = []
        self.silent = threading.Event()
        self.question = threading.Event()
        self.away = False
        self.hidden: set[str] = set()
        # called while partitions are taken
        self.taken: Callable[[], None] = lambda: None
        self.gone = threading.Event()

    def open(self) -> None:
        """Nothing is to be opened."""

    def known(self) -> Known:
        return Known(started=True, partitions=frozenset({AT}))

    def take(self, starts: Mapping[TopicPartition, Start], *, again: bool = False) -> list[Taken]:
        self.taken()
        return [
            Taken(at=at, epoch=1, next_offset=0, topic_id=start.topic_id, wait_for=self.waits)
            for at, start in starts.items()
        ]

    def stored(self) -> list[Stored]:
        others = [Stored(at=at, next_offset=3, epoch=1) for at in (OLDER, OTHER)]
        return [Stored(at=AT, next_offset=0, epoch=1, wait_for=self.waits), *others]

    def marks(self) -> list[OffsetRange]:
        return []

    def asked(self) -> list[TopicPartition]:
        return []

    def stop(self, at: TopicPartition, epoch: int, failure: Failure) -> None:
        self.stopped.append((at, failure.kind))

    def topic_ids(self, topics: Sequence[str]) -> Mapping[str, str | None]:
        if self.away:
            raise Transient(AWAY)
        if self.silent.is_set():
            self.question.set()
            self.gone.wait(30)
        if hidden := self.hidden.intersection(topics):
            raise Forbidden(FORBIDDEN, hidden)
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}

    def leaderless(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        """None is."""
        return frozenset()

    def log_start(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Start]:
        return {}

    ends = log_start


class Scene:
    """An apply thread, turned by hand, and the watch beside it, which looks whenever it is turned."""

    def __init__(self, waits: Mapping[str, int] | None = None, topic_id: str | None = "first") -> None:
        # what the group does not read any more
        self.unread: set[str] = set()
        self.servers = servers = Servers()
        servers.waits, servers.ids["t"] = waits, topic_id
        known, patience = KnownBindings(), patient(servers)
        shop = Workshop(
            planner=planner(known),
            binder=World({}, lambda name: None).binder(known),
            fetch=lambda wanted: {},
            returns=None,
            flood=FloodGuard(FloodLimits()),
            busy=Busy(30.0),
            dependents=None,
            keys=KeyTurns(servers, servers),
        )
        self.handover = Handover(max_bytes=1, max_batches=1)
        self.watch = TopicWatch(servers, is_read=lambda topic: topic not in self.unread)
        self.watch.EVERY = 0.0
        holdings = Holdings(servers, self.watch, self.handover, patience, TablePolicy())
        self.applier = Applier(servers, shop, self.handover, holdings, patience)
        self.take()

    def take(self) -> None:
        """The group gives it the partition, or somebody has decided about it."""
        self.handover.ask((AT,))
        self.turn()

    def turn(self) -> None:
        """With a look at what changes by itself."""
        self.applier.look_soon()
        self.applier.turn(0)

    def look(self) -> None:
        """The watch looks, and the apply thread goes on."""
        look(self.watch)
        self.turn()

    @property
    def started(self) -> bool:
        """Whether the reader was told to read it."""
        return any(isinstance(notice, Taken) for notice in self.handover.notices())


def look(watch: TopicWatch) -> None:
    """Its two questions."""
    watch.turn(0)
    watch.turn(0)


def test_a_topic_that_was_made_anew_stops() -> None:
    """As soon as that was seen, and once."""
    scene = Scene()
    scene.look()
    assert scene.servers.stopped == []
    scene.servers.ids["t"] = "second"
    scene.look()
    scene.look()
    assert scene.servers.stopped == [(AT, "log.recreated")]


@pytest.mark.parametrize("ids", [{}, {"t": "first"}], ids=["not there", "as it was"])
def test_any_other_topic_goes_on(ids: dict[str, str]) -> None:
    """One that is not there may be made at the moment."""
    scene = Scene()
    scene.servers.ids = ids
    scene.look()
    assert scene.servers.stopped == []


def test_a_topic_whose_id_is_told_since_a_while_is_the_same() -> None:
    """Its brokers were replaced by newer ones; which it is counts from when the partition is taken next."""
    scene = Scene(topic_id=None)
    scene.servers.ids["t"] = "real"
    scene.look()
    scene.take()
    # by a broker that is an old one yet
    scene.servers.ids["t"] = None
    scene.look()
    assert scene.servers.stopped == []
    scene.servers.ids["t"] = "second"
    scene.look()
    assert scene.servers.stopped == [(AT, "log.recreated")]


def test_an_answer_says_nothing_of_what_was_taken_anew_behind_its_question() -> None:
    """Somebody has decided meanwhile that the new topic is to be read."""
    scene = Scene()

    def answered() -> None:
        scene.servers.ids["t"] = "second"
        look(scene.watch)
        scene.servers.ids["t"] = "third"

    scene.servers.ids["t"] = "third"
    scene.servers.taken = answered
    scene.take()
    scene.servers.taken = lambda: None
    scene.turn()
    assert scene.servers.stopped == []
    scene.servers.ids["t"] = "fourth"
    scene.look()
    assert scene.servers.stopped == [(AT, "log.recreated")]


def test_a_silent_cluster_holds_up_no_batch() -> None:
    """The watch waits for it; the apply thread turns, and looks at all else that changes by itself."""
    scene = Scene(waits={"other:0": 4})
    scene.servers.silent.set()
    watching = threading.Thread(target=scene.watch.turn, args=(0,), daemon=True)
    watching.start()
    assert scene.servers.question.wait(5)
    turning = threading.Thread(target=scene.turn, daemon=True)
    turning.start()
    turning.join(5)
    assert not turning.is_alive()
    assert watching.is_alive()
    scene.servers.gone.set()
    watching.join(5)


def test_a_cluster_that_is_away_is_asked_again() -> None:
    """What it said before holds."""
    scene = Scene()
    scene.servers.away = True
    scene.look()
    scene.servers.away, scene.servers.ids["t"] = False, "second"
    scene.look()
    assert scene.servers.stopped == [(AT, "log.recreated")]


def test_who_waits_for_a_topic_goes_on_once_that_is_gone() -> None:
    """Nothing comes of it any more; before it was looked for, it is taken to be there."""
    scene = Scene(waits={"other:0": 4})
    scene.look()
    assert not scene.started
    del scene.servers.ids["other"]
    scene.turn()
    assert not scene.started
    scene.look()
    scene.look()
    assert scene.started


def test_who_waits_for_a_topic_goes_on_once_that_is_not_read_any_more() -> None:
    """It was taken out of the settings, so its position moves no more."""
    scene = Scene(waits={"other:0": 4})
    scene.look()
    assert not scene.started
    scene.unread.add("other")
    scene.look()
    assert scene.started


@pytest.mark.parametrize("between", ["there", "away"])
def test_one_answer_that_a_topic_is_not_there_ends_no_wait(between: str) -> None:
    """A broker may not know of it yet; two answers in a row end it, whoever is away between them."""
    scene = Scene(waits={"other:0": 4})
    there = dict(scene.servers.ids)
    absent = {"t": there["t"]}
    scene.servers.ids = absent
    scene.look()
    assert not scene.started
    scene.servers.ids, scene.servers.away = (there, False) if between == "there" else (absent, True)
    scene.look()
    assert not scene.started
    scene.servers.ids, scene.servers.away = absent, False
    scene.look()
    assert scene.started == (between == "away")
    scene.look()
    assert scene.started or between == "away"


def test_a_hidden_topic_keeps_nothing_of_the_others_from_us() -> None:
    """One of them is made anew meanwhile. That one is hidden is said once, until it is told of again."""
    scene = Scene(waits={"other:0": 4})
    scene.servers.hidden = {"other"}
    with structlog.testing.capture_logs() as lines:
        scene.look()
        assert scene.servers.stopped == []
        scene.servers.ids["t"] = "second"
        scene.look()
    assert scene.servers.stopped == [(AT, "log.recreated")]
    said = [(line["topic"], line["kind"]) for line in lines if line["event"] == "topic is hidden"]
    assert said == [("other", "kafka.forbidden")]


def test_a_hidden_topic_is_neither_gone_nor_another() -> None:
    """Whatever it was before, and will be: what is not told is not known."""
    scene = Scene(waits={"other:0": 4})
    del scene.servers.ids["other"]
    # once it was not there
    scene.look()
    scene.servers.hidden = {"t", "other"}
    scene.servers.ids["t"] = "second"
    for _ in range(3):
        scene.look()
    assert not scene.started
    assert scene.servers.stopped == []
    scene.servers.hidden = set()
    scene.look()
    assert scene.servers.stopped == [(AT, "log.recreated")]


def test_who_waits_for_a_hidden_topic_waits_until_it_is_told_to_be_gone() -> None:
    """Twice, as ever."""
    scene = Scene(waits={"other:0": 4})
    del scene.servers.ids["other"]
    scene.look()
    scene.servers.hidden = {"other"}
    scene.look()
    scene.servers.hidden = set()
    scene.look()
    assert not scene.started
    scene.look()
    assert scene.started


def test_what_waits_for_older_partitions_of_its_own_topic_does_not_go_on_without_them() -> None:
    """They may hold changes of keys that have moved to it."""
    scene = Scene(waits={str(OLDER.partition): 4})
    del scene.servers.ids["t"]
    for _ in range(3):
        scene.look()
    assert not scene.started


def test_growth_is_looked_for_and_said() -> None:
    """By whoever binds; a cluster that is away is asked again."""
    looks: list[Failure | None] = [AWAY, None]

    def grown() -> list[str]:
        if (why := looks.pop(0)) is not None:
            raise Transient(why)
        return ["t"]

    watch = TopicWatch(Servers(), grown)
    watch.EVERY = 0.0
    with structlog.testing.capture_logs() as lines:
        look(watch)
        assert lines == []
        look(watch)
    assert [(line["event"], line["topic"]) for line in lines] == [("topic has grown", "t")]
