"""How reading is shared between tables of several priorities, and what is not read while there is pressure.

Belongs to the reader. A worker that holds tables of one priority reads them all alike. Where there are several, each
batch is of one priority; those below the highest are small, are read no further ahead than two of their batches, and
are not read at all while there is pressure, but for a turn now and then.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from consumer.core.pressure import Pressure, PressureLimits, Signals, Strain, pressed
from consumer.core.priority import Priority, Ration
from consumer.core.records import TopicPartition
from consumer.ports.presence import HeldBack
from consumer.reading.handover import Paced

log = structlog.get_logger("headrace.read")

# seconds between looks at what can only be asked for, and at which tables topics are bound to
_LOOK_EVERY = 0.1
_LEARN_EVERY = 0.5
# of what critical tables may wait, the part that a batch of others may take
_SHARE = 1 / 6
# batches that are read ahead of a priority below the highest
_AHEAD = 2
# seconds for which it counts what critical tables waited
_LATELY = 3.0
# seconds after which what was read of one is handed over, however little it is
_LINGER = 0.2


def _none() -> Mapping[str, Priority]:
    return {}


def _well() -> Signals:
    return Signals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """What the sharing goes by. `known`: priorities of topics, as far as their tables are known and not normal.

    `signals`: how the worker is, but for what its critical tables wait.
    """

    known: Callable[[], Mapping[str, Priority]] = _none
    signals: Callable[[], Signals] = _well
    limits: PressureLimits = field(default_factory=PressureLimits)


class Rationing:
    """Who is read, and how much of it goes in a batch."""

    def __init__(
        self, sharing: Sharing, lane: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`lane`: the topics of letters that come back; for themselves they are no reason to share."""
        self._sharing = sharing
        self._lane = lane
        self._clock = clock
        self._priorities: Mapping[str, Priority] = {}
        self._next_learning = self._next_look = 0.0
        self._pressure = Pressure()
        self._rations: dict[Priority, Ration] = {}
        self._waited = (0.0, 0.0)
        # when a batch of each was handed over last, and until when those that are paused wait for their turn
        self._handed: dict[Priority, float] = {}
        self._turn_at: dict[Priority, float] = {}
        self.held: tuple[Priority, ...] = ()
        # for any thread
        self.held_back: HeldBack | None = None

    def of(self, topic: str) -> Priority:
        """The priority of a topic's tables; normal while they are not known."""
        if self.held and Priority.NORMAL not in self.held and self._lane(topic):
            return self.held[-1]
        return self._priorities.get(topic, Priority.NORMAL)

    @property
    def mixed(self) -> bool:
        """Whether partitions of several priorities are read."""
        return len(self.held) > 1

    @property
    def common(self) -> Priority:
        """That of a batch of all that is held: theirs where they have the same, else normal."""
        return self.held[0] if len(self.held) == 1 else Priority.NORMAL

    def look(self, topics: Iterable[str]) -> bool:
        """See which priorities the topics have and how the worker is, if it is time to; returns whether it was.

        `topics`: of all that is read, and of what was read and is in no batch yet, which has its turn by them.
        """
        now = self._clock()
        if now < self._next_look:
            return False
        self._next_look = now + _LOOK_EVERY
        names = set(topics)
        if now >= self._next_learning:
            self._next_learning = now + _LEARN_EVERY
            self._priorities = self._sharing.known()
        mine = {self._priorities.get(topic, Priority.NORMAL) for topic in names if not self._lane(topic)}
        self.held = tuple(sorted(mine, key=lambda each: each.rank))
        before, self._pressure = self._pressure, pressed(self._pressure, self._signals(now), self._sharing.limits, now)
        if self._pressure.level > before.level:
            for priority in self.paused:
                self._turn_at.setdefault(priority, now + self._sharing.limits.turn)
        self._turn_at = {priority: at for priority, at in self._turn_at.items() if priority in self.paused}
        self._show(names, before)
        return True

    def paced(self, paced: Paced) -> None:
        """Learn from a batch that was applied."""
        if paced.kind:
            return
        if paced.priority is Priority.CRITICAL:
            self._waited = paced.waited, self._clock()
        elif self.mixed and paced.priority in self._rations:
            self._rations[paced.priority] = self._rations[paced.priority].applied(paced.records, paced.seconds)

    @property
    def paused(self) -> frozenset[Priority]:
        """What the pressure has paused."""
        return self._pressure.paused(self.held)

    @property
    def strain(self) -> Strain | None:
        """Where the pressure comes from that there is."""
        return self._pressure.strain if self._pressure.level else None

    @property
    def waited(self) -> float:
        """Seconds that critical tables' last batch had waited; for any thread."""
        return self._waited[0]

    def most(self, priority: Priority, top: int) -> int:
        """Most records of a batch of a priority, of which those of the highest have at most `top`."""
        if not self.mixed or priority is self.held[0]:
            return top
        ration = self._rations.setdefault(priority, Ration(seconds=self._sharing.limits.goal * _SHARE))
        return min(top, ration.records)

    def closed(self, gathered: Counter[Priority], top: int, full: float = 0.0) -> frozenset[Priority]:
        """Priorities of which no more is to be read now: paused, without a turn, or read far enough ahead.

        `full`: bytes that were read, as a share of those of a batch.
        """
        now = self._clock()
        paused = {each for each in self.paused if now < self._turn_at.get(each, 0.0)}
        ahead = {each for each in self.held if self.mixed and gathered[each] >= _AHEAD * self.most(each, top)}
        # one of the highest is not kept out by what is large below it, but for twice as much
        large = {each for each in self.held if self.mixed and full >= (2.0 if each is self.held[0] else 1.0)}
        return frozenset(paused | ahead | large)

    def due(self, priority: Priority, rows: int, top: int) -> bool:
        """Whether so many records make a batch by now, whoever waits for one."""
        if priority is self.held[0] or rows >= self.most(priority, top):
            return True
        return self._clock() - self._handed.get(priority, 0.0) >= _LINGER

    def handed(self, priority: Priority | None) -> None:
        """A batch of it is on its way; None: of all that are held. One of what is paused ends its turn."""
        now = self._clock()
        for each in self.held if priority is None else (priority,):
            self._handed[each] = now
            if each in self.paused:
                self._turn_at[each] = now + self._sharing.limits.turn

    def _signals(self, now: float) -> Signals:
        waited, at = self._waited
        found = self._sharing.signals()
        lately = Priority.CRITICAL in self.held and now - at < _LATELY
        return Signals(latency=waited if lately else 0.0, away=found.away, queue=found.queue, memory=found.memory)

    def _show(self, topics: Collection[str], before: Pressure) -> None:
        now, paused = self._pressure, self.paused
        if not paused:
            if self.held_back is not None:
                log.info("pressure is over", seconds=round(self._clock() - before.since, 1), why=before.why)
            self.held_back = None
            return
        strain = now.strain
        assert strain is not None, "something caused it"
        if self.held_back is None or now.level != before.level:
            log.warning("tables are held back", priorities=sorted(paused), level=now.level, why=now.why)
        self.held_back = HeldBack(
            level=now.level,
            strain=strain,
            why=now.why,
            since=time.time() - (self._clock() - now.since),
            priorities=sorted(paused, key=lambda each: each.rank),
            topics=sorted(topic for topic in topics if self.of(topic) in paused),
        )


def counted(amounts: Iterable[tuple[str, int, int]], of: Callable[[str], Priority]) -> Counter[Priority]:
    """Records that were gathered, by priority."""
    found: Counter[Priority] = Counter()
    for topic, rows, _ in amounts:
        found[of(topic)] += rows
    return found


def partitions_of(
    every: Iterable[TopicPartition], chosen: Collection[Priority], of: Callable[[str], Priority]
) -> set[TopicPartition]:
    """Those whose tables have one of the priorities."""
    return {at for at in every if of(at.topic) in chosen} if chosen else set()
