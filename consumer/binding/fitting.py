"""How a topic's columns go into a table: each has a column that takes it, and the table wants nothing more of new rows.

Each refusal says the field where there is one, what was expected, what was found and what to do about it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from consumer.binding.gates import Cannot
from consumer.binding.mapping import Row
from consumer.core.binding import BoundColumn
from consumer.core.checks import Check, Rules, UnfitRule, compiled
from consumer.core.envelope import Column
from consumer.core.history import OPERATION, STAGED
from consumer.core.meaning import Meaning, meaning
from consumer.core.modes import SoftDelete
from consumer.core.target import TargetColumn, TargetTable
from consumer.core.types import COUNTED, OF_ITS_OWN, PARTS, ColumnPolicy, Kind, carriage
from consumer.core.writes import StagedColumn

_OF_POSTGRESQL = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})

HasCasts = Callable[[Sequence[tuple[str, str]]], Sequence[bool]]


def bound_columns(
    table: TargetTable, row: Row, identity: Sequence[str], policy: Callable[[str], ColumnPolicy]
) -> tuple[BoundColumn, ...]:
    """Each column with the target's that takes it; generated ones take nothing. Raises Cannot."""
    bound = []
    for column in row.columns:
        target = table.column(row.name(column.name))
        if target is None:
            detail = (
                f"after.{column.name}: expected a column {row.name(column.name)!r} in table {table.name}, found none"
            )
            raise Cannot("table.shape", detail, _ADD_COLUMN, f"after.{column.name}")
        if target.required and row.erases(column.name):
            detail = f"after.{column.name}: expected a column that takes nulls, since it is erased, found NOT NULL"
            raise Cannot("table.settings", detail, _MASK, f"after.{column.name}")
        if not target.generated:
            said = policy(column.name)
            decided = row.policy(said, column)
            _require_form(column, target.kind, decided)
            _require_whole_keys(column, decided, identity)
            # images are as the source wrote them, whatever stands in the place of their values then
            how = replace(carriage(column, target.kind, decided), policy=said)
            bound.append(BoundColumn(source=column, target=target, how=how))
    _require_key(table, row, identity, bound)
    return tuple(bound)


def require_settable(columns: Sequence[BoundColumn], identity: Sequence[str]) -> None:
    """Raises Cannot for a column that new rows can have a value of, and rows that are there no other one.

    `identity`: the columns of the target that tell its rows apart, which no update sets.
    """
    for column in columns:
        if column.target.always and column.target.name not in identity:
            field = f"after.{column.source.name}"
            detail = f"{field}: expected a column that updates can set, found GENERATED ALWAYS AS IDENTITY"
            raise Cannot("table.shape", detail, _BY_DEFAULT, field)


def _require_form(column: Column, target: Kind, policy: ColumnPolicy) -> None:
    """Raises Cannot where it could only be guessed how texts stand for bytes."""
    item, kind = column, target
    if column.avro == "array" and column.item is not None and target.item is not None:
        item, kind = column.item, target.item
    if meaning(item) is Meaning.BYTES and kind.name in OF_ITS_OWN:
        detail = f"after.{column.name}: expected values for a column of type {kind.name}, found bytes"
        raise Cannot("table.shape", detail, _NO_BYTES, f"after.{column.name}")
    if kind.name in PARTS.get(meaning(item), ()):
        detail = f"after.{column.name}: expected what a column of type {kind.name} holds, found more: {_said(item)}"
        raise Cannot("table.shape", detail, _OTHER_TYPE, f"after.{column.name}")
    if column.avro == "array" and item is column and column.item is not None and meaning(column.item) in COUNTED:
        detail = f"after.{column.name}: expected an array column for values of {_said(column.item)}, found {kind.name}"
        raise Cannot("table.shape", detail, _AN_ARRAY, f"after.{column.name}")
    if (target.item or target).masked:
        detail = f"after.{column.name}: expected a column of type interval that keeps all fields, found one of some"
        raise Cannot("table.shape", detail, _NO_MASK, f"after.{column.name}")
    if meaning(item) is Meaning.TEXT and kind.name == "bytea" and policy.binary is None:
        detail = f"after.{column.name}: expected bytes for a column of type bytea, found text"
        raise Cannot("table.shape", detail, _BYTES, f"after.{column.name}")


