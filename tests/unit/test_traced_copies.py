"""Spans of copies of letters that are sent."""

from collections.abc import Sequence
from dataclasses import replace

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.laps import Lap
from consumer.ports.facts import Published
from consumer.ports.letters import Outgoing
from consumer.telemetry.traces import TraceSettings
from tests.unit.traced import POLLED, TRACE, Traced, bare, parented


def published(copies: Sequence[Outgoing], *failures: Failure) -> ReadableSpan:
    """The span of copies that were sent."""
    traced = Traced()
    lap = Lap(step="send", began=200.0, seconds=0.5)
    traced.tracing.tell(Published(copies=copies, failures=failures, lap=lap))
    (span,) = traced.spans()
    return span


def copies(number: int, topic: str = "shop.retry.1") -> list[Outgoing]:
    """Copies of letters, of which the second one's record is traced."""
    headers = [parented(place) if place == 1 else bare(place) for place in range(number)]
    return [
        Outgoing(id=place, attempt=1, topic=topic, key=None, value=None, headers=each)
        for place, each in enumerate(headers)
    ]


def test_copies_of_letters_have_a_span_of_their_own() -> None:
    """It says what was sent where and for how long, and is linked to the traces of the letters' records."""
    span = published(copies(3))
    assert (span.name, span.kind, span.parent) == ("send shop.retry.1", SpanKind.CLIENT, None)
    assert (span.start_time, span.end_time) == (200_000_000_000, 200_500_000_000)
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]
    assert dict(span.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.client.id": "w-1",
        "messaging.batch.message_count": 3,
        "messaging.destination.name": "shop.retry.1",
    }
    assert published([*copies(1), *copies(1, "shop.dlq")]).name == "send"


def test_copies_that_were_not_taken_say_which_failure_it_was() -> None:
    """Its kind, and no more."""
    why = failed(KINDS["kafka.letters"], "kafka", "publish letter", "a letter was not taken")
    span = published(copies(2), why)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "kafka.letters"
    assert why.detail not in str(span.to_json())


def test_links_of_copies_are_bounded() -> None:
    """As those of batches."""
    traced = Traced(TraceSettings(group="shop", worker="w-1", links=2))
    every = [replace(copy, headers=parented(copy.id)) for copy in copies(5)]
    traced.tracing.tell(Published(copies=every, failures=(), lap=POLLED))
    assert len(traced.spans()[0].links) == 2
