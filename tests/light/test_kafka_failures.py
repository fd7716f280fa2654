"""What a broker does to the group's member and to questions about topics, as failures of a kind."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.failure import Failure, HeadraceError, Persistent, Refused, Transient
from consumer.core.records import TopicPartition
from consumer.core.runs import runs
from consumer.edges.kafka.config import KafkaSettings
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.edges.kafka.member import Member as GroupMember
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.kafka.source import KafkaSource
from consumer.edges.rows import RowDecoder
from consumer.ports.facts import Fact
from consumer.ports.letters import Outgoing
from consumer.ports.topics import Forbidden, allowed
from consumer.stack.waiting import wait_until
from tests.light.broker import HEARTBEAT, LIST_OFFSETS, OFFSET_COMMIT, PRODUCE, Broker
from tests.unit.counted import counted
from tests.unit.known import Topic, slice_of
from tests.unit.world import World

NAMES = count()
SECRET = b"sesame"
AGAIN = {"group.instance.id": "one", "heartbeat.interval.ms": "100"}


@pytest.fixture(scope="module")
def broker() -> Broker:
    """One for all tests, each of which has topics and groups of its own."""
    return Broker()


@pytest.fixture
def topic(broker: Broker) -> str:
    """A topic of one partition with five records."""
    name = f"topic-{next(NAMES)}"
    broker.create(name, [SECRET] * 5)
    return name


def settings(broker: Broker, topic: str, **client: str) -> KafkaSettings:
    """A group of its own that reads one topic."""
    group = f"group-{next(NAMES)}"
    return KafkaSettings(
        bootstrap_servers=broker.bootstrap, group=group, topics=(topic,), request_timeout=5, client=client
    )


class Member:
    """A group's only member, which reads its only partition from a position."""

    def __init__(self, settings: KafkaSettings, position: int) -> None:
        self.source = KafkaSource(settings)
        self.position = position
        self.held: set[TopicPartition] = set()
        self.read: list[int] = []
        self.broken: dict[TopicPartition, Failure] = {}
        self.revocations = 0
        self.source.open(self)
        self._assigned: list[TopicPartition] = []

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """As the reader does once they are taken."""
        self._assigned += partitions
        self.held |= set(partitions)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Nothing is in flight."""
        self._assigned.clear()
        self.revocations += 1

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Nothing is in flight."""

    def started_again(self, at: TopicPartition) -> None:
        """As after a decision about it."""
        self._assigned.append(at)

    def poll(self) -> None:
        """Poll once; start what is assigned."""
        taken = self.source.poll(100, 0.05)
        self._assigned = [at for at in self._assigned if not self.source.start(at, self.position)]
        self.read += [offset for fetched in taken.fetched for offset in fetched.offsets]
        self.broken |= taken.broken

    def until(self, condition: Callable[[], object]) -> None:
        """Poll until then."""

        def reached() -> bool:
            self.poll()
            return bool(condition())

        assert wait_until(reached, 60)

    def break_off(self) -> Failure:
        """Poll until the partition can't be read on; why."""
        self.until(lambda: self.broken)
        return next(iter(self.broken.values()))


@pytest.fixture
def member(broker: Broker, topic: str) -> Iterator[Callable[..., Member]]:
    """Joins the group; it is left afterwards."""
    made: list[Member] = []

    def joined(position: int, **client: str) -> Member:
        made.append(Member(settings(broker, topic, **client), position))
        return made[-1]

    yield joined
    for each in made:
        each.source.close()


Join = Callable[..., Member]


@pytest.mark.provokes("log.out_of_range")
@pytest.mark.parametrize(("start", "position"), [(0, 100), (3, 1)], ids=["behind the end", "before the start"])
def test_a_position_that_is_not_in_the_log_breaks_its_partition(
    broker: Broker, topic: str, member: Join, start: int, position: int
) -> None:
    """The client is never let go on from anywhere else."""
    broker.delete_before(topic, start)
    failure = member(position).break_off()

    assert (failure.kind, failure.code) == ("log.out_of_range", "_AUTO_OFFSET_RESET")
    assert "snapshot" in failure.remedy


def test_a_partition_that_the_client_gave_up_is_started_elsewhere(broker: Broker, topic: str, member: Join) -> None:
    """At first it breaks again at the same place; where there are records it is read."""
    broker.delete_before(topic, 3)
    reads = member(1)
    at = TopicPartition(topic, 0)
    reads.break_off()
    reads.broken.clear()
    assert reads.source.start(at, 1)
    assert reads.break_off().kind == "log.out_of_range"
    assert reads.source.start(at, 3)
    reads.until(lambda: reads.read == [3, 4])


@pytest.mark.parametrize("strategy", ["range", "roundrobin"])
def test_so_it_is_where_assignments_come_as_a_whole(broker: Broker, topic: str, member: Join, strategy: str) -> None:
    """The client can't assign a single one anew then, so all are; a trial at the same place has no such effect."""
    reads = member(100, **{"partition.assignment.strategy": strategy})
    at = TopicPartition(topic, 0)
    reads.break_off()
    assert not reads.source.start(at, 100)
    reads.poll()
    assert reads.revocations == 0

    reads.position = 3
    reads.started_again(at)
    reads.until(lambda: reads.read == [3, 4])
    assert reads.revocations == 1