def _said(column: Column) -> str:
    return meaning(column).value


def _require_whole_keys(column: Column, policy: ColumnPolicy, identity: Sequence[str]) -> None:
    """Raises Cannot where rows would become one."""
    if column.name not in identity:
        return
    for what, name, said in (
        ("zero bytes", "zero_bytes", policy.zero_bytes),
        ("parts of a microsecond", "nanoseconds", policy.nanoseconds),
    ):
        if said != "reject":
            detail = f"after.{column.name}: {what} of a key column can't be taken out, found {said!r}"
            raise Cannot("table.shape", detail, _WHOLE_KEYS.format(name), f"after.{column.name}")


def _require_key(table: TargetTable, row: Row, identity: Sequence[str], bound: Sequence[BoundColumn]) -> None:
    """Raises Cannot where rows could not be found by their key."""
    missing = sorted(set(identity) - {column.source.name for column in bound})
    if missing and table.column(row.name(missing[0])) is not None:
        detail = f"after.{missing[0]}: expected a key column that can be written, found one that the table computes"
        raise Cannot("table.identity", detail, _COMPUTED, f"after.{missing[0]}")
    if missing:
        detail = f"after.{missing[0]}: expected the key's columns in the row, found none"
        raise Cannot("table.identity", detail, _KEYS, f"after.{missing[0]}")


def require_values(table: TargetTable, columns: Sequence[BoundColumn], soft: SoftDelete | None = None) -> None:
    """Raises Cannot where the table wants a value of new rows that nothing gives it."""
    given = {column.target.name for column in columns} | {soft.column if soft else ""}
    for column in table.columns:
        if column.needed and column.name not in given:
            detail = (
                f"{column.name}: expected a default, or null allowed, for a column of table {table.name} that the "
                "topic does not have, found NOT NULL without a default"
            )
            raise Cannot("table.shape", detail, _GIVE_DEFAULT, f"after.{column.name}")


def require_casts(columns: Sequence[BoundColumn], has_casts: HasCasts) -> None:
    """Raises Cannot where a type can't become the target's, whatever the value."""
    cast = [column for column in columns if column.how.cast]
    pairs = [(column.how.staging, column.target.cast) for column in cast]
    for column, there in zip(cast, has_casts(pairs) if pairs else (), strict=True):
        if not there:
            detail = (
                f"after.{column.source.name}: expected a type that {column.target.cast} can be cast from, "
                f"found {column.how.meaning.value}"
            )
            raise Cannot("table.shape", detail, _OTHER_TYPE, f"after.{column.source.name}")


def column_checks(
    table: TargetTable, columns: Sequence[Column], bound: Sequence[BoundColumn], rules: Mapping[str, Rules]
) -> tuple[Check, ...]:
    """The rules of the settings as checks of these columns. Raises Cannot.

    A column that the table has and this schema does not is one that came later or went.
    """
    by_name = {column.name: column for column in columns}
    written = {column.source.name for column in bound}
    checks: list[Check] = []
    for name, wanted in rules.items():
        if name in written and name in by_name:
            try:
                checks += compiled(by_name[name], wanted)
            except UnfitRule as error:
                raise Cannot("table.settings", str(error), _OTHER_RULE, f"after.{name}") from error
        elif name in by_name or table.column(name) is None:
            found = "one that is not written" if name in by_name else "none"
            detail = f"after.{name}: expected a column for the check in the settings of {table.name}, found {found}"
            raise Cannot("table.settings", detail, _OTHER_RULE, f"after.{name}")
    return tuple(checks)


def no_identity(table: TargetTable, identity: Sequence[str]) -> Cannot:
    """Nothing of the table tells the topic's rows apart."""
    columns = ", ".join(identity)
    return Cannot(
        "table.identity",
        f"table {table.name} has no unique index over exactly the key's columns ({columns}), all NOT NULL, "
        "and its topic has more than one partition",
        f"Create one: it must be valid, immediate and not partial, for example PRIMARY KEY ({columns}).",
    )


