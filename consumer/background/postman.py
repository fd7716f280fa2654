"""Copies of letters are published behind the transaction that wrote them, on a thread of their own.

The row is the truth: what Kafka did not confirm is published again, and a broker that is away holds up nothing but
the copies.
"""

import math
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from consumer.background.cadence import Failing
from consumer.core.failure import Failure, HeadraceError, failed, told
from consumer.core.flags import ALL_ON, Flag, Switches
from consumer.core.kinds import KINDS
from consumer.core.lane import Lane
from consumer.core.laps import Lap
from consumer.core.letterhead import Codec
from consumer.core.letters import State
from consumer.ports.facts import Failed, Published, Route, Tell, untold
from consumer.ports.letters import Letterbox, LetterTopic, Outbox, Outgoing, Posted, Unposted

log = structlog.get_logger("headrace.letters")


class Postman:
    """Owns the letterbox. `turn` is called in a loop by one thread."""

    # letters at a time
    MOST = 200
    # seconds for which they are ours
    CLAIM = 15.0
    # seconds between looks at an outbox that was empty, or in vain
    LOOK_EVERY = 0.5
    REPUBLISH_EVERY = 10.0
    # seconds between attempts to make topics that are missing
    ENSURE_EVERY = 5.0
    # seconds that confirmations are waited for at a time
    WAIT = 5.0

    def __init__(
        self, outbox: Outbox, letterbox: Letterbox, codec: Codec, lane: Lane, topics: Sequence[LetterTopic]
    ) -> None:
        self._outbox = outbox
        self._letterbox = letterbox
        self._codec = codec
        self._lane = lane
        self._topics = topics
        self._next_ensure = 0.0
        # topics that can't be made
        self._refused: Mapping[str, Failure] = {}
        self._told: frozenset[str] = frozenset()
        self._next_look = 0.0
        self._next_republish = 0.0
        self._failing = Failing(log, "letters wait to be published")
        self._wake = threading.Event()
        # which letters are to be published at all; set by whoever composes
        self.switches: Switches = ALL_ON
        # told of what is published, and of what can't be; set by whoever watches
        self.tell: Tell = untold

    def wake(self) -> None:
        """There is something to publish."""
        self._wake.set()

    def turn(self, timeout: float) -> None:
        """Publish what is there to publish, or wait."""
        if not self._wake.wait(timeout) and time.monotonic() < self._next_look:
            return
        self._wake.clear()
        self._next_look = time.monotonic() + self.LOOK_EVERY
        try:
            self._publish()
        except HeadraceError as error:
            self._failing.failed(error, self.tell)
        else:
            self._failing.over()

    def close(self) -> None:
        """Give up what is not confirmed; the rows know it."""
        self._letterbox.close()

    def _publish(self) -> None:
        kept = self._kept()
        if State.RETRYING not in kept and time.monotonic() >= self._next_republish:
            self._next_republish = time.monotonic() + self.REPUBLISH_EVERY
            if again := self._outbox.republish():
                log.warning("letters did not come back and are published again", count=again)
        letters = self._outbox.claim(self.MOST, self.CLAIM, kept)
        if not letters:
            return
        if time.monotonic() >= self._next_ensure:
            self._refused = self._letterbox.ensure(self._topics)
            self._next_ensure = math.inf
        done = self._posted(letters)
        self._outbox.confirm(done)
        self._say_refused([one.failure for one in done if one.failure is not None])
        # there may be more than were claimed, by their number or their bytes
        if any(one.failure is None for one in done):
            self._wake.set()

    def _posted(self, letters: Sequence[Unposted]) -> list[Posted]:
        """What became of the copies of letters; of those that are too large a pointer is sent, at last a bare one."""
        began, clock = time.time(), time.perf_counter()
        copies = [self._outgoing(letter) for letter in letters]
        posted, done = self._post(copies), []
        for less in (_pointing, _keyless):
            large = {one.id for one in posted if one.too_large}
            done += [one for one in posted if not one.too_large]
            posted = self._post([self._outgoing(less(letter)) for letter in letters if letter.id in large])
        done += posted
        failures = [one.failure for one in done if one.failure is not None]
        failures += _unanswered(copies, done)
        lap = Lap(step="send", began=began, seconds=time.perf_counter() - clock)
        self.tell(Published(copies=copies, failures=failures, lap=lap))
        return done

    def _kept(self) -> Collection[State]:
        """The states in which letters stay in their table alone."""
        dead = () if self.switches.on(Flag.DEAD_LETTERS) else (State.DEAD,)
        return dead if self.switches.on(Flag.RETRY_LANE) else (State.RETRYING, State.REPLAYING, *dead)

    def _post(self, copies: Sequence[Outgoing]) -> list[Posted]:
        """Post copies and wait for what becomes of them. What is late is anyone's again after its claim."""
        left = [copy for copy in copies if copy.topic not in self._refused]
        done = [_not_posted(copy, why) for copy in copies if (why := self._refused.get(copy.topic))]
        until = time.monotonic() + self.CLAIM / 2
        while left and time.monotonic() < until:
            left = left[self._letterbox.post(left) :]
            self._letterbox.flush(self.WAIT)
            done += self._letterbox.posted()
        return done

    def _outgoing(self, letter: Unposted) -> Outgoing:
        dead = letter.state is State.DEAD
        # what a person sends again is due at once
        tier = 1 if letter.state is State.REPLAYING else min(letter.head.attempt, len(self._topics) - 1)
        return Outgoing(
            id=letter.id,
            attempt=letter.head.attempt,
            topic=self._lane.dead_topic if dead else self._lane.retry_topic(tier),
            key=letter.key,
            value=letter.value,
            headers=tuple(self._codec.encode(letter.head, letter.headers)),
        )

    def _say_refused(self, failures: Sequence[Failure]) -> None:
        """Each reason once, until there is none."""
        reasons = {failure.detail: failure for failure in failures}
        for failure in reasons.values():
            self.tell(Failed(failure, Route.LATER))
        for detail in sorted(reasons.keys() - self._told):
            failure = reasons[detail]
            log.warning(
                "letters not published; they stay in the database",
                **told(failure),
            )
        self._told = frozenset(reasons)
        if reasons:
            # a topic may be gone, or one may be made by now
            self._next_ensure = min(self._next_ensure, time.monotonic() + self.ENSURE_EVERY)


def _not_posted(copy: Outgoing, why: Failure) -> Posted:
    return Posted(id=copy.id, attempt=copy.attempt, topic=copy.topic, failure=why)


def _unanswered(copies: Sequence[Outgoing], done: Sequence[Posted]) -> list[Failure]:
    """That nothing was heard of some copies in their time."""
    answered = {(one.id, one.attempt) for one in done}
    mute = sum((copy.id, copy.attempt) not in answered for copy in copies)
    detail = f"{mute} copies got no answer in their time"
    return [failed(KINDS["kafka.letters"], "kafka", "publish letter", detail)] if mute else []


def _pointing(letter: Unposted) -> Unposted:
    """It says where the bytes are."""
    # the record's own headers may be what is too large
    return replace(letter, value=None, headers=(), head=replace(letter.head, pointer=True))


def _keyless(letter: Unposted) -> Unposted:
    """What has no key for its size says so, since a record may have none."""
    pointing = _pointing(letter)
    return replace(pointing, key=None, head=replace(pointing.head, keyless=True))
