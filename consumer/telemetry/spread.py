"""Histograms of records: told of many at once, so that a batch costs no more than its buckets."""

import threading
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from consumer.telemetry.metrics import Metric

Numbers = NDArray[np.int64]


class Spread(Collector):
    """How old records were, in the buckets of a metric that has no labels. For any thread."""

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._metric = metric
        self._bounds = np.array(metric.buckets)
        # at most as old as each bound, then all of them
        self._counts = np.zeros(len(metric.buckets) + 1, dtype=np.int64)
        self._seconds = 0.0
        self._lock = threading.Lock()
        registry.register(self)

    def add(self, ages: Numbers, counts: Numbers | None = None) -> None:
        """Records of these ages in milliseconds: one of each, or so many. What is from the future is of now."""
        if not len(ages):
            return
        ages = np.maximum(ages, 0)
        total, seconds = (len(ages), ages.sum()) if counts is None else (counts.sum(), (ages * counts).sum())
        found = np.full(len(self._counts), total)
        youngest, oldest = np.searchsorted(self._bounds, (ages.min() / 1000, ages.max() / 1000))
        found[:youngest] = 0
        # most batches are of one bucket or two
        for place in range(youngest, oldest):
            within = ages <= self._bounds[place] * 1000
            found[place] = np.count_nonzero(within) if counts is None else counts[within].sum()
        with self._lock:
            self._counts += found
            self._seconds += float(seconds) / 1000

    def describe(self) -> Iterable[Family]:
        """Nothing: it is known when it is asked for."""
        return ()

    def collect(self) -> Iterator[Family]:
        """The histogram."""
        with self._lock:
            counts, seconds = self._counts.tolist(), self._seconds
        bounds = [*map(str, map(float, self._metric.buckets)), "+Inf"]
        buckets = list(zip(bounds, counts, strict=True))
        yield HistogramMetricFamily(self._metric.name, self._metric.help, buckets=buckets, sum_value=seconds)
