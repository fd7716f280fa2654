"""How many records a batch reads: as many as leave a good number of rows to write."""

from dataclasses import dataclass

from consumer.core.plan import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSizer:
    """`rows`: rows to write in one transaction, and records of a batch of which nothing is known yet.

    `growth`: how many times as many records a batch may have.

    What a batch costs the target is the rows that folding leaves. Where the same rows change again and again,
    a longer batch writes hardly more rows than a short one, so there it reads more records.
    """

    rows: int = 20_000
    growth: int = 5

    def after(self, counts: Counts, most: int) -> int:
        """Most records of the next batch, from how the last one folded; `most` was its bound.

        A batch below `rows` says too little about a full one and changes nothing.
        """
        if counts.records < self.rows:
            return most
        written = max(1, counts.upserts + counts.deletes)
        return max(self.rows, min(self.rows * self.growth, self.rows * counts.records // written))
