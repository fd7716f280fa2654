"""What an expression asks for: each metric with the labels that it is chosen and grouped by."""

from collections.abc import Iterator
from typing import Any

import promql_parser

from consumer.telemetry.metrics import METRICS, Kind

# of every target
_TARGET = {"job", "instance"}
# what Grafana puts in before it asks
_GIVEN = {"$__rate_interval": "1m", "$__range": "1h"}


def known() -> dict[str, set[str]]:
    """What can be asked for, with its labels."""
    found = {"ALERTS": {"alertname", "alertstate", "severity", "group"}}
    for metric in METRICS:
        labels = {*metric.labels, *_TARGET}
        if metric.kind is Kind.HISTOGRAM:
            found |= {f"{metric.name}_{part}": labels for part in ("sum", "count")}
            found[f"{metric.name}_bucket"] = {*labels, "le"}
        else:
            found[metric.name] = labels
    return found


def parsed(expr: str) -> Any:
    """The tree. Raises ValueError."""
    for word, value in _GIVEN.items():
        expr = expr.replace(word, value)
    return promql_parser.parse(expr)


def selectors(node: Any) -> Iterator[tuple[str, set[str]]]:
    """Each selector in it: name, and labels of its matchers."""
    for each in nodes(node):
        if isinstance(each, promql_parser.VectorSelector):
            yield each.name, {matcher.name for matcher in each.matchers.matchers}


def grouped_by(node: Any) -> Iterator[str]:
    """Labels that something is summed by."""
    for each in nodes(node):
        if isinstance(each, promql_parser.AggregateExpr) and each.modifier is not None:
            yield from each.modifier.labels


def nodes(node: Any) -> Iterator[Any]:
    """The node and everything below it."""
    yield node
    for name in ("lhs", "rhs", "expr", "args", "vector_selector", "param"):
        below = getattr(node, name, None)
        for each in below if isinstance(below, list) else [below]:
            if isinstance(each, promql_parser.Expr):
                yield from nodes(each)
