"""The statements that change a table. Identifiers are composed, never formatted; type names are `consumer.core`'s."""

from collections.abc import Sequence

from psycopg import sql

from consumer.core.steps import (
    AddColumn,
    AddLabel,
    CreateTable,
    DropColumn,
    NewColumn,
    RelaxColumn,
    RenameColumn,
    SetDefault,
    Step,
    WidenType,
)
from consumer.core.target import TableName
from consumer.edges.postgres.staged_rows import table_name


def statement(table: TableName, step: Step) -> sql.Composed:
    """A step as a statement of its own."""
    if isinstance(step, CreateTable):
        return _create(table, step)
    if isinstance(step, AddLabel):
        return label_statement(step)
    return _altered(table, [step])


def statements(table: TableName, steps: Sequence[Step]) -> list[sql.Composed]:
    """Steps that are no labels as few statements, so that the table is written anew once: only renames stand alone."""
    alone = [step for step in steps if isinstance(step, CreateTable | RenameColumn)]
    together = [step for step in steps if step not in alone]
    return [*(statement(table, step) for step in alone), *([_altered(table, together)] if together else [])]


def _altered(table: TableName, steps: Sequence[Step]) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} {}").format(table_name(table), sql.SQL(", ").join(map(_alteration, steps)))


def _create(table: TableName, step: CreateTable) -> sql.Composed:
    key = [sql.SQL("PRIMARY KEY ({})").format(_names(step.identity))] if step.identity else []
    parts = sql.SQL(", ").join([*map(_column, step.columns), *key])
    return sql.SQL("CREATE TABLE {} ({})").format(table_name(table), parts)


def _column(column: NewColumn) -> sql.Composed:
    parts: list[sql.Composable] = [sql.Identifier(column.name), sql.SQL(column.types[0])]
    if column.required:
        parts.append(sql.SQL("NOT NULL"))
    if column.default is not None:
        parts += [sql.SQL("DEFAULT"), sql.Literal(column.default)]
    return sql.SQL(" ").join(parts)


def _alteration(step: Step) -> sql.Composed:
    if isinstance(step, AddColumn):
        return sql.SQL("ADD COLUMN {}").format(_column(step.column))
    if isinstance(step, RenameColumn):
        return sql.SQL("RENAME COLUMN {} TO {}").format(sql.Identifier(step.column), sql.Identifier(step.new))
    assert not isinstance(step, CreateTable | AddLabel), "these are no alterations of a table"
    column = sql.Identifier(step.column)
    if isinstance(step, DropColumn):
        return sql.SQL("DROP COLUMN {}").format(column)
    return sql.SQL("ALTER COLUMN {} {}").format(column, _of_column(step, column))


def _of_column(step: WidenType | RelaxColumn | SetDefault, column: sql.Identifier) -> sql.Composed:
    if isinstance(step, RelaxColumn):
        return sql.Composed([sql.SQL("DROP NOT NULL")])
    if isinstance(step, SetDefault):
        return sql.SQL("SET DEFAULT {}").format(sql.Literal(step.default))
    kind = sql.SQL(str(step.new))
    # what is wider needs no rule, and without one PostgreSQL sees itself where no row has to be written anew
    text = "TYPE {} USING CAST({} AS {})" if step.cast else "TYPE {}"
    return sql.SQL(text).format(kind, column, kind)


def label_statement(step: AddLabel) -> sql.Composed:
    """A label that is added, whatever table has it."""
    kind, label = sql.Identifier(step.type.schema, step.type.type), sql.Literal(step.label)
    added = sql.SQL("ALTER TYPE {} ADD VALUE IF NOT EXISTS {}").format(kind, label)
    if step.behind is not None:
        return sql.SQL("{} AFTER {}").format(added, sql.Literal(step.behind))
    if step.type.labels:
        return sql.SQL("{} BEFORE {}").format(added, sql.Literal(step.type.labels[0]))
    return added


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
