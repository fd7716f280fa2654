"""Records that can't be planned become letters, or stop their partition; none shows a value."""

from dataclasses import replace

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.envelope import read_writer_schema
from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import State
from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import OnTruncate
from consumer.core.plan import Counts
from consumer.core.records import RecordRef
from consumer.core.target import TableName
from consumer.planning.planner import BadRecord
from consumer.planning.unbound import Unbound
from consumer.ports.topics import Traits
from tests.unit.avro import Writer, envelope, event
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.planned import FIELDS, ORDERS, SECRET, SOUND, planned, row
from tests.unit.world import World


def bad(records: list[tuple[bytes | None, bytes | None]], topic: Topic = ORDERS) -> Failure:
    """The failure of the record at offset 101, the second one, which alone becomes a letter."""
    plan = planned(slice_of(records), topic)
    (letter,) = plan.letters
    assert (letter.record.ref, letter.record.key, letter.record.value) == (RecordRef(AT, 101), *records[1])
    assert (letter.state, letter.follows) == (State.DEAD, False)
    assert plan.counts.letters == 1
    return letter.failure


def wrong_op(op: str) -> tuple[bytes, bytes]:
    """A record with an operation of that name."""
    return ORDERS.record(op, row(1))


PARTIAL_AFTER_DELETE = [
    ORDERS.record("d", row(1)),
    ORDERS.record("u", row(1, UNAVAILABLE)),
]
NULL_KEYED = Topic([{"name": "id", "type": ["null", "long"]}, *FIELDS[1:]])


@pytest.mark.provokes("record.decode", "record.operation", "record.image", "record.identity")
@pytest.mark.parametrize("others", [0, 40])
@pytest.mark.parametrize(
    ("record", "kind", "says"),
    [
        pytest.param((SOUND[0], SOUND[1][:-1]), "decode", "EOFError", id="cut"),
        pytest.param((SOUND[0], SOUND[1] + b"\x00"), "decode", "1 bytes are left over", id="surplus"),
        pytest.param((SOUND[0], SOUND[1][:5]), "decode", "does not decode", id="empty"),
        pytest.param(wrong_op("z"), "operation", "an unknown operation", id="unknown operation"),
        pytest.param(ORDERS.record("u", row(1), after=None), "image", "no after image", id="update without after"),
        pytest.param(ORDERS.record("d", row(1), before=None), "identity", "'id'", id="delete without before"),
    ],
)
def test_a_bad_record_is_named_and_its_values_are_not(
    record: tuple[bytes, bytes], kind: str, says: str, others: int
) -> None:
    """The failure says where and what and what to do, and never what was in the row."""
    failure = bad([SOUND, record, *(ORDERS.record("c", row(n + 2)) for n in range(others))])

    assert failure.kind == f"record.{kind}"
    assert failure.detail.startswith(f"topic {AT.topic}, partition {AT.partition}, offset 101: ")
    assert says in failure.detail
    assert failure.remedy.endswith(".")
    assert failure.correlation_id == f"{AT.topic}-{AT.partition}-101"
    assert SECRET not in str(failure)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        pytest.param(wrong_op("z"), "op", id="unknown operation"),
        pytest.param(ORDERS.record("u", row(1), after=None), "after", id="update without after"),
        pytest.param(ORDERS.record("d", row(1), before=None), "before.id", id="delete without before"),
        pytest.param((SOUND[0], SOUND[1][:-1]), "", id="cut"),
    ],
)
def test_the_field_to_blame_is_named(record: tuple[bytes, bytes], field: str) -> None:
    """If it is one."""
    assert bad([SOUND, record]).field == field


@pytest.mark.parametrize("others", [0, 40])
def test_a_record_without_an_operation_is_bad(others: int) -> None:
    """Where the schema allows for none: it is not passed by in silence."""
    topic = Topic(FIELDS)
    schema = envelope(FIELDS)
    fields = [{**each, "type": ["null", "string"]} if each["name"] == "op" else each for each in schema["fields"]]
    topic.values = Writer({**schema, "fields": fields})
    topic.binding = replace(topic.binding, schema=read_writer_schema(topic.values.text))
    without = topic.key(row(1)), topic.values.framed(2, {**event("c", None, row(1)), "op": None})
    failure = bad([topic.record("c", row(0)), without, *(topic.record("c", row(n + 2)) for n in range(others))], topic)

    assert (failure.kind, failure.field) == ("record.operation", "op")


@pytest.mark.provokes("table.truncate")
def test_a_truncate_stops_its_partition() -> None:
    """It is about the whole table, so nothing behind it may be applied."""
    with pytest.raises(BadRecord) as caught:
        planned(slice_of([SOUND, wrong_op("t"), SOUND]))

    assert (caught.value.ref, caught.value.failure.kind) == (RecordRef(AT, 101), "table.truncate")


