"""Records of which none decodes say nothing of others with their schemas."""

import json
from dataclasses import replace

import pytest

from consumer.binding.evolver import Following
from consumer.core.binding import BindingKey
from consumer.core.contract import Contract
from consumer.core.evolution import DEFAULT_ANSWERS, Answer, Follow
from consumer.core.plan import Plan
from consumer.core.records import OffsetRange, Slice
from consumer.core.runs import frame
from consumer.core.steps import Change
from consumer.core.target import TableName
from consumer.planning.unbound import Unbound
from tests.unit.avro import event, framed
from tests.unit.bound import SOURCE, Bound
from tests.unit.known import AT, Topic, planner, slice_of

FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
ORDERS = Topic(FIELDS)
GOOD = ORDERS.record("c", {"id": 1, "word": "w"})
KEY, VALUE = ORDERS.record("c", {"id": 2, "word": "cut"})
TABLE = TableName("public", "orders")
CUSTOMERS = Topic([FIELDS[0], {"name": "mail", "type": "string"}, {"name": "age", "type": "int"}])
STRICT = Topic([FIELDS[0], {"name": "word", "type": "string"}])
CUT = (KEY, (VALUE or b"")[:12])


def planned(bound: Bound, *pieces: Slice) -> Plan:
    """The plan of slices, whatever has to be bound for it."""
    plans = planner(bound.known)
    for _ in range(10):
        try:
            return plans.plan(pieces)
        except Unbound as unbound:
            bound.binder.bind(unbound.wanted)
    raise AssertionError("nothing becomes bound")


def rows_of_letters(plan: Plan) -> list[tuple[TableName | None, int]]:
    """The tables of letters, and how many of their rows are known."""
    asides = [aside for stage in plan.stages for aside in stage.letters]
    return [(aside.table, aside.identities.rows if aside.identities else 0) for aside in asides]


def told(plan: Plan) -> tuple[int, int]:
    """How many letters and rows."""
    return plan.counts.letters, plan.counts.upserts


def test_a_first_record_that_is_cut_spoils_none_behind_it() -> None:
    """In another batch, or in the same one."""
    bound = Bound()
    assert told(planned(bound, slice_of([CUT], 0))) == (1, 0)
    assert told(planned(bound, slice_of([GOOD], 1))) == (0, 1)
    assert told(planned(bound, slice_of([CUT], 2))) == (1, 0)


@pytest.mark.parametrize("order", [(CUT, GOOD), (GOOD, CUT)])
def test_what_is_cut_in_one_partition_spoils_nothing_in_another(
    order: tuple[tuple[bytes | None, bytes | None], ...],
) -> None:
    """Though they are planned together."""
    pieces = [slice_of([record], 0, AT._replace(partition=number)) for number, record in enumerate(order)]
    assert told(planned(Bound(), *pieces)) == (1, 1)


def test_ranges_of_which_nothing_decodes_are_letters_each() -> None:
    """Several together, and parts of them when the batch is halved."""
    bound = Bound()
    pieces = [slice_of([CUT, CUT], 0, AT._replace(partition=number)) for number in range(3)]
    assert told(planned(bound, *pieces)) == (6, 0)
    assert told(planned(bound, slice_of([CUT], 1, pieces[1].at))) == (1, 0)


def test_what_lies_between_letters_that_are_cut_is_not_spoiled() -> None:
    """They are planned together, and the position may be set back to what is between them."""
    bound = Bound()
    letters = replace(slice_of([CUT, CUT], 5), offsets=[5, 100], end=101)
    assert told(planned(bound, letters)) == (2, 0)
    assert told(planned(bound, slice_of([GOOD] * 3, 50))) == (0, 1)


def test_what_is_known_to_be_spoiled_is_of_the_last_batch() -> None:
    """Else it would become more with each one."""
    bound = Bound()
    for offset in range(50):
        assert told(planned(bound, slice_of([CUT], offset))) == (1, 0)
    binding = bound.known.find(BindingKey(AT.topic, frame(CUT[0]), frame(CUT[1])))
    assert binding is not None
    assert binding.spoiled == (OffsetRange(AT, 49, 50),)