@pytest.mark.parametrize("client", [{}, {"group.instance.id": "one"}], ids=["dynamic", "static"])
def test_a_group_that_is_joined_anew_is_read_on(
    broker: Broker, topic: str, member: Join, client: dict[str, str]
) -> None:
    """By another client, behind a revocation of everything."""
    reads = member(0, **{"session.timeout.ms": "6000", **client})
    reads.until(lambda: len(reads.read) == 5)
    before, reads.position = reads.source._client(), 3
    reads.source.join_anew()
    reads.until(lambda: reads.read[5:] == [3, 4])

    assert reads.source._client() is not before
    assert reads.revocations == 1


@pytest.mark.provokes("log.unreadable")
def test_a_batch_that_can_not_be_unpacked_breaks_its_partition(broker: Broker, topic: str, member: Join) -> None:
    """What lies in front of it is read."""
    broker.append_damaged(topic)
    broker.append_damaged(topic)
    reads = member(2)
    failure = reads.break_off()

    assert reads.read == [2, 3, 4]
    assert (failure.kind, failure.code) == ("log.unreadable", "_BAD_COMPRESSION")
    assert "damaged" in failure.remedy
    assert SECRET.decode() not in str(failure)


@pytest.mark.provokes("kafka.fatal")
def test_a_member_that_was_fenced_ends(broker: Broker, member: Join) -> None:
    """It would be told nothing any more, and wait for ever."""
    reads = member(0, **AGAIN)
    reads.until(lambda: reads.read)
    broker.answer(HEARTBEAT, KafkaError.FENCED_INSTANCE_ID)
    with pytest.raises(Persistent) as caught:
        reads.until(lambda: False)

    assert (caught.value.failure.kind, caught.value.failure.code) == ("kafka.fatal", "_FATAL")
    assert "fenced" in caught.value.failure.detail
    assert caught.value.failure.remedy


