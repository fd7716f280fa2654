"""What steps make of a table, said by itself: PostgreSQL's rules as far as the tests need them."""

from collections.abc import Sequence
from dataclasses import replace

from consumer.core.sqltypes import sql_type
from consumer.core.steps import (
    AddColumn,
    AddLabel,
    CreateTable,
    DropColumn,
    NewColumn,
    RelaxColumn,
    RenameColumn,
    SetDefault,
    ShapeColumn,
    Step,
    TableShape,
    WidenType,
)
from consumer.core.target import TableName, TargetColumn, TargetTable

_NAMES = {
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "boolean": "bool",
    "real": "float4",
    "double precision": "float8",
    "character varying": "varchar",
    "timestamp without time zone": "timestamp",
}


def after(shape: TableShape | None, steps: Sequence[Step]) -> TableShape:
    """The shape when the steps are done one after the other."""
    for step in steps:
        shape = _done(shape, step)
    assert shape is not None
    return shape


def _done(shape: TableShape | None, step: Step) -> TableShape:
    if isinstance(step, CreateTable):
        assert shape is None
        return TableShape(columns=tuple(_made(column, key=column.name in step.identity) for column in step.columns))
    assert shape is not None
    if isinstance(step, AddColumn):
        assert shape.column(step.column.name) is None
        return TableShape(columns=(*shape.columns, _made(step.column)))
    there = shape.column(step.column)
    assert there is not None
    if isinstance(step, DropColumn):
        return TableShape(columns=tuple(column for column in shape.columns if column != there))
    return TableShape(columns=tuple(_changed(column, step) if column == there else column for column in shape.columns))


def _made(column: NewColumn, *, key: bool = False) -> ShapeColumn:
    kind = sql_type(column.types[0])
    return ShapeColumn(name=column.name, type=kind, required=key, key=key, filled=column.default is not None)


def _changed(column: ShapeColumn, step: Step) -> ShapeColumn:
    if isinstance(step, WidenType):
        assert step.old == column.type
        return replace(column, type=step.new)
    if isinstance(step, RelaxColumn):
        assert not column.key
        return replace(column, required=False)
    if isinstance(step, SetDefault):
        return replace(column, filled=True)
    if isinstance(step, RenameColumn):
        return replace(column, name=step.new)
    assert isinstance(step, AddLabel)
    assert column.labels is not None
    labels = list(column.labels.labels)
    labels.insert(labels.index(step.behind) + 1 if step.behind else 0, step.label)
    return replace(column, labels=replace(column.labels, labels=tuple(labels)))


def shape_of(table: TargetTable) -> TableShape:
    """A table's shape; its first unique index is its primary key."""
    key = next(iter(table.unique), frozenset())
    return TableShape(
        columns=tuple(
            ShapeColumn(
                name=column.name,
                type=sql_type(column.cast),
                required=column.required,
                key=column.name in key,
                fixed=column.generated,
            )
            for column in table.columns
        )
    )


def table_of(name: TableName, shape: TableShape) -> TargetTable:
    """A table of that shape."""
    columns = tuple(
        TargetColumn(
            name=column.name,
            type_name=_NAMES.get(column.type.name, column.type.name),
            cast=str(column.type),
            required=column.required,
        )
        for column in shape.columns
    )
    return TargetTable(
        name=name, columns=columns, unique=(frozenset(column.name for column in shape.columns if column.key),)
    )
