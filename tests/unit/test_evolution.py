"""Plans that have a table follow its source: a table of cases, and what holds for all of them."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.evolution import Answer, Follow, Planned, SourceColumn, Wanted, WantedColumn, answer, gone, planned
from consumer.core.sqltypes import SqlType, sql_type
from consumer.core.steps import (
    AddColumn,
    AddLabel,
    Change,
    CreateTable,
    DropColumn,
    Labels,
    NewColumn,
    RelaxColumn,
    RenameColumn,
    SetDefault,
    ShapeColumn,
    Step,
    TableShape,
    WidenType,
)
from consumer.core.target import TableName
from tests.unit.shaping import after
from tests.unit.test_sqltypes import TYPES

TABLE = TableName("public", "t")
EVERYTHING = Follow(answers=dict.fromkeys(Change, Answer.AUTO))
ID = WantedColumn(name="id", source="id", created=("bigint",), type=sql_type("bigint"))
KEY = ShapeColumn(name="id", type=sql_type("bigint"), required=True, key=True)
MOOD = Labels(type="mood", schema="public", labels=("sad", "glad"))


def want(name: str, kind: str = "text", **more: object) -> WantedColumn:
    """A column of the source."""
    return WantedColumn(name=name, source=name, created=(kind,), type=sql_type(kind), **more)


def have(name: str, kind: str = "text", **more: object) -> ShapeColumn:
    """A column of the target."""
    return ShapeColumn(name=name, type=sql_type(kind), **more)


def plan(
    shape: list[ShapeColumn] | None,
    columns: list[WantedColumn],
    follow: Follow = EVERYTHING,
    gone: tuple[str, ...] = (),
) -> Planned:
    """The plan of a table with the key `id`."""
    wanted = Wanted(table=TABLE, topic="t", schema_id=7, columns=(ID, *columns), identity=("id",), gone=gone)
    return planned(TableShape(columns=(KEY, *shape)) if shape is not None else None, wanted, follow)


NAMES = st.sampled_from(["a", "b", "c", "d"])
NEW = NewColumn(name="c", types=("text",))
CASES = [
    pytest.param([have("c")], [want("c")], [], id="nothing"),
    pytest.param([], [want("c")], [AddColumn(NEW)], id="add"),
    pytest.param([], [want("c", default="x")], [AddColumn(replace(NEW, default="x"))], id="add with its default"),
    pytest.param(
        [have("c", "integer")],
        [want("c", "bigint")],
        [WidenType("c", sql_type("integer"), sql_type("bigint"))],
        id="widen",
    ),
    pytest.param([have("c", "varchar(9)")], [want("c", sized=False)], [], id="a text of unknown length"),
    pytest.param(
        [have("c", "varchar(9)")],
        [want("c")],
        [WidenType("c", sql_type("varchar(9)"), sql_type("text"))],
        id="a long text",
    ),
    pytest.param([have("c", required=True)], [want("c", nullable=True)], [RelaxColumn("c")], id="relax"),
    pytest.param([have("c", required=True)], [want("c")], [], id="nothing to relax"),
    pytest.param([have("c", required=True, key=True)], [want("c", nullable=True)], [], id="the key stays NOT NULL"),
    pytest.param([have("c")], [want("c", default=3)], [SetDefault("c", 3)], id="default"),
    pytest.param([have("c", filled=True)], [want("c", default=3)], [], id="another default"),
    pytest.param([have("c")], [], [], id="a column that only the target has"),
    pytest.param([have("c", required=True)], [], [RelaxColumn("c", gone=True)], id="which blocks inserts"),
    pytest.param([have("c", required=True, filled=True)], [], [], id="which has a default"),
    pytest.param([have("c", "integer", fixed=True)], [want("c", "bigint")], [], id="generated"),
    pytest.param(
        [have("c", "public.mood", labels=MOOD)],
        [want("c", labels=("sad", "ok", "glad"))],
        [],
        id="an enum with all of its rows' labels",
    ),
    pytest.param(
        [have("c", "public.mood", labels=MOOD)],
        [want("c", labels=("meh", "sad", "so-so", "ok", "glad"), brought=("ok", "meh", "sad"))],
        [AddLabel("c", MOOD, "meh", None), AddLabel("c", MOOD, "ok", "sad")],
        id="labels in their places",
    ),
    pytest.param([have("c")], [want("c", labels=("sad",), brought=("sad",))], [], id="an enum as text"),
    pytest.param(
        [have("c", "public.mood", labels=replace(MOOD, labels=("a,b",)))],
        [want("c", labels=("a", "b", "c", "d"), brought=("a,b", "c,d"))],
        [AddLabel("c", replace(MOOD, labels=("a,b",)), "c,d", "a,b")],
        id="labels that the schema does not tell apart",
    ),
]


@pytest.mark.parametrize(("shape", "columns", "steps"), CASES)
def test_a_table_gets_what_its_source_has(
    shape: list[ShapeColumn], columns: list[WantedColumn], steps: list[Step]
) -> None:
    """Each kind of change by itself."""
    found = plan(shape, columns)
    assert list(found.steps) == steps
    assert found.obstacles == ()


def test_a_missing_table_is_made_with_what_is_ours() -> None:
    """The key takes no nulls, nothing else is constrained."""
    wanted = Wanted(
        table=TABLE,
        topic="t",
        schema_id=7,
        columns=(ID, want("c", nullable=False)),
        identity=("id",),
        more=(NewColumn(name="v", types=("bigint",)),),
    )
    (step,) = planned(None, wanted, Follow()).steps
    assert isinstance(step, CreateTable)
    assert [(column.name, column.required) for column in step.columns] == [("id", True), ("c", False), ("v", False)]
    assert step.identity == ("id",)


@pytest.mark.parametrize(
    ("target", "source"),
    [("timestamp", "timestamptz"), ("integer", "text"), ("integer", "double precision"), ("bytea", "text")],
)
def test_what_is_no_widening_is_an_obstacle_that_says_what_a_person_may_do(target: str, source: str) -> None:
    """The statement casts, which only a person can know to be right."""
    found = plan([have("c", target)], [want("c", source)])
    assert found.steps == ()
    (obstacle,) = found.obstacles
    assert str(sql_type(target)) in obstacle.why
    assert str(sql_type(source)) in obstacle.why
    assert obstacle.step == WidenType("c", sql_type(target), sql_type(source), cast=True)


@pytest.mark.parametrize(
    ("change", "shape", "columns"),
    [
        (Change.WIDEN, [have("c", "integer")], [want("c", "bigint")]),
        (Change.WIDEN, [have("c", "integer")], [want("c", "text")]),
        (Change.RELAX, [have("c", required=True)], [want("c", nullable=True)]),
        (Change.RELAX, [have("c", required=True)], []),
        (Change.DEFAULT, [have("c")], [want("c", default=3)]),
        (Change.LABEL, [have("c", "m", labels=MOOD)], [want("c", labels=("meh",), brought=("meh",))]),
        (Change.DROP, [have("gone")], []),
    ],
)
def test_what_is_kept_is_no_change_and_no_obstacle(
    change: Change, shape: list[ShapeColumn], columns: list[WantedColumn]
) -> None:
    """As if nobody had looked."""
    follow = Follow(answers={**EVERYTHING.answers, change: Answer.KEEP})
    found = plan(shape, columns, follow, gone=("gone",))
    assert (found.steps, found.obstacles) == ((), ())
    seen = plan(shape, columns, gone=("gone",))
    assert seen.steps or seen.obstacles


def test_what_others_fill_is_neither_relaxed_nor_dropped() -> None:
    """Columns of ours, and in a table with triggers whatever these may fill."""
    shape = TableShape(columns=(KEY, have("ours", required=True), have("word", required=True)))
    wanted = Wanted(
        table=TABLE,
        topic="t",
        schema_id=7,
        columns=(ID,),
        identity=("id",),
        more=(NewColumn(name="ours", types=("text",)),),
        gone=("ours",),
    )
    assert planned(shape, wanted, EVERYTHING).steps == (RelaxColumn("word", gone=True),)
    assert planned(replace(shape, triggered=True), wanted, EVERYTHING).steps == ()


@given(known=st.dictionaries(NAMES, st.tuples(NAMES, st.integers(1, 9))), sources=st.dictionaries(NAMES, NAMES))
def test_what_a_living_column_of_the_source_fills_is_not_gone(
    known: dict[str, tuple[str, int]], sources: dict[str, str]
) -> None:
    """Whatever other columns had their values there before."""
    had = {name: SourceColumn(target=target, schema_id=schema) for name, (target, schema) in known.items()}
    wanted = Wanted(table=TABLE, topic="t", schema_id=5, columns=(), identity=(), sources=sources)
    left = gone(had, wanted)
    assert not left & set(sources.values())
    assert not left & {each.target for name, each in had.items() if name in sources or each.schema_id >= 5}
    assert left <= {each.target for each in had.values()}


def test_a_column_that_is_to_go_takes_nulls_until_then() -> None:
    """Rows of older schemas may come, and keep it."""
    keeping = Follow(answers={**EVERYTHING.answers, Change.RELAX: Answer.KEEP})
    found = plan([have("gone", required=True)], [], keeping, gone=("gone",))
    assert found.steps == (RelaxColumn("gone", gone=True), DropColumn("gone"))


def test_only_what_older_schemas_had_is_dropped() -> None:
    """Neither the key nor columns that people added to the target."""
    shape = [have("gone"), have("own"), have("part", key=True)]
    assert plan(shape, [], gone=("gone", "part")).steps == (DropColumn("gone"),)


RENAMED = Follow(answers=EVERYTHING.answers, renamed={"old": "new"})


@pytest.mark.parametrize(
    ("shape", "columns", "steps", "names"),
    [
        pytest.param([have("old")], [want("new")], [RenameColumn("old", "new")], {}, id="the first with the new name"),
        pytest.param([have("new")], [want("new")], [], {}, id="those behind it"),
        pytest.param([have("new")], [want("old")], [], {"old": "new"}, id="older ones"),
        pytest.param([have("old")], [want("old")], [], {}, id="older ones in front of it"),
        pytest.param(
            [have("old")],
            [want("old"), want("new")],
            [AddColumn(replace(NEW, name="new"))],
            {},
            id="both at the source",
        ),
        pytest.param([have("old"), have("new")], [want("new")], [], {}, id="both in the target"),
        pytest.param(
            [have("old", "integer")],
            [want("new", "bigint")],
            [RenameColumn("old", "new"), WidenType("new", sql_type("integer"), sql_type("bigint"))],
            {},
            id="and wider",
        ),
    ],
)
def test_a_column_is_renamed_where_the_settings_say_so(
    shape: list[ShapeColumn], columns: list[WantedColumn], steps: list[Step], names: Mapping[str, str]
) -> None:
    """And rows of older schemas go into the column with the new name."""
    found = plan(shape, columns, RENAMED)
    assert list(found.steps) == steps
    assert found.names == names
    assert found.obstacles == ()


@pytest.mark.parametrize("renamed", [{"a": "b", "b": "c"}, {"b": "c", "a": "b"}])
def test_a_column_that_takes_the_name_of_a_renamed_one_is_for_a_person(renamed: dict[str, str]) -> None:
    """Each would lose its values to the other; once both are renamed nothing is in the way."""
    follow = Follow(answers=EVERYTHING.answers, renamed=renamed)
    columns = [want("b"), want("c")]
    (obstacle,) = plan([have("a"), have("b")], columns, follow).obstacles
    assert obstacle.why.startswith("c: expected one renaming")
    done = plan([have("b"), have("c")], columns, follow)
    assert (done.steps, done.obstacles) == ((), ())


def test_a_renamed_key_keeps_older_records_out() -> None:
    """Their rows are told apart by a column that is not there."""
    wanted = Wanted(table=TABLE, topic="t", schema_id=7, columns=(want("old", "bigint"),), identity=("old",))
    found = planned(TableShape(columns=(replace(KEY, name="new"),)), wanted, RENAMED)
    assert [obstacle.step for obstacle in found.obstacles] == [None]


def test_without_a_word_about_it_a_renamed_column_is_a_new_one() -> None:
    """And the old one stays: nobody can tell."""
    assert plan([have("old")], [want("new")]).steps == (AddColumn(replace(NEW, name="new")),)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, Answer.AUTO),
        ({Change.WIDEN: Answer.APPROVE}, Answer.APPROVE),
        ({Change.DEFAULT: Answer.APPROVE}, Answer.APPROVE),
        ({Change.WIDEN: Answer.APPROVE, Change.ADD: Answer.REFUSE}, Answer.REFUSE),
        ({Change.DROP: Answer.REFUSE}, Answer.AUTO),
    ],
)
def test_the_strictest_answer_decides(answers: dict[Change, Answer], said: Answer) -> None:
    """A column that is added with a default is both."""
    steps = [AddColumn(replace(NEW, default=1)), WidenType("c", sql_type("integer"), sql_type("bigint"))]
    assert answer(steps, {**EVERYTHING.answers, **answers}) is said


LABELS = st.lists(st.sampled_from(["x", "y", "z", "w"]), unique=True, min_size=1).map(tuple)


@st.composite
def shapes(draw: st.DrawFn) -> TableShape:
    """A table with the key and some columns, one of which may be an enum."""
    columns = []
    for name in draw(st.lists(NAMES, unique=True)):
        labels = draw(st.none() | LABELS.map(lambda them: replace(MOOD, labels=them)))
        kind = sql_type("public.mood") if labels else draw(TYPES)
        columns.append(
            ShapeColumn(name=name, type=kind, required=draw(st.booleans()), filled=draw(st.booleans()), labels=labels)
        )
    return TableShape(columns=(KEY, *columns))


@st.composite
def wishes(draw: st.DrawFn) -> Wanted:
    """Columns of a source."""
    columns = []
    for name in draw(st.lists(NAMES, unique=True)):
        kind = draw(TYPES)
        columns.append(
            WantedColumn(
                name=name,
                source=name,
                created=(str(kind),),
                type=draw(st.sampled_from([kind, None])),
                sized=draw(st.booleans()),
                nullable=draw(st.booleans()),
                default=draw(st.sampled_from([None, 1])),
                labels=draw(st.sampled_from([(), ("x", "y"), ("w", "x", "z")])),
                brought=draw(st.sampled_from([(), ("x", "y"), ("v", "z", "w")])),
            )
        )
    gone = draw(st.lists(NAMES))
    return Wanted(table=TABLE, topic="t", schema_id=7, columns=(ID, *columns), identity=("id",), gone=gone)


FOLLOWS = st.builds(
    Follow,
    answers=st.fixed_dictionaries({change: st.sampled_from([Answer.AUTO, Answer.KEEP]) for change in Change}),
    renamed=st.dictionaries(NAMES, NAMES, max_size=2),
)


@given(shape=st.none() | shapes(), wanted=wishes(), follow=FOLLOWS)
def test_a_table_that_followed_has_nothing_left_to_do(shape: TableShape | None, wanted: Wanted, follow: Follow) -> None:
    """Whatever it was, and whatever is wanted."""
    first = planned(shape, wanted, follow)
    then = planned(
        after(shape or TableShape(columns=()), first.steps) if shape else after(None, first.steps), wanted, follow
    )
    assert then.steps == ()
    assert then.obstacles == first.obstacles


@given(shape=shapes(), wishes_of_schemas=st.lists(wishes(), max_size=4), follow=FOLLOWS)
def test_several_schemas_of_one_table_agree_in_the_end(
    shape: TableShape, wishes_of_schemas: list[Wanted], follow: Follow
) -> None:
    """What one of them wants is no reason for another one to want it undone; columns go apart from all else."""
    for _ in range(len(wishes_of_schemas) + 1):
        before = shape
        for wanted in wishes_of_schemas:
            steps = [step for step in planned(shape, wanted, follow).steps if not isinstance(step, DropColumn)]
            shape = after(shape, steps)
    assert shape == before


@given(shape=shapes(), wanted=wishes(), follow=FOLLOWS)
def test_nothing_of_what_a_column_holds_is_lost(shape: TableShape, wanted: Wanted, follow: Follow) -> None:
    """Names may change; a column goes only where the source had it."""
    steps = planned(shape, wanted, follow).steps
    renamed = {step.column: step.new for step in steps if isinstance(step, RenameColumn)}
    now = {column.name: column for column in after(shape, steps).columns}
    for column in shape.columns:
        there = now.get(renamed.get(column.name, column.name))
        if there is None:
            assert column.name in wanted.gone
        else:
            assert _room(there.type) >= _room(column.type)
            assert there.required <= column.required


def _room(kind: SqlType) -> tuple[float, ...]:
    """How much of its kind a type holds, said in another way: digits in front of the point, characters, seconds."""
    whole = {"smallint": 5, "integer": 10, "bigint": 19}
    everything = float("inf")
    if kind.name in whole:
        return (whole[kind.name],)
    if kind.name == "numeric":
        return (kind.limits[0] - kind.limits[1],) if kind.limits else (everything,)
    if kind.name in ("real", "double precision"):
        return (24 if kind.name == "real" else 53,)
    return (kind.limits[0] if kind.limits else everything,)
