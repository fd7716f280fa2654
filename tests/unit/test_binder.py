"""Bindings: which table, and how its rows are told apart."""

import threading
from dataclasses import replace

import pytest

from consumer.binding.binder_settings import BinderSettings
from consumer.core.failure import Persistent, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.target import TableName, TargetTable
from consumer.planning.planner import BadRecord
from consumer.ports.topics import Traits
from tests.unit.bound import CHANGE, ORDERS, ROW, TABLE, UNINDEXED, Bound, wanted
from tests.unit.known import AT


@pytest.mark.parametrize(
    ("table", "partitions", "replaces"),
    [
        pytest.param(TABLE, 1, False, id="index, one partition"),
        pytest.param(TABLE, 3, False, id="index, three partitions"),
        pytest.param(UNINDEXED, 1, True, id="no index, one partition"),
    ],
)
def test_rows_are_told_apart_by_an_index_or_by_there_being_one_partition(
    table: TargetTable, partitions: int, replaces: bool
) -> None:
    """An index over some of the key's columns, or over more, does not count."""
    assert Bound(table, partitions).bind(CHANGE).replaces == replaces


@pytest.mark.parametrize("partitions", [0, 2, 3])
def test_anything_else_is_refused_with_the_remedy(partitions: int) -> None:
    """Two transactions could each insert the same row."""
    failure = Bound(UNINDEXED, partitions).refusal(CHANGE)

    assert failure.kind == "table.identity"
    assert "more than one partition" in failure.detail
    assert "PRIMARY KEY (id)" in failure.remedy


def test_a_topic_that_grows_is_refused_from_then_on() -> None:
    """What was bound while it had one partition is forgotten; before that nothing changes."""
    bound = Bound(UNINDEXED)
    bound.bind(CHANGE)
    assert bound.binder.look_again() == set()
    assert bound.known.alone() == {AT.topic}

    bound.world.topics[AT.topic] = Traits(compacted=False, partitions=2)
    assert bound.binder.look_again() == {AT.topic}
    assert bound.known.alone() == set()
    assert bound.refusal(CHANGE).kind == "table.identity"


def test_a_taken_second_partition_says_it_too() -> None:
    """Kafka need not be asked, so an answer that is behind does no harm."""
    bound = Bound(UNINDEXED)
    bound.bind(CHANGE)
    bound.binder.spread({AT.topic})

    assert bound.refusal(CHANGE).kind == "table.identity"


def test_who_looks_for_growth_waits_for_no_binding_that_is_made() -> None:
    """As long as none has grown."""
    bound = Bound()
    bound.bind(CHANGE)
    found: list[set[str]] = []
    with bound.binder._turn:
        looking = threading.Thread(target=lambda: found.append(bound.binder.look_again()), daemon=True)
        looking.start()
        looking.join(5.0)
    assert found == [set()]


def test_growing_costs_nothing_where_an_index_is() -> None:
    """Bindings of a table with a fitting index stay, and one that was made meanwhile is enough."""
    bound = Bound()
    bound.bind(CHANGE)
    assert bound.binder.spread({AT.topic}) == set()
    assert bound.known.find(wanted([CHANGE])[0]) is not None

    late = Bound(UNINDEXED)
    late.bind(CHANGE)
    late.binder.spread({AT.topic})
    late.table = TABLE
    assert not late.bind(CHANGE).replaces


def test_a_topic_that_is_gone_is_for_time() -> None:
    """Nothing is decided about its records."""
    bound = Bound()
    bound.world.topics.clear()
    with pytest.raises(Transient) as caught:
        bound.bind(CHANGE)

    assert AT.topic in caught.value.failure.detail


def test_a_topic_without_keys_stops() -> None:
    """Each of its records would be a letter."""
    failure = Bound().refusal((None, CHANGE[1]))

    assert failure.kind == "table.identity"
    assert "message.key.columns" in failure.remedy
    assert "replica identity" in failure.remedy


def test_a_table_belongs_to_one_topic_whichever_worker_applies_it() -> None:
    """The claim outlives the worker that made it."""
    bound = Bound()
    bound.world.claims[TABLE.name] = "shop2.public.orders"
    failure = bound.refusal(CHANGE)

    assert failure.kind == "table.shared"
    assert "shop2.public.orders" in failure.detail
    assert "target.table" in failure.remedy


@pytest.mark.parametrize("template", ["archive.of_{table}", "archive.of_orders"])
def test_a_topic_may_have_a_table_of_its_own(template: str) -> None:
    """Whatever the others' are called; tombstones that come first find it too."""
    scene = Bound(replace(TABLE, name=TableName("archive", "of_orders")), compacted=True)
    scene.world.templates = {AT.topic: template, "another": "{schema}.{table}"}
    scene.start()
    table = scene.bind(ORDERS.record("c", ROW)).table
    assert table is not None
    assert str(table.name) == "archive.of_orders"

    scene.start()
    table = scene.bind((ORDERS.record("c", ROW)[0], None)).table
    assert table is not None
    assert str(table.name) == "archive.of_orders"


def test_what_was_bound_by_settings_of_before_is_named() -> None:
    """Also of tables that nobody knew when the change was asked for: what was planned of them is read anew."""
    bound = Bound()
    bound.bind(CHANGE)
    assert bound.binder.change(BinderSettings(), ["public.orders"], []) == {AT.topic}
    assert bound.binder.change(BinderSettings(), ["public.orders"], []) == set()


def test_a_target_that_lets_nobody_in_is_no_table_s_fault() -> None:
    """It ends the process with its own remedy; as a table's it would stop partitions until a person looks."""

    def refused(name: TableName) -> TargetTable | None:
        raise Persistent(failed(KINDS["target.login"], "postgres", "connect", "SQLSTATE 28P01"))

    bound = Bound()
    bound.world.table = refused
    with pytest.raises(Persistent) as caught:
        bound.bind(CHANGE)
    assert (caught.value.failure.kind, isinstance(caught.value, BadRecord)) == ("target.login", False)
