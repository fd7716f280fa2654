"""From records to a plan."""

from dataclasses import replace

import pytest

from consumer.binding.known import KnownBindings
from consumer.core.binding import BindingKey
from consumer.core.envelope import RecordKind, WriterSchema
from consumer.core.markers import UNAVAILABLE
from consumer.core.plan import Counts, Stage, Times
from consumer.core.records import Slice, TopicPartition
from consumer.core.writes import Action
from consumer.planning.unbound import Unbound
from tests.unit.avro import event, framed
from tests.unit.known import AT, Topic, heartbeat, planner, slice_of
from tests.unit.planned import FIELDS, ORDERS, SOUND, planned, row, shapes

COMPACTED = Topic(FIELDS, compacted=True)


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


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("c", 1000), ("r", 9000), ("u", 1030)], Times(1000, 9000, 1030)),
        ([("r", 9000)], Times(9000, 9000, None)),
        ([("c", 1000), ("u", 1030)], Times(1000, 1030, 1030)),
    ],
)
def test_the_time_of_a_read_is_not_that_of_a_change(events: list[tuple[str, int]], expected: Times) -> None:
    """An incremental snapshot reads rows later than the changes were made that come behind them."""
    records = [
        (ORDERS.key(row(n)), ORDERS.values.framed(2, event(op, None, row(n), ts_ms=ts_ms)))
        for n, (op, ts_ms) in enumerate(events)
    ]
    assert planned(slice_of(records)).source_times == {AT: expected}


def test_an_unbound_run_is_asked_for() -> None:
    """Who plans without a binding learns which one is missing."""
    with pytest.raises(Unbound) as caught:
        planner(KnownBindings()).plan([slice_of([SOUND])])

    assert list(caught.value.wanted) == [BindingKey(AT.topic, SOUND[0][:5], SOUND[1][:5])]
    assert [run.start for run in caught.value.wanted.values()] == [0]


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
    assert plan.source_times == {far: Times(1000, 1029, 1029), near: Times(9000, 9029, 9029)}
    assert plan.source_ms == (1000, 9029)
    every = sorted(time for stamps in plan.stamps for time in stamps.without({}).tolist())
    assert every == [*range(1000, 1030), *range(9000, 9030)]
    letters = {far: {pieces[0].offsets[0], pieces[0].offsets[29]}, near: {pieces[1].offsets[7]}}
    others = sorted(time for stamps in plan.stamps for time in stamps.without(letters).tolist())
    assert others == [*range(1001, 1029), *range(9000, 9007), *range(9008, 9030)]
    # a view would keep all that was decoded as long as the plan is there
    assert all(stamps.times.flags.owndata for stamps in plan.stamps)