@pytest.mark.provokes("kafka.forbidden")
def test_what_access_rules_forbid_is_for_time(broker: Broker, topic: str) -> None:
    """Someone may grant it; the remedy says what."""
    offsets = KafkaOffsets(settings(broker, topic))
    broker.answer(LIST_OFFSETS, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(Transient) as reading:
        offsets.ends([TopicPartition(topic, 0)])
    broker.forbid(topic, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(Transient) as describing:
        offsets.traits([topic])

    for failure in (reading.value.failure, describing.value.failure):
        assert (failure.kind, failure.code) == ("kafka.forbidden", "TOPIC_AUTHORIZATION_FAILED")
        assert failure.remedy.startswith("Grant")


def test_which_topics_are_forbidden_is_said(broker: Broker, topic: str) -> None:
    """Others that were asked about with them need not wait."""
    open_to_us = f"topic-{next(NAMES)}"
    broker.create(open_to_us)
    broker.forbid(topic, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    offsets = KafkaOffsets(settings(broker, topic))
    with pytest.raises(Forbidden) as caught:
        offsets.topic_ids([topic, open_to_us])

    assert caught.value.topics == {topic}
    assert caught.value.failure.kind == "kafka.forbidden"
    refusal = {topic: caught.value.failure}
    ids, forbidden = allowed(offsets.topic_ids, [topic, open_to_us])
    assert (set(ids), forbidden) == ({open_to_us}, refusal)
    assert allowed(offsets.leaderless, [topic, open_to_us]) == (frozenset(), refusal)
    assert allowed(offsets.leaderless, [topic]) == (frozenset(), refusal)


@pytest.mark.provokes("kafka.unknown")
def test_an_answer_that_no_rule_knows_is_named(broker: Broker, topic: str) -> None:
    """It is asked again, and a person can look its code up."""
    offsets = KafkaOffsets(settings(broker, topic))
    broker.answer(LIST_OFFSETS, KafkaError.POLICY_VIOLATION)
    with pytest.raises(Transient) as caught:
        offsets.ends([TopicPartition(topic, 0)])

    assert (caught.value.failure.kind, caught.value.failure.code) == ("kafka.unknown", "POLICY_VIOLATION")
    assert "Look the code up" in caught.value.failure.remedy


@pytest.mark.provokes("kafka.no_topic")
def test_a_topic_that_is_gone_is_for_time(broker: Broker) -> None:
    """Nothing is decided about the records of it that are still to be applied."""
    world, orders = World({}, lambda name: None), Topic([{"name": "id", "type": "long"}])
    sources = Sources(registry=world, catalog=world, offsets=KafkaOffsets(settings(broker, "t")), rows=RowDecoder())
    binder = Binder(KnownBindings(), sources, BinderSettings())
    (run,) = runs(slice_of([orders.record("c", {"id": 1})], at=TopicPartition("gone", 0)))
    with pytest.raises(Transient) as caught:
        binder.bind({BindingKey("gone", run.key_frame, run.value_frame): run})

    assert caught.value.failure.kind == "kafka.no_topic"
    assert "topic gone" in caught.value.failure.detail
    assert caught.value.failure.remedy.startswith("Create it again")


@pytest.mark.provokes("kafka.letters")
def test_a_letter_that_may_not_be_written_is_a_failure(broker: Broker, topic: str) -> None:
    """Its copy; the row stays."""
    box = KafkaLetterbox(settings(broker, topic))
    broker.answer(PRODUCE, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    assert box.post([Outgoing(id=1, attempt=1, topic=topic, key=SECRET, value=SECRET)]) == 1
    box.flush(10)
    (posted,) = box.posted()
    box.close()

    assert posted.failure is not None
    assert (posted.failure.kind, posted.failure.code) == ("kafka.letters", "TOPIC_AUTHORIZATION_FAILED")
    assert "stay in the database" in posted.failure.remedy
    assert SECRET.decode() not in str(posted.failure)


@pytest.mark.parametrize("code", [KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_MEMBER_ID])
def test_positions_that_the_group_can_not_be_told_of_hold_up_nobody(
    broker: Broker, topic: str, member: Join, code: int
) -> None:
    """Nobody here reads them back: it is said and counted, and reading goes on."""
    one = member(0)
    facts: list[Fact] = []
    one.source.tell = facts.append
    one.until(lambda: len(one.read) == 5)
    at = TopicPartition(topic, 0)
    broker.answer(OFFSET_COMMIT, *[code] * 3)
    with capture_logs() as logs:
        one.source.commit({at: 5})
        one.until(lambda: [line for line in logs if line["event"].startswith("group commit failed")])
        broker.append(topic, [SECRET])
        one.until(lambda: len(one.read) >= 6)
    assert not one.broken
    assert SECRET.decode() not in str(logs)
    said = [line["code"] for line in logs if line["event"].startswith("group commit failed")]
    for name in said:
        assert counted(facts)[f"headrace_group_commit_failures_total[{name!r}]"] == said.count(name)


@pytest.mark.provokes("kafka.configuration")
def test_settings_that_the_client_does_not_take_are_refused(broker: Broker) -> None:
    """With the name of the one that is wrong, and no value."""
    odd = settings(broker, "t", **{"security.protocol": SECRET.decode()})
    with pytest.raises(Refused) as caught:
        KafkaOffsets(odd)

    assert caught.value.failure.kind == "kafka.configuration"
    assert "security.protocol" in caught.value.failure.detail
    assert "kafka.client" in caught.value.failure.remedy


@pytest.mark.provokes("kafka.configuration")
def test_an_expression_that_the_client_does_not_take_is_refused(broker: Broker) -> None:
    """Python takes it; what is wrong with it is said."""
    with pytest.raises(Refused) as caught:
        Member(settings(broker, "^shop[.](?!private).*"), 0)

    assert caught.value.failure.kind == "kafka.configuration"
    assert "kafka.topics" in caught.value.failure.detail


def test_all_that_an_expression_selects_is_assigned(broker: Broker) -> None:
    """And nothing else: alternatives are held at the beginning of a name, as where topics are listed."""
    mark = f"t{next(NAMES)}"
    wanted, others = {f"{mark}.orders_12", f"{mark}.items", f"{mark}.old"}, {f"{mark}.orders_x", f"x{mark}.old"}
    for name in wanted | others:
        broker.create(name, [SECRET])
    chosen = settings(broker, rf"^{mark}\.(orders_[0-9]+|items)$|{mark}\.old")
    assert {at.topic for at in KafkaOffsets(chosen).matching()} == wanted

    reads = Member(chosen, 0)
    reads.until(lambda: len(reads.read) >= len(wanted))
    assert {at.topic for at in reads.held} == wanted
    reads.source.close()


@pytest.mark.provokes("worker.defect")
def test_a_closed_member_is_not_to_be_polled(broker: Broker, topic: str, member: Join) -> None:
    """Only a mistake of the program does it."""
    closed = member(0)
    closed.source.close()
    with pytest.raises(HeadraceError) as caught:
        closed.poll()

    assert caught.value.failure.kind == "worker.defect"
    assert "Report" in caught.value.failure.remedy


NO_TOKEN = KafkaError(KafkaError._AUTHENTICATION, "Failed to acquire SASL OAUTHBEARER token: could not connect")
WRONG = KafkaError(KafkaError._AUTHENTICATION, "SASL authentication error: Authentication failed")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


@pytest.mark.parametrize(
    ("said", "heard", "refused"), [(WRONG, False, True), (NO_TOKEN, False, False), (WRONG, True, False)]
)
def test_who_is_refused_is_told_so_when_no_broker_is_left(
    broker: Broker, topic: str, said: KafkaError, heard: bool, refused: bool
) -> None:
    """Not who has no token because the provider is away, nor who was let in since."""

    class Nobody:
        """Hears of no partition."""

        def assigned(self, partitions: Sequence[TopicPartition]) -> None: ...

        revoked = lost = assigned

    member = GroupMember(settings(broker, topic), Nobody(), lambda error: None)
    try:
        member._heed(said)
        if heard:
            member.heard()
        member._heed(ALL_DOWN)
        assert (member.refusal is not None) == refused
    finally:
        member.leave()