def unguarded(table: TargetTable, identity: Sequence[str]) -> Cannot:
    """Rows that are replaced can't have a version."""
    columns = ", ".join(identity)
    return Cannot(
        "table.identity",
        f"rows of table {table.name} are replaced, since it has no unique index over exactly the key's columns "
        f"({columns}), and a row that is replaced can't keep out what is older",
        f"Create one, for example PRIMARY KEY ({columns}), or remove version_column from the table's settings.",
    )


def history_columns(table: TargetTable) -> tuple[StagedColumn, ...]:
    """What a history says of each change, as far as the table has columns for it. Raises Cannot."""
    if table.column(OPERATION) is None:
        raise Cannot(
            "table.shape", f"table {table.name} has no column {OPERATION!r}, so it is no history", _ADD_HISTORY
        )
    found = []
    for name, staging in STAGED.items():
        target = table.column(name)
        if target is not None and not target.generated:
            found.append(StagedColumn(name=name, staging=staging, cast=_cast(target, staging)))
    return tuple(found)


def _cast(target: TargetColumn, staging: str) -> str | None:
    return None if target.type_name == staging else target.cast


def require_inserts(table: TargetTable, written: Sequence[str], also: Sequence[str] = ()) -> None:
    """Raises Cannot where the role may not append to the table, or do what it has to do `also`, or the table wants more
    of new rows.
    """
    for column in table.columns:
        if column.needed and column.name not in written:
            detail = f"{column.name}: expected a default, or null allowed, found NOT NULL without a default"
            raise Cannot("table.shape", detail, _GIVE_DEFAULT, f"after.{column.name}")
    lacks = {what for what in table.lacks if what != "DELETE" or what in also}
    needed = {"INSERT", *also}
    lacks |= {f"{what} of {c.name!r}" for c in table.columns if c.name in written for what in needed & c.lacks}
    if lacks:
        detail = f"the role may not append to table {table.name}; it lacks {', '.join(sorted(lacks))}"
        raise Cannot("table.privilege", detail)


def unmarked(table: TargetTable, identity: Sequence[str]) -> Cannot:
    """Rows that are replaced can't be marked as deleted."""
    columns = ", ".join(identity)
    return Cannot(
        "table.identity",
        f"rows of table {table.name} are replaced, since it has no unique index over exactly the key's columns "
        f"({columns}), and a row that is replaced can't stay as a deleted one",
        f"Create one, for example PRIMARY KEY ({columns}), or remove soft_delete from the table's settings.",
    )


def version_column(table: TargetTable, version: Column) -> BoundColumn:
    """The column that keeps positions, as the table has it."""
    target = table.column(version.name)
    if target is None:
        detail = f"table {table.name} has no column {version.name!r}, which is to be its version_column"
        raise Cannot("table.shape", detail, _ADD_VERSION)
    if target.type_name != "int8" or target.required or target.generated or target.identity:
        detail = f"column {version.name!r} of table {table.name} is no plain bigint that takes nulls"
        raise Cannot("table.shape", detail, _ADD_VERSION)
    return BoundColumn(source=version, target=target, how=carriage(version, target.kind))


def soft_column(table: TargetTable, name: str, source: Sequence[Column]) -> SoftDelete:
    """The column that marks deleted rows, as the table has it. Raises Cannot."""
    target = table.column(name)
    if name in {column.name for column in source}:
        raise Cannot("table.shape", f"the source has a column {name!r} too, which is to mark deleted rows", _OTHER_SOFT)
    if target is None:
        raise Cannot("table.shape", f"table {table.name} has no column {name!r} to mark deleted rows", _ADD_SOFT)
    timed = target.type_name in ("timestamptz", "timestamp")
    if not (timed or target.type_name == "bool") or target.generated or target.identity or (timed and target.required):
        detail = f"column {name!r} of table {table.name} is no plain boolean, or time that takes nulls"
        raise Cannot("table.shape", detail, _ADD_SOFT)
    return SoftDelete(column=name, timed=timed, cast=target.cast)


