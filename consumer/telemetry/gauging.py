"""How a process is at the moment of a scrape: nothing is kept, each value is asked of whoever has it."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from consumer.telemetry.metrics import Kind, Metric


class Sample(NamedTuple):
    """A value of a metric, with its labels in the metric's order."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


class Gauging(Collector):
    """Asks for samples at each scrape; those of one metric may come at any place."""

    def __init__(self, ask: Callable[[], Iterable[Sample]]) -> None:
        self._ask = ask

    def describe(self) -> Iterable[Family]:
        """Nothing: what is asked for is known when it is asked for."""
        return ()

    def collect(self) -> Iterator[Family]:
        """The families of the samples."""
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for metric, value, labels in self._ask():
            family = families.get(metric.name)
            if family is None:
                family = families[metric.name] = _family(metric)
            family.add_metric(labels, value)
        yield from families.values()


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    made = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return made(metric.name, metric.help, labels=metric.labels)
