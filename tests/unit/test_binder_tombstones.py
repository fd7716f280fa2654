"""Tombstones are bound before any value, by what earlier workers learned."""

from dataclasses import replace

from consumer.core.envelope import RecordKind
from consumer.core.modes import OnTruncate
from consumer.core.records import TopicPartition
from consumer.core.target import TargetColumn
from consumer.ports.topics import Traits
from tests.unit.bound import CHANGE, SOURCE, TABLE, TOMBSTONE, UNINDEXED, Bound, wanted
from tests.unit.known import AT


def test_a_tombstone_that_comes_first_finds_the_table_of_an_earlier_worker() -> None:
    """The key says which row, what is remembered says which table."""
    bound = Bound(compacted=True)
    bound.bind(CHANGE)
    assert bound.world.sources == {(AT.topic, 1): SOURCE}
    bound.start()
    binding = bound.bind(TOMBSTONE)

    assert binding.table == TABLE
    assert (binding.identity, binding.compacted) == (("id",), True)
    assert [column.target.name for column in binding.columns] == ["id"]


def test_tombstones_take_the_table_of_the_values_beside_them() -> None:
    """Wherever in a batch they stand."""
    bound = Bound(compacted=True)
    asked = dict([wanted([TOMBSTONE]), wanted([CHANGE], TopicPartition(AT.topic, 5))])
    bound.binder.bind(asked)

    assert bound.known.find(wanted([TOMBSTONE])[0]) == bound.known.find(wanted([CHANGE])[0])


def test_a_topic_that_was_never_bound_stops_at_its_tombstone() -> None:
    """Nobody knows the table, so nothing is passed over."""
    failure = Bound(compacted=True).refusal(TOMBSTONE)

    assert failure.kind == "table.tombstones"
    assert "not known yet" in failure.detail
    assert "snapshot" in failure.remedy


def test_another_key_schema_was_never_bound() -> None:
    """What is remembered holds for the key that it was learned with."""
    bound = Bound(compacted=True)
    bound.world.sources[AT.topic, 9] = SOURCE

    assert bound.refusal(TOMBSTONE).kind == "table.tombstones"


def test_a_tombstone_makes_no_table() -> None:
    """It knows the key's columns only."""
    bound = Bound(None, compacted=True)
    bound.world.sources[AT.topic, 1] = SOURCE
    failure = bound.refusal(TOMBSTONE)

    assert failure.kind == "table.missing"
    assert "public.orders" in failure.detail
    assert bound.world.made == {}


def test_a_tombstone_is_held_to_the_same_identity() -> None:
    """A table without an index is no better for deletes of a topic of several partitions."""
    bound = Bound(UNINDEXED, 2, compacted=True)
    bound.world.sources[AT.topic, 1] = SOURCE

    assert bound.refusal(TOMBSTONE).kind == "table.identity"


def test_a_topic_that_is_compacted_from_now_on_has_tombstones_that_delete() -> None:
    """Their deletes may be gone from the log when they are read; before, these said everything."""
    bound = Bound()
    bound.bind(CHANGE)
    assert bound.bind(TOMBSTONE).schema.kind is RecordKind.TOMBSTONE
    bound.world.topics[AT.topic] = Traits(compacted=True, partitions=1)

    assert bound.binder.look_again() == set()
    assert bound.bind(TOMBSTONE).table == TABLE
    assert bound.bind(CHANGE).compacted


def test_tombstones_alone_need_no_order_for_truncates() -> None:
    """They are none, and the version that orders these is in values."""
    version = TargetColumn(name="v", type_name="int8", cast="bigint")
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, version)), partitions=2, compacted=True)
    bound.world.truncates = {str(TABLE.name): OnTruncate.APPLY}
    bound.world.versions = {str(TABLE.name): "v"}
    bound.start()
    bound.bind(CHANGE)
    bound.start()

    assert bound.bind(TOMBSTONE).truncate is OnTruncate.IGNORE
