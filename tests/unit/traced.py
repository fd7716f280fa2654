"""Tracing whose spans are kept in memory, and records with and without a trace of their own."""

from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.core.laps import Lap
from consumer.core.plan import Counts, Plan
from consumer.core.records import Header, Slice, TopicPartition
from consumer.ports.facts import Began, Committed, Ended, Numbered
from consumer.ports.target import Applied
from consumer.telemetry.traces import TraceSettings, Tracing, provider

AT = TopicPartition("shop.orders", 3)
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
POLLED = Lap(step="poll", began=100.0, seconds=0.5)
PLANNED = (Lap(step="plan", began=101.0, seconds=0.2), Lap(step="decode", began=101.0, seconds=0.1))
WRITTEN = tuple(Lap(step=step, began=102.0, seconds=0.1) for step in ("stage", "apply", "letters", "commit"))
SETTINGS = TraceSettings(group="shop", worker="w-1")


def slices(records: int, of: Callable[[int], tuple[Header, ...]], topic: str = AT.topic) -> tuple[Slice, ...]:
    """Records of one partition with headers."""
    offsets = range(records)
    none = [None] * records
    at = TopicPartition(topic, AT.partition)
    return (Slice(at=at, epoch=1, start=0, end=records, offsets=offsets, keys=none, values=none, headers=of),)


def bare(offset: int) -> tuple[Header, ...]:
    """No headers."""
    return ()


def parented(offset: int) -> tuple[Header, ...]:
    """A record that somebody traces."""
    return (("other", b"x"), ("traceparent", PARENT.encode()))


class Traced:
    """A tracing whose spans are kept here."""

    def __init__(self, settings: TraceSettings = SETTINGS) -> None:
        self._spans = InMemorySpanExporter()
        self.tracing = Tracing(provider(settings, "1", SimpleSpanProcessor(self._spans)), settings)

    def batch(self, pieces: Sequence[Slice], plan: Plan | None = None, *, lane: bool = False) -> list[ReadableSpan]:
        """The spans of one batch, in the order of their ends."""
        made = plan or Plan(slices=tuple(pieces), stages=(), counts=Counts(records=1), laps=PLANNED)
        tell = self.tracing.tell
        tell(Began(slices=pieces, lane=lane, polled=POLLED))
        tell(Numbered(12))
        tell(Committed(Applied(plan=made, seconds=0.3, durations={}, laps=WRITTEN)))
        tell(Ended())
        return self.spans()

    def spans(self) -> list[ReadableSpan]:
        """All that have ended."""
        return list(self._spans.get_finished_spans())
