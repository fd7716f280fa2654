"""Facts, counted: what is told becomes counters and histograms. A fact costs microseconds, whatever it is of."""

import time
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram

from consumer.core.failure import Failure
from consumer.core.kinds import KINDS
from consumer.core.letters import State
from consumer.core.plan import Plan
from consumer.ports.facts import (
    Began,
    Committed,
    Fact,
    Failed,
    Halted,
    Healed,
    Overtaken,
    Route,
    Shifted,
    Uncommitted,
    Undone,
)
from consumer.ports.target import Applied
from consumer.telemetry import metrics
from consumer.telemetry.labels import OTHER, Bounded
from consumer.telemetry.metrics import Kind, Metric
from consumer.telemetry.spread import Spread

_OUTCOMES = ("upserts", "deletes", "ignored", "folded", "letters", "truncates")
_ROUTES = {State.DEAD: Route.DEAD, State.HELD: Route.HELD}


class Counting:
    """Hears facts (`tell`), and has a registry to serve. For any thread."""

    def __init__(self, registry: CollectorRegistry, topics: Bounded) -> None:
        self._topics = topics
        self._tables = Bounded(topics.most)
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._applied, self._arrived = (Spread(metric, registry) for metric in _OF_RECORDS)
        for metric in metrics.METRICS:
            if metric.kind is Kind.COUNTER and metric not in _COUNTED_ELSEWHERE:
                self._counters[metric.name] = Counter(metric.name, metric.help, metric.labels, registry=registry)
            elif metric.kind is Kind.HISTOGRAM and metric not in _OF_RECORDS:
                self._histograms[metric.name] = Histogram(
                    metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry
                )
        self._heard: dict[type, Callable[..., None]] = {
            Began: self._began,
            Committed: self._committed,
            Undone: lambda _: self._count(metrics.BATCHES, 1, "undone"),
            Failed: lambda fact: self._failed(fact.failure, fact.route),
            Halted: lambda fact: self._count(metrics.PAUSES, fact.partitions, fact.why),
            Shifted: self._shifted,
            Healed: lambda fact: self._count(metrics.HEALED, 1, fact.act),
            Overtaken: lambda fact: self._count(metrics.OVERTAKEN, fact.partitions),
            Uncommitted: lambda fact: self._count(metrics.UNCOMMITTED, 1, fact.code),
        }

    def tell(self, fact: Fact) -> None:
        """Count a fact."""
        hear = self._heard.get(type(fact))
        if hear is not None:
            hear(fact)

    def _began(self, began: Began) -> None:
        read: Tally[str] = Tally()
        for piece in began.slices:
            read[piece.at.topic] += len(piece)
        for topic, count in read.items():
            self._count(metrics.RECORDS_READ, count, self._topics(topic))
        if began.polled is not None:
            self._observe(metrics.STEP_SECONDS, began.polled.seconds, began.polled.step)

    def _committed(self, fact: Committed) -> None:
        applied, plan = fact.applied, fact.applied.plan
        for state, closed in applied.closed.items():
            self._count(metrics.CLOSED, closed, state)
        self._lettered(plan)
        if not plan.counts.records:
            # only positions moved
            return
        self._count(metrics.BATCHES, 1, "applied")
        for decoder, count in plan.decoded.items():
            self._count(metrics.DECODED, count, decoder)
        for outcome in _OUTCOMES:
            if count := getattr(plan.counts, outcome):
                self._count(metrics.RECORDS, count, outcome)
        self._by_table(plan)
        self._observe(metrics.BATCH_RECORDS, plan.counts.records)
        self._observe(metrics.BATCH_ROWS, sum(write.rows for write in plan.writes))
        self._observe(metrics.BATCH_BYTES, plan.size)
        self._timed(applied)

    def _by_table(self, plan: Plan) -> None:
        for name, records in plan.tables.items():
            self._count(metrics.TABLE_APPLIED, records, self._tables(str(name)))
        for write in plan.writes:
            self._count(metrics.TABLE_ROWS, write.rows, self._tables(str(write.table)), write.action.value)
        for stage in plan.stages:
            for aside in stage.letters:
                table = self._tables(str(aside.table)) if aside.table else OTHER
                self._count(metrics.TABLE_ROWS, len(aside.letters), table, "letters")

    def _timed(self, applied: Applied) -> None:
        self._observe(metrics.BATCH_SECONDS, applied.seconds)
        for lap in (*applied.plan.laps, *applied.laps):
            self._observe(metrics.STEP_SECONDS, lap.seconds, lap.step)
        self._aged(applied.plan, int(time.time() * 1000))

    def _aged(self, plan: Plan, now: int) -> None:
        if appended := [age for piece in plan.slices for age in piece.ages()]:
            moments, counts = np.array(appended).T
            self._applied.add(now - moments, counts)
        if plan.stamps:
            letters = defaultdict(set)
            for letter in plan.letters:
                letters[letter.record.ref.at].add(letter.record.ref.offset)
            self._arrived.add(now - np.concatenate([stamps.without(letters) for stamps in plan.stamps]))

    def _lettered(self, plan: Plan) -> None:
        for letter in plan.letters:
            self._count(metrics.LETTERS, 1, letter.state)
            self._failed(letter.failure, _ROUTES.get(letter.state, Route.RETRY))
        for verdict in plan.verdicts:
            self._count(metrics.LETTERS, 1, verdict.state)
            if verdict.failure is not None:
                self._failed(verdict.failure, _ROUTES.get(verdict.state, Route.RETRY))

    def _shifted(self, shifted: Shifted) -> None:
        self._count(metrics.REBALANCES, 1, shifted.how)
        self._count(metrics.REBALANCED, shifted.partitions, shifted.how)

    def _failed(self, failure: Failure, route: Route) -> None:
        kind = KINDS.get(failure.kind)
        self._count(metrics.FAILURES, 1, kind.type if kind else "unknown", failure.kind, failure.component, route)

    def _count(self, metric: Metric, count: int, *labels: str) -> None:
        counter = self._counters[metric.name]
        (counter.labels(*labels) if labels else counter).inc(count)

    def _observe(self, metric: Metric, value: float, *labels: str) -> None:
        histogram = self._histograms[metric.name]
        (histogram.labels(*labels) if labels else histogram).observe(value)


_OF_RECORDS = (metrics.APPLY_LATENCY, metrics.SOURCE_LATENCY)
_COUNTED_ELSEWHERE = (metrics.POOL_ASKED, metrics.POOL_WAITED, metrics.LEFT_OUT, metrics.SPANS_DROPPED)
