"""Tables that follow their source: who is asked, what is bound meanwhile, and what is remembered."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import structlog

from consumer.binding.evolver import Following
from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.binding import Binding
from consumer.core.checks import Rules
from consumer.core.evolution import DEFAULT_ANSWERS, Answer, Follow, SourceColumn
from consumer.core.steps import AddColumn, Change, changes
from consumer.core.target import TargetColumn, TargetTable
from consumer.core.types import ColumnPolicy
from consumer.ports.evolution import State
from consumer.ports.topics import Traits
from tests.unit.bound import FIELDS, ORDERS, ROW, TABLE, Bound
from tests.unit.known import AT, Topic, planner, slice_of

NOTE = {"name": "note", "type": ["null", "string"], "default": None}
NEWER = Topic([*FIELDS, NOTE], value_id=5)
WIDER = Topic([{"name": "id", "type": "long"}, {"name": "size", "type": "long"}], value_id=5)
OLD, NEW = ORDERS.record("c", ROW), NEWER.record("c", {**ROW, "note": "n"})
SMALL = replace(TABLE, columns=(TABLE.columns[0], TargetColumn(name="size", type_name="int4", cast="integer")))
PLAIN = {"id": 1, "size": 2}


def bound(
    answers: Mapping[Change, Answer] = DEFAULT_ANSWERS,
    renamed: Mapping[str, str] | None = None,
    table: TargetTable = TABLE,
    newer: Topic = NEWER,
) -> Bound:
    """A topic with an older and a newer schema, and a table that has only what the older one has."""
    made = Bound(table)
    made.world.schemas = {**made.world.schemas, 5: newer.values.text}
    made.world.following = Following(others=Follow(answers={**DEFAULT_ANSWERS, **answers}, renamed=renamed or {}))
    made.start()
    return made


def had(**columns: int) -> dict[str, SourceColumn]:
    """Columns of the source under their own names, with the newest schema of each."""
    return {name: SourceColumn(target=name, schema_id=schema) for name, schema in columns.items()}


def steps(binding: Binding) -> list[str]:
    """The kinds of changes that a binding waits for."""
    return [change for each in binding.evolutions for change in changes(each.steps)]


def names(binding: Binding) -> list[str]:
    """The target columns that it writes."""
    return [column.target.name for column in binding.columns]


def test_a_column_that_is_added_by_itself_is_bound_at_once() -> None:
    """The plan says what has to be done first, once however many runs need it."""
    scene = bound({Change.ADD: Answer.AUTO})
    binding = scene.bind(NEW)
    assert names(binding) == ["id", "word", "note"]
    assert steps(binding) == ["add"]
    piece = slice_of([NEW, OLD, NEW])
    scene.bind(OLD)

    assert planner(scene.known).plan([piece]).evolutions == binding.evolutions
    assert scene.world.proposed == []


def test_older_rows_are_bound_to_what_the_table_will_be() -> None:
    """Whichever of their batches is first makes the change."""
    scene = bound({Change.ADD: Answer.AUTO})
    assert steps(scene.bind(OLD)) == []
    newer = scene.bind(NEW)
    older = scene.bind(OLD)

    assert older.evolutions == newer.evolutions
    assert names(older) == ["id", "word"]
    # once it is made, the table is read as it is
    scene.table = newer.table
    scene.binder.forget(TABLE.name)
    assert steps(scene.bind(NEW)) == steps(scene.bind(OLD)) == []


def test_a_table_that_is_put_right_by_hand_is_read_anew() -> None:
    """Also where a change of it was planned before it was refused for another reason."""
    scene = bound({Change.ADD: Answer.AUTO}, table=replace(TABLE, unique=()))
    scene.world.topics[AT.topic] = Traits(compacted=False, partitions=2)
    assert scene.refusal(NEW).kind == "table.identity"

    scene.table = TABLE
    assert steps(scene.bind(NEW)) == ["add"]


def test_a_change_behind_a_change_comes_behind_it() -> None:
    """Both are planned before either is made."""
    third = Topic([*FIELDS, NOTE, {**NOTE, "name": "more"}], value_id=6)
    scene = bound({Change.ADD: Answer.AUTO})
    scene.world.schemas[6] = third.values.text
    first = scene.bind(NEW)
    second = scene.bind(third.record("c", {**ROW, "note": None, "more": None}))

    assert len(first.evolutions) == 1
    assert second.evolutions[0] == first.evolutions[0]
    assert [each.schema_id for each in second.evolutions] == [5, 6]
    assert second.evolutions[1].before == second.evolutions[0].after


@pytest.mark.provokes("table.approval")
def test_a_change_that_a_person_wants_to_see_stops_the_table_until_then() -> None:
    """By default that is so for a new column; what is planned is kept."""
    scene = bound()
    failure = scene.refusal(NEW)
    assert failure.kind == "table.approval"
    assert "note: expected a column, found none" in failure.detail
    assert "headrace schema apply" in failure.remedy
    ((evolution, state),) = scene.world.proposed
    assert (changes(evolution.steps), state, evolution.schema_id) == (("add",), State.PLANNED, 5)
    # others go on
    assert names(scene.bind(OLD)) == ["id", "word"]

    scene.world.approved = True
    assert steps(scene.bind(NEW)) == ["add"]


@pytest.mark.provokes("table.schema")
@pytest.mark.parametrize(
    ("answers", "table", "newer", "record", "kind", "said"),
    [
        pytest.param(
            {Change.ADD: Answer.REFUSE}, TABLE, NEWER, {**ROW, "note": "n"}, "table.shape", "exclude", id="a new column"
        ),
        pytest.param(
            {Change.WIDEN: Answer.REFUSE}, SMALL, WIDER, PLAIN, "table.schema", "[evolution]", id="a wider type"
        ),
        pytest.param(
            {Change.WIDEN: Answer.AUTO},
            replace(SMALL, columns=(SMALL.columns[0], replace(SMALL.columns[1], type_name="date", cast="date"))),
            WIDER,
            PLAIN,
            "table.schema",
            "keep",
            id="another type",
        ),
    ],
)
def test_what_is_not_followed_stops_the_table_and_says_the_statement(
    answers: dict[Change, Answer], table: TargetTable, newer: Topic, record: dict[str, Any], kind: str, said: str
) -> None:
    """And the setting that would change it; it is kept as refused."""
    scene = bound(answers, table=table, newer=newer)
    failure = scene.refusal(newer.record("c", record))
    assert failure.kind == kind
    assert f"of {TABLE.name}" in failure.remedy
    assert said in failure.remedy
    assert [state for _, state in scene.world.proposed] == [State.REFUSED]


def test_without_a_word_about_it_types_stay_as_they_are() -> None:
    """Values that do not fit are judged one by one."""
    scene = bound(table=SMALL, newer=WIDER)
    assert steps(scene.bind(WIDER.record("c", PLAIN))) == []


def renamed_and(settled: str, kind: str) -> Bound:
    """A table whose column `word` is `term` now, and of which the settings say something by one of the names."""
    newer = Topic([FIELDS[0], {**FIELDS[1], "name": "term"}], value_id=5)
    scene = bound(renamed={"word": "term"}, newer=newer)
    if kind == "hash":
        scene.world.mappings[str(TABLE.name)] = TableMapping(columns={settled: ColumnMapping(hash=True)})
    elif kind == "check":
        scene.world.checks[str(TABLE.name)] = {settled: Rules(not_null=True)}
    else:
        scene.world.columns[str(TABLE.name)] = {settled: ColumnPolicy(zero_bytes="strip")}
    scene.start()
    return scene


@pytest.mark.provokes("table.settings")
@pytest.mark.parametrize("kind", ["hash", "check", "policy"])
def test_what_is_said_of_a_column_by_one_name_is_not_lost_under_another(kind: str) -> None:
    """Values that are hashed would be written as they are; so would those of older records under the old name."""
    newer = Topic([FIELDS[0], {**FIELDS[1], "name": "term"}], value_id=5).record("c", {"id": 1, "term": "w"})
    refused = [renamed_and("word", kind).refusal(newer), renamed_and("term", kind).refusal(OLD)]
    assert [why.kind for why in refused] == ["table.settings"] * 2
    assert [why.detail.split("after.")[1].split(":")[0] for why in refused] == ["term", "word"]
    assert names(renamed_and("term", kind).bind(newer)) == ["id", "term"]
    assert names(renamed_and("word", kind).bind(OLD))[0] == "id"


def test_rows_of_a_renamed_column_go_where_it_is_now() -> None:
    """Those of the older schema too, in front of the change and behind it."""
    renamed = Topic([FIELDS[0], {**FIELDS[1], "name": "term"}], value_id=5)
    scene = bound(renamed={"word": "term"}, newer=renamed)
    newer = scene.bind(renamed.record("c", {"id": 1, "term": "w"}))
    older = scene.bind(OLD)
    assert steps(newer) == ["rename"]
    assert older.evolutions == newer.evolutions
    assert names(older) == names(newer) == ["id", "term"]
    assert planner(scene.known).plan([slice_of([OLD])]).writes[0].columns[1].name == "term"

    scene.table = newer.table
    scene.binder.forget(TABLE.name)
    late = scene.bind(OLD)
    assert (steps(late), names(late)) == ([], ["id", "term"])


def test_a_column_is_dropped_only_by_a_schema_that_is_newer_than_all_that_had_it() -> None:
    """A schema from before the column's time knows nothing of it, nor does one that dropped it before."""
    fewer = Topic(FIELDS[:1], value_id=5)
    record = fewer.record("c", {"id": 1})
    found = []
    for known in ({}, had(word=4), had(word=5), had(word=9)):
        scene = bound({Change.DROP: Answer.AUTO}, newer=fewer)
        scene.world.known = known
        found.append(steps(scene.bind(record)))
    assert found == [[], ["drop"], [], []]


