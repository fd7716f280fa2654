"""When the records of a batch were changed at their source."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer.core.records import TopicPartition
from consumer.core.runs import Run

Times = NDArray[np.int64]
"""Times of records, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """The source's times of the records of some runs, by place; 0 where the source does not say."""

    runs: tuple[Run, ...]
    times: Times

    def without(self, letters: Mapping[TopicPartition, Collection[int]]) -> Times:
        """Those that are known, in no order, without the records at these offsets."""
        times, first = self.times, 0
        for run in self.runs:
            places = [first + place for offset in letters.get(run.piece.at, ()) if (place := run.place(offset)) >= 0]
            if places:
                times = times.copy()
                times[places] = 0
            first += run.end - run.start
        return times[times > 0]
