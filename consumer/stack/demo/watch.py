"""Looks at a running demonstration: positions, ledger and letters in the target, end offsets in Kafka, the slot.

While the target is away the last answers stand, and what Kafka and the source say goes on.

Commit-to-apply latency is taken of every streamed record. It ends at the commit time that the target's server keeps of
the batch's own transaction (`track_commit_timestamp`), and begins just before the source was told to commit (see
`journal`). Both clocks are this machine's. Rows of the snapshot have no commit of their own and do not count.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from consumer.stack.demo.ends import Ends
from consumer.stack.demo.failures import partition_stopped
from consumer.stack.demo.journal import Journal, Wait
from consumer.stack.demo.latency import Latency, latency
from consumer.stack.demo.letters import TOPICS, Letters
from consumer.stack.demo.line import GROUP, Line
from consumer.stack.demo.target import Absence, Target

WINDOW = 30.0
HISTORY = 60
_POSITIONS = """
SELECT topic, sum(next_offset)::bigint, min(stopped ->> 'detail') FROM headrace.positions
WHERE group_name = %s GROUP BY topic
"""
_BATCHES = """
SELECT id, records, ranges, durations, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8
FROM headrace.batches WHERE group_name = %s AND state = 'applied' AND id > %s ORDER BY id
"""
_SLOT = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic now. `missing` counts from the source's commit, `lag` from Kafka's end; rates newest last."""

    table: str
    committed: int
    ended: int
    applied: int
    behind: float
    rates: tuple[float, ...]

    @property
    def lag(self) -> int:
        """Records in Kafka that are not applied."""
        return max(0, self.ended - self.applied)

    @property
    def missing(self) -> int:
        """Records committed at the source that are not applied."""
        return max(0, self.committed - self.applied)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One applied batch, times in seconds."""

    id: int
    records: int
    topics: int
    stage: float
    apply: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Everything at one moment."""

    topics: tuple[Topic, ...]
    batches: tuple[Batch, ...]
    batch_count: int
    rates: tuple[float, ...]
    source_rates: tuple[float, ...]
    latency: Latency
    slot_bytes: int | None
    letters: Letters
    copies: Mapping[str, int]
    absence: Absence | None

    @property
    def committed(self) -> int:
        """Records that the source has committed."""
        return sum(topic.committed for topic in self.topics)

    @property
    def ended(self) -> int:
        """Records in Kafka."""
        return sum(topic.ended for topic in self.topics)

    @property
    def applied(self) -> int:
        """Records applied."""
        return sum(topic.applied for topic in self.topics)

    @property
    def caught_up(self) -> bool:
        """True when the target has everything that the source has committed."""
        return all(topic.applied >= topic.committed for topic in self.topics)

    @property
    def known(self) -> bool:
        """True when what Kafka said of its ends is as new as what is applied; a busy broker says nothing new."""
        return all(topic.ended >= topic.applied for topic in self.topics)

    @property
    def lagging(self) -> str:
        """What lags, in words."""
        parts = [
            f"{each.table}: {each.committed - each.ended} not in Kafka, {each.lag} not applied"
            for each in self.topics
            if each.missing or each.lag
        ]
        return "lagging: " + "; ".join(parts) if parts else "nothing lags"


@dataclass(slots=True)
class Totals:
    """Sums over all batches."""

    batches: int = 0
    records: int = 0
    busy: float = 0.0
    last: float = 0.0
    waits: list[Wait] = field(default_factory=list)


