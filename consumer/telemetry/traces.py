"""Traces of batches: one span for each, its steps below it, links to some of its records.

Spans are made of facts, some of them when a step is over. Where nothing is to be traced, this module is not imported,
and neither is OpenTelemetry's SDK. A batch is of many records, so its span is no child of theirs: it is linked to them,
as the messaging conventions say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from consumer.core.flags import ALL_ON, Flag, Switches
from consumer.core.laps import Lap
from consumer.core.records import Header, RecordRef, Slice
from consumer.core.tracing import carried
from consumer.ports.facts import Began, Committed, Ended, Fact, Numbered, Published, Undone
from consumer.telemetry import metrics
from consumer.telemetry.exporting import Outlet
from consumer.telemetry.gauging import Sample

_FIELDS = ("traceparent", "tracestate")
_NANOS = 1_000_000_000
# steps that are parts of others, and of which
_PARTS = {"decode": "plan", "letters": "apply"}
_NAMES = {"stage": "copy"}
_DATABASE = frozenset({"stage", "apply", "letters", "commit"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """`ratio`: share of the batches that are traced. `links`: most records that one is linked to. `timeout`: seconds
    that the collector may take for what it gets at once."""

    group: str
    worker: str
    ratio: float = 1.0
    links: int = 32
    timeout: float = 5.0


class Tracing:
    """Hears the facts of one apply thread (`tell`), and of who publishes letters."""

    def __init__(
        self,
        provider: TracerProvider,
        settings: TraceSettings,
        switches: Switches = ALL_ON,
        dropped: Callable[[], int] = lambda: 0,
    ) -> None:
        """`dropped`: how many spans did not reach the collector."""
        self._switches = switches
        self._dropped = dropped
        self._tracer = provider.get_tracer("headrace")
        self._settings = settings
        self._propagator = TraceContextTextMapPropagator()
        self._root: Span | None = None
        # records that the span is linked to
        self._linked: set[RecordRef] = set()

    def samples(self) -> Iterator[Sample]:
        """What is to be counted of them."""
        yield Sample(metrics.SPANS_DROPPED, self._dropped())

    def tell(self, fact: Fact) -> None:
        """Begin, fill or end the span of a batch."""
        if isinstance(fact, Began):
            self._begin(fact)
        elif isinstance(fact, Published):
            self._published(fact)
        elif self._root is None:
            return
        elif isinstance(fact, Numbered):
            self._root.set_attribute("headrace.batch", fact.batch)
        elif isinstance(fact, Committed):
            self._link_by_fields(fact.applied.plan.contexts)
            for laps in (fact.applied.plan.laps, fact.applied.laps):
                self._steps(laps)
        elif isinstance(fact, Undone):
            self._undone(fact)
        elif isinstance(fact, Ended):
            self._end()

    def _begin(self, began: Began) -> None:
        self._end()
        if not self._switches.on(Flag.TRACING):
            return
        topics = sorted({piece.at.topic for piece in began.slices})
        attributes = self._about(began.slices, topics) | {
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "headrace.letters": began.lane,
        }
        start = None if began.polled is None else _nanos(began.polled.began)
        root = self._tracer.start_span(
            _named("process", topics), kind=SpanKind.CONSUMER, attributes=attributes, start_time=start
        )
        if not root.is_recording():
            # headers cost, so they are read for what is traced alone
            return
        self._root = root
        structlog.contextvars.bind_contextvars(trace_id=f"{root.get_span_context().trace_id:032x}")
        self._link_by_headers(began.slices)
        if began.polled is not None:
            receive = self._about(began.slices, topics) | {
                "messaging.operation.name": "poll",
                "messaging.operation.type": "receive",
            }
            self._span(_named("poll", topics), began.polled, SpanKind.CLIENT, receive)

    def _end(self) -> None:
        if self._root is not None:
            self._root.end()
            structlog.contextvars.unbind_contextvars("trace_id")
        self._root = None
        self._linked.clear()

    def _about(self, slices: Sequence[Slice], topics: Sequence[str]) -> dict[str, str | int | bool]:
        said = self._messages(sum(map(len, slices)), topics)
        return said | {"messaging.consumer.group.name": self._settings.group}

    def _messages(self, count: int, topics: Sequence[str]) -> dict[str, str | int | bool]:
        about: dict[str, str | int | bool] = {
            "messaging.system": "kafka",
            "messaging.client.id": self._settings.worker,
            "messaging.batch.message_count": count,
        }
        if len(topics) == 1:
            about["messaging.destination.name"] = topics[0]
        return about

    # copies of letters

    def _published(self, fact: Published) -> None:
        """A trace of its own, that is linked to those of the letters' records."""
        if not self._switches.on(Flag.TRACING):
            return
        topics = sorted({copy.topic for copy in fact.copies})
        attributes = self._messages(len(fact.copies), topics) | {
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
        }
        contexts = (self._context(_said(copy.headers)) for copy in fact.copies[: self._settings.links])
        start = _nanos(fact.lap.began)
        span = self._tracer.start_span(
            _named("send", topics),
            kind=SpanKind.CLIENT,
            attributes=attributes,
            links=[Link(context) for context in contexts if context is not None],
            start_time=start,
        )
        if fact.failures:
            span.set_attribute("error.type", fact.failures[0].kind)
            span.set_status(Status(StatusCode.ERROR, fact.failures[0].kind))
        span.end(start + _nanos(fact.lap.seconds))

    # links

    def _link_by_headers(self, slices: Sequence[Slice]) -> None:
        for piece, place in sampled(slices, self._settings.links):
            ref = RecordRef(piece.at, piece.offsets[place])
            self._link(ref, _said(piece.headers(ref.offset)))

    def _link_by_fields(self, contexts: Iterable[tuple[RecordRef, str]]) -> None:
        for ref, text in contexts:
            self._link(ref, carried(text))

    def _link(self, ref: RecordRef, carrier: Mapping[str, str]) -> None:
        if ref in self._linked or len(self._linked) >= self._settings.links:
            return
        context = self._context(carrier)
        if self._root is not None and context is not None:
            self._linked.add(ref)
            self._root.add_link(context, _place(ref))

    def _context(self, carrier: Mapping[str, str]) -> SpanContext | None:
        """That of whoever made a record, where it says so."""
        if "traceparent" not in carrier:
            return None
        context = get_current_span(self._propagator.extract(carrier)).get_span_context()
        return context if context.is_valid else None

    # steps

    def _steps(self, laps: Sequence[Lap]) -> None:
        made: dict[str, Span] = {}
        for lap in sorted(laps, key=lambda lap: lap.step in _PARTS):
            attributes = {"db.system.name": "postgresql"} if lap.step in _DATABASE else {}
            parent = made.get(_PARTS.get(lap.step, ""))
            kind = SpanKind.CLIENT if lap.step in _DATABASE else SpanKind.INTERNAL
            made[lap.step] = self._span(_NAMES.get(lap.step, lap.step), lap, kind, attributes, parent)

    def _span(
        self,
        name: str,
        lap: Lap,
        kind: SpanKind,
        attributes: Mapping[str, str | int | bool],
        parent: Span | None = None,
    ) -> Span:
        """One that is over already."""
        above = parent or self._root
        assert above is not None, "steps are of a batch"
        context = set_span_in_context(above)
        start = _nanos(lap.began)
        span = self._tracer.start_span(name, context, kind=kind, attributes=attributes, start_time=start)
        span.end(start + _nanos(lap.seconds))
        return span

    def _undone(self, undone: Undone) -> None:
        """A try that was rolled back; its error is a kind, since messages could be long."""
        assert self._root is not None, "a try is of a batch"
        start = _nanos(undone.began)
        context = set_span_in_context(self._root)
        attributes = {"db.system.name": "postgresql", "error.type": undone.failure.kind}
        span = self._tracer.start_span("apply", context, SpanKind.CLIENT, attributes, start_time=start)
        span.set_status(Status(StatusCode.ERROR, undone.failure.kind))
        span.end(start + _nanos(undone.seconds))