@pytest.mark.parametrize(
    ("known", "answer", "warned"),
    [
        pytest.param(had(word=4), Answer.KEEP, [["word"]], id="an older schema had it"),
        pytest.param(had(word=5), Answer.AUTO, [["word"]], id="it came back behind the drop of this schema"),
        pytest.param(had(word=4), Answer.AUTO, [], id="it is dropped"),
        pytest.param(had(word=9), Answer.KEEP, [], id="a newer schema has it"),
        pytest.param({}, Answer.KEEP, [], id="the source never had it"),
    ],
)
def test_columns_that_go_on_with_values_of_older_schemas_are_told_once(
    known: dict[str, SourceColumn], answer: Answer, warned: list[list[str]]
) -> None:
    """A generated column of PostgreSQL comes with snapshots alone: what streams leaves it as it was."""
    fewer = Topic(FIELDS[:1], value_id=5)
    scene = bound({Change.DROP: answer}, newer=fewer)
    scene.world.known = known
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            scene.bind(fewer.record("c", {"id": 1}))
            scene.binder.forget(None)

    said = [line for line in logs if line["log_level"] == "warning"]
    assert [line["columns"] for line in said] == warned
    assert all("exclude" in line["remedy"] for line in said)


def test_a_column_that_the_target_generates_keeps_no_older_values() -> None:
    """It is computed anew with each row."""
    fewer = Topic(FIELDS[:1], value_id=5)
    computed = replace(TABLE, columns=(TABLE.columns[0], replace(TABLE.columns[1], generated=True)))
    scene = bound(newer=fewer, table=computed)
    scene.world.known = had(word=4)
    with structlog.testing.capture_logs() as logs:
        scene.bind(fewer.record("c", {"id": 1}))

    assert [line for line in logs if line["log_level"] == "warning"] == []


