"""A topic that holds changes of several tables of the source: nothing of one goes into the table of another."""

from typing import Any

import pytest

from consumer.core.modes import Mode
from consumer.planning.planner import BadRecord
from tests.unit.avro import event
from tests.unit.bound import ORDERS, ROW, Bound
from tests.unit.known import AT, slice_of
from tests.unit.test_spoiled import planned

Record = tuple[bytes, bytes]


def of(table: str, number: int, schema: str = "public") -> Record:
    """A new row of a table of the source, with the schemas of the topic."""
    row = {**ROW, "id": number}
    value: dict[str, Any] = event("c", None, row)
    value["source"] |= {"schema": schema, "table": table}
    return ORDERS.key(row), ORDERS.values.framed(2, value)


@pytest.mark.provokes("table.mixed")
@pytest.mark.parametrize("others", [0, 40], ids=["few", "many"])
@pytest.mark.parametrize("mode", [Mode.ROWS, Mode.APPEND])
@pytest.mark.parametrize("strange", [of("orders_old", 2), of("orders", 2, "archive")], ids=["table", "schema"])
def test_its_partition_stops_in_front_of_the_first_change_of_another_table(
    strange: Record, mode: Mode, others: int
) -> None:
    """Wherever it stands between others."""
    bound = Bound()
    bound.world.modes["public.orders"] = mode
    bound.start()
    before = [of("orders", number + 3) for number in range(others)]
    with pytest.raises(BadRecord) as caught:
        planned(bound, slice_of([*before, of("orders", 1), strange, of("orders", 99)]))

    assert (caught.value.failure.kind, caught.value.ref.offset) == ("table.mixed", 101 + others)


def test_a_worker_that_meets_the_other_table_first_does_not_take_it_for_the_topics() -> None:
    """What the topic was bound to before is stored, and holds for all workers."""
    bound = Bound()
    bound.bind(of("orders", 1))
    bound.start()

    assert bound.refusal(of("others", 2)).kind == "table.mixed"
    assert list(bound.world.claims.values()) == [AT.topic]
    assert bound.bind(of("orders", 3)).table is not None


def test_all_of_them_may_be_meant_to_be_one_table() -> None:
    """The parts of a partitioned one: the settings name it."""
    bound = Bound()
    bound.world.templates[AT.topic] = "public.orders"
    bound.start()
    plan = planned(bound, slice_of([of("orders_1", 1), of("orders_2", 2), of("orders_1", 3, "archive")]))

    assert plan.counts.upserts == 3