def test_a_table_that_is_known_needs_no_sound_record() -> None:
    """As behind a restart, or for a letter that comes back: the record is judged alone, and its row is known."""
    bound = Bound()
    bound.bind(GOOD)
    bound.start()
    assert bound.world.sources[AT.topic, 1] == SOURCE
    assert bound.bind(CUT).unreadable is None
    assert rows_of_letters(planned(bound, slice_of([CUT], 0))) == [(TABLE, 1)]
    assert told(planned(bound, slice_of([CUT, GOOD], 0))) == (1, 1)


@pytest.mark.parametrize(
    "answers",
    [{}, {Change.ADD: Answer.AUTO, Change.DROP: Answer.AUTO}, {Change.ADD: Answer.REFUSE, Change.DROP: Answer.REFUSE}],
)
def test_another_tables_schema_is_no_reason_to_change_or_stop_a_table(answers: dict[Change, Answer]) -> None:
    """An id is damaged as easily as what follows: the row is known by its key, and nobody is asked for columns."""
    bound = Bound()
    bound.world.schemas[3] = CUSTOMERS.values.text
    bound.world.following = Following(others=Follow(answers={**DEFAULT_ANSWERS, **answers}))
    bound.start()
    bound.bind(GOOD)
    plan = planned(bound, slice_of([(KEY, framed(3, CUT[1][5:]))], 1))
    assert told(plan) == (1, 0)
    assert rows_of_letters(plan) == [(TABLE, 1)]
    assert (plan.evolutions, bound.world.proposed) == ((), [])


def called(number: int, **names: str) -> tuple[bytes, bytes]:
    """A new row whose record says that of its place in the source."""
    row = {"id": number, "word": "w"}
    value = event("c", None, row)
    value["source"] |= names
    return ORDERS.key(row), ORDERS.values.framed(ORDERS.value_id, value)


NAMELESS = [called(7, table=""), called(7, table="or\x00ders"), called(7, schema="", db="")]


@pytest.mark.parametrize("odd", NAMELESS)
def test_a_record_that_names_no_table_costs_itself(odd: tuple[bytes, bytes]) -> None:
    """Whether it is met first, with others or alone, or behind them."""
    together = Bound()
    assert told(planned(together, slice_of([odd, GOOD, odd, called(3)], 0))) == (2, 2)
    assert told(planned(together, slice_of([odd], 4))) == (1, 0)

    alone = Bound()
    assert told(planned(alone, slice_of([odd], 0))) == (1, 0)
    assert told(planned(alone, slice_of([GOOD, called(3)], 1))) == (0, 2)


def test_what_is_kept_of_a_table_is_what_a_sound_record_calls_it() -> None:
    """No database keeps a zero byte, though nothing is named after the name that has it."""
    bound = Bound()
    planned(bound, slice_of([called(7, db="sh\x00op"), GOOD], 0))
    assert bound.world.sources[AT.topic, 1] == SOURCE


def test_where_no_record_names_a_table_its_schema_is_unreadable() -> None:
    """That is no oddity of one record, and is not looked for in all of them with each batch."""
    bound = Bound()
    assert told(planned(bound, slice_of([called(number, table="t" * 64) for number in range(50)], 0))) == (50, 0)
    binding = bound.known.find(BindingKey(AT.topic, frame(GOOD[0]), frame(GOOD[1])))
    assert binding is not None
    assert (binding.spoiled, binding.unreadable is None) == ((), False)


def test_a_contract_is_held_against_records_that_have_the_schema() -> None:
    """What does not decode has no schema that anybody wrote it with."""
    bound = Bound()
    bound.world.schemas[3] = CUSTOMERS.values.text
    bound.world.contracts[AT.topic] = Contract(name="orders.avsc", schema=json.loads(STRICT.values.text))
    bound.start()
    assert told(planned(bound, slice_of([(KEY, framed(3, CUT[1][5:]))], 0))) == (1, 0)
