"""A record whose key has the schema of another table costs itself, not its table."""

import pytest

from consumer.core.plan import Plan
from consumer.core.steps import CreateTable
from consumer.planning.planner import BadRecord
from tests.unit.avro import Writer, envelope, framed, key
from tests.unit.bound import Bound
from tests.unit.known import Topic, slice_of
from tests.unit.test_spoiled import planned, rows_of_letters

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "customer", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
]
ORDERS = Topic(FIELDS)
TABLE = ORDERS.binding.table
assert TABLE is not None
ROW = {"id": 1, "customer": 7, "word": "w"}
GOOD = ORDERS.record("c", ROW)
# by id: schemas of other tables; the first two have no column, or one that is not the key, of this one
OTHERS = {
    "a column that it has not": (11, key([{"name": "code", "type": "long"}], "shop.public.codes")),
    "a column that is not its key": (12, key([{"name": "customer", "type": "long"}], "shop.public.customers")),
    "a value's schema": (13, envelope([{"name": "code", "type": "long"}], "shop.public.codes")),
}
OWN_LATER = (21, key([{"name": "customer", "type": "long"}]))
ALIKE = (22, key([{"name": "id", "type": "long"}], "shop.public.others"))


def strange(record: tuple[bytes, bytes | None], schema_id: int) -> tuple[bytes, bytes | None]:
    """The record with another id in front of its key."""
    return framed(schema_id, record[0][5:]), record[1]


def bound(*, partitions: int = 1, compacted: bool = False) -> Bound:
    """A binder of the topic, whose registry has the other schemas too."""
    made = Bound(TABLE, partitions, compacted)
    made.world.schemas = {1: ORDERS.keys.text, 2: ORDERS.values.text}
    made.world.schemas |= {number: Writer(schema).text for number, schema in (*OTHERS.values(), OWN_LATER, ALIKE)}
    return made


def kinds(plan: Plan) -> list[str]:
    """Those of the letters."""
    return [letter.failure.kind for letter in plan.letters]


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("number", [number for number, _ in OTHERS.values()], ids=list(OTHERS))
@pytest.mark.parametrize("first", [False, True], ids=["behind", "in front"])
def test_it_is_a_letter_of_its_row(number: int, partitions: int, *, first: bool) -> None:
    """Which the image says; those beside it are applied, wherever they stand."""
    odd = strange(ORDERS.record("u", {**ROW, "id": 2}), number)
    plan = planned(bound(partitions=partitions), slice_of([odd, GOOD] if first else [GOOD, odd]))

    assert (kinds(plan), plan.counts.upserts) == (["record.identity"], 1)
    assert rows_of_letters(plan) == [(TABLE.name, 1)]
    assert "shop.public.orders.Key" in plan.letters[0].failure.detail


@pytest.mark.parametrize("number", [number for number, _ in OTHERS.values()], ids=list(OTHERS))
def test_a_worker_that_meets_it_first_knows_the_key_from_before(number: int) -> None:
    """What was bound once is remembered; of which row it is is not known yet then."""
    scene = bound()
    planned(scene, slice_of([GOOD]))
    scene.start()
    odd = strange(ORDERS.record("u", ROW), number)

    assert kinds(planned(scene, slice_of([odd]))) == ["record.identity"]
    assert rows_of_letters(planned(scene, slice_of([GOOD, odd]))) == [(TABLE.name, 1)]


@pytest.mark.parametrize("number", [number for number, _ in OTHERS.values()], ids=list(OTHERS))
def test_so_is_a_tombstone(number: int) -> None:
    """It is not known which row it is of, nor is a table looked for."""
    scene = bound(compacted=True)
    planned(scene, slice_of([GOOD]))
    scene.start()

    plan = planned(scene, slice_of([strange((GOOD[0], None), number)]))
    assert kinds(plan) == ["record.identity"]
    assert plan.letters[0].place is None


def test_nobody_makes_a_table_by_it() -> None:
    """The good ones behind it say what its key is."""
    scene = bound()
    scene.table = None
    plan = planned(scene, slice_of([strange(GOOD, OTHERS["a column that is not its key"][0]), GOOD]))
    (create,) = plan.evolutions[0].steps

    assert kinds(plan) == ["record.identity"]
    assert isinstance(create, CreateTable)
    assert create.identity == ("id",)


def test_a_key_that_the_source_changed_is_the_tables_own() -> None:
    """Its table has no index for it: that is no record's fault."""
    scene = bound(partitions=2)
    planned(scene, slice_of([GOOD]))
    with pytest.raises(BadRecord) as caught:
        planned(scene, slice_of([strange(GOOD, OWN_LATER[0])]))
    assert caught.value.failure.kind == "table.identity"


def test_a_key_of_the_same_columns_says_the_same() -> None:
    """As where a transform gives keys another name."""
    scene = bound()
    planned(scene, slice_of([GOOD]))
    plan = planned(scene, slice_of([strange(GOOD, ALIKE[0])]))

    assert (plan.counts.letters, plan.counts.upserts) == (0, 1)


def test_a_first_key_is_believed() -> None:
    """Nothing is known of the topic that speaks against it."""
    scene = bound(partitions=2)
    with pytest.raises(BadRecord) as caught:
        planned(scene, slice_of([strange(GOOD, OTHERS["a column that is not its key"][0])]))
    assert caught.value.failure.kind == "table.identity"


def test_a_key_that_nobody_knows_leaves_the_row_known() -> None:
    """The image says it."""
    scene = bound()
    plan = planned(scene, slice_of([GOOD, strange(ORDERS.record("u", {**ROW, "id": 2}), 99)]))

    assert kinds(plan) == ["record.schema_unknown"]
    assert rows_of_letters(plan) == [(TABLE.name, 1)]


def test_what_does_not_decode_either_is_of_no_row() -> None:
    """Its key is not read by a schema that is not its own."""
    odd = strange(ORDERS.record("u", ROW), OTHERS["a column that is not its key"][0])
    plan = planned(bound(), slice_of([GOOD, (odd[0], (odd[1] or b"")[:12])]))

    assert (plan.counts.letters, rows_of_letters(plan)) == (1, [(TABLE.name, 0)])
