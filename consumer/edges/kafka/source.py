"""The group member that reads. Assigned partitions stay paused until they are taken."""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position

from consumer.core.failure import Failure, Transient, failed
from consumer.core.frames import Frames
from consumer.core.healing import Act
from consumer.core.kinds import KINDS
from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import KafkaSettings, translated
from consumer.edges.kafka.intake import intake_of
from consumer.edges.kafka.member import Member
from consumer.edges.kafka.silence import Silence
from consumer.ports.facts import Healed, Tell, Uncommitted, untold
from consumer.ports.topics import Intake, Listener

log = structlog.get_logger("headrace.kafka")

# messages of one call: each is looked at several times, while they are in the processor's cache
_AT_ONCE = 4096
# what the client says of a position that is not in the log
_GIVEN_UP = "_AUTO_OFFSET_RESET"
# seconds that a partition which was given up and assigned anew may take to take a seek, and between two trials
_SETTLING, _BREATH = 1.0, 0.005
# seconds that the answer of a question is waited for which is asked only to be asked
_STIRRING = 0.01

# what a commit is answered while the group rebalances
_REBALANCING = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.STALE_MEMBER_EPOCH,
)


class KafkaSource:
    """Implements `consumer.ports.topics.Source`."""

    def __init__(self, settings: KafkaSettings, frames: Frames | None = None) -> None:
        """`frames`: where topics have their schema ids; in front of keys and values without them."""
        self._settings = settings
        self._frames = frames or Frames()
        # told when the client is made anew, and of commits that fail; set by whoever watches
        self.tell: Tell = untold
        self._member: Member | None = None
        self._listener: Listener | None = None
        self._silence = Silence(settings.request_timeout)
        # resumed since the last poll
        self._resumed: set[TopicPartition] = set()
        # no longer read by the client since their position was not in the log
        self._given_up: set[TopicPartition] = set()
        # those of them that were to be started since where the client assigns all or none
        self._refused: set[TopicPartition] = set()
        self._anew = False
        # whether the group is joined anew at the next poll
        self._joins = False
        # what is to be read from the next poll on, once that is other than before
        self._wanted: KafkaSettings | None = None

    def open(self, listener: Listener) -> None:
        self._silence.heard()
        self._listener = listener
        self._member = Member(self._settings, listener, self._note_uncommitted)

    def read(self, topics: Collection[str]) -> None:
        """Read these topics from the next poll on; for any thread."""
        self._wanted = replace(self._wanted or self._settings, topics=tuple(topics))

    def join_anew(self) -> None:
        """Leave the group and join it with another client at the next poll; for any thread."""
        self._joins = True

    def poll(self, limit: int, timeout: float) -> Intake:
        if self._joins and self._listener is not None:
            self._joins = False
            self.close()
            self.open(self._listener)
        self._stir()
        member = self._joined()
        if self._anew:
            # they begin as if they had just been assigned
            self._anew = False
            self._given_up.clear()
            self._refused.clear()
            member.assign_anew()
        self._resubscribe(member)
        try:
            messages = member.client.consume(min(limit, _AT_ONCE), timeout)
        except KafkaException as error:
            raise translated(error, "poll") from error
        if member.refusal is not None:
            raise translated(KafkaException(member.refusal), "poll")
        intake = intake_of(messages, self._frames)
        if intake.fetched or intake.ends:
            self._silence.heard()
            member.heard()
        self._given_up |= {at for at, failure in intake.broken.items() if failure.code == _GIVEN_UP}
        self._given_up &= member.held
        # the last, since it may close this client
        self._watch(member)
        return intake

    def held(self) -> frozenset[TopicPartition]:
        """What is assigned; for any thread."""
        member = self._member
        return member.held if member is not None else frozenset()

    def start(self, at: TopicPartition, offset: int, leader_epoch: int | None = None) -> bool:
        if self._joined().stuck:
            return False
        # a seek, since only that has the client compare the epoch; an assignment has not
        place = Position(at.topic, at.partition, offset, leader_epoch=-1 if leader_epoch is None else leader_epoch)
        try:
            if not self._sought(at, place):
                return False
            self._client().resume([Position(*at)])
        except KafkaException as error:
            raise translated(error, "seek") from error
        self._given_up.discard(at)
        self._resumed.add(at)
        return True

    def _sought(self, at: TopicPartition, place: Position) -> bool:
        if at not in self._given_up:
            return self._seek(place)
        if self._joined().incremental:
            return self._seek_anew(place)
        # The client takes no seek there any more, and assigns all or none. The first trial is the reader's, which asks
        # twice before it believes that a position is lost; whoever tries again has decided something.
        self._anew |= at in self._refused
        self._refused.add(at)
        return False

    def _seek(self, place: Position) -> bool:
        try:
            self._client().seek(place)
        except KafkaException as error:
            # the fetcher of a partition that was just assigned starts in its own time
            if error.args[0].code() in (KafkaError._STATE, KafkaError._PREV_IN_PROGRESS):
                return False
            raise
        return True

    def _seek_anew(self, place: Position) -> bool:
        """Seek in a partition that the client has given up: it never takes a seek again (tried) as it is."""
        placed = [Position(place.topic, place.partition, 0)]
        self._client().incremental_unassign(placed)
        self._client().incremental_assign(placed)
        self._client().pause(placed)
        until = time.monotonic() + _SETTLING
        while not (done := self._seek(place)) and time.monotonic() < until:
            time.sleep(_BREATH)
        return done

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        # one that is stuck gives nothing, and would have every thread of the process wait for it
        if not self._joined().stuck:
            self._client().pause([Position(*at) for at in partitions])

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        if not self._joined().stuck:
            self._client().resume([Position(*at) for at in partitions])
            self._resumed |= set(partitions)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        offsets = [Position(at.topic, at.partition, offset) for at, offset in positions.items()]
        try:
            self._client().commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._note_uncommitted(error.args[0])

    def _note_uncommitted(self, error: KafkaError) -> None:
        """The group was not told of positions, which costs nothing but the view of lag tools."""
        # while members come and go that is the rule
        say = log.debug if error.code() in _REBALANCING else log.info
        say("group commit failed; it serves lag tools only", code=error.name())
        self.tell(Uncommitted(error.name()))

    def close(self) -> None:
        if self._member is not None:
            try:
                # whoever hears that they are revoked may still commit
                self._member.leave()
            finally:
                self._member = None
        self._resumed.clear()
        self._given_up.clear()
        self._refused.clear()
        self._anew = False

    def _resubscribe(self, member: Member) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is None or self._listener is None:
            return
        # a client that is made anew reads these too
        self._settings = wanted
        try:
            member.subscribe(wanted, self._listener)
        except KafkaException as error:
            raise translated(error, "subscribe") from error

    def _stir(self) -> None:
        """Have the client fetch at once what was resumed.

        It looks for what there is to fetch whenever something happens on a broker's connection, else once a second.
        So the leaders are asked something; nobody needs the answer.
        """
        if self._resumed:
            asked = [Position(at.topic, at.partition, OFFSET_END) for at in self._resumed]
            self._resumed.clear()
            with suppress(KafkaException):
                self._client().offsets_for_times(asked, timeout=_STIRRING)

    def _watch(self, member: Member) -> None:
        """A cluster that answers has nothing new; one that does not for long gets another client: see `admin.Admin`.

        So does a client that does not even say that nobody answers: two of its threads wait for each other (librdkafka
        issue 5476; seen with 2.16).
        """
        answered = member.answered()
        if answered:
            self._silence.heard()
        elif (answered is False or member.stuck) and self._silence.too_long() and self._listener is not None:
            why = "the client answers nothing" if answered is None else "the cluster is silent"
            log.warning("the client is made anew", reason=why)
            self.tell(Healed(Act.CLIENT_ANEW, "kafka", why))
            self.close()
            self.open(self._listener)
        elif answered is None and self._silence.to_ask():
            member.ask()

    def _joined(self) -> Member:
        if self._member is None:
            raise Transient(_closed())
        return self._member

    def _client(self) -> Consumer:
        return self._joined().client


def _closed() -> Failure:
    return failed(KINDS["worker.defect"], "kafka", "poll", "the consumer is closed")
