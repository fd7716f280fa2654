"""Spans on their way to a collector: so many may wait, none is dropped uncounted, and the end waits a moment only."""

import threading
from collections.abc import Sequence
from logging import NullHandler, getLogger

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

log = structlog.get_logger("headrace.telemetry")

WAITING = 2048
"""Most spans that wait for the collector, those among them that are being sent."""
LAST = 2.0
"""Seconds that what is left has at the end."""
# sent at a time
_TOGETHER = 512
# seconds that a try which was broken off may take to notice
_NOTICE = 0.5


class Outlet(SpanProcessor):
    """Hands spans to a collector, on a thread of its own. `timeout`: seconds that it may take for what it gets at once.

    A collector that is away or hangs costs spans, and nobody's time.
    """

    def __init__(self, endpoint: str, timeout: float, most: int = WAITING) -> None:
        # what the exporter says by itself is no JSON
        quiet = getLogger("opentelemetry")
        quiet.addHandler(NullHandler())
        quiet.propagate = False
        self._flow = _Flow(most)
        self._exporter = _Told(OTLPSpanExporter(endpoint, timeout=timeout), self._flow)
        # it would drop without a count, so it never has more than may wait
        self._batches = BatchSpanProcessor(
            self._exporter, max_queue_size=most, max_export_batch_size=min(_TOGETHER, most)
        )

    @property
    def dropped(self) -> int:
        """How many spans were dropped so far."""
        return self._flow.dropped

    def on_end(self, span: ReadableSpan) -> None:
        """Have it sent, if there is room."""
        if span.context.trace_flags.sampled and self._flow.enter():
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """Send what is left, for a moment; a try that hangs is left behind."""
        ending = threading.Thread(target=self._batches.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(LAST)
        if ending.is_alive():
            self._exporter.shutdown()
            ending.join(_NOTICE)
        if left := self._flow.close():
            log.warning("the collector did not take the last spans in time", dropped=left)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send all that waits."""
        return self._batches.force_flush(timeout_millis)


class _Flow:
    """How many spans wait, and how many were dropped. For any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._lock = threading.Lock()
        self._closed = False
        self.dropped = 0

    def enter(self) -> bool:
        """Whether there is room for one more; where there is none it is dropped."""
        with self._lock:
            room = self._waiting < self._most and not self._closed
            self._waiting += room
            self.dropped += not room
            return room

    def leave(self, spans: int, *, taken: bool) -> None:
        """They wait no more."""
        with self._lock:
            if self._closed:
                # they are dropped already
                return
            self._waiting -= spans
            self.dropped += 0 if taken else spans

    def close(self) -> int:
        """What still waits is dropped; returns how many these are."""
        with self._lock:
            self._closed = True
            left, self._waiting = self._waiting, 0
            self.dropped += left
            return left


class _Told(SpanExporter):
    """Says once that spans can't be sent, and once that they can again."""

    def __init__(self, inner: SpanExporter, flow: _Flow) -> None:
        self._inner = inner
        self._flow = flow
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            self._flow.leave(len(spans), taken=result is SpanExportResult.SUCCESS)
            self._say(failing=result is not SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def _say(self, *, failing: bool) -> None:
        if failing and not self._failing:
            log.warning(
                "traces can't be sent; they are dropped",
                remedy="Look whether trace.endpoint is a collector's OTLP address, as http://collector:4318/v1/traces.",
            )
        elif self._failing and not failing:
            log.info("traces are sent again", dropped=self._flow.dropped)
        self._failing = failing
