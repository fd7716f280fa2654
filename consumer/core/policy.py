"""What becomes of what failed: a record is tried again later or dead, a table's partitions go on later or not.

Rules without I/O; chance is an argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from consumer.core.backoff import Backoff
from consumer.core.failure_kind import ErrorType, FailureKind, Scope
from consumer.core.kinds import DEPENDENT, KINDS
from consumer.core.letters import State
from consumer.core.table_kinds import TABLE_KINDS

JITTER = 0.1
"""The most by which a delay is lengthened: a tier's letters stay nearly in the order of their due times."""


# what a table's owner puts right, so it is looked at again; the others need a decision about its records
_HEALED_BY_OTHERS = {kind.name for kind in TABLE_KINDS if kind.name.startswith("table.")} - {
    "table.flood",
    "table.paused",
    "table.truncate",
} | {"kafka.letters"}


# what a log has lost or is another one for; of a retry topic these are copies only, and the letters' rows know them
_LOST = {"log.out_of_range", "log.recreated", "log.truncated"}

# why the registry does not say what a record's schema is, or the cluster does not give a record at its origin
_NOT_SAID = {"registry.away", "registry.status", "registry.refused", "registry.tls"} | {
    "kafka.away",
    "kafka.tls",
    "kafka.forbidden",
    "kafka.unknown",
}


def _no_lane(topic: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePolicy:
    """When a partition that stopped goes on by itself.

    `unknown_attempts`: how often it does after a failure that no rule knows; then it waits for a person. `lane`:
    whether a topic is a retry topic.
    """

    backoff: Backoff = field(default_factory=lambda: Backoff(first=10.0, most=60.0))
    unknown_attempts: int = 10
    lane: Callable[[str], bool] = _no_lane

    def again(self, kind: FailureKind, stops: int, chance: float) -> float | None:
        """Seconds until it goes on after its stop number `stops` (from 1) in a row; None for not by itself."""
        if kind.name not in _HEALED_BY_OTHERS or (kind.type is ErrorType.UNKNOWN and stops > self.unknown_attempts):
            return None
        return self.backoff.delay(stops, chance)

    def begins_anew(self, topic: str, kind: str) -> bool:
        """Whether it goes on at the start of what its log has now, instead of stopping."""
        return kind in _LOST and self.lane(topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How often after its first failure a record is tried again, and for how many seconds of delays between its tries.

    The clock says nothing of that: a letter may have waited for another one, for its table, or for a server.
    """

    attempts: int
    waited: float

    def spent(self, attempt: int, waited: float) -> bool:
        """Whether nothing is left when attempt number `attempt` (the first is 1) has failed after `waited` seconds."""
        return attempt > self.attempts or waited >= self.waited


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The state that a letter begins or goes on in: RETRYING after `delay` seconds, or DEAD.

    `excused`: the attempt counts in no budget.
    """

    state: State
    delay: float = 0.0
    excused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Budgets by error type, and the delays of the retry topics in seconds, rising. A type without a budget has none.

    `dependent`: that of records which are refused because of other rows, instead of their type's: those rows may come
    with another table, hours later. None: that of their type.

    It is for records: what a table or the environment causes is waited for in place and uses no attempts up.
    """

    budgets: Mapping[ErrorType, Budget] = field(default_factory=dict)
    dependent: Budget | None = None
    tiers: tuple[float, ...] = (5.0,)

    def decide(self, kind: FailureKind, attempt: int, chance: float, *, excused: int = 0) -> Decision:
        """What follows the failure of attempt `attempt` (from 1).

        `chance` in [0, 1) spreads the delay. A persistent failure is dead at once, whatever the budgets say.
        `excused`: attempts so far that count in no budget.
        """
        budget, counted = self._budget(kind), attempt - excused
        if kind.type is ErrorType.PERSISTENT or budget is None or budget.spent(counted, self._waited(counted)):
            return Decision(state=State.DEAD)
        return self._later(attempt, chance)

    def again(self, kind: FailureKind, attempt: int, chance: float, *, excused: int = 0, before: str = "") -> Decision:
        """The same for a letter that came back, whose failure need not be the record's.

        What its table, the registry or the cluster causes it waits for, as long as it takes; what else the environment
        does is for time. `before`: the kind that it failed with the last time.
        """
        if kind.scope is Scope.TABLE or kind.name in _NOT_SAID:
            return self.excused(attempt, chance)
        known = kind if kind.scope is Scope.RECORD else replace(kind, type=ErrorType.TRANSIENT)
        # one that has waited for other rows for hours does not die of the first thing that time heals
        if before in DEPENDENT and known.type is ErrorType.TRANSIENT:
            known = KINDS[before]
        return self.decide(known, attempt, chance, excused=excused)

    def excused(self, attempt: int, chance: float) -> Decision:
        """Later again; that attempt `attempt` (from 1) failed counts in no budget."""
        return replace(self._later(attempt, chance), excused=True)

    def _budget(self, kind: FailureKind) -> Budget | None:
        own = self.dependent if kind.name in DEPENDENT else None
        return own or self.budgets.get(kind.type)

    def _later(self, attempt: int, chance: float) -> Decision:
        return Decision(state=State.RETRYING, delay=self.tiers[self.tier(attempt) - 1] * (1 + chance * JITTER))

    def _waited(self, attempt: int) -> float:
        """The delays, not lengthened by chance, that lie between the first attempt and this one."""
        delays = attempt - 1
        return sum(self.tiers[:delays]) + max(delays - len(self.tiers), 0) * self.tiers[-1]

    def tier(self, attempt: int) -> int:
        """The number (from 1) of the retry topic for a record whose attempt `attempt` (from 1) failed."""
        return min(attempt, len(self.tiers))


NO_RETRIES = Policy()
"""What fails is dead."""