def require_of_its_own(row: Row, ours: Collection[str], remedy: str) -> None:
    """Raises Cannot where a column, as the settings have it, goes into one that is ours, or into PostgreSQL's own."""
    for column in row.columns:
        name, field = row.name(column.name), f"after.{column.name}"
        if name in ours:
            detail = f"{field}: expected a column of its own in the table, found {name!r}, which Headrace itself fills"
            raise Cannot("table.settings", detail, remedy, field)
        if name in _OF_POSTGRESQL:
            detail = f"{field}: expected a name that a column can have, found that of PostgreSQL's own {name!r}"
            raise Cannot("table.settings", detail, OTHER_NAME, field)


def require_privileges(
    table: TargetTable,
    columns: Sequence[BoundColumn],
    identity: Sequence[str],
    compared: Collection[str],
    soft: SoftDelete | None = None,
) -> None:
    """Whatever a batch may do must be allowed: rows are found by their key, compared, inserted, updated and deleted.

    `compared`: the table's columns in which what is there decides about a change.
    """
    lacks = set(table.lacks)
    if soft is not None:
        mark = table.column(soft.column)
        assert mark is not None, "it was looked at before"
        lacks = lacks - {"DELETE"} | {f"{what} of {soft.column!r}" for what in mark.lacks}
    for column in columns:
        needed = {"INSERT", "UPDATE"}
        if column.target.name in identity:
            respelled = column.spelled and frozenset(identity) in table.unique
            needed = {"INSERT", "SELECT", "UPDATE"} if respelled else {"INSERT", "SELECT"}
        elif column.target.name in compared:
            needed |= {"SELECT"}
        lacks |= {f"{what} of {column.target.name!r}" for what in needed & column.target.lacks}
    if lacks:
        detail = f"the role may not do all that rows of table {table.name} need; it lacks {', '.join(sorted(lacks))}"
        raise Cannot("table.privilege", detail)


_MASK = "Drop the table column's NOT NULL, or set `mask` in the place of `erase` in the column's settings."
_OTHER_RULE = (
    "Correct the check in the table's `checks` in the settings, or remove it, then have the workers read their "
    "settings again (SIGHUP, or headrace workers reload)."
)
_KEYS = (
    "Remove the transforms of the connector that change keys (ValueToKey, ExtractField$Key, ReplaceField), or that "
    "take these columns out of rows."
)
_COMPUTED = (
    "Make it a plain column of the target table, or name other columns of its replica identity in message.key.columns "
    "of the connector."
)
_GIVE_DEFAULT = "Give the column a default, or drop its NOT NULL, or have a BEFORE INSERT trigger set it."
_BY_DEFAULT = "ALTER TABLE … ALTER COLUMN … SET GENERATED BY DEFAULT: the source numbers its rows itself."
_ADD_COLUMN = "Add the column to the target table, or exclude it at the source."
_ADD_VERSION = "Add it with ALTER TABLE … ADD COLUMN … bigint, or name another column as the table's version_column."
OTHER_NAME = "Rename the column in the table's settings, or exclude it; if it is a constant there, name it otherwise."
"""What to do where a column can't have its name in the table."""
OTHER_OWN = "Name another column as the table's version_column or soft_delete, or give this one another name there."
"""The same, where people have named the other one too."""
_ADD_HISTORY = "Let Headrace create the table, or add the columns of docs/how-to/keep-history.md."
_OTHER_SOFT = "Name another column as the table's soft_delete."
_ADD_SOFT = "Add it, boolean or timestamptz without NOT NULL, or name another column as the table's soft_delete."
_BYTES = (
    "Set `binary` of the column in the settings to the connector's binary.handling.mode, or that to bytes, or make the "
    "target column text."
)
_NO_BYTES = "Make the target column bytea, or exclude the column at the source."
_OTHER_TYPE = "Give the target column the type that docs/reference/types.md names, or exclude the column at the source."
_AN_ARRAY = "Make the target column an array of dates, times or intervals; as text there would be bare counts."
_NO_MASK = "Alter the column's type to interval without fields (day, year to month): it would leave out the others."
_WHOLE_KEYS = 'Remove `{}` from the column\'s settings, or set it to "reject": keys that differ would be one.'
