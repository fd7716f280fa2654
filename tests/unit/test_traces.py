"""Traces of batches: spans and their steps, links to records, and what a collector gets of it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs

from consumer.binding.known import KnownBindings
from consumer.composition.heard import Heard
from consumer.core.failure import Failure, failed
from consumer.core.flags import ALL_ON, Flag
from consumer.core.kinds import KINDS
from consumer.core.laps import Lap
from consumer.core.plan import Counts, Plan
from consumer.core.policy import NO_RETRIES
from consumer.core.records import Header, RecordRef, Slice, TopicPartition
from consumer.core.tracing import carried, trace_of
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import Marks
from consumer.planning.planner import Planner
from consumer.ports.facts import Began, Committed, Ended, Numbered, Published, Undone
from consumer.ports.letters import Outgoing
from consumer.ports.target import Applied
from consumer.telemetry.exporting import LAST, Outlet
from consumer.telemetry.traces import TraceSettings, Tracing, provider, sampled, sending
from tests.collector import Collector
from tests.unit.known import Topic, slice_of

AT = TopicPartition("shop.orders", 3)
FAILURE = failed(KINDS["record.value"], "postgres", "upsert", "a value does not fit")
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


@pytest.mark.parametrize(("records", "linked"), [(3, 3), (32, 32), (5000, 32)])
def test_a_batch_is_linked_to_some_of_its_records(records: int, linked: int) -> None:
    """To 32 at the most, by their headers, of which no more are read than that."""
    read: list[int] = []

    def of(offset: int) -> tuple[Header, ...]:
        read.append(offset)
        return parented(offset)

    root = Traced().batch(slices(records, of))[-1]
    links = root.links
    assert len(links) == len(read) == linked
    assert {f"{link.context.trace_id:032x}" for link in links} == {TRACE}
    assert dict(links[-1].attributes or {}) == {
        "messaging.destination.name": "shop.orders",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.offset": read[-1],
    }


@pytest.mark.parametrize("value", [b"", b"nonsense", b"\xff\xfe", b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", None])
def test_headers_that_are_no_context_are_no_links(value: bytes | None) -> None:
    """Whatever stands in them."""
    assert Traced().batch(slices(1, lambda _: (("traceparent", value),)))[-1].links == ()


def test_nothing_is_read_of_what_is_not_traced() -> None:
    """Of a batch that is left out there is no span, and no header is looked at."""

    def of(offset: int) -> tuple[Header, ...]:
        raise AssertionError("a header was read")

    assert Traced(TraceSettings(group="shop", worker="w", ratio=0.0)).batch(slices(9, of)) == []


def test_a_context_in_a_column_links_where_no_header_does() -> None:
    """Debezium writes it as a text of Java's properties; a record with both is linked once."""
    pieces = slices(2, lambda offset: parented(offset) if offset == 0 else ())
    text = f"#Tue Nov 24 10:00:00 UTC 2026\ntraceparent={PARENT}\ntracestate=a\\=b\n"
    contexts = [(RecordRef(AT, 0), text), (RecordRef(AT, 1), text), (RecordRef(AT, 1), "no=context")]
    plan = Plan(slices=pieces, stages=(), counts=Counts(records=2), contexts=contexts)
    links = Traced().batch(pieces, plan)[-1].links
    assert [(link.attributes or {})["messaging.kafka.offset"] for link in links] == [0, 1]
    assert links[1].context.trace_state.get("a") == "b"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("traceparent", {}),
        ("#traceparent=1", {}),
        ("baggage=1\n traceparent = 2 ", {"traceparent": "2"}),
        ("tracestate=a\\=b\\:c", {"tracestate": "a=b:c"}),
        ("x" * 9999 + "\ntraceparent=1", {}),
    ],
)
def test_a_text_of_properties_is_read(text: str, found: dict[str, str]) -> None:
    """Its W3C fields and nothing else."""
    assert carried(text) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (PARENT, PARENT.split("-")[1]),
        (f"01{PARENT[2:]}-more", PARENT.split("-")[1]),
        (PARENT.upper(), None),
        (f"ff{PARENT[2:]}", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{'a' * 32}-{'0' * 16}-01", None),
        (f"{PARENT}\n", None),
        ("<script>", None),
        (None, None),
    ],
)
def test_a_records_trace_is_known_by_its_header(value: str | None, found: str | None) -> None:
    """As W3C has it, and nothing else that stands there."""
    kept = None if value is None else value.encode()
    assert trace_of([("other", PARENT.encode()), ("traceparent", kept)]) == found
    assert trace_of([]) is None


