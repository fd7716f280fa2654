"""Traces of batches: spans and their steps, and what they say."""

import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from consumer.composition.heard import Heard
from consumer.core.failure import failed
from consumer.core.flags import Flag
from consumer.core.kinds import KINDS
from consumer.core.plan import Counts, Plan
from consumer.core.records import Header
from consumer.ports.facts import Began, Ended, Numbered, Undone
from consumer.telemetry.traces import TraceSettings, Tracing, provider
from tests.unit.traced import SETTINGS, Traced, bare, slices

FAILURE = failed(KINDS["record.value"], "postgres", "upsert", "a value does not fit")


def test_a_batch_is_a_span_with_its_steps_below_it() -> None:
    """With the times that the steps had, decoding as a part of planning and letters as a part of applying."""
    spans = {span.name: span for span in Traced().batch(slices(2, bare))}
    root = spans["process shop.orders"]
    above = {name: span.parent and span.parent.span_id for name, span in spans.items()}
    ids = {name: span.context.span_id for name, span in spans.items()}
    assert root.kind is SpanKind.CONSUMER
    assert root.parent is None
    for name in ("poll shop.orders", "plan", "copy", "apply", "commit"):
        assert above[name] == ids["process shop.orders"], name
    assert above["decode"] == ids["plan"]
    assert above["letters"] == ids["apply"]
    assert (spans["plan"].start_time, spans["plan"].end_time) == (101_000_000_000, 101_200_000_000)
    assert root.start_time == 100_000_000_000


def test_a_span_says_what_the_messaging_conventions_ask_for() -> None:
    """Whose batch it is, of what, and how many records; and its number in the ledger."""
    root = Traced().batch(slices(2, bare))[-1]
    assert dict(root.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": "shop",
        "messaging.client.id": "w-1",
        "messaging.batch.message_count": 2,
        "messaging.destination.name": "shop.orders",
        "headrace.letters": False,
        "headrace.batch": 12,
    }


def test_a_batch_of_several_topics_names_none() -> None:
    """A name has few values."""
    spans = Traced().batch((*slices(1, bare), *slices(1, bare, "shop.items")))
    assert "process" in {span.name for span in spans}


def test_nothing_is_read_of_what_is_not_traced() -> None:
    """Of a batch that is left out there is no span, and no header is looked at."""

    def of(offset: int) -> tuple[Header, ...]:
        raise AssertionError("a header was read")

    assert Traced(TraceSettings(group="shop", worker="w", ratio=0.0)).batch(slices(9, of)) == []


def test_a_try_that_was_rolled_back_is_an_error_by_its_kind() -> None:
    """Beside the try that was committed, in the same trace."""
    traced = Traced()
    tell = traced.tracing.tell
    pieces = slices(1, bare)
    plan = Plan(slices=pieces, stages=(), counts=Counts(records=1))
    tell(Began(slices=pieces, lane=False, polled=None))
    tell(Undone(plan=plan, failure=FAILURE, began=5.0, seconds=1.0))
    tell(Ended())
    undone, root = traced.spans()
    assert undone.status.status_code is StatusCode.ERROR
    assert (undone.attributes or {})["error.type"] == "record.value"
    assert FAILURE.detail not in str(undone.to_json())
    assert undone.context.trace_id == root.context.trace_id


def test_lines_of_a_traced_batch_have_its_trace() -> None:
    """From its beginning to its end."""
    traced = Traced()
    traced.tracing.tell(Began(slices=slices(1, bare), lane=False, polled=None))
    bound = structlog.contextvars.get_contextvars()
    traced.tracing.tell(Ended())
    (root,) = traced.spans()
    assert bound["trace_id"] == f"{root.context.trace_id:032x}"
    assert "trace_id" not in structlog.contextvars.get_contextvars()


def test_no_batch_is_traced_while_that_is_switched_off() -> None:
    """Whatever is told of one that has begun before is its own."""
    off: set[Flag] = set()
    spans = InMemorySpanExporter()
    heard = Heard()
    tracing = Tracing(provider(SETTINGS, "1", SimpleSpanProcessor(spans)), SETTINGS, heard)
    for number in range(3):
        heard.learn({Flag.TRACING} if number == 1 else off)
        tracing.tell(Began(slices=slices(3, bare), lane=False, polled=None))
        tracing.tell(Numbered(number))
        tracing.tell(Ended())
    assert [span.attributes["headrace.batch"] for span in spans.get_finished_spans() if span.attributes] == [0, 2]