def test_a_column_that_hides_its_values_has_none_of_the_schemas_words_about_them() -> None:
    """A default is a value too."""
    told = Topic([*FIELDS, {"name": "note", "type": "string", "default": "secret"}], value_id=5)
    record = told.record("c", {**ROW, "note": "n"})
    found = []
    for hide in (False, True):
        scene = bound({Change.ADD: Answer.AUTO, Change.DEFAULT: Answer.AUTO}, newer=told)
        scene.world.mappings = {str(TABLE.name): TableMapping(columns={"note": ColumnMapping(hash=hide)}, key=b"k")}
        scene.start()
        (step,) = scene.bind(record).evolutions[0].steps
        assert isinstance(step, AddColumn)
        found.append(step.column.default)
    assert found == ["secret", None]


def test_a_column_that_the_settings_leave_out_is_not_gone() -> None:
    """The source has it still."""
    scene = bound({Change.DROP: Answer.AUTO})
    scene.world.mappings = {str(TABLE.name): TableMapping(exclude=frozenset({"word"}))}
    scene.world.known = had(word=1)
    scene.start()
    binding = scene.bind(OLD)
    assert (steps(binding), names(binding)) == ([], ["id"])


def test_a_column_stays_as_long_as_rows_still_have_it() -> None:
    """Rows of both schemas in one batch are bound once, and the next batch without older ones takes the column away."""
    fewer = Topic(FIELDS[:1], value_id=5)
    record = fewer.record("c", {"id": 1})
    scene = bound({Change.DROP: Answer.AUTO}, newer=fewer)
    scene.world.known = had(word=2)
    older = scene.bind(OLD)
    newer = scene.bind(record)
    assert scene.bind(OLD) is older
    assert (steps(older), steps(newer)) == ([], ["drop"])
    assert names(older) == ["id", "word"]

    both = planner(scene.known).plan([slice_of([OLD, record])])
    alone = planner(scene.known).plan([slice_of([record])])
    assert both.evolving() == []
    assert [changes(each.steps) for each in alone.evolving()] == [("drop",)]


