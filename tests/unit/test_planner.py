"""From records to a plan."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.envelope import RecordKind, WriterSchema
from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.letters import State
from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import Counts, Plan, Stage
from consumer.core.policy import Policy
from consumer.core.records import OffsetRange, RecordRef, Slice, TopicPartition
from consumer.core.target import TableName
from consumer.core.writes import Action
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import DecodeWatch, Marks
from consumer.planning.planner import BadRecord, Planner
from consumer.planning.unbound import Unbound
from consumer.ports.decoding import Sifted
from consumer.ports.topics import Traits
from tests.unit.avro import event, framed
from tests.unit.known import AT, Topic, heartbeat, planner, slice_of
from tests.unit.world import World

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "amount", "type": ["null", "int"], "default": None},
]
SECRET = "sesame"
ORDERS = Topic(FIELDS)
COMPACTED = Topic(FIELDS, compacted=True)


def row(number: int, word: str | None = SECRET) -> dict[str, object]:
    """A row."""
    return {"id": number, "word": word, "amount": 7}


def planned(piece: Slice, topic: Topic = ORDERS) -> Plan:
    """The plan of one slice of a known topic."""
    known = KnownBindings()
    topic.bound_to(known)
    return planner(known).plan([piece])


def shapes(plan: Plan) -> list[list[tuple[str, int]]]:
    """By stage: what each write does and to how many rows."""
    return [[(write.action.value, write.rows) for write in stage.writes] for stage in plan.stages]


@pytest.mark.parametrize("count", [1, 19, 20, 500])
def test_images_become_one_upsert(count: int) -> None:
    """Small blocks by the row decoder and large ones by the columnar one make the same plan."""
    plan = planned(slice_of([ORDERS.record("c", row(n)) for n in range(count)]))

    assert shapes(plan) == [[("upsert", count)]]
    assert plan.counts == Counts(records=count, upserts=count)
    assert plan.source_ms == (1_700_000, 1_700_000)


def test_a_batch_is_folded_per_row() -> None:
    """A delete after images, an image after a delete, and a row changed twice each leave one write."""
    records = [
        ORDERS.record("c", row(1)),
        ORDERS.record("d", row(1)),
        ORDERS.record("d", row(2)),
        ORDERS.record("c", row(2)),
        ORDERS.record("r", row(3)),
        ORDERS.record("u", row(3)),
    ]
    plan = planned(slice_of(records))

    assert sorted(shapes(plan)[0]) == [("delete", 1), ("upsert", 2)]
    assert plan.counts == Counts(records=6, upserts=2, deletes=1, folded=3)


def test_only_creates_and_snapshot_reads_are_fresh() -> None:
    """A plain INSERT is tried only when nothing in the block speaks of an existing row."""

    def fresh(*ops: str) -> list[bool]:
        plan = planned(slice_of([ORDERS.record(op, row(n)) for n, op in enumerate(ops)]))
        return [write.fresh for write in plan.writes if write.action is Action.UPSERT]

    assert fresh("c", "r") == [True]
    assert fresh("c", "u") == [False]
    assert fresh("c", "d") == [False]


def test_an_unchanged_large_column_is_left_alone() -> None:
    """The placeholder never reaches the target: the column is not staged."""
    plan = planned(slice_of([ORDERS.record("u", row(1, UNAVAILABLE)), ORDERS.record("u", row(2))]))
    update = next(write for write in plan.writes if write.action is Action.UPDATE)

    assert sorted(shapes(plan)[0]) == [("update", 1), ("upsert", 1)]
    assert [column.name for column in update.columns] == ["id", "amount"]
    assert not any(UNAVAILABLE.encode() in chunk for write in plan.writes for chunk in write.payload)


def test_a_schema_change_inside_a_slice_makes_stages() -> None:
    """Blocks of one partition follow one another, so an older change never overwrites a newer one."""
    wider = Topic([*FIELDS, {"name": "note", "type": ["null", "string"], "default": None}], value_id=9)
    known = KnownBindings()
    ORDERS.bound_to(known)
    wider.bound_to(known)
    records = [ORDERS.record("c", row(1)), wider.record("u", {**row(1), "note": "n"}), ORDERS.record("u", row(1))]
    plan = planner(known).plan([slice_of(records)])

    assert shapes(plan) == [[("upsert", 1)]] * 3
    assert [len(stage.writes[0].columns) for stage in plan.stages] == [3, 4, 3]


def test_partitions_share_a_stage_and_tables_are_in_order() -> None:
    """The n-th runs of all partitions are in one stage, and tables are written in one order."""
    known = KnownBindings()
    ORDERS.bound_to(known)
    ORDERS.bound_to(known, "shop.public.other")
    pieces = [
        slice_of([ORDERS.record("c", row(1))], at=TopicPartition("shop.public.other", 0)),
        slice_of([ORDERS.record("c", row(2))], at=TopicPartition(AT.topic, 0)),
        slice_of([ORDERS.record("c", row(3))], at=TopicPartition(AT.topic, 1)),
    ]

    assert sorted(shapes(planner(known).plan(pieces))[0]) == [("upsert", 1), ("upsert", 2)]


def test_what_is_ignored_by_rule_writes_nothing() -> None:
    """Heartbeats move the position and nothing else."""
    known = KnownBindings()
    known.learn(BindingKey(AT.topic, framed(1, b""), framed(5, b"")), heartbeat())
    plan = planner(known).plan([slice_of([(framed(1, b"k"), framed(5, b"anything"))] * 3)])

    assert plan.stages == (Stage(),)
    assert plan.counts == Counts(records=3, ignored=3)


def test_a_logical_message_is_no_row() -> None:
    """`m` has no image and changes nothing."""
    plan = planned(slice_of([ORDERS.record("m", row(1), after=None), ORDERS.record("c", row(2))]))

    assert shapes(plan) == [[("upsert", 1)]]
    assert plan.counts == Counts(records=2, upserts=1, ignored=1)


def test_a_tombstone_on_a_plain_topic_is_ignored() -> None:
    """The delete before it has said everything; after retention it stands alone and says nothing."""
    plan = planned(slice_of([ORDERS.record("c", row(1)), (ORDERS.key(row(1)), None)]))

    assert shapes(plan) == [[("upsert", 1)]]
    assert plan.counts == Counts(records=2, upserts=1, ignored=1)


def test_a_tombstone_on_a_compacted_topic_deletes_its_key() -> None:
    """Compaction may have removed the delete, so the tombstone stands for it."""
    records = [COMPACTED.record("c", row(1)), (COMPACTED.key(row(1)), None), COMPACTED.record("c", row(2))]
    plan = planned(slice_of(records), COMPACTED)

    assert sorted(shapes(plan)[0]) == [("delete", 1), ("upsert", 1)]


def test_a_slice_of_tombstones_alone_deletes() -> None:
    """No value schema is needed when there is no value."""
    plan = planned(slice_of([(COMPACTED.key(row(n)), None) for n in (2, 1, 2)]), COMPACTED)

    assert shapes(plan) == [[("delete", 2)]]


def test_tombstones_need_no_value_schema() -> None:
    """A binding made of the key alone deletes, so a worker may meet tombstones before it has seen any value."""
    known = KnownBindings()
    keys_alone = replace(COMPACTED.binding, schema=WriterSchema(kind=RecordKind.CHANGE))
    known.learn(BindingKey(AT.topic, framed(1, b""), None), replace(keys_alone, columns=keys_alone.columns[:1]))
    plan = planner(known).plan([slice_of([(COMPACTED.key(row(n)), None) for n in (2, 1, 2)])])

    assert shapes(plan) == [[("delete", 2)]]
    assert plan.counts == Counts(records=3, deletes=2, folded=1)


def test_rows_that_no_index_tells_apart_are_replaced() -> None:
    """What would be an upsert is a delete and an insert; deletes and partial updates stay what they are."""
    unindexed = Topic(FIELDS)
    unindexed.binding = replace(unindexed.binding, replaces=True)
    records = [ORDERS.record("c", row(1)), ORDERS.record("d", row(2)), ORDERS.record("u", row(3, UNAVAILABLE))]

    assert sorted(shapes(planned(slice_of(records), unindexed))[0]) == [("delete", 1), ("replace", 1), ("update", 1)]


def test_a_slice_without_records_only_moves_the_position() -> None:
    """At the end of a partition there may be nothing but transaction markers."""
    piece = Slice(at=AT, epoch=1, start=5, end=9)
    plan = planned(piece)

    assert (plan.stages, plan.counts) == ((), Counts())
    assert plan.slices == (piece,)


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


SOUND = ORDERS.record("c", row(0))
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


@pytest.mark.provokes("table.truncate")
def test_a_truncate_stops_its_partition() -> None:
    """It is about the whole table, so nothing behind it may be applied."""
    with pytest.raises(BadRecord) as caught:
        planned(slice_of([SOUND, wrong_op("t"), SOUND]))

    assert (caught.value.ref, caught.value.failure.kind) == (RecordRef(AT, 101), "table.truncate")


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


def test_an_unbound_run_is_asked_for() -> None:
    """Who plans without a binding learns which one is missing."""
    with pytest.raises(Unbound) as caught:
        planner(KnownBindings()).plan([slice_of([SOUND])])

    assert list(caught.value.wanted) == [BindingKey(AT.topic, SOUND[0][:5], SOUND[1][:5])]
    assert [run.start for run in caught.value.wanted.values()] == [0]


class Never:
    """A decoder that must not be asked."""

    def sift(self, schema: str, data: object, fields: object) -> object:
        """Fails."""
        raise AssertionError("the native decoder was asked")


@pytest.mark.parametrize(("start", "end", "marked"), [(90, 100, False), (139, 140, True), (140, 150, False)])
def test_a_marked_range_goes_to_the_row_decoder(start: int, end: int, marked: bool) -> None:
    """A range that hung the native decoder never meets it again; its neighbours do."""
    known, marks = KnownBindings(), Marks()
    ORDERS.bound_to(known)
    marks.learn([OffsetRange(AT, start, end)])
    careful = planner(known, Never(), marks)
    piece = slice_of([ORDERS.record("c", row(n)) for n in range(40)])

    if marked:
        assert shapes(careful.plan([piece])) == [[("upsert", 40)]]
    else:
        with pytest.raises(AssertionError, match="native"):
            careful.plan([piece])


class Watched:
    """A row decoder that notes what is watched while it decodes."""

    def __init__(self) -> None:
        self.watch = DecodeWatch(0)
        self.seen: list[tuple[OffsetRange, ...]] = []

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> Sifted:
        """Note it, then decode."""
        self.seen.append(self.watch.overdue())
        return RowDecoder().sift(schema, data, fields)


@pytest.mark.parametrize("careful", [False, True])
def test_only_the_native_decoder_has_a_deadline(careful: bool) -> None:
    """The ranges that would be marked are those that the native decoder holds; the row decoder is slow, but it ends."""
    known, marks, decoder = KnownBindings(), Marks(), Watched()
    ORDERS.bound_to(known)
    marks.learn([OffsetRange(AT, 100, 101)] if careful else [])
    # a deadline that is always over
    plans = Planner(Decoders(fast=decoder, careful=decoder, deadline=-1), CopyEncoder(), known, marks, Policy(), 100)
    decoder.watch = plans.watch
    plans.plan([slice_of([ORDERS.record("c", row(1)), ORDERS.record("d", row(2))])])

    assert decoder.seen == [() if careful else (OffsetRange(AT, 100, 102),)] * 2
    assert plans.watch.overdue() == ()


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


def test_source_times_are_those_of_each_partition() -> None:
    """Not those of the batch: a partition may be far behind another one of its topic."""
    known = KnownBindings()
    ORDERS.bound_to(known)
    far, near = TopicPartition(AT.topic, 0), TopicPartition(AT.topic, 1)

    def at(number: int, ts_ms: int) -> tuple[bytes, bytes]:
        return ORDERS.key(row(number)), ORDERS.values.framed(2, event("c", None, row(number), ts_ms=ts_ms))

    pieces = [
        slice_of([at(n, 1000 + n) for n in range(30)], at=far),
        slice_of([at(n, 9000 + n) for n in range(30)], at=near),
        slice_of([(ORDERS.key(row(9)), None)], at=TopicPartition(AT.topic, 2)),
    ]
    plan = planner(known).plan(pieces)
    assert plan.source_times == {far: (1000, 1029), near: (9000, 9029)}
    assert plan.source_ms == (1000, 9029)
    every = sorted(time for stamps in plan.stamps for time in stamps.without({}).tolist())
    assert every == [*range(1000, 1030), *range(9000, 9030)]
    letters = {far: {pieces[0].offsets[0], pieces[0].offsets[29]}, near: {pieces[1].offsets[7]}}
    others = sorted(time for stamps in plan.stamps for time in stamps.without(letters).tolist())
    assert others == [*range(1001, 1029), *range(9000, 9007), *range(9008, 9030)]
    # a view would keep all that was decoded as long as the plan is there
    assert all(stamps.times.flags.owndata for stamps in plan.stamps)


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
