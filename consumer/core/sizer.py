"""How many records a batch reads: as many as leave a good number of rows, and commit in good time.

No clock in here: what a commit took and how long is left are arguments.
"""

from dataclasses import dataclass, replace

from consumer.core.plan import Counts

TOO_MUCH = frozenset({"target.timeout", "target.resources"})
"""Kinds of failure that a smaller batch may not meet."""

IN_THE_WAY = frozenset({"target.locked", "target.conflict"})
"""Kinds of failure that a smaller batch meets less often: it holds fewer locks, for less time."""

# commits during which slowness counts for nothing, after smaller batches were found to be no faster
_REST = 32
# a smaller batch that is applied at less than this share of the rate of before makes the whole slower
_WORTH = 0.8
# share of the time left that a batch may be expected to take
_CAUTION = 0.8


class BadSize(ValueError):
    """Settings under which no batch has a size. `setting`: the one to correct."""

    def __init__(self, setting: str, detail: str) -> None:
        super().__init__(f"{setting} {detail}")
        self.setting = setting


class NoTime(Exception):
    """Not even one record is expected to be applied in the time that is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What was learned of the batches so far.

    `rows`: to write in one transaction. `folding`: records for each row that they leave. `slow`: rows, and records a
    second, of the batch from which on they were made smaller for slowness. `rest`: commits for which they are not.
    """

    rows: int
    folding: float = 1.0
    slow: tuple[int, float] | None = None
    rest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSizer:
    """The rules. Raises BadSize for bounds that exclude one another.

    `rows`: most rows to write in one transaction, and records of a batch of which nothing is known yet. `least`: fewest
    records that a batch is brought down to. `growth`: how many times as many records as rows a batch may have.
    `target_seconds`: what a batch should take at most; `deadline`: seconds after which its statements are given up.

    What a batch costs the target is the rows that folding leaves. Where the same rows change again and again,
    a longer batch writes hardly more rows than a short one, so there it reads more records.
    """

    rows: int = 20_000
    growth: int = 5
    least: int = 1
    target_seconds: float = 10.0
    deadline: float = 30.0

    def __post_init__(self) -> None:
        if self.growth < 1:
            raise BadSize("batch.growth", "must be at least 1")
        if not 1 <= self.least <= self.rows:
            raise BadSize("batch.min_rows", f"must be from 1 to batch.max_rows ({self.rows})")
        if not 0 < self.target_seconds <= self.deadline / 2:
            half = f"half of target.batch_deadline ({self.deadline / 2:g})"
            raise BadSize("batch.target_seconds", f"must be more than 0 and at most {half}")

    @property
    def top(self) -> int:
        """The most records that a batch may ever have."""
        return self.rows * self.growth

    def first(self) -> Pace:
        """The pace of a batch of which nothing is known yet."""
        return Pace(rows=self.rows)

    def most(self, pace: Pace) -> int:
        """Most records of the next batch."""
        return max(self.least, min(self.top, int(pace.rows * pace.folding)))

    def folded(self, pace: Pace, counts: Counts) -> Pace:
        """What the planning of a batch says of the next one: how its records fold.

        A batch of fewer records than rows are wanted says too little about a full one and changes nothing.
        """
        if counts.records < pace.rows:
            return pace
        written = max(1, counts.upserts + counts.deletes)
        return replace(pace, folding=max(1.0, min(float(self.growth), counts.records / written)))

    def committed(self, pace: Pace, records: int, seconds: float, *, full: bool = False) -> Pace:
        """What a commit of so many records after so many seconds says; a batch that is not half full says nothing.
        Nor does one that its bytes have made `full`, unless it is slow: then the next ones are smaller than it was.

        Up to `target_seconds` all is well: batches grow by a quarter while they take less than half of it. Beyond,
        they are halved as long as that helps. A target that is slow but healthy is not throttled: if a smaller batch
        takes nearly as long, the time is not in the rows, and the size of before is restored.
        """
        slow = seconds > self.target_seconds
        if 2 * records < self.most(pace) and not (full and slow):
            return pace
        if slow:
            return replace(pace, rest=pace.rest - 1) if pace.rest else self._slow(pace, records, records / seconds)
        rested = replace(pace, slow=None, rest=max(0, pace.rest - 1))
        if 2 * seconds > self.target_seconds:
            return rested
        return replace(rested, rows=min(self.rows, pace.rows + max(1, pace.rows // 4)))

    def failed(self, pace: Pace, records: int, kind: str) -> Pace:
        """What a failure of a batch of so many records says: half as many rows where that may help."""
        if kind in TOO_MUCH:
            return self.too_many(pace, records)
        return self._halved(pace, pace.rows) if kind in IN_THE_WAY else pace

    def too_many(self, pace: Pace, records: int) -> Pace:
        """What a batch that has to be tried in parts says: it is this one, which its bytes may have closed."""
        return self._halved(pace, min(pace.rows, max(records, 1)))

    def smaller(self, pace: Pace) -> Pace:
        """Half as many rows, for want of memory."""
        return self._halved(pace, pace.rows)

    def _slow(self, pace: Pace, records: int, rate: float) -> Pace:
        rows, before = pace.slow or (pace.rows, rate)
        if rate < before * _WORTH:
            return replace(pace, rows=rows, slow=None, rest=_REST)
        return replace(self._halved(pace, min(pace.rows, max(records, 1))), slow=(rows, before))

    def _halved(self, pace: Pace, rows: int) -> Pace:
        return replace(pace, rows=min(pace.rows, max(self.least, rows // 2)), slow=None)


def fitting(records: int, seconds: float, left: float) -> int:
    """How many records fit into the seconds that are left, if so many took so long.

    Raises NoTime for less than one.
    """
    if left <= 0:
        raise NoTime
    most = int(records * left * _CAUTION / seconds) if seconds > 0 else max(1, records)
    if most < 1:
        raise NoTime
    return most
