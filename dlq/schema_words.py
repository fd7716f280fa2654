"""How a record's writer schema differs from the table that it is for, and from the newest schema of it, in words."""

from collections.abc import Iterator, Mapping, Sequence

from consumer.binding.mapping import PLAIN, TableMapping
from consumer.core.avro import UnsupportedSchema
from consumer.core.envelope import Column, read_writer_schema
from consumer.core.meaning import meaning
from consumer.core.target import TargetTable


def columns_of(text: str) -> tuple[Column, ...]:
    """The columns of a writer schema's row; none where it is no envelope that can be read."""
    try:
        return read_writer_schema(text).columns
    except (UnsupportedSchema, KeyError, TypeError, StopIteration):
        return ()


def against_newest(columns: Sequence[Column], newest: Sequence[Column], number: int) -> list[str]:
    """What the newest schema, which has this id, says otherwise."""
    ours, theirs = _by_name(columns), _by_name(newest)
    added = [
        f"after.{name} is not in it; schema {number} has it ({_words(theirs[name])})" for name in _only(theirs, ours)
    ]
    gone = [
        f"after.{name} is in it ({_words(ours[name])}); schema {number} does not have it"
        for name in _only(ours, theirs)
    ]
    return [*added, *gone, *_otherwise(ours, theirs, number)]


def against_table(columns: Sequence[Column], table: TargetTable, mapping: TableMapping = PLAIN) -> list[str]:
    """What the table does not have of it, and what it has besides; by the names that the settings give columns."""
    kept = {mapping.name(column.name): column for column in columns if mapping.keeps(column.name)}
    targets = {column.name: column for column in table.columns}
    said = [f"after.{kept[name].name} has no column {name!r} in {table.name}" for name in _only(kept, targets)]
    for name in _only(targets, {**kept, **mapping.constants}):
        needed = ", which wants a value" if targets[name].needed else ""
        said.append(f"{table.name} has a column {name!r} ({targets[name].cast}) that is not in it{needed}")
    for name in kept.keys() & targets.keys():
        if kept[name].nullable and targets[name].required:
            said.append(f"after.{kept[name].name} may be null; column {name!r} of {table.name} may not")
    return sorted(said)


def _otherwise(ours: Mapping[str, Column], theirs: Mapping[str, Column], number: int) -> Iterator[str]:
    for name in sorted(ours.keys() & theirs.keys()):
        one, other = _words(ours[name]), _words(theirs[name])
        if one != other:
            yield f"after.{name} is {one}; in schema {number} it is {other}"


def _words(column: Column) -> str:
    """What a column's values are."""
    what = meaning(column).value
    if column.item is not None and column.avro == "array":
        what = f"array of {meaning(column.item).value}"
    if column.precision is not None:
        what = f"decimal of {column.precision} digits, {column.scale or 0} behind the point"
    return f"{what}, may be null" if column.nullable else what


def _by_name(columns: Sequence[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}


def _only(these: Mapping[str, object], others: Mapping[str, object]) -> list[str]:
    return sorted(these.keys() - others.keys())
