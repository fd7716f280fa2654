"""The partitions that are ours: taken, waiting for older ones, stopped, given up."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import structlog

from consumer.applying.patience import Patience
from consumer.applying.topic_watch import Seen, TopicWatch
from consumer.core import waiting
from consumer.core.failure import Failure, Transient, failed, told
from consumer.core.healing import Act
from consumer.core.kinds import KINDS
from consumer.core.pausing import why
from consumer.core.policy import TablePolicy
from consumer.core.records import Slice, TopicPartition
from consumer.ports.facts import Failed, Halted, Healed, Overtaken, Pause, Route, Tell, untold
from consumer.ports.target import Sink, Start, Taken
from consumer.ports.topics import allowed
from consumer.reading.handover import Dropped, Handover, Later, Stopped

log = structlog.get_logger("headrace.apply")

# seconds until a partition without a leader, or of a hidden topic, is looked at again
_LEADERLESS = _HIDDEN = 3.0
# what partitions are given back for
_PAUSES = {"kafka.leaderless": Pause.LEADER, "kafka.forbidden": Pause.FORBIDDEN}


class Holdings:
    """What the worker holds of the group's partitions. Belongs to the apply thread, whose session it uses."""

    def __init__(
        self, sink: Sink, watch: TopicWatch, handover: Handover, patience: Patience, policy: TablePolicy
    ) -> None:
        self._sink = sink
        self._watch = watch
        self._offsets = watch.offsets
        # the answer that was heeded last
        self._heeded: Seen | None = None
        self._handover = handover
        self._patience = patience
        self._epochs: dict[TopicPartition, int] = {}
        self._waiting: dict[TopicPartition, Taken] = {}
        self._stopped: set[TopicPartition] = set()
        # whose position moved without us, by another owner or by hand
        self._dropped: set[TopicPartition] = set()
        self._topic_ids: dict[str, str] = {}
        self._policy = policy
        # the kind for which each partition waits since it last went on
        self._delayed: dict[TopicPartition, str] = {}
        # how often each partition was stopped since it last went on
        self._stops: Counter[TopicPartition] = Counter()
        # told of partitions that do not go on; set by whoever watches
        self.tell: Tell = untold

    def everything(self) -> list[TopicPartition]:
        """What is ours, whatever its state, and not given up by the reader."""
        mine = {*self._epochs, *self._waiting, *self._stopped}
        return sorted(at for at in mine if not self._handover.released(at))

    def forget(self) -> None:
        """Nothing that was known of positions holds any more."""
        self._epochs.clear()
        self._waiting.clear()
        self._stopped.clear()
        self._dropped.clear()

    def owned(self, slices: Iterable[Slice]) -> list[Slice]:
        """Those that were read under the epochs that are ours now."""
        return [piece for piece in slices if self._epochs.get(piece.at) == piece.epoch]

    # taking

    def take(self, partitions: Sequence[TopicPartition], *, again: bool = False) -> list[Taken]:
        """Become the owner of partitions that the reader still wants; returns those that are ours now.

        `again`: they were ours before. Those that another owner took since are given up, as that one is who the group
        has given them to: whoever wakes up from a long sleep has a new session before it hears of that.
        """
        return self._patience.ask(lambda: self._taken(partitions, again=again))

    def begin(self, taken: Sequence[Taken]) -> None:
        """Have the reader go on with what was taken; what has to wait for older partitions later."""
        for part in taken:
            self._epochs[part.at] = part.epoch
            self._stopped.discard(part.at)
            self._dropped.discard(part.at)
            if part.wait_for:
                self._waiting[part.at] = part
            else:
                # what it waited for when it was taken before
                self._waiting.pop(part.at, None)
                self._handover.tell(part)
        self._watch.want(self._topics())
        log.info("partitions taken", count=len(taken))
        if self._waiting:
            self._say_waiting({part.at for part in taken})

    def _taken(self, wanted: Sequence[TopicPartition], *, again: bool) -> list[Taken]:
        partitions = [at for at in wanted if not self._handover.released(at)]
        if not partitions:
            return []
        known = self._sink.known()
        if not known.started:
            everything = sorted(self._offsets.matching() | set(partitions))
            self._sink.seed(self._offsets.initial(everything))
            known = self._sink.known()
        # each question may take as long as is waited for an answer, and all of them too long for one turn
        partitions = self._led(partitions, known.partitions)
        self._patience.beat()
        ids = self._offsets.topic_ids(sorted({at.topic for at in partitions}))
        fresh = [at for at in partitions if at not in known.partitions]
        starts = {at: Start(offset=0, topic_id=ids.get(at.topic)) for at in partitions}
        starts |= self._late_starts(fresh, known.partitions)
        self._patience.beat()
        with self._handover.taking(starts) as ours:
            rows = self._sink.take({at: starts[at] for at in ours}, again=again)
        if overtaken := set(ours) - {part.at for part in rows}:
            self.drop(sorted(overtaken))
        self._patience.beat()
        taken = [part for part in rows if self._same_topic(part, ids)]
        return self._kept([part for part in taken if not self._is_paused(part)])

    def _led(self, partitions: Sequence[TopicPartition], known: frozenset[TopicPartition]) -> list[TopicPartition]:
        """Those that can be begun now. The others are given back for a while: where their logs begin, or how far the
        older ones reach that a new one waits for, nobody can tell, or we may not know.
        """
        lost, hidden = allowed(self._unled, {at.topic for at in partitions})
        for at in [at for at in partitions if at.topic in hidden]:
            self.delay(Later(at, _HIDDEN, hidden[at.topic]))
        partitions = [at for at in partitions if at.topic not in hidden]
        older = {at.topic for at in lost & known}
        left = [at for at in partitions if at in lost or (at.topic in older and at not in known)]
        for at in left:
            self.without_leader(at)
        return [at for at in partitions if at not in left]

    def _unled(self, topics: Sequence[str]) -> frozenset[TopicPartition]:
        self._patience.beat()
        return self._offsets.leaderless(topics)

    def _kept(self, taken: Sequence[Taken]) -> list[Taken]:
        """They are read on behind their last records, or from their positions where retention has come up to those."""
        moved = [part.at for part in taken if part.last_record and part.last_record.offset + 1 < part.next_offset]
        starts = self._offsets.log_start(moved) if moved else {}
        return [
            replace(part, last_record=None)
            if part.at in starts and part.last_record and starts[part.at].offset > part.last_record.offset + 1
            else part
            for part in taken
        ]

    def _late_starts(
        self, fresh: Sequence[TopicPartition], known: frozenset[TopicPartition]
    ) -> dict[TopicPartition, Start]:
        """Partitions that appeared after the group's start begin at their log start.

        A new partition of a topic that is read already waits until the older ones have passed the ends
        they have now: rows whose key moved to it may still have changes there.
        """
        topics = {new.topic for new in fresh}
        ends = self._offsets.ends([at for at in known if at.topic in topics])
        self._patience.beat()
        starts = {}
        for at, start in self._offsets.log_start(fresh).items():
            older = {old: end for old, end in ends.items() if old.topic == at.topic and end}
            starts[at] = replace(start, wait_for=waiting.named(at, older) or None)
        return starts

    def _same_topic(self, part: Taken, ids: Mapping[str, str | None]) -> bool:
        now = ids.get(part.at.topic)
        if now is None or part.topic_id in (None, now):
            # of a topic that is not there the next one is another
            if known := now or part.topic_id:
                self._topic_ids[part.at.topic] = known
            return True
        stopped = Stopped(part.at, _recreated(part.at))
        if self._policy.begins_anew(part.at.topic, stopped.failure.kind):
            self._begin_anew(stopped, part.epoch)
        else:
            self._sink.stop(part.at, part.epoch, stopped.failure)
            self._tell_stopped(stopped)
        return False

    def _is_paused(self, part: Taken) -> bool:
        """Whether a person wants it left alone; then that is said where people look for it."""
        if part.paused is None:
            return False
        stopped = Stopped(part.at, why(part.paused))
        self._sink.stop(part.at, part.epoch, stopped.failure)
        self._leave(stopped)
        self.tell(Halted(Pause.PERSON, 1))
        at, failure = part.at, stopped.failure
        log.info(
            "partition paused",
            topic=at.topic,
            partition=at.partition,
            **told(failure),
        )
        return True

    # what changes by itself

    def look_around(self) -> None:
        """Start partitions whose wait is over. Raises Transient."""
        if self._waiting:
            self._look_at_waiting()
        else:
            self._watch.want(self._topics())

    def heed(self) -> None:
        """Stop partitions whose topic was made anew, once that was seen. Raises Stopping."""
        seen = self._watch.seen
        if seen is not self._heeded:
            self._heeded = seen
            for at in [at for at in self._epochs if seen.is_another(at.topic, self._topic_ids.get(at.topic))]:
                self.stop(Stopped(at, _recreated(at)))

    def _topics(self, others: Collection[str] = ()) -> dict[str, str | None]:
        """The topics to watch, with the ids that they are known by; `others`: what waits for them."""
        return {topic: self._topic_ids.get(topic) for topic in {*others, *(at.topic for at in self._epochs)}}

    def asked(self) -> list[TopicPartition]:
        """Partitions of ours about which somebody has decided, to be taken anew. Raises Transient."""
        mine = {*self.everything(), *(at for at in self._dropped if not self._handover.released(at))}
        return [at for at in self._sink.asked() if at in mine] if mine else []

    def _say_waiting(self, taken: Collection[TopicPartition]) -> None:
        for at, older in self._look_at_waiting().items():
            if at in taken:
                log.info(
                    "partition waits",
                    topic=at.topic,
                    partition=at.partition,
                    reason=waiting.reason(older),
                    remedy=waiting.REMEDY,
                )

    def _look_at_waiting(self) -> dict[TopicPartition, dict[TopicPartition, int]]:
        """Start partitions whose wait is over; returns the others with what they wait for."""
        stored = self._patience.ask(self._sink.stored)
        positions = {position.at: position.next_offset for position in stored}
        waits = {position.at: waiting.unpassed(position.at, position.wait_for, positions) for position in stored}
        topics = {other.topic for at in self._waiting for other in waits.get(at, ())}
        self._watch.want(self._topics(topics))
        # of another topic that is gone, or not read, nothing comes; what waits for its own has to wait for that
        gone = self._watch.gone(topics)
        still = {}
        for at, part in list(self._waiting.items()):
            unpassed, left = waits.get(at, {}), gone - {at.topic}
            others = {other: end for other, end in unpassed.items() if other.topic not in left}
            if others and not waiting.goes_first(at, waits):
                still[at] = others
            else:
                del self._waiting[at]
                self._handover.tell(part)
        return still

    # partitions that do not go on

    def went_on(self, partitions: Iterable[TopicPartition]) -> None:
        """Their positions moved, so the next stop is their first one."""
        for at in partitions:
            if stops := self._stops.pop(at, 0):
                self.tell(Healed(Act.GOES_ON, str(at), f"after {stops} stop{'s' if stops > 1 else ''}"))
            self._delayed.pop(at, None)

    def stop(self, stopped: Stopped) -> None:
        """Write down why a partition does not go on, and have the reader leave it. Raises Stopping.

        One of a retry topic whose log is not that of before begins anew instead.
        """
        epoch = self._epochs.get(stopped.at)
        if epoch is None:
            return
        known = self._explained(stopped)
        if self._policy.begins_anew(known.at.topic, known.failure.kind):
            self._begin_anew(known, epoch)
        else:
            self._patience.ask(lambda: self._sink.stop(known.at, epoch, known.failure))
            self._tell_stopped(known)

    def _begin_anew(self, stopped: Stopped, epoch: int) -> None:
        """Go on at the start of what the log has now, once Kafka says where that is; copies that are gone from it are
        published again. Raises Stopping.
        """
        at, reason = stopped.at, stopped.failure.detail
        try:
            start = self._offsets.log_start([at])[at]
        except Transient as error:
            self.later(at, self._patience.most, error.failure.detail)
            return
        self._patience.ask(lambda: self._sink.begin_anew(at, epoch, start))
        log.warning(
            "retry topic begins anew",
            topic=at.topic,
            partition=at.partition,
            offset=start.offset,
            **told(stopped.failure),
        )
        self.later(at, 0.0, reason)

    def _explained(self, stopped: Stopped) -> Stopped:
        """Of a topic that was made anew the client may say first that the position is not in its log."""
        topic = stopped.at.topic
        if not stopped.failure.kind.startswith("log."):
            return stopped
        known = self._topic_ids.get(topic)
        # of a hidden one there is only the client's word
        ids, _ = self._patience.ask(lambda: allowed(self._offsets.topic_ids, [topic]))
        now = Seen(asked={topic: known}, ids=ids)
        return Stopped(stopped.at, _recreated(stopped.at)) if now.is_another(topic, known) else stopped

    def later(self, at: TopicPartition, seconds: float, reason: str) -> None:
        """Give a retry topic's partition back until then."""
        self._give_up(at)
        self._handover.tell(Later(at, seconds))
        log.debug("retry topic waits", topic=at.topic, partition=at.partition, seconds=seconds, reason=reason)

    def delay(self, later: Later) -> None:
        """Give a partition back until what it waits for may be there."""
        self._give_up(later.at)
        self._handover.tell(later)
        why = later.failure
        assert why is not None, "it waits for something"
        self.tell(Failed(why, Route.WAITS))
        self.tell(Halted(_PAUSES.get(why.kind, Pause.SCHEMA), 1))
        # said once, however often it is looked for
        say = log.debug if self._delayed.get(later.at) == why.kind else log.warning
        self._delayed[later.at] = why.kind
        say(
            "partition waits",
            topic=later.at.topic,
            partition=later.at.partition,
            again_in=round(later.seconds, 1),
            **told(why),
        )

    def without_leader(self, at: TopicPartition) -> None:
        """Give a partition back for a while: it, or one that it has to wait for, has no leader."""
        self.delay(Later(at, _LEADERLESS, _leaderless(at)))

    def wait(self, at: TopicPartition, others: Mapping[TopicPartition, int]) -> None:
        """Have a partition wait until others have passed these offsets. Raises Stopping."""
        epoch = self._give_up(at)
        if epoch is not None:
            self._patience.ask(lambda: self._sink.wait(at, epoch, waiting.named(at, others)))
            self.tell(Halted(Pause.ROWS, 1))
            # taking it again begins the wait
            self._handover.tell(Later(at, 0.0))

    def drop(self, partitions: Sequence[TopicPartition]) -> None:
        """Another owner took them."""
        for at in partitions:
            self._give_up(at)
        self._dropped |= set(partitions)
        self._handover.tell(Dropped(tuple(partitions)))
        self.tell(Overtaken(len(partitions)))
        log.warning("partitions fenced: another owner took them", partitions=[str(at) for at in partitions])

    def _give_up(self, at: TopicPartition) -> int | None:
        """It is read no more, whatever was said of it; returns its epoch, if it had one."""
        self._waiting.pop(at, None)
        return self._epochs.pop(at, None)

    def _leave(self, stopped: Stopped) -> None:
        self._give_up(stopped.at)
        self._dropped.discard(stopped.at)
        self._stopped.add(stopped.at)
        self._handover.tell(stopped)

    def _tell_stopped(self, stopped: Stopped) -> None:
        failure = stopped.failure
        self._stops[stopped.at] += 1
        again = self._policy.again(KINDS[failure.kind], self._stops[stopped.at], random.random())
        self._leave(replace(stopped, again=again))
        self.tell(Failed(failure, Route.STOPPED))
        self.tell(Halted(Pause.STOPPED, 1))
        self.tell(Healed(Act.SET_ASIDE, str(stopped.at), failure.kind))
        log.error(
            "partition stopped",
            topic=stopped.at.topic,
            partition=stopped.at.partition,
            again_in=again and round(again, 1),
            **told(failure),
        )


def _leaderless(at: TopicPartition) -> Failure:
    detail = f"topic {at.topic}, partition {at.partition}: it, or one that it has to wait for, has no leader"
    return failed(KINDS["kafka.leaderless"], "kafka", "take", detail)


def _recreated(at: TopicPartition) -> Failure:
    detail = f"topic {at.topic}, partition {at.partition}: its stored position belongs to a topic that was deleted"
    return failed(KINDS["log.recreated"], "kafka", "take", detail)
