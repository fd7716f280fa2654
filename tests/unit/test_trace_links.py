"""Links of a batch's trace to those of its records, by headers and by Debezium's column."""

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.plan import Counts, Plan
from consumer.core.policy import NO_RETRIES
from consumer.core.records import Header, RecordRef
from consumer.core.tracing import carried, trace_of
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import Marks
from consumer.planning.planner import Planner
from consumer.telemetry.traces import sampled
from tests.unit.known import Topic, slice_of
from tests.unit.traced import AT, PARENT, TRACE, Traced, bare, parented, slices


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


def test_letters_that_come_back_are_a_new_trace_that_is_linked_to_the_old_one() -> None:
    """Their copies have the headers of their records."""
    root = Traced().batch(slices(1, parented, "shop.retry.1"), lane=True)[-1]
    assert f"{root.context.trace_id:032x}" != TRACE
    assert [f"{link.context.trace_id:032x}" for link in root.links] == [TRACE]
    assert (root.attributes or {})["headrace.letters"] is True


def test_a_sample_is_spread_over_the_batch() -> None:
    """Not the first ones only, which may all be of one table."""
    pieces = (*slices(10, bare), *slices(90, bare, "shop.items"))
    found = [(piece.at.topic, place) for piece, place in sampled(pieces, 4)]
    assert found == [("shop.orders", 0), ("shop.items", 15), ("shop.items", 40), ("shop.items", 65)]
    assert list(sampled((), 4)) == []