def test_what_a_schema_has_is_remembered_when_the_table_fits_it() -> None:
    """So that later ones can tell what is gone."""
    scene = bound()
    scene.bind(OLD)
    assert scene.world.known == had(id=2, word=2)


def test_a_table_that_may_not_be_changed_is_said_to_be_before_any_row() -> None:
    """With what its owner can do."""
    scene = bound({Change.ADD: Answer.AUTO})
    read = scene.world.read_shape
    scene.world.read_shape = lambda name: replace(shape, owned=False) if (shape := read(name)) else None
    failure = scene.refusal(NEW)
    assert failure.kind == "table.privilege"
    assert f"add of {TABLE.name}" in failure.remedy


def test_triggers_of_a_table_are_not_forgotten_with_a_change_of_it() -> None:
    """The copy on which it is rehearsed has none."""
    filled = replace(
        TABLE, columns=(*TABLE.columns, TargetColumn(name="at", type_name="date", cast="date", required=True))
    )
    third = Topic([*FIELDS, NOTE, {**NOTE, "name": "more"}], value_id=6)
    scene = bound({Change.ADD: Answer.AUTO, Change.RELAX: Answer.AUTO}, table=filled)
    scene.world.schemas[6] = third.values.text
    read = scene.world.read_shape
    scene.world.read_shape = lambda name: replace(shape, triggered=True) if (shape := read(name)) else None
    scene.bind(NEW)
    assert steps(scene.bind(third.record("c", {**ROW, "note": None, "more": None}))) == ["add", "add"]


def test_a_name_that_no_column_can_have_is_the_records_fault() -> None:
    """PostgreSQL would cut it."""
    long = Topic([*FIELDS, {**NOTE, "name": "n" * 64}], value_id=5)
    scene = bound({Change.ADD: Answer.AUTO}, newer=long)
    unreadable = scene.bind(long.record("c", {**ROW, "n" * 64: None})).unreadable
    assert unreadable is not None
    assert unreadable.kind == "record.schema"