@pytest.mark.parametrize("count", [3, 400])
def test_contexts_are_taken_from_the_column_of_some_records(count: int) -> None:
    """A few of each block, and none where nobody asks."""
    fields = [
        {"name": "id", "type": "long"},
        {"name": "tracingspancontext", "type": ["null", "string"], "default": None},
    ]
    topic = Topic(fields)
    known = KnownBindings()
    topic.bound_to(known)
    rows = [{"id": number, "tracingspancontext": f"traceparent={number}"} for number in range(count)]
    piece = slice_of([topic.record("c", row) for row in rows])
    careful = RowDecoder()
    fast = ColumnarDecoder(careful)

    def contexts(traced: str) -> list[tuple[RecordRef, str]]:
        decoders = Decoders(fast=fast, careful=careful, traced=traced)
        return list(Planner(decoders, CopyEncoder(), known, Marks(), NO_RETRIES, 100_000).plan([piece]).contexts)

    assert contexts("") == []
    found = contexts("tracingspancontext")
    assert len(found) == min(count, 8)
    assert all(text == f"traceparent={ref.offset - 100}" for ref, text in found)


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


def test_letters_that_come_back_are_a_new_trace_that_is_linked_to_the_old_one() -> None:
    """Their copies have the headers of their records."""
    root = Traced().batch(slices(1, parented, "shop.retry.1"), lane=True)[-1]
    assert f"{root.context.trace_id:032x}" != TRACE
    assert [f"{link.context.trace_id:032x}" for link in root.links] == [TRACE]
    assert (root.attributes or {})["headrace.letters"] is True


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


def test_lines_of_a_traced_batch_have_its_trace() -> None:
    """From its beginning to its end."""
    traced = Traced()
    traced.tracing.tell(Began(slices=slices(1, bare), lane=False, polled=None))
    bound = structlog.contextvars.get_contextvars()
    traced.tracing.tell(Ended())
    (root,) = traced.spans()
    assert bound["trace_id"] == f"{root.context.trace_id:032x}"
    assert "trace_id" not in structlog.contextvars.get_contextvars()


def test_a_sample_is_spread_over_the_batch() -> None:
    """Not the first ones only, which may all be of one table."""
    pieces = (*slices(10, bare), *slices(90, bare, "shop.items"))
    found = [(piece.at.topic, place) for piece, place in sampled(pieces, 4)]
    assert found == [("shop.orders", 0), ("shop.items", 15), ("shop.items", 40), ("shop.items", 65)]
    assert list(sampled((), 4)) == []


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of the test's own."""
    with closing(Collector()) as opened:
        yield opened


@pytest.fixture
def mute() -> Iterator[str]:
    """The endpoint of a collector that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1/traces"


def test_a_collector_gets_the_spans(collector: Collector) -> None:
    """As protobuf, with the resource; also those that were not sent when the worker ends."""
    pieces = slices(2, parented)
    plan = Plan(slices=pieces, stages=(), counts=Counts(records=2), laps=PLANNED)
    with sending(collector.endpoint, SETTINGS, "1", ALL_ON) as tracing:
        tracing.tell(Began(slices=pieces, lane=False, polled=POLLED))
        tracing.tell(Committed(Applied(plan=plan, seconds=0.3, durations={}, laps=WRITTEN)))
        tracing.tell(Ended())
    resources = [each for request in collector.requests for each in request.resource_spans]
    about = {item.key: item.value.string_value for item in resources[0].resource.attributes}
    spans = {span.name: span for each in resources for scope in each.scope_spans for span in scope.spans}
    assert (about["service.name"], about["service.instance.id"]) == ("headrace", "w-1")
    assert set(spans) == {
        "process shop.orders", "poll shop.orders", "plan", "decode", "copy", "apply", "letters", "commit"
    }  # fmt: skip
    assert [link.trace_id.hex() for link in spans["process shop.orders"].links] == [TRACE, TRACE]


def test_who_traces_nothing_pays_for_nothing() -> None:
    """Neither SDK nor exporter is imported with the program."""
    look = "import sys, consumer.worker, consumer.supervisor; print([m for m in sys.modules if 'opentelemetry' in m])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_what_the_collector_does_not_take_is_dropped_and_counted() -> None:
    """Said once; nobody waits for it but the end, some seconds."""
    with (
        capture_logs() as logs,
        sending("http://127.0.0.1:1/v1/traces", SETTINGS, "1") as tracing,
    ):
        tracing.tell(Began(slices=slices(3, bare), lane=False, polled=None))
        tracing.tell(Ended())
        assert [sample.value for sample in tracing.samples()] == [0]
    ((_, dropped, _),) = tracing.samples()
    assert dropped == 1
    assert [line["event"] for line in logs] == ["traces can't be sent; they are dropped"]


def batches(tracing: Tracing, number: int) -> None:
    """So many spans."""
    for _ in range(number):
        tracing.tell(Began(slices=slices(3, bare), lane=False, polled=None))
        tracing.tell(Ended())


def test_a_collector_that_hangs_costs_spans_and_nobodys_time(mute: str) -> None:
    """What finds no room is counted at once, what waits at the end, which it does not hold up."""
    with capture_logs() as logs:
        outlet = Outlet(mute, timeout=30, most=10)
        tracing = Tracing(provider(SETTINGS, "1", outlet), SETTINGS)
        batches(tracing, 25)
        before = outlet.dropped
        began = time.monotonic()
        outlet.shutdown()
        took = time.monotonic() - began
    batches(tracing, 1)
    assert (before, outlet.dropped) == (15, 26)
    assert took < LAST + 2
    assert [line["event"] for line in logs] == ["the collector did not take the last spans in time"]


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
