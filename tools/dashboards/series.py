"""Expressions that several panels ask with, on the chosen processes."""

from consumer.telemetry.metrics import Metric

# how long a rate looks back; Grafana knows how often is scraped
LATELY = "[$__rate_interval]"


def of_group(metric: Metric, matchers: str = "") -> str:
    """What one process tells of the group, whichever it is."""
    return f'{metric.name}{{instance=~"$process"{_more(matchers)}}}'


def of_worker(metric: Metric, matchers: str = "") -> str:
    """What the chosen processes tell of themselves."""
    return f'{metric.name}{{instance=~"$worker"{_more(matchers)}}}'


def rate(metric: Metric, by: str = "") -> str:
    """A counter by the second."""
    return _summed(f"rate({of_worker(metric)}{LATELY})", by)


def quantile(share: float, metric: Metric) -> str:
    """Of a histogram: below what so large a share lies."""
    found = f'rate({metric.name}_bucket{{instance=~"$worker"}}{LATELY})'
    return f"histogram_quantile({share:g}, sum by (le) ({found}))"


def mean(metric: Metric) -> str:
    """Of a histogram: the mean."""
    chosen = f'{{instance=~"$worker"}}{LATELY}'
    return f"sum(rate({metric.name}_sum{chosen})) / sum(rate({metric.name}_count{chosen}))"


def _summed(expr: str, by: str) -> str:
    return f"sum by ({by}) ({expr})" if by else f"sum({expr})"


def _more(matchers: str) -> str:
    return f", {matchers}" if matchers else ""