def sampled(slices: Sequence[Slice], most: int) -> Iterator[tuple[Slice, int]]:
    """At most so many records of them, spread evenly, each as its slice and place."""
    total = sum(map(len, slices))
    wanted = min(most, total)
    places = iter(sorted({number * total // wanted for number in range(wanted)}) if wanted else ())
    place = next(places, None)
    first = 0
    for piece in slices:
        while place is not None and place < first + len(piece):
            yield piece, place - first
            place = next(places, None)
        first += len(piece)


def provider(settings: TraceSettings, version: str, processor: SpanProcessor) -> TracerProvider:
    """What makes spans, and hands them to a processor."""
    resource = Resource.create(
        {"service.name": "headrace", "service.version": version, "service.instance.id": settings.worker}
    )
    made = TracerProvider(TraceIdRatioBased(settings.ratio), resource, shutdown_on_exit=False)
    made.add_span_processor(processor)
    return made


@contextmanager
def sending(endpoint: str, settings: TraceSettings, version: str, switches: Switches = ALL_ON) -> Iterator[Tracing]:
    """Traces that are sent to a collector; what is left at the end has a moment."""
    outlet = Outlet(endpoint, settings.timeout)
    made = provider(settings, version, outlet)
    try:
        yield Tracing(made, settings, switches, lambda: outlet.dropped)
    finally:
        made.shutdown()


def _said(headers: Iterable[Header]) -> dict[str, str]:
    """The fields of traces among headers."""
    return {name: value.decode("ascii", "replace") for name, value in headers if name in _FIELDS and value is not None}


def _named(operation: str, topics: Sequence[str]) -> str:
    return f"{operation} {topics[0]}" if len(topics) == 1 else operation


def _place(ref: RecordRef) -> dict[str, str | int]:
    return {
        "messaging.destination.name": ref.at.topic,
        "messaging.destination.partition.id": str(ref.at.partition),
        "messaging.kafka.offset": ref.offset,
    }


def _nanos(seconds: float) -> int:
    return int(seconds * _NANOS)