class Watch:
    """Looks when asked. `keep_waits` keeps every latency for a total at the end."""

    def __init__(self, line: Line, journal: Journal, keep_waits: bool) -> None:
        self._line = line
        self._journal = journal
        self._keep_waits = keep_waits
        self._target = Target(line.target_dsn)
        self._source = psycopg.connect(line.source_dsn, autocommit=True) if line.source_dsn else None
        self._ends = Ends(line.kafka)
        self._recent: deque[tuple[float, list[Wait]]] = deque()
        self._batches: deque[Batch] = deque(maxlen=16)
        self._last_id = 0
        self._applied: Mapping[str, int] = {}
        self._letters = Letters()
        self._before: tuple[float, Mapping[str, int], int] | None = None
        self._rates: dict[str, deque[float]] = {table: deque(maxlen=HISTORY) for table in line.topics}
        self._source_rates: deque[float] = deque(maxlen=HISTORY)
        self.totals = Totals()

    def close(self) -> None:
        """Ends the sessions."""
        self._target.close()
        if self._source is not None:
            self._source.close()

    @property
    def absences(self) -> Sequence[Absence]:
        """When the target was away."""
        return self._target.absences

    def look(self) -> Sight:
        """One look; raises when Headrace has stopped a topic."""
        now = time.time()
        self._ask_target()
        applied = self._applied
        ends = self._ends.look((*self._line.topics.values(), *TOPICS))
        self._note_rates(now, applied)
        topics = tuple(self._topic(table, applied, ends, now) for table in self._line.topics)
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        waits = [wait for _, some in self._recent for wait in some]
        return Sight(
            topics=topics,
            batches=tuple(self._batches),
            batch_count=self.totals.batches,
            rates=tuple(map(sum, zip(*self._rates.values(), strict=True))),
            source_rates=tuple(self._source_rates),
            latency=latency(waits, self.absences),
            slot_bytes=self._slot(),
            letters=self._letters,
            copies={topic: ends.get(topic, 0) for topic in TOPICS},
            absence=self.absences[-1] if self.absences else None,
        )

    def _ask_target(self) -> None:
        try:
            target = self._target.session()
            self._applied = self._positions(target)
            # in front of its batches: the first of them ends the absence
            self._target.answered()
            self._read_batches(target)
            self._letters = Letters.of(target)
        except psycopg.errors.UndefinedTable:
            # Headrace makes its tables when it starts.
            self._target.answered()
        except psycopg.OperationalError:
            self._target.missed()

    def _topic(self, table: str, applied: Mapping[str, int], ends: Mapping[str, int], now: float) -> Topic:
        name = self._line.topics[table]
        return Topic(
            table=table,
            committed=self._journal.total(name),
            ended=ends.get(name, 0),
            applied=applied.get(name, 0),
            behind=self._journal.behind(name, applied.get(name, 0), now),
            rates=tuple(self._rates[table]),
        )

    @staticmethod
    def _positions(target: psycopg.Connection) -> Mapping[str, int]:
        rows = target.execute(_POSITIONS, [GROUP]).fetchall()
        for topic, _, stopped in rows:
            if stopped is not None:
                raise partition_stopped(topic, stopped)
        return {topic: int(offset) for topic, offset, _ in rows}

    def _read_batches(self, target: psycopg.Connection) -> None:
        shop = set(self._line.topics.values())
        for number, records, ranges, durations, at in target.execute(_BATCHES, [GROUP, self._last_id]).fetchall():
            self._last_id = number
            # letters that come back are in batches of their own, and not news of the source
            own = [(topic, start, end) for topic, _, start, end, *_ in ranges if topic in shop]
            if not own:
                continue
            waits = [wait for topic, start, end in own for wait in self._journal.waits(topic, start, end, at)]
            stage, apply = durations.get("stage", 0.0), durations.get("apply", 0.0)
            self._batches.append(Batch(id=number, records=records, topics=len(own), stage=stage, apply=apply, at=at))
            self._recent.append((at, waits))
            self._target.applied(at)
            self._count(records, stage + apply, at, waits)
            if not self._keep_waits:
                for topic, start, _ in own:
                    self._journal.forget(topic, start)

    def _count(self, records: int, busy: float, at: float, waits: list[Wait]) -> None:
        self.totals.batches += 1
        self.totals.records += records
        self.totals.busy += busy
        self.totals.last = at
        if self._keep_waits:
            self.totals.waits += waits

    def _note_rates(self, now: float, applied: Mapping[str, int]) -> None:
        committed = sum(self._journal.total(topic) for topic in self._line.topics.values())
        before = self._before
        self._before = (now, applied, committed)
        if before is None or now <= before[0]:
            return
        seconds = now - before[0]
        for table, topic in self._line.topics.items():
            self._rates[table].append((applied.get(topic, 0) - before[1].get(topic, 0)) / seconds)
        self._source_rates.append((committed - before[2]) / seconds)

    def _slot(self) -> int | None:
        row = self._source.execute(_SLOT).fetchone() if self._source is not None else None
        return int(row[0]) if row and row[0] is not None else None
