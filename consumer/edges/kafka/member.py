"""One client's membership in the group: what it was assigned, until it leaves or is left behind."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Position

from consumer.core.classify import REFUSED
from consumer.core.records import TopicPartition
from consumer.edges.kafka.config import (
    ErrorLog,
    KafkaSettings,
    configuring,
    consumer_config,
    is_incremental,
    subscription,
)
from consumer.edges.kafka.silence import Question
from consumer.ports.topics import Listener

log = structlog.get_logger("headrace.kafka")

# seconds that joining waits for the cluster's first answer, and leaving for its last
_CONNECTING, _LEAVING = 1.0, 5.0
# and that a sign of life is waited for at most: the client polls nothing meanwhile, for whoever wants to end either
_ASKING = 5.0
# and how much later than that a client ends the wait at most
_LATE = 2.0
# asked about for a sign of life: whoever has groups has it
_EVERYWHERE = "__consumer_offsets"

# an identity provider that is away has refused nobody; the client asks it again
_NO_TOKEN = "Failed to acquire SASL OAUTHBEARER token"

# the program's own expressions know more than the client's
_EXPRESSIONS = ": an expression in kafka.topics is none that the client takes, which knows no look-around"


class Member:
    """Joins when it is made. Assigned partitions are paused at offset 0. Raises Refused for wrong settings."""

    def __init__(self, settings: KafkaSettings, listener: Listener, uncommitted: Callable[[KafkaError], None]) -> None:
        """`uncommitted`: told of commits to the group that failed."""
        config = consumer_config(settings)
        self.incremental = is_incremental(config)
        self.refusal: KafkaError | None = None
        self._listener: Listener | None = listener
        self._uncommitted = uncommitted
        self._patience = min(settings.request_timeout, _ASKING)
        # assigned now; replaced as a whole, for other threads
        self.held: frozenset[TopicPartition] = frozenset()
        self._last_error: KafkaError | None = None
        self._note = ErrorLog()
        self._question: Question | None = None
        # nobody waits for its end any more
        self._left_behind = False
        with configuring():
            self.client = Consumer({**config, "on_commit": self._committed, "error_cb": self._heed})
        # a client that is not connected yet puts joining off for a second; one that can't connect joins in its own time
        with suppress(KafkaException):
            self.client.list_topics(timeout=_CONNECTING)
        with configuring(_EXPRESSIONS):
            self.subscribe(settings, listener)

    def subscribe(self, settings: KafkaSettings, listener: Listener) -> None:
        """Read these topics; of what is assigned already, those that are among them stay so where the group moves
        partitions one by one.
        """
        self.client.subscribe(
            subscription(settings),
            on_assign=lambda _, parts: self._assigned(parts),
            on_revoke=lambda _, parts: self._gone(parts, listener.revoked),
            on_lost=lambda _, parts: self._gone(parts, listener.lost),
        )

    def heard(self) -> None:
        """The cluster gives records, so nothing that was said before is why no broker is left later."""
        self._last_error = None

    def ask(self) -> None:
        """Ask the cluster for a sign of life, unless an answer is due, which is waited for beside reading."""
        if self._question is None:
            self._question = Question(lambda: self.client.list_topics(_EVERYWHERE, timeout=self._patience))

    def answered(self) -> bool | None:
        """Whether there was an answer; None while none is due. It is told once."""
        if self._question is None or (answer := self._question.answered) is None:
            return None
        self._question = None
        return answer

    @property
    def stuck(self) -> bool:
        """Whether the client keeps an answer back for longer than it was to wait for it."""
        return self._question is not None and self._question.age > self._patience + _LATE

    def assign_anew(self) -> None:
        """Have all that is assigned begin as if it came just now; the group is not told: nothing changes hands."""
        parts = [Position(*at) for at in sorted(self.held)]
        if self._listener is not None and parts:
            self._gone(parts, self._listener.revoked)
            self._assigned(parts)

    def leave(self) -> None:
        """Leave the group; what was assigned is revoked. Where nobody answers, the group is left to find out."""
        listener, self._listener = self._listener, None
        if listener is not None and self.held:
            listener.revoked(sorted(self.held))
        # it waits for commits in flight, up to the session's timeout
        leaving = Thread(target=self._close, name="kafka-leave", daemon=True)
        leaving.start()
        leaving.join(_LEAVING)
        if leaving.is_alive():
            self._left_behind = True
            log.info("the group was not left in time; it will find out", seconds=_LEAVING)

    def _close(self) -> None:
        if self._question is not None:
            # whoever is asked must not be gone
            self._question.wait()
        self.client.close()

    def _assigned(self, parts: list[Position]) -> None:
        if self._listener is None:
            return
        # A number as placeholder, never a named place: librdkafka looks named places up, and tried, an answer that
        # came half a second late moved reading to the end of the log after `start` had sought elsewhere.
        placed = [Position(part.topic, part.partition, 0) for part in parts]
        if self.incremental:
            self.client.incremental_assign(placed)
        else:
            self.client.assign(placed)
        self.client.pause(placed)
        self.held |= frozenset(plain(parts))
        self._listener.assigned(plain(parts))

    def _gone(self, parts: list[Position], tell: Callable[[Sequence[TopicPartition]], None]) -> None:
        if self._listener is not None:
            self.held -= frozenset(plain(parts))
            tell(plain(parts))
        if self.incremental:
            self.client.incremental_unassign(parts)
        else:
            self.client.unassign()

    def _heed(self, error: KafkaError) -> None:
        """Refused credentials are told here alone, and tried for ever: they are refused when no broker is left."""
        if self._left_behind:
            # what it still finds out, maybe for minutes, is nobody's business
            return
        self._note(error)
        if error.str().startswith(_NO_TOKEN):
            return
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self._last_error = error
        elif self._last_error is not None and self._last_error.name() in REFUSED:
            self.refusal = self._last_error

    def _committed(self, error: KafkaError | None, _: list[Position]) -> None:
        if error is not None and not self._left_behind:
            self._uncommitted(error)


def plain(parts: Sequence[Position]) -> list[TopicPartition]:
    """The client's partitions as ours."""
    return [TopicPartition(part.topic, part.partition) for part in parts]