@pytest.mark.parametrize(("kind", "stops"), [("record.timeout", "table.busy"), ("record.trigger", "table.truncate")])
def test_a_truncate_that_the_target_does_not_take_stops_its_partition(kind: str, stops: str) -> None:
    """A letter of it would take what comes behind it when it comes back."""
    topic = Topic(FIELDS)
    topic.binding = replace(topic.binding, truncate=OnTruncate.APPLY)
    known = KnownBindings()
    topic.bound_to(known)
    refused = {RecordRef(AT, 101): failed(KINDS[kind], "postgres", "truncate", "no")}
    with pytest.raises(BadRecord) as caught:
        planner(known).plan([slice_of([SOUND, wrong_op("t"), SOUND])], refused)

    assert (caught.value.ref, caught.value.failure.kind) == (RecordRef(AT, 101), stops)


def test_a_partial_image_after_its_rows_delete_is_bad() -> None:
    """No base row can exist, so nothing is made up."""
    failure = bad(PARTIAL_AFTER_DELETE)

    assert (failure.operation, failure.remedy.startswith("Ask the source")) == ("fold", True)


def test_a_row_without_a_value_for_its_key_is_bad() -> None:
    """A row can't be told from others by nothing."""
    nothing = {"id": None, "word": SECRET, "amount": 1}
    record = (NULL_KEYED.key(row(1)), NULL_KEYED.record("c", nothing)[1])
    failure = bad([NULL_KEYED.record("c", row(1)), record], NULL_KEYED)

    assert "the after image has no value for the key column 'id'" in failure.detail


@pytest.mark.provokes("record.framing", "record.format")
@pytest.mark.parametrize(
    ("record", "kind", "says"),
    [
        pytest.param((b"\x00\x00\x00\x00\x01k", b'{"id": "sesame"}'), "record.format", "JSON", id="JSON"),
        pytest.param((b"\x00\x00\x00\x00\x01k", b"\x00\x00"), "record.framing", "zero byte", id="too short"),
        pytest.param((b"\x00\x00\x00\x00\x01k", b"\x01\x00\x00\x00\x02x"), "record.framing", "zero byte", id="magic 1"),
        pytest.param(
            (b"\x00\x00\x00\x00\x01k", b"\x00\x00\x00\x00\x02x"), "record.schema_unknown", "none", id="unknown id"
        ),
        pytest.param((None, b""), "record.framing", "zero byte", id="empty value"),
    ],
)
def test_a_frame_that_leads_to_no_schema_is_bad(record: tuple[bytes | None, bytes], kind: str, says: str) -> None:
    """A record that no registry schema describes is named by its origin."""
    known = KnownBindings()
    nowhere = World({}, lambda name: None, {AT.topic: Traits(compacted=False, partitions=1)})
    with pytest.raises(Unbound) as unbound:
        planner(known).plan([slice_of([record])])
    nowhere.binder(known).bind(unbound.value.wanted)
    (letter,) = planner(known).plan([slice_of([record])]).letters

    assert letter.failure.kind == kind
    assert "offset 100: " in letter.failure.detail
    assert says in letter.failure.detail
    assert SECRET not in str(letter.failure)
    assert letter.place is None


def test_what_became_a_letter_is_no_record_of_its_table() -> None:
    """Nor is it folded: each record is counted once."""
    known = KnownBindings()
    ORDERS.bound_to(known)
    piece = slice_of([*(ORDERS.record("c", row(n)) for n in range(5)), ORDERS.record("u", row(0))])
    refused = {RecordRef(piece.at, piece.offsets[2]): failed(KINDS["record.value"], "postgres", "upsert", "refused")}

    plan = planner(known).plan([piece], refused)

    assert plan.counts == Counts(records=6, upserts=4, folded=1, letters=1)
    assert plan.tables == {TableName("public", "orders"): 5}


def test_a_refused_null_that_is_not_doubted_any_more_stays_what_it_is() -> None:
    """What the settings say may change between two plans of a batch; the image in front of it is not at fault."""
    piece = slice_of([ORDERS.record("u", row(1, UNAVAILABLE)), ORDERS.record("u", row(1, None))])
    nulled = replace(failed(KINDS["record.nulled"], "postgres", "update", "refused"), field="after.word")
    known = KnownBindings()
    ORDERS.bound_to(known)
    plan = planner(known).plan([piece], {RecordRef(piece.at, piece.offsets[1]): nulled})

    assert [(letter.record.ref.offset, letter.failure.kind) for letter in plan.letters] == [
        (piece.offsets[1], "record.nulled")
    ]
